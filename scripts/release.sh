#!/usr/bin/env bash
# The fourth way: the scenario table in the release build, and the commands of both builds compared.
# Needs WASM_RUSTC, as scripts/wasm-toolchain.sh prints it.
#
# The packages are those of scripts/bench.sh, so that both share the dependencies: compiling wasmtime for
# release is most of the time that this takes (7 minutes on two cores, then none).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}
packages=(--release --locked --package sandglass-cli --package sandglass-tests)

cargo build "${packages[@]}" --bins
cargo test "${packages[@]}" --test scenarios
# The debug build records, and each build replays.
SANDGLASS_OTHER_BUILD=$(realpath "$target/release/replay") \
  cargo test --workspace --locked --test determinism
