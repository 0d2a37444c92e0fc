#!/usr/bin/env bash
# The workloads of `make bench` at other systems, in turns with ours; how, is in tests/peers/README.md.
# PEERS names some of them (default: all). Figures are added to target/bench/summary.json. A system that
# cannot be installed is an error. Needs WASM_RUSTC, as scripts/wasm-toolchain.sh prints it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}
read -ra peers <<<"${PEERS:-restate dbos temporal obelisk}"

for peer in "${peers[@]}"; do
  [ -x "tests/peers/$peer/install.sh" ] || { echo "there is no peer $peer" >&2; exit 2; }
done
# Optimized, and the packages that `make bench` builds.
cargo build --release --locked --package sandglass-cli --package sandglass-tests --bins
"$target/release/sandglass" build tests/guests/bench --only workflows --out target/bench >&2
for peer in "${peers[@]}"; do
  dir=$PWD/target/peers/$peer
  mkdir -p "$dir"
  "tests/peers/$peer/install.sh" "$dir" >&2 || { echo "$peer cannot be installed" >&2; exit 1; }
done
"$target/release/bench" peers "${peers[@]}"
