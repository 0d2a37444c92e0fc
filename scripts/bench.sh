#!/usr/bin/env bash
# First figures: activities per second, CPU, commits and syncs. Prints a table and writes
# target/bench/summary.json. Needs WASM_RUSTC, as scripts/wasm-toolchain.sh prints it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}

# --workspace, as `make test` does: otherwise features differ and wasmtime is compiled again.
cargo build --locked --workspace --bin sandglass --bin bench
"$target/debug/sandglass" build tests/guests/bench --out target/bench
"$target/debug/bench"
