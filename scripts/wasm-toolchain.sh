#!/usr/bin/env bash
# Finds or makes a rustc that compiles for WebAssembly and prints the shell line that names it:
#
#     eval "$(scripts/wasm-toolchain.sh)"       # sets WASM_RUSTC
#
# Workflows are built for wasm32-unknown-unknown, activities for wasm32-wasip1. Three ways, in order:
#
#   1. the rustc on PATH has the standard library of both targets: nothing to do
#   2. rustup may add them: `rustup target add`
#   3. Debian has rustc-web with its library sources: unpack it into the cache, compile the library
#      once (about two minutes). Nothing is installed system-wide; root is needed only where
#      apt's package lists are so old that they have to be renewed.
#
# WASM_RUST=auto|rustup|debian  takes one way instead of the first that works
# RUSTUP_AUTO_INSTALL=0         leaves out the second: rustup must not fetch anything here
# WASM_RUST_CACHE=DIR           where the third keeps its result; outside the checkout, so that the
#                               next clone finds it (default ~/.cache/wasm-rust)
set -euo pipefail

TARGETS=(wasm32-unknown-unknown wasm32-wasip1)
CACHE=${WASM_RUST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wasm-rust}
WAY=${WASM_RUST:-auto}
TOOLCHAIN=$CACHE/toolchain
WORK=$CACHE/work
NEW=$CACHE/toolchain.new
ARCH=$(uname -m)

say() { echo "wasm-toolchain: $*" >&2; }

fail() {
  say "$*"
  exit 1
}

# A caller evals this line, so it is all that goes to stdout.
answer() {
  printf 'export WASM_RUSTC=%q\n' "$1"
  exit 0
}

# has_targets RUSTC: whether it has the standard library of every target.
has_targets() {
  local target dir
  for target in "${TARGETS[@]}"; do
    dir=$("$1" --print target-libdir --target "$target" 2>/dev/null) || return 1
    compgen -G "$dir/libstd[-.]*rlib" >/dev/null || return 1
  done
}

by_rustup() {
  if ! command -v rustup >/dev/null; then
    say "rustup is not installed"
  elif timeout 300 rustup target add "${TARGETS[@]}" >&2; then
    answer "$(command -v rustc)"
  else
    say "rustup target add ${TARGETS[*]} failed"
  fi
}

renewed=0
# Package lists of a fresh image can name versions that the mirror no longer has, or an older
# rustc-web that lacks parts, so "found in the lists" is not enough to go on.
renew_lists() {
  [ "$renewed" = 0 ] || return 1
  renewed=1
  say "renewing apt's package lists ($1)"
  apt-get update -qq >&2
}

# depends_on PACKAGE PATTERN: the name of its first dependency that matches.
depends_on() {
  local names
  names=$(apt-cache depends "$1" 2>/dev/null | sed -nE "s/^ +Depends: ($2)\$/\1/p")
  echo "${names%%$'\n'*}"
}

# Sets `packages` and `llvm` (the library's major version).
find_packages() {
  local std libllvm package
  packages=()
  std=$(depends_on libstd-rust-web-dev 'libstd-rust-web-[0-9.]+')
  libllvm=$(depends_on "${std:-none}" 'libllvm[0-9]+')
  llvm=${libllvm#libllvm}
  [ -n "$std" ] && [ -n "$libllvm" ] || return 1
  packages=(rustc-web libstd-rust-web-dev rust-web-src rust-web-llvm "$std" "$libllvm" "lld-$llvm" wasi-libc)
  for package in "${packages[@]}"; do
    # Not grep -q: it would close the pipe early, which pipefail counts as a failure.
    apt-cache policy "$package" 2>/dev/null | grep 'Candidate: [^(]' >/dev/null || return 1
  done
}

download() {
  rm -rf "$WORK/debs"
  mkdir -p "$WORK/debs"
  (cd "$WORK/debs" && apt-get download -q -o APT::Sandbox::User=root "${packages[@]}" >&2)
}

fetch() {
  find_packages || { renew_lists "rustc-web is incomplete or not there" && find_packages; } || fail \
    "no complete set of rustc-web packages in apt. Run this, then try again: rustup target add ${TARGETS[*]}"
  say "fetching ${packages[*]}"
  download || {
    renew_lists "a download failed" && find_packages && download
  } || fail "apt-get download failed. Check the network, or run: rustup target add ${TARGETS[*]}"
}

# Lays the packages out as a toolchain of their own in $NEW.
unpack() {
  local deb usr=$WORK/root/usr host=$ARCH-unknown-linux-gnu
  mkdir -p "$WORK/root" "$NEW/bin" "$NEW/lib" "$NEW/libexec"
  for deb in "$WORK"/debs/*.deb; do
    case $deb in
    */rust-web-src_*)
      dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$WORK/root" --wildcards './usr/src/rustc-*/library' ;;
    *) dpkg-deb -x "$deb" "$WORK/root" ;;
    esac
  done
  mv "$usr/bin/rustc" "$NEW/libexec/rustc"
  mv "$usr/lib/$ARCH-linux-gnu"/librustc_driver-*.so "$NEW/lib/"
  cp -L "$usr/lib/$ARCH-linux-gnu"/libLLVM.so.* "$NEW/lib/"
  mv "$usr/lib/rustlib" "$NEW/lib/rustlib"
  rm -rf "$NEW/lib/rustlib/src" "$NEW/lib/rustlib/$host/bin"
  mkdir -p "$NEW/lib/rustlib/$host/bin"
  cp "$usr/lib/llvm-$llvm/bin/lld" "$NEW/lib/rustlib/$host/bin/rust-lld"
  cat >"$NEW/bin/rustc" <<'WRAPPER'
