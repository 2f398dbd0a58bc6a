# `make run` serves the service on loopback, `make test` checks all of it.

BUILD = swift build -c release --product session-fcgi --static-swift-stdlib

.PHONY: build run test package package-test container container-test bench bench-parts dependencies test-dependencies bench-dependencies clean

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

# An image of the package. CONTAINER_ENGINE=docker where that is what there is.
container: build
	rm -rf .build/container
	PACKAGE_FOLDER=.build/container deploy/package
	$(or $(CONTAINER_ENGINE),podman) build -f deploy/Containerfile -t session-fcgi .build/container

# The image and a pool of it, with Debian's podman, which takes root and some minutes.
container-test: build
	Tests/Container/run

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
