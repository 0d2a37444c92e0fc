#!/usr/bin/env bash
# Installs Temporal's TypeScript SDK, as tests/clients/js/package-lock.json pins it, under target/ and prints
# the folder with `bin/node` and `node_modules`. Run again it answers at once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

pins=tests/clients/js
dir=$PWD/target/temporal-clients-js
mkdir -p "$dir"
# Tests run at the same time in several processes; one installs.
exec 9>"$dir/lock"
flock 9

state=$(cat "$pins/package-lock.json" "$pins/requirements.txt")
if [[ "$state" != "$(cat "$dir/pins" 2>/dev/null)" ]] || ! "$dir/bin/node" --version >/dev/null 2>&1; then
  rm -rf "$dir/node_modules" "$dir/pins"
  scripts/node.sh "$dir"
  cp "$pins/package.json" "$pins/package-lock.json" "$dir/"
  # Nothing that is installed needs a script of its own.
  (cd "$dir" && PATH="$dir/bin:$PATH" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  echo "$state" >"$dir/pins"
fi
echo "$dir"
