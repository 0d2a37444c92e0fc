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

# Optimized: figures of a debug build say nothing.
cargo build --release --locked --package sandglass-cli --package sandglass-tests --bins
"$target/release/sandglass" build tests/guests/bench --only workflows --out target/bench >&2
"$target/release/bench"
