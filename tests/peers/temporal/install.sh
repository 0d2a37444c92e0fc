#!/usr/bin/env bash
# install.sh DIR: Temporal's command line with its development server and its Python SDK, those that the tests
# use, and DIR/run.
set -euo pipefail
dir=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

programs=$("$here/../../../scripts/temporal-clients.sh")
printf '#!/bin/sh\nPATH="%s:$PATH" exec python "%s" "%s" "$@"\n' "$programs" "$here/load.py" "$dir" >"$dir/run"
chmod +x "$dir/run"
