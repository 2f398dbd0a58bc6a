import ArgumentParser
import Logging

/// The admin's and the clients' tokens in force.
struct Tokens {
    let admin: TokenSet
    let api: TokenSet
    private let settings: Settings

    init(_ settings: Settings) throws {
        self.settings = settings
        admin = TokenSet(try settings.adminToken.load(named: "ADMIN_TOKEN"))
        api = TokenSet(try settings.apiTokens.load(named: "API_TOKENS"))
    }

    /// Reads the token files again. Where one cannot be read, its tokens stay as they were.
    func reload(_ logger: Logger) {
        for (name, source, tokens) in [
            ("ADMIN_TOKEN", settings.adminToken, admin), ("API_TOKENS", settings.apiTokens, api),
        ] {
            guard case .file = source else { continue }
            do throws(ConfigurationError) {
                tokens.replace(with: try source.load(named: name))
                logger.notice("Read tokens again.", metadata: ["setting": "\(name)"])
            } catch {
                logger.error("Kept the old tokens.", metadata: ["fault": "\(error.faults.joined(separator: "; "))"])
            }
        }
    }
}
