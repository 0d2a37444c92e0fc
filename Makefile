# Every goal does all its own set-up: on a fresh Debian 12 or Ubuntu machine with rustc 1.95, gcc, git and
# make, `make demo` and `make test` need nothing before them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test sweep bench bench-peers oracle coverage breakers fmt clippy doc toolchain

# The guests' compiler. The second call answers from the cache in a moment.
WASM = wasm="$$(scripts/wasm-toolchain.sh)"; eval "$$wasm"

help: ## list the goals
	@sed -nE 's/^([a-z-]+): ## (.*)/make \1\t\2/p' $(MAKEFILE_LIST)

demo: ## the main job: real orders to the end, through kill -9, and canceled
	@$(WASM); examples/order-saga/demo.sh

test: ## all checks: fmt, clippy, docs, tests
	@scripts/test.sh

sweep: ## all that make test samples, in full, and the scenarios in the release build
	@$(WASM); scripts/sweep.sh

bench: ## all figures and their bounds, written to target/bench/summary.json
	@$(WASM); scripts/bench.sh

bench-peers: ## the same workloads at other systems: PEERS="restate dbos temporal obelisk"
	@$(WASM); scripts/bench-peers.sh

oracle: ## record Temporal's histories of our scenarios anew and compare
	@scripts/oracle.sh

coverage: ## print which test proves each row of the semantics, what is not proven first
	@cargo run --quiet --locked -p sandglass-semantics --bin coverage

breakers: ## break each rule on purpose and print which test notices
	@cargo test --quiet --workspace --locked --test scenarios --test activities --test host \
	  -- rule_breakers_are_caught --nocapture | grep -E '^(R[0-9]|[0-9]+ of|test result: F|error)'

fmt: ## check the formatting
	cargo fmt --all --check

clippy: ## lint every crate, warnings are errors
	cargo clippy --workspace --all-targets --locked -- -D warnings

doc: ## build the docs, warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --lib --no-deps --locked

toolchain: ## make the guests' compiler ready and say where it is
	@$(WASM); "$$WASM_RUSTC" --version; echo "$$WASM_RUSTC"
