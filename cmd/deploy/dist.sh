#!/usr/bin/env bash
# Packs what serves on another machine of this kind, without Python and without a compiler there:
#
#   dist/troupe-VERSION-SYSTEM-MACHINE.tar.gz
#     bin/troupe        finds MLX beside itself, wherever the folder is put
#     lib/              MLX and the libraries that came with it
#     share/            units for systemd and launchd, an example of a configuration
#
# and proves it: the pack is opened in another folder, and serves and answers there with an empty environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
deploy=$PWD/cmd/deploy

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
fail() { echo "dist.sh: $1" >&2; exit 1; }

flags="-s -w"
[ "$(uname -s)" != Darwin ] || flags="$flags -extldflags '-Wl,-rpath,@loader_path/../lib/mlx/lib'"
mkdir -p "$work/pack/bin"
${GO:-go} build -tags dist -trimpath -ldflags "$flags" -o "$work/pack/bin/troupe" ./cmd/troupe

# All of MLX's installation that is needed to run, in its own layout: its libraries find one another by it.
(cd .mlx/current/ && find -L . \( -name include -o -name share -o -name cmake -o -name '*.dist-info' \) -prune -o \
  -type f \( -name '*.so' -o -name '*.so.*' -o -name '*.dylib' -o -name '*.metallib' \) -print) |
  while read -r file; do
    mkdir -p "$work/pack/lib/$(dirname "$file")"
    cp -L ".mlx/current/$file" "$work/pack/lib/$file"
  done
for file in .mlx/current/*.dist-info/licenses/* .mlx/current/*.dist-info/LICENSE*; do
  [ ! -f "$file" ] || cp "$file" "$work/pack/lib/LICENSE.mlx"
done
mkdir -p "$work/pack/share"
cp LICENSE README.md "$work/pack/"
cp cmd/deploy/troupe.service cmd/deploy/io.troupe.server.plist cmd/deploy/troupe.yaml "$work/pack/share/"

version=$(env -i "$work/pack/bin/troupe" version | cut -d' ' -f2)
name=troupe-$version-$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m)
mkdir -p dist
mv "$work/pack" "$work/$name"
tar -C "$work" -czf "dist/$name.tar.gz" "$name"
rm -rf "${work:?}/$name"

# The proof.
mkdir "$work/elsewhere"
tar -C "$work/elsewhere" -xzf "dist/$name.tar.gz"
cd "$work/elsewhere/$name"
if [ "$(uname -s)" = Linux ]; then
  env -i PATH=/usr/bin:/bin ldd bin/troupe >"$work/libs" 2>&1
  ! grep "not found" "$work/libs" || fail "the pack lacks a library"
  grep -q "libmlx.so => $PWD/" "$work/libs" || fail "MLX is not found in the pack: $(grep libmlx "$work/libs")"
  ! readelf -d bin/troupe | grep -E 'R(UN)?PATH' | grep -v '\[\$ORIGIN/../lib/mlx/lib\]' || fail "the binary has a run path into the checkout"
fi
env -i ./bin/troupe version
: >"$work/log"
env -i ./bin/troupe serve --listen 127.0.0.1:0 --data "$work/data" --log-format json 2>"$work/log" &
server=$!
until grep -q '"msg":"ready"' "$work/log"; do
  kill -0 "$server" 2>/dev/null || fail "the pack does not serve: $(cat "$work/log")"
  sleep 0.1
done
url=$(sed -n 's/.*"msg":"listening".*"url":"\([^"]*\)".*/\1/p' "$work/log")
env -i ./bin/troupe health --url "$url" || fail "the server is not healthy"
answer=$(echo "Hello!" | env -i ./bin/troupe chat --url "$url")
[ "$(printf %s "$answer" | wc -w)" -gt 10 ] || fail "the server does not answer: $answer"
kill "$server" && wait "$server" || fail "the server does not stop well"
server=
if [ "$(uname -s)" = Linux ] && unshare --map-root-user --mount --pid --fork true 2>/dev/null; then
  bash "$deploy/bare.sh" "$PWD"
fi
echo "dist/$name.tar.gz: $(du -h "$OLDPWD/dist/$name.tar.gz" | cut -f1), and it serves"
