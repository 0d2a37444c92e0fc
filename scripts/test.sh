#!/usr/bin/env bash
# Everything that must hold, in steps, each announced. Stops at the first step that fails and exits
# with its code. The last line is `N passed, N failed`, over all test binaries; a step that fails
# without a failing test counts as one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log=target/test-output.txt
mkdir -p target
: >"$log"

step() { printf '\n== %s (%dm%02ds)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }

finished=0
totals() {
  awk -v finished="$finished" '
    /^test result: / { passed += $4; failed += $6 }
    END {
      if (!finished && failed == 0) failed = 1
      printf "\n%d passed, %d failed\n", passed, failed
    }' "$log"
}
trap totals EXIT

step "formatting"
make --no-print-directory fmt
step "wasm toolchain"
make --no-print-directory toolchain
step "clippy"
make --no-print-directory clippy
step "docs"
make --no-print-directory doc
step "build"
# Tests run these programs, which `cargo test` alone does not build.
cargo build --workspace --locked --bins
step "tests"
wasm=$(scripts/wasm-toolchain.sh)
eval "$wasm"
# --no-fail-fast: one failing binary must not hide what the others say.
cargo test --workspace --locked --no-fail-fast 2>&1 | tee "$log"
finished=1
step "done"
