# `make run` serves the service on loopback, `make test` checks all of it.

BUILD = swift build -c release --product session-fcgi --static-swift-stdlib

.PHONY: build run test package package-test bench bench-parts dependencies test-dependencies bench-dependencies clean

build: dependencies
	$(BUILD)

run: build
	deploy/run

test: test-dependencies
	$(BUILD)
	. .build/test-environment && swift test
	. .build/test-environment && .build/test-venv/bin/pytest -p no:cacheprovider Tests/EndToEnd

package: build
	deploy/package

# Makes and boots a clean Debian 12, which takes root and some minutes.
package-test: test-dependencies
	$(BUILD)
	Tests/Package/run

# Figures, not tests. With options: make bench BENCH='--requests --seconds 2 --repetitions 1'
bench: bench-dependencies
	$(BUILD)
	. .build/test-environment && .build/test-venv/bin/python Tests/Benchmark/run $(BENCH)

bench-parts: dependencies
	Tests/Benchmark/parts

dependencies:
	@deploy/install-dependencies

test-dependencies:
	@deploy/install-dependencies --test

bench-dependencies:
	@deploy/install-dependencies --bench

clean:
	rm -rf .build
