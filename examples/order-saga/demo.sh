#!/usr/bin/env bash
# The main job on a real orders file, three times: to the end; with SIGKILL half-way and a resume; canceled
# while an order is being shipped. Prints each history and counts the effects in the files.
# Exits with 1 if an effect is missing, doubled or undone out of turn. Waits for states, never for time.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/demo
sandglass=$target/debug/sandglass
half_way=parcels/1007-30.json # 30 of 60 parcels of the biggest order are packed

title() { printf '\n== %s\n' "$*"; }

fail() {
  echo "demo: $*" >&2
  [ ! -f "$shop/../run.log" ] || tail -n 20 "$shop/../run.log" >&2
  exit 1
}

# A shop of its own for each part, with nothing done yet.
open_shop() {
  shop=$work/$1/shop db=$work/$1/sandglass.db log=$work/$1/run.log
  rm -rf "${work:?}/$1"
  mkdir -p "$shop/ledger" "$shop/parcels"
  cp "$here/orders.jsonl" "$here/stock.json" "$shop/"
}

# Begins the run, or resumes it: the command is the same. `exec` makes its process that of a background job.
run() {
  exec "$sandglass" run "$work/order-saga.wasm" --activities "$work/order-saga-activities.wasm" \
    --type fulfill_orders --input '"orders.jsonl"' --id orders --db "$db" --dir "$shop::/shop" 2>>"$log"
}

# Runs it to the end and expects this exit code.
run_to_end() {
  local code=0
  (run) || code=$?
  [ "$code" = "$1" ] || fail "exit code $code, expected $1"
}

# Starts it in the background and waits until order 1007 is half packed. Sets `pid`.
run_half_way() {
  run >"$work/result.json" &
  pid=$!
  until [ -e "$shop/$half_way" ]; do
    kill -0 "$pid" 2>/dev/null || fail "the run ended before $half_way was there"
    sleep 0.01
  done
}

# Waits for the run in the background and expects this exit code.
ends_with() {
  local code=0
  wait "$pid" 2>/dev/null || code=$?
  [ "$code" = "$1" ] || fail "exit code $code, expected $1"
}

show() {
  # Without the events that only say when code was run.
  "$sandglass" workflow show orders --db "$db" \
    | grep -vE " (WorkflowTask|ActivityTaskStarted)"
  "$here/check.sh" "$shop" "$1"
}

title "build"
# --workspace, as `make test` does: otherwise features differ and wasmtime is compiled again.
(cd "$root" && cargo build --locked --workspace --bin sandglass)
"$sandglass" build "$here" --out "$work"

title "1. $(wc -l <"$here/orders.jsonl") orders, to the end"
open_shop completed
run_to_end 0
show completed

title "2. the same, with kill -9 half-way"
open_shop killed
run_half_way
kill -KILL "$pid"
ends_with 137
echo "killed process $pid while order 1007 was being packed; the store says:"
"$sandglass" workflow describe orders --db "$db"
echo "resumed by the same command:"
run_to_end 0
show completed

title "3. the same, canceled while order 1007 is being shipped"
open_shop canceled
run_half_way
"$sandglass" workflow cancel orders --db "$db" --reason "the warehouse is closed"
ends_with 3
show canceled

title "all three parts hold"
