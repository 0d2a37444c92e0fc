#!/usr/bin/env bash
# Makes a fresh Python environment in the given folder; Python and its venv module are installed if they are
# missing (Debian, Ubuntu).
set -euo pipefail

install() {
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  # Lists of a fresh image may name versions that the mirror no longer has.
  "${as_root[@]}" apt-get install -y -qq "$@" >&2 ||
    { "${as_root[@]}" apt-get update -qq >&2 && "${as_root[@]}" apt-get install -y -qq "$@" >&2; }
}

rm -rf "$1"
# Without its package Debian's Python has the module, and fails to make what it needs of it.
python3 -m venv "$1" >/dev/null 2>&1 || { install python3 python3-venv && rm -rf "$1" && python3 -m venv "$1" >&2; }
