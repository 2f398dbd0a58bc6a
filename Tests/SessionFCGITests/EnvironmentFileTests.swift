import Testing

@testable import SessionFCGI

@Suite struct EnvironmentFileTests {
    private func read(_ text: String) throws(ConfigurationError) -> [String: String] {
        try EnvironmentFile(text: text, name: ".env").variables
    }

    @Test func `lines are assignments, comments or blank`() throws {
        let text = "# comment\n\nA=1\n  B = two words \n#C=3\nexport D=4\nE=\nF=a=b#c\n"
        #expect(try read(text) == ["A": "1", "B": "two words", "D": "4", "E": "", "F": "a=b#c"])
    }

    @Test func `a value may stand in quotes`() throws {
        let text = "A=\"x y\"\nB='x y'\nC=\" x \"\nD=\"\nE=\"x'\nF=''\nG=say \"x\""
        #expect(
            try read(text) == ["A": "x y", "B": "x y", "C": " x ", "D": "\"", "E": "\"x'", "F": "", "G": "say \"x\""])
    }

    @Test func `lines may end as on Windows`() throws {
        #expect(try read("A=1\r\nB=\"2\"\r\n\r\n# c\r\nC=3") == ["A": "1", "B": "2", "C": "3"])
    }

    @Test func `the last of two assignments counts`() throws {
        #expect(try read("A=1\nA=2") == ["A": "2"])
    }

    @Test func `a line that is none of these is named by its number, without what it holds`() {
        let error = #expect(throws: ConfigurationError.self) { try read("A=1\ns3cret\nB=2\n=s3cret\n") }
        #expect(error?.faults.count == 2)
        #expect(error?.faults[0].contains("line 2") == true && error?.faults[1].contains("line 4") == true)
        #expect(error?.faults.joined().contains("s3cret") == false)
    }

    @Test func `a file that cannot be read is named`() {
        let error = #expect(throws: ConfigurationError.self) { try EnvironmentFile(path: "/nowhere/.env") }
        #expect(error?.faults.first?.contains("/nowhere/.env") == true)
    }
}
