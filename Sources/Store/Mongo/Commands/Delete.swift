import System

extension SessionCollection {
    /// How far off the time may be at which a standby took a deletion, in seconds: it is the worker's idea of the
    /// server's clock.
    private static let deletionMargin = 2

    /// Whether there was a session.
    /// - Parameter takenAt: when the deletion was taken, by the server's clock. One that comes late leaves alone what
    ///   others have appended since.
    func delete(_ id: SessionID, takenAt: Timestamp?) throws(StoreError) -> Bool {
        // The driver sends this again when the connection breaks, and a `delete` of many not.
        let command = BSONWriter.document { writer in
            writer.string("findAndModify", name)
            writer.document("query") { writer in
                writer.string("_id", id.bytes)
                if let takenAt {
                    writer.document("updated_at") { writer in
                        writer.document("$not") { $0.date("$gt", takenAt.advanced(bySeconds: Self.deletionMargin)) }
                    }
                }
                filterAlive(&writer)
            }
            writer.boolean("remove", true)
            writer.document("fields") { $0.int32("_id", 1) }
        }
        let wasThere = try findAndModify(command) != nil
        if wasThere { health.adjustCount(by: -1) }
        return wasThere
    }
}
