#!/usr/bin/env bash
# Counts the effects that a run of order-saga left in its folder, and fails if one is missing, doubled
# or undone out of turn:
#
#     check.sh SHOP completed      every order of the file is shipped, or refused with nothing left
#     check.sh SHOP canceled       everything that was done is undone, in reverse
#
# Reads the files and nothing else, so it believes neither the host nor its history.
set -euo pipefail
shopt -s nullglob
shop=$1 expected=$2

fail() {
  echo "check: $*" >&2
  exit 1
}

declare -A undoes=([release]=reserve [refund]=charge [recall]=ship) seen=() count=()
standing=() # what is done and not undone, oldest first
for file in "$shop"/ledger/*.json; do
  IFS=- read -r _ effect order _ <<<"$(basename "$file")"
  [ -z "${seen[$effect $order]:-}" ] || fail "$effect of order $order was made twice"
  seen[$effect $order]=1
  count[$effect]=$((${count[$effect]:-0} + 1))
  done=${undoes[$effect]:-}
  if [ -z "$done" ]; then
    standing+=("$effect $order")
  else
    [ "${#standing[@]}" -gt 0 ] || fail "$effect of order $order undoes what was not done"
    [ "${standing[-1]}" = "$done $order" ] ||
      fail "$effect of order $order came before that of: ${standing[-1]}"
    unset 'standing[-1]'
  fi
done

want=() parcels=0
if [ "$expected" = completed ]; then
  # The card of 1004 is declined; of what 1009 wants there is not enough in stock.
  while IFS= read -r line; do
    order=$(sed -E 's/.*"id":"([0-9]+)".*/\1/' <<<"$line")
    case $order in 1004 | 1009) continue ;; esac
    want+=("reserve $order" "charge $order" "ship $order")
    parcels=$((parcels + $(sed -E 's/.*"parcels":([0-9]+).*/\1/' <<<"$line")))
  done <"$shop/orders.jsonl"
fi
[ "${want[*]-}" = "${standing[*]-}" ] || fail "what stands is not what should:
  is:     ${standing[*]-}
  should: ${want[*]-}"
packed=$(find "$shop/parcels" -name '*.json' | wc -l)
torn=$(find "$shop/parcels" "$shop/ledger" -name '*.json' -empty | head -n 1)
[ -z "$torn" ] || fail "$torn is empty: a crash has cut it off"
[ "$packed" = "$parcels" ] || fail "$packed parcels are packed, it should be $parcels"

echo "effects: reserve ${count[reserve]:-0}, charge ${count[charge]:-0}, ship ${count[ship]:-0};" \
  "undone: release ${count[release]:-0}, refund ${count[refund]:-0}, recall ${count[recall]:-0};" \
  "parcels packed: $packed. Each once$([ "$expected" = completed ] || echo ', all undone in reverse')."
