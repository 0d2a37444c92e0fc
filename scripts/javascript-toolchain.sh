#!/usr/bin/env bash
# Installs what makes components of TypeScript and JavaScript (esbuild, componentize-qjs) and checks their
# types (tsc), as guest-sdk/js/toolchain/package-lock.json pins it, and prints the folder with `bin/node` and
# `node_modules`: SANDGLASS_JAVASCRIPT. It is kept in the user's cache, where `sandglass build` finds it.
# Given the folder of a package, what its own package-lock.json pins is installed there as well.
# Run again it answers at once.
set -euo pipefail
package=${1:+$(cd "$1" && pwd)}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

dir=${XDG_CACHE_HOME:-$HOME/.cache}/sandglass/javascript
mkdir -p "$dir"
# Tests run at the same time in several processes; one installs.
exec 9>"$dir.lock"
flock 9

# install PINS FOLDER: what is in PINS, in FOLDER, unless it is there.
install() {
  if cmp -s "$1/package-lock.json" "$2/node_modules/.pins"; then
    return
  fi
  [ "$1" = "$2" ] || cp "$1/package.json" "$1/package-lock.json" "$2/"
  # Not `npm ci`: it insists on optional packages that componentize-qjs names and never published, for
  # other machines. Nothing that is installed needs a script of its own.
  (cd "$2" && PATH="$dir/bin:$PATH" npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  cp "$1/package-lock.json" "$2/node_modules/.pins"
}

"$dir/bin/node" --version >/dev/null 2>&1 || scripts/node.sh "$dir"
install guest-sdk/js/toolchain "$dir"
[ -z "$package" ] || install "$package" "$package"
echo "$dir"
