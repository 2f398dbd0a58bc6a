import Logging

/// The tokens in force, and where they come from.
struct Tokens: Sendable {
    let access: AccessControl
    private let sources: [(name: String, source: TokenSource, tokens: TokenSet)]

    init(admin: TokenSource, api: TokenSource) {
        access = AccessControl(admin: TokenSet(admin.tokens), api: TokenSet(api.tokens))
        sources = [("ADMIN_TOKEN", admin, access.admin), ("API_TOKENS", api, access.api)]
    }

    /// Reads the token files again. Where one cannot be read, its tokens stay as they were.
    func reload(_ logger: Logger) {
        for (name, source, tokens) in sources {
            guard case .file(let path, _) = source else { continue }
            do throws(ConfigurationError) {
                tokens.replace(with: try TokenSource.load(path, named: name))
                logger.notice("Read tokens again.", metadata: ["setting": "\(name)"])
            } catch {
                logger.error("Kept the old tokens.", metadata: ["cause": "\(error.faults.joined(separator: "; "))"])
            }
        }
    }
}
