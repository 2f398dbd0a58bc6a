import ArgumentParser

@main
struct SessionFCGICommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "session-fcgi",
        abstract: "Keeps the chat sessions of LLM applications, as a FastCGI worker behind nginx.",
        discussion: """
            Settings come from the environment and from the file named by --env-file; the environment wins. \
            `session-fcgi check` shows and tests them.
            """,
        version: version,
        subcommands: [Serve.self, Check.self, Cleanup.self, Journal.self]
    )
}
