import CMongoC
import Logging
import Synchronization

/// libmongoc as this process has it: set up once, and its log led into ours.
enum MongoDriver {
    private static let logger = Mutex<Logger?>(nil)

    private static let isInitialized: Bool = {
        mongoc_init()
        mongoc_log_set_handler({ level, domain, message, _ in MongoDriver.log(level, domain, message) }, nil)
        return true
    }()

    /// To be called before anything else of libmongoc. The newest logger is the one that the driver writes to.
    static func prepare(logger newest: Logger) {
        logger.withLock { $0 = newest }
        _ = isInitialized
    }

    private static func log(
        _ level: mongoc_log_level_t, _ domain: UnsafePointer<CChar>?, _ message: UnsafePointer<CChar>?
    ) {
        guard let message, let logger = logger.withLock({ $0 }) else { return }
        let ours: Logger.Level = switch level {
        case MONGOC_LOG_LEVEL_ERROR, MONGOC_LOG_LEVEL_CRITICAL: .error
        case MONGOC_LOG_LEVEL_WARNING: .warning
        case MONGOC_LOG_LEVEL_MESSAGE: .notice
        case MONGOC_LOG_LEVEL_INFO: .info
        case MONGOC_LOG_LEVEL_DEBUG: .debug
        default: .trace
        }
        logger.log(
            level: ours, "The MongoDB driver has a message.",
            metadata: [
                "mongo.domain": "\(domain.map { String(cString: $0) } ?? "")",
                "mongo.message": "\(String(cString: message))",
            ])
    }
}
