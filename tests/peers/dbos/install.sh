#!/usr/bin/env bash
# install.sh DIR: DBOS Transact for Python as requirements.txt pins it, Debian's PostgreSQL, and DIR/run.
set -euo pipefail
dir=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

"$here/../../../scripts/venv.sh" "$dir/venv" "$here/requirements.txt"
if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get install -y -qq postgresql >&2 ||
    { "${as_root[@]}" apt-get update -qq >&2 && "${as_root[@]}" apt-get install -y -qq postgresql >&2; }
fi
printf '#!/bin/sh\nexec "%s" "%s" "%s" "$@"\n' "$dir/venv/bin/python" "$here/load.py" "$dir" >"$dir/run"
chmod +x "$dir/run"
