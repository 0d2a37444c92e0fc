#!/usr/bin/env bash
# Runs a program with SMALL_DISK naming an empty directory on a real file system with 1 MB of room.
# usage: small-disk.sh PROGRAM [ARGUMENT]...
#
# A tmpfs in a mount namespace of its own, as root or in a user namespace; it goes with the program. Where
# neither may mount (a container without rights), what is left of /dev/shm is filled up to its last MB.
set -euo pipefail

folder=$(mktemp -d)
ballast=
clean() {
  [ -z "$ballast" ] || rm -rf "$ballast"
  rmdir "$folder" 2>/dev/null || rm -rf "$folder"
}
trap clean EXIT

mounted='mount -t tmpfs -o size=1m tmpfs "$0" && SMALL_DISK=$0 exec "$@"'
for namespace in "--mount" "--user --map-root-user --mount"; do
  # shellcheck disable=SC2086 # several words
  if unshare $namespace sh -c "$mounted" "$folder" true 2>/dev/null; then
    # shellcheck disable=SC2086
    unshare $namespace sh -c "$mounted" "$folder" "$@"
    exit
  fi
done

left=$(df --output=avail --block-size=1K /dev/shm | tail -1)
if [ "$(stat --file-system --format=%T /dev/shm)" = tmpfs ] && [ "$left" -le 262144 ]; then
  ballast=$(mktemp -d /dev/shm/small-disk.XXXXXX)
  mkdir "$ballast/disk"
  head -c $(((left - 1024) * 1024)) /dev/zero >"$ballast/ballast"
  SMALL_DISK=$ballast/disk "$@"
  exit
fi
echo "no file system may be mounted here, and /dev/shm is none or too large; run as root, or allow" \
  "user namespaces (sysctl kernel.unprivileged_userns_clone=1)" >&2
exit 1
