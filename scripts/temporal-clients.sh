#!/usr/bin/env bash
# Installs Temporal's Python SDK and command line, as tests/clients/requirements.txt pins them, under
# target/ and prints the folder with the programs `python` and `temporal`. Run again it answers at once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

dir=$PWD/target/temporal-clients
mkdir -p "$dir"
# Tests run at the same time in several processes; one installs.
exec 9>"$dir/lock"
flock 9

scripts/venv.sh "$dir/venv" tests/clients/requirements.txt
echo "$dir/venv/bin"
