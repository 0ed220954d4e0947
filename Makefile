# `make demo` and `make test` are all that a newcomer needs; `make help` lists the rest.

SWIFT ?= swift
# With colours a build on a terminal has other commands than one in a pipe, and each would compile what the other has done.
BUILD = $(SWIFT) build --no-color-diagnostics
# Without debug information of the C libraries, which is a fifth of what they take to compile, and with no more of Swift
# than functions and lines, which is what a backtrace and a profile show.
RELEASE = NEEDLETAIL_ONLY=release $(BUILD) -c release --static-swift-stdlib -Xcc -g0 -Xswiftc -gline-tables-only
CHECKS = --explicit-target-dependency-import-check error

.DEFAULT_GOAL := help
.PHONY: help setup build release demo test test-one tsan simulate fuzz lint format bench bench-peers bench-columns docs clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install the C libraries where they are missing, through the system's package manager.
	@.ci/setup

build: setup ## Build everything, debug.
	$(BUILD) --build-tests $(CHECKS)

release: setup ## Build the executables, optimised and with Swift's libraries linked in.
	$(RELEASE)

demo: release ## Start the server and a small shop of services, and watch them: make demo [PORT_BASE=17070]
	@"$$($(RELEASE) --show-bin-path)/needletail" demo $(if $(PORT_BASE),--port-base $(PORT_BASE))

# Simulations compute for minutes on the threads that other tests wait for, and seven times as long in a debug build.
COMPUTING = ^(NeedletailClusterTests|SimulationTests)\.
COMPUTING_ROOMS = NeedletailCluster,SimulationTests
# Five processes at once: nodes that wait for a processor take each other for dead.
CLUSTER = ^ClusterTests\.

# All begun at once, each of a thousand tests takes minutes, and what waits for another process runs into its limits.
AT_ONCE = SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=6

test: setup ## Build and run every test.
	$(BUILD) --build-tests $(CHECKS)
	$(AT_ONCE) $(SWIFT) test --skip-build --no-color-diagnostics --skip '$(COMPUTING)|$(CLUSTER)'
	$(SWIFT) test --skip-build --no-color-diagnostics --filter '$(CLUSTER)'
	NEEDLETAIL_ONLY=$(COMPUTING_ROOMS) $(SWIFT) test $(SIMULATE) --filter '$(COMPUTING)'

test-one: setup ## Build and test one target alone: make test-one TARGET=NeedletailSeries [FILTER=name]
	NEEDLETAIL_ONLY=$(TARGET) $(SWIFT) test --no-color-diagnostics $(if $(FILTER),--filter '$(FILTER)')

# The rooms whose tests do several things at once and build without a web server.
TSAN_ROOMS = NeedletailEnvironment,NeedletailBlocks,NeedletailSeries,NeedletailEvents,NeedletailCollector

tsan: setup ## Run the tests that do several things at once under ThreadSanitizer: make tsan [FILTER=name]
	NEEDLETAIL_TSAN=1 NEEDLETAIL_ONLY=$(TSAN_ROOMS) SWIFT_BACKTRACE=enable=no \
	  TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1 suppressions=$(CURDIR)/Tests/thread-sanitizer.supp" \
	  $(SWIFT) test --sanitize=thread --scratch-path .build-tsan --no-color-diagnostics \
	  --filter '$(or $(FILTER),ConcurrencyTests)'

# NEEDLETAIL_FUZZ names libFuzzer's library, which the toolchain has for programs with a main of their own.
FUZZ = NEEDLETAIL_FUZZ="$$(echo "$$(dirname "$$(command -v $(SWIFT))")"/../lib/clang/*/lib/linux/libclang_rt.fuzzer_no_main-x86_64.a)" \
  NEEDLETAIL_ONLY=NeedletailFuzz $(BUILD) -c release --scratch-path .build-fuzz

# Optimised, which is seven times as fast, and with what lets tests break something on purpose.
SIMULATE = -c release -Xswiftc -enable-testing -Xswiftc -DDEBUG --scratch-path .build-simulate --no-color-diagnostics

simulate: setup ## Run the simulated cluster: make simulate [SEEDS=1000]; SEED=7 replays one and tells all; PLANTED=1 finds all planted mistakes.
	NEEDLETAIL_ONLY=$(COMPUTING_ROOMS) SWIFT_DETERMINISTIC_HASHING=1 SWIFT_BACKTRACE=enable=no \
	  $(if $(SEED),NEEDLETAIL_SEED=$(SEED),NEEDLETAIL_SEEDS=$(or $(SEEDS),1000)) $(if $(PLANTED),NEEDLETAIL_PLANTED=all) \
	  $(SWIFT) test $(SIMULATE) --filter 'ClusterSimulationTests/$(if $(SEED),replay,$(if $(PLANTED),finds,holds))'

fuzz: setup ## Fuzz the decoders: make fuzz [TARGET=frame] [SECONDS=60]; findings are left in .build-fuzz/findings.
	$(FUZZ)
	@.ci/fuzz "$$($(FUZZ) --show-bin-path)/NeedletailFuzz" $(or $(SECONDS),60) $(TARGET)

lint: ## Check the format of every source file; warnings are errors.
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources $(wildcard Tests/*Tests) \
	  Tests/NeedletailTestSupport Tests/NeedletailProcesses Tests/NeedletailQueryGenerator Tests/NeedletailSimulation Tests/NeedletailStorageSimulation Benchmarks/Package.swift Benchmarks/Sources Benchmarks/Micro Tests/Fuzzing/Fuzzer

format: ## Bring every source file into the house's format.
	$(SWIFT) format --in-place --parallel --recursive Package.swift Sources $(wildcard Tests/*Tests) \
	  Tests/NeedletailTestSupport Tests/NeedletailProcesses Tests/NeedletailQueryGenerator Tests/NeedletailSimulation Tests/NeedletailStorageSimulation Benchmarks/Package.swift Benchmarks/Sources Benchmarks/Micro Tests/Fuzzing/Fuzzer

bench: release ## Measure ingest beside Prometheus and VictoriaMetrics (their Debian packages), as ratios.
	cd Benchmarks && $(BUILD) -c release && \
	  "$$($(BUILD) -c release --show-bin-path)/ingest-bench" "$$(cd .. && $(RELEASE) --show-bin-path)/needletail"

COLUMN_BENCH = NEEDLETAIL_ONLY=ColumnBench NEEDLETAIL_BENCH=1 $(BUILD) -c release

bench-columns: setup ## Measure the column codecs: bytes and CPU ns a value, both ways, beside zstd and a plain Gorilla.
	$(COLUMN_BENCH)
	@"$$($(COLUMN_BENCH) --show-bin-path)/ColumnBench"

bench-peers: release ## Measure the storage engine beside Prometheus and VictoriaMetrics; ARGUMENTS=--quick for minutes, not half an hour.
	cd Benchmarks && $(BUILD) -c release && \
	  "$$($(BUILD) -c release --show-bin-path)/peers-bench" "$$(cd .. && $(RELEASE) --show-bin-path)/needletail" $(ARGUMENTS)

docs: setup ## Write the SDK's API documentation to docs/api.
	NEEDLETAIL_DOCS=1 $(SWIFT) package --allow-writing-to-directory docs/api generate-documentation \
	  --target Needletail --output-path docs/api --transform-for-static-hosting --warnings-as-errors

clean: ## Remove what was built.
	rm -rf .build Benchmarks/.build
