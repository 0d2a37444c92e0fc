#!/usr/bin/env bash
# venv.sh DIR PINS: a Python environment in the folder DIR with the packages that the file PINS names, with
# their hashes; nothing is done if it has them already. Python and its venv module are installed if they are
# missing (Debian, Ubuntu). Callers see to it that one runs at a time.
set -euo pipefail
dir=$1 pins=$2

install() {
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  # Lists of a fresh image may name versions that the mirror no longer has.
  "${as_root[@]}" apt-get install -y -qq "$@" >&2 ||
    { "${as_root[@]}" apt-get update -qq >&2 && "${as_root[@]}" apt-get install -y -qq "$@" >&2; }
}

if cmp -s "$pins" "$dir/pins"; then
  exit
fi
rm -rf "$dir"
# Without its package Debian's Python has the module, and fails to make what it needs of it.
python3 -m venv "$dir" >/dev/null 2>&1 ||
  { install python3 python3-venv && rm -rf "$dir" && python3 -m venv "$dir" >&2; }
"$dir/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
  --only-binary=:all: --requirement "$pins" >&2
cp "$pins" "$dir/pins"
