# `make demo` and `make test` are all that a newcomer needs; `make help` lists the rest.

SWIFT ?= swift
# Without debug information of the C libraries, which is a fifth of what they take to compile, and with no more of Swift
# than functions and lines, which is what a backtrace and a profile show.
RELEASE = NEEDLETAIL_ONLY=release $(SWIFT) build -c release --static-swift-stdlib -Xcc -g0 -Xswiftc -gline-tables-only
CHECKS = --explicit-target-dependency-import-check error

.DEFAULT_GOAL := help
.PHONY: help setup build release demo test test-one lint format bench docs clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install the C libraries where they are missing, through the system's package manager.
	@.ci/setup

build: setup ## Build everything, debug.
	$(SWIFT) build --build-tests $(CHECKS)

release: setup ## Build the executables, optimised and with Swift's libraries linked in.
	$(RELEASE)

demo: release ## Start the server and a small shop of services, and open the terminal view on them.
	@"$$($(RELEASE) --show-bin-path)/needletail" demo

test: setup ## Build and run every test.
	$(SWIFT) build --build-tests $(CHECKS)
	$(SWIFT) test --skip-build

test-one: setup ## Build and test one target alone: make test-one TARGET=NeedletailSeries [FILTER=name]
	NEEDLETAIL_ONLY=$(TARGET) $(SWIFT) test $(if $(FILTER),--filter '$(FILTER)')

lint: ## Check the format of every source file; warnings are errors.
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources $(wildcard Tests/*Tests) \
	  Tests/NeedletailTestSupport Tests/NeedletailSimulation Tests/NeedletailStorageSimulation Benchmarks/Package.swift Benchmarks/Sources

format: ## Bring every source file into the house's format.
	$(SWIFT) format --in-place --parallel --recursive Package.swift Sources $(wildcard Tests/*Tests) \
	  Tests/NeedletailTestSupport Tests/NeedletailSimulation Tests/NeedletailStorageSimulation Benchmarks/Package.swift Benchmarks/Sources

bench: release ## Measure ingest beside Prometheus and VictoriaMetrics (their Debian packages), as ratios.
	cd Benchmarks && $(SWIFT) build -c release && \
	  "$$($(SWIFT) build -c release --show-bin-path)/ingest-bench" "$$(cd .. && $(RELEASE) --show-bin-path)/needletail"

docs: setup ## Write the SDK's API documentation to docs/api.
	NEEDLETAIL_DOCS=1 $(SWIFT) package --allow-writing-to-directory docs/api generate-documentation \
	  --target Needletail --output-path docs/api --transform-for-static-hosting --warnings-as-errors

clean: ## Remove what was built.
	rm -rf .build Benchmarks/.build
