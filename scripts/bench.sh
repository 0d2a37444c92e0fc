#!/usr/bin/env bash
# All figures: throughput, CPU, commits, syncs, latency, replay, recovery, memory, full stores. Prints a
# table, writes target/bench/summary.json and fails if a bound that must hold is missed. Needs WASM_RUSTC, as
# scripts/wasm-toolchain.sh prints it.
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

# Optimized: figures of a debug build say nothing. Always the same packages, so that nothing is built twice.
packages=(--package sandglass-cli --package sandglass-tests)
cargo build --release --locked "${packages[@]}" --bins
SANDGLASS_PYTHON=$(scripts/python-toolchain.sh)
SANDGLASS_JAVASCRIPT=$(scripts/javascript-toolchain.sh)
export SANDGLASS_PYTHON SANDGLASS_JAVASCRIPT
for guest in bench bench-python bench-javascript hostile; do
  "$target/release/sandglass" build "tests/guests/$guest" --only workflows --out target/bench >&2
done
export CRITERION_HOME=$PWD/target/bench/criterion
rm -rf "$CRITERION_HOME" # figures of another commit
cargo bench --locked "${packages[@]}" --bench micro -- --noplot >&2
# Both are measured, whatever the first one says.
status=0
"$target/release/bench" || status=$?
"$target/release/neighbors" target/bench || status=$?
exit "$status"
