#!/usr/bin/env bash
# Installs componentize-py, which makes components of Python workflows, as guest-sdk/python/toolchain.txt
# pins it, and prints the folder with the programs `componentize-py` and `python`: SANDGLASS_PYTHON.
# It is kept in the user's cache, where `sandglass build` finds it. Run again it answers at once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

dir=${XDG_CACHE_HOME:-$HOME/.cache}/sandglass/python
mkdir -p "$dir"
# Tests run at the same time in several processes; one installs.
exec 9>"$dir.lock"
flock 9

scripts/venv.sh "$dir" guest-sdk/python/toolchain.txt
echo "$dir/bin"
