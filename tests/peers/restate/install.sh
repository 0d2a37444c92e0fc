#!/usr/bin/env bash
# install.sh DIR: Restate's server, its TypeScript SDK and the Node that this needs, as package-lock.json pins
# them, and DIR/run. x86-64 Linux.
set -euo pipefail
dir=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if ! cmp -s "$here/package-lock.json" "$dir/node_modules/.pins"; then
  "$here/../../../scripts/node.sh" "$dir"
  cp "$here/package.json" "$here/package-lock.json" "$dir/"
  (cd "$dir" && PATH="$dir/bin:$PATH" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  cp "$here/package-lock.json" "$dir/node_modules/.pins"
fi
# Modules are looked for from where the program is.
cp "$here/worker.mjs" "$dir/worker.mjs"
printf '#!/bin/sh\nexec python3 "%s" "%s" "$@"\n' "$here/load.py" "$dir" >"$dir/run"
chmod +x "$dir/run"
