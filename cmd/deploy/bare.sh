#!/usr/bin/env bash
# bare.sh PACK: proves that a pack of dist.sh, opened in a folder, serves where there is nothing but the libraries of C and C++, no shell, no Python and no
# home, with a root that is read only and /data: what the last stage of Dockerfile has, and compose.yaml. Needs Linux and leave to make namespaces.
set -euo pipefail

root=$(mktemp -d)
space=
trap '[ -z "$space" ] || kill -KILL "$space" 2>/dev/null || true; rm -rf "$root"' EXIT
fail() { echo "bare.sh: $1: $(cat "$root/log")" >&2; exit 1; }

mkdir -p "$root/bare/proc" "$root/bare/data" "$root/bare/opt"
cp -a "$1" "$root/bare/opt/troupe"
troupe=$root/bare/opt/troupe/bin/troupe
ldd "$troupe" | grep -v "$root" | grep -oE '/[^ ]+' | sort -u | while read -r lib; do
  case ${lib##*/} in
    libc.so.*|libm.so.*|libstdc++.so.*|libgcc_s.so.*|libpthread.so.*|libdl.so.*|ld-linux*) ;;
    *) echo "bare.sh: the pack needs $lib" >&2; exit 1 ;;
  esac
  mkdir -p "$root/bare${lib%/*}"
  cp -L "$lib" "$root/bare$lib"
done

# The server is the first process of a namespace of its own, as in a container.
: >"$root/log"
unshare --map-root-user --mount --pid --fork --kill-child bash -c '
  mount --bind "$1" "$1" && mount -t proc proc "$1/proc" && mount --bind "$1/data" "$1/data" && mount -o remount,bind,ro "$1" &&
  exec env -i TROUPE_DATA=/data TROUPE_LOG_FORMAT=json "$2" "$1" /opt/troupe/bin/troupe serve --listen 127.0.0.1:0' \
  bare "$root/bare" "$(command -v chroot)" 2>"$root/log" &
space=$!
until grep -q '"msg":"ready"' "$root/log"; do
  kill -0 "$space" 2>/dev/null || fail "it does not serve"
  sleep 0.1
done
url=$(sed -n 's/.*"msg":"listening".*"url":"\([^"]*\)".*/\1/p' "$root/log")
"$troupe" health --url "$url" || fail "it is not healthy"
answer=$(echo "Hello!" | "$troupe" chat --url "$url")
[ "$(printf %s "$answer" | wc -w)" -gt 5 ] || fail "it answers: $answer"
kill -TERM "$(cat "/proc/$space/task/$space/children")"
wait "$space" || fail "it does not stop well"
space=
grep -q '"msg":"stopped"' "$root/log" || fail "it did not stop by itself"
echo "it serves with nothing but itself and the libraries of C and C++"
