# Each target does all its own set-up. `make demo` to watch, `make test` for everything that CI runs.

.PHONY: demo test lint bench matrix fuzz

CARGO ?= cargo
# Arguments of the benchmark, such as BENCH="--repeat 3 aim floor".
BENCH ?=
# Fuzz targets to run, all of them when empty, and for how long each.
FUZZ ?=
FUZZ_SECONDS ?= 30

demo:
	deploy/tools.sh build
	$(CARGO) build --release --package vipwatch
	exec target/release/vipwatch demo --config probes.toml

test: lint
	deploy/tools.sh build namespaces browser receivers
	$(CARGO) test --workspace --features vipwatch-lab/namespace-tests,vipwatch/namespace-tests,vipwatch/browser-tests,vipwatch/receiver-tests
	npm --prefix web/ui run check
	npm --prefix web/ui test
	npm --prefix web/ui run test:browser

lint:
	deploy/tools.sh build lint
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features -- --deny warnings

# Tries every path that a source address can take and writes docs/matrix.md.
matrix:
	deploy/tools.sh build namespaces
	UPDATE=1 $(CARGO) test --package vipwatch --features namespace-tests --test suite matrix -- --test-threads=1 --nocapture

bench:
	deploy/tools.sh build
	$(CARGO) build --release --package vipwatch
	$(CARGO) run --release --package vipwatch --example bench -- $(BENCH)

fuzz:
	deploy/tools.sh build fuzz
	set -e; for target in $(or $(FUZZ),$$($(CARGO) +nightly fuzz list)); do \
		mkdir -p fuzz/corpus/$$target; \
		$(CARGO) +nightly fuzz run $$target fuzz/corpus/$$target model/tests/suite/bodies -- \
			-max_len=65536 -timeout=5 -max_total_time=$(FUZZ_SECONDS); \
	done