#!/bin/sh
# Runs this folder's rustc with this folder's LLVM.
d=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
LD_LIBRARY_PATH="$d/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$d/libexec/rustc" "$@"
WRAPPER
  chmod +x "$NEW/bin/rustc"
  local missing
  missing=$(LD_LIBRARY_PATH="$NEW/lib" ldd "$NEW/libexec/rustc" | sed -n 's/ => not found//p' | tr -d '\t' | tr '\n' ' ')
  [ -z "$missing" ] || fail "shared libraries are missing: $missing- run: apt-get install -y libllvm$llvm"
}

# compile_std TARGET: compiles the standard library from the unpacked sources into $NEW.
compile_std() {
  local target=$1 library build=$WORK/build-$1 out=$NEW/lib/rustlib/$1/lib object
  library=$(echo "$WORK"/root/usr/src/rustc-*/library)
  say "compiling the standard library for $target with $("$NEW/bin/rustc" --version)"
  mkdir -p "$build/src" "$out"
  : >"$build/src/lib.rs"
  cp "$library/Cargo.lock" "$build/"
  cat >"$build/Cargo.toml" <<MANIFEST
[package]
name = "wasm-sysroot"
version = "0.0.0"
edition = "2021"
[workspace]
[dependencies]
std = { path = "$library/std", default-features = false, features = ["panic-unwind"] }
[patch.crates-io]
rustc-std-workspace-core = { path = "$library/rustc-std-workspace-core" }
rustc-std-workspace-alloc = { path = "$library/rustc-std-workspace-alloc" }
rustc-std-workspace-std = { path = "$library/rustc-std-workspace-std" }
[profile.release]
debug = false
strip = true
[profile.release.package.compiler_builtins]
codegen-units = 10000
MANIFEST
  # RUSTC_BOOTSTRAP: the library's own sources use unstable features; guests never need it.
  (cd "$build" && env -u CARGO_BUILD_TARGET -u CARGO_ENCODED_RUSTFLAGS -u RUSTC_WRAPPER -u RUSTUP_TOOLCHAIN \
    RUSTC_BOOTSTRAP=1 RUSTC="$NEW/bin/rustc" CARGO_TARGET_DIR="$build/target" \
    RUSTFLAGS="-Zforce-unstable-if-unmarked -Cembed-bitcode=yes" \
    cargo build -q --release -p std --target "$target" --offline \
    --config 'source.crates-io.replace-with="vendored"' \
    --config "source.vendored.directory=\"$library/vendor\"" >&2)
  cp "$build/target/$target/release/deps/"*.rlib "$out/"
  case $target in *wasi*)
    mkdir -p "$out/self-contained"
    for object in crt1-command.o crt1-reactor.o libc.a; do
      cp "$WORK/root/usr/lib/wasm32-wasi/$object" "$out/self-contained/"
    done ;;
  esac
}

by_debian() {
  local tool target
  if has_targets "$TOOLCHAIN/bin/rustc"; then answer "$TOOLCHAIN/bin/rustc"; fi
  for tool in apt-get apt-cache dpkg-deb cargo cc flock ldd; do
    command -v "$tool" >/dev/null ||
      fail "cannot build the wasm targets here, $tool is missing. Run: rustup target add ${TARGETS[*]}"
  done
  mkdir -p "$CACHE"
  exec 9>"$CACHE/.lock"
  flock 9 # of two builds at once one does the work
  if has_targets "$TOOLCHAIN/bin/rustc"; then answer "$TOOLCHAIN/bin/rustc"; fi
  rm -rf "$WORK" "$NEW"
  fetch
  unpack
  for target in "${TARGETS[@]}"; do compile_std "$target"; done
  has_targets "$NEW/bin/rustc" || fail "the compiled toolchain lacks a target; see the messages above"
  rm -rf "$TOOLCHAIN"
  mv "$NEW" "$TOOLCHAIN"
  rm -rf "$WORK"
  say "ready: $TOOLCHAIN ($(du -sh "$TOOLCHAIN" | cut -f1))"
  answer "$TOOLCHAIN/bin/rustc"
}

case $WAY in
auto)
  if has_targets rustc; then answer "$(command -v rustc)"; fi
  [ "${RUSTUP_AUTO_INSTALL:-1}" = 0 ] || by_rustup
  by_debian
  ;;
rustup)
  by_rustup
  exit 1
  ;;
debian) by_debian ;;
*) fail "WASM_RUST is '$WAY'; it can be auto, rustup or debian" ;;
esac
