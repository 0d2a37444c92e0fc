#!/usr/bin/env bash
# Everything that `make test` samples, in full: each crash point at each occurrence, 100 kills spread
# over a run and some aimed at each phase, cancellation after each event, each prefix of each history.
# SANDGLASS_SEED=N repeats what was drawn. Needs WASM_RUSTC, as scripts/wasm-toolchain.sh prints it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# One seed for all, so that one number repeats the sweep.
export SANDGLASS_SEED=${SANDGLASS_SEED:-$RANDOM$RANDOM}
log=target/sweep-output.txt
mkdir -p target
: >"$log"

# One at a time: each test uses all cores, and its report stays in one piece.
run() {
  SANDGLASS_SWEEP=full cargo test --workspace --locked "$@" -- --nocapture --test-threads=1 2>&1 | tee -a "$log"
}

run --test crashes
run --test scenarios --test concurrency
run --test door
# The fourth way of the scenario table: the release build. Its first build compiles wasmtime anew.
scripts/release.sh 2>&1 | tee -a "$log"

echo
echo "the sweep, in all:"
grep -E '^(points|kills|cancel)|hits per phase|aimed at' "$log"
# Each test binary counts for itself; its last line has its sums.
awk '
  function add() { histories += h; prefixes += p; h = p = 0 }
  /Running .*tests\// { add() }
  match($0, /so far [0-9]+ histories, [0-9]+ prefixes/) {
    split(substr($0, RSTART, RLENGTH), word, " "); h = word[3]; p = word[5]
  }
  END { add(); printf "prefixes: %d histories continued from %d prefixes of their frames\n", histories, prefixes }
' "$log"
grep -oE 'SANDGLASS_SEED=[0-9]+' "$log" | sort -u | tr '\n' ' '
echo
