#!/usr/bin/env bash
# Installs Temporal's Python SDK and command line, as tests/clients/requirements.txt pins them, under
# target/ and prints the folder with the programs `python` and `temporal`. Run again it answers at once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

pins=tests/clients/requirements.txt
dir=$PWD/target/temporal-clients
mkdir -p "$dir"
# Tests run at the same time in several processes; one installs.
exec 9>"$dir/lock"
flock 9

if ! cmp -s "$pins" "$dir/venv/pins"; then
  scripts/venv.sh "$dir/venv"
  "$dir/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    --only-binary=:all: --requirement "$pins" >&2
  cp "$pins" "$dir/venv/pins"
fi
echo "$dir/venv/bin"
