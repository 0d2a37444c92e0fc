#!/usr/bin/env bash
# Unpacks Debian's clang, linker and C library for WebAssembly into the user's cache, where
# `sandglass build` finds them, and prints the folder with the program `wasm-cc`: SANDGLASS_C.
# Nothing is installed system-wide; root is needed only where apt's package lists are so old that
# they have to be renewed. Run again it answers at once.
set -euo pipefail

LLVM=22
PACKAGES=(clang-$LLVM libclang-cpp$LLVM libllvm$LLVM lld-$LLVM wasi-libc
  libclang-rt-$LLVM-dev-wasm32 libclang-common-$LLVM-dev)
dir=${XDG_CACHE_HOME:-$HOME/.cache}/sandglass/c
mkdir -p "${dir%/*}"
# Tests run at the same time in several processes; one installs.
exec 9>"$dir.lock"
flock 9

say() { echo "c-toolchain: $*" >&2; }

download() {
  rm -rf "$dir.new" && mkdir -p "$dir.new/debs"
  (cd "$dir.new/debs" && apt-get download -q -o APT::Sandbox::User=root "${PACKAGES[@]}" >&2)
}

pins="${PACKAGES[*]}"
if [ "$(cat "$dir/pins" 2>/dev/null)" != "$pins" ]; then
  say "fetching ${PACKAGES[*]}"
  download || {
    say "renewing apt's package lists"
    apt-get update -qq >&2
    download
  } || {
    say "no complete set of clang packages in apt: put a program wasm-cc that compiles C for wasm32-wasi"
    say "into a folder, and name that folder by SANDGLASS_C"
    exit 1
  }
  for deb in "$dir.new"/debs/*.deb; do
    dpkg-deb -x "$deb" "$dir.new"
  done
  rm -rf "$dir.new/debs"
  mkdir "$dir.new/bin"
  cat >"$dir.new/bin/wasm-cc" <<EOF
#!/bin/sh
# clang for wasm32-wasi, with the library and linker that lie beside it.
root=\$(dirname "\$(dirname "\$(readlink -f "\$0")")")/usr
llvm=\$root/lib/llvm-$LLVM
for libraries in "\$root"/lib/*-linux-gnu; do
  LD_LIBRARY_PATH=\$libraries:\$llvm/lib
done
export LD_LIBRARY_PATH PATH="\$root/bin:\$PATH"
exec "\$llvm/bin/clang" --target=wasm32-wasi -Wno-deprecated -isystem "\$root/include/wasm32-wasi" \\
  -L"\$root/lib/wasm32-wasi" -B"\$root/lib/wasm32-wasi" -resource-dir "\$llvm/lib/clang/$LLVM" "\$@"
EOF
  chmod +x "$dir.new/bin/wasm-cc"
  "$dir.new/bin/wasm-cc" --version >&2
  echo "$pins" >"$dir.new/pins"
  rm -rf "$dir"
  mv "$dir.new" "$dir"
fi
echo "$dir/bin"
