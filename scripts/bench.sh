#!/usr/bin/env bash
# First figures: activities per second, CPU, commits and syncs. Prints a table and writes
# target/bench/summary.json. Needs WASM_RUSTC, as scripts/wasm-toolchain.sh prints it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}

install() {
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  # Lists of a fresh image may name versions that the mirror no longer has.
  "${as_root[@]}" apt-get install -y -qq "$1" >&2 ||
    { "${as_root[@]}" apt-get update -qq >&2 && "${as_root[@]}" apt-get install -y -qq "$1" >&2; }
}

command -v strace >/dev/null || install strace # counts the syncs

# --workspace, as `make test` does: otherwise features differ and wasmtime is compiled again.
cargo build --locked --workspace --bin sandglass --bin bench
"$target/debug/sandglass" build tests/guests/bench --only workflows --out target/bench
"$target/debug/bench"
