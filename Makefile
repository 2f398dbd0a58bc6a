# `make run` serves the service on loopback, `make test` checks all of it.

BUILD = swift build -c release --product session-fcgi --static-swift-stdlib

.PHONY: build run test dependencies test-dependencies clean

build: dependencies
	$(BUILD)

run: build
	deploy/run

test: test-dependencies
	$(BUILD)
	. .build/test-environment && swift test
	. .build/test-environment && .build/test-venv/bin/pytest -p no:cacheprovider Tests/EndToEnd

dependencies:
	@deploy/install-dependencies

test-dependencies:
	@deploy/install-dependencies --test

clean:
	rm -rf .build
