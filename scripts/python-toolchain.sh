#!/usr/bin/env bash
# Installs componentize-py, which makes components of Python workflows, as guest-sdk/python/toolchain.txt
# pins it, and prints the folder with the programs `componentize-py` and `python`: SANDGLASS_PYTHON.
# It is kept in the user's cache, where `sandglass build` finds it. Run again it answers at once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

pins=guest-sdk/python/toolchain.txt
dir=${XDG_CACHE_HOME:-$HOME/.cache}/sandglass/python
mkdir -p "$dir"
# Tests run at the same time in several processes; one installs.
exec 9>"$dir.lock"
flock 9

if ! cmp -s "$pins" "$dir/pins"; then
  scripts/venv.sh "$dir"
  "$dir/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    --only-binary=:all: --requirement "$pins" >&2
  cp "$pins" "$dir/pins"
fi
echo "$dir/bin"
