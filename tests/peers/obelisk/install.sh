#!/usr/bin/env bash
# install.sh DIR: Obelisk, compiled from crates.io (which takes long and is done once), the components that it
# runs, and DIR/run. Needs `bench` of this repository, built with --release.
set -euo pipefail
dir=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../../target}
version=0.38.3

if [ "$("$dir/bin/obelisk" --version 2>/dev/null | awk '{ print $2 }')" != "$version" ]; then
  if ! command -v protoc >/dev/null; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get install -y -qq protobuf-compiler >&2 ||
      { "${as_root[@]}" apt-get update -qq >&2 && "${as_root[@]}" apt-get install -y -qq protobuf-compiler >&2; }
  fi
  CARGO_TARGET_DIR=$dir/build cargo install obelisk --version "$version" --locked --root "$dir"
  rm -rf "$dir/build"
fi
for component in activity workflow; do
  "$target/release/bench" component "$here/$component.wat" "$dir/$component.wasm"
done
printf '#!/bin/sh\nexec python3 "%s" "%s" "$@"\n' "$here/load.py" "$dir" >"$dir/run"
chmod +x "$dir/run"
