/// The version that `--version`, `/health` and the package carry.
let version = "1.0.0"
