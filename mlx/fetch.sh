#!/usr/bin/env bash
# Puts the pinned MLX where the mlx package looks for it: .mlx/current, a link to
# one of the installations beside it. Does nothing if it is there already.
#
#   bash mlx/fetch.sh                      what was chosen last; at first the CPU on
#                                          Linux and Metal on macOS
#   MLX_BACKEND=cuda12 bash mlx/fetch.sh   or cuda13: Linux with an NVIDIA GPU
#   MLX_PREFIX=DIR bash mlx/fetch.sh       use the installation in DIR, which has
#                                          include/ and lib/ (or mlx/include, mlx/lib)
set -euo pipefail

version=0.32.4 # graph.h and version.go have the same

# backend  system        wheels
table="
cpu        Linux-x86_64  mlx-cpu==$version
cpu        Linux-aarch64 mlx-cpu==$version
metal      Darwin-arm64  mlx-metal==$version
cuda12     Linux-x86_64  mlx-cuda-12==$version nvidia-cuda-runtime-cu12==12.9.*
cuda12     Linux-aarch64 mlx-cuda-12==$version nvidia-cuda-runtime-cu12==12.9.*
cuda13     Linux-x86_64  mlx-cuda-13==$version
cuda13     Linux-aarch64 mlx-cuda-13==$version
"

fail() {
  printf 'mlx/fetch.sh: %s\n' "$1" >&2
  shift
  [ $# = 0 ] || printf '  %s\n' "$@" >&2
  exit 1
}

root=$(cd "$(dirname "$0")/.." && pwd)/.mlx

# use makes DIR the current installation; DIR is absolute or relative to .mlx.
use() {
  [ "$(readlink "$root/current" 2>/dev/null)" != "$1" ] || return 0
  mkdir -p "$root"
  ln -sfn "$1" "$root/current"
  echo "mlx/fetch.sh: .mlx/current is now $1"
}

if [ -n "${MLX_PREFIX:-}" ]; then
  prefix=$(cd "$MLX_PREFIX" 2>/dev/null && pwd) || fail "MLX_PREFIX=$MLX_PREFIX is not a folder"
  if [ -e "$prefix/mlx/include/mlx/version.h" ]; then
    use "$prefix"
  elif [ -e "$prefix/include/mlx/version.h" ]; then
    mkdir -p "$root/prefix"
    ln -sfn "$prefix" "$root/prefix/mlx"
    use prefix
  else
    fail "MLX_PREFIX=$MLX_PREFIX has neither include/mlx/version.h nor mlx/include/mlx/version.h"
  fi
  exit
fi

# The last choice stands, unless it was for another version.
current=$(readlink "$root/current" 2>/dev/null || true)
if [ -z "${MLX_BACKEND:-}" ] && [ -e "$root/current/mlx/include/mlx/version.h" ]; then
  case $current in *-"$version" | prefix | /*) exit ;; esac
fi

system=$(uname -s)-$(uname -m)
[ "$system" = Linux-arm64 ] && system=Linux-aarch64
backend=${MLX_BACKEND:-}
wheels=
while read -r b s w; do
  if [ "$s" = "$system" ] && [ "$b" = "${backend:-$b}" ]; then
    backend=$b wheels=$w
    break
  fi
done <<<"$table"
if [ -z "$wheels" ]; then
  fail "there is no MLX wheel for MLX_BACKEND=${backend:-(default)} on $system" \
    "The choices here are: $(awk -v s="$system" '$2 == s {printf "%s ", $1}' <<<"$table")" \
    "With an MLX $version of your own set MLX_PREFIX=DIR; without MLX build with -tags nomlx."
fi

# An installation gets its name only when it is complete, so the name is the proof.
name=$backend-$version
if [ -d "$root/$name" ]; then
  use "$name"
  exit
fi

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "$python is missing: install Python 3 with pip (or set PYTHON)"
"$python" -m pip --version >/dev/null 2>&1 ||
  fail "$python has no pip: install it (apt install python3-pip, or $python -m ensurepip --user)"

mkdir -p "$root"
new=$(mktemp -d "$root/new.XXXXXX")
trap 'rm -rf "$new"' EXIT
echo "mlx/fetch.sh: fetching $wheels into .mlx/$name"
read -ra wheels <<<"$wheels"
# CUDA wheels need the libraries of NVIDIA that they depend on; the others need nothing.
case $backend in cuda*) deps=() ;; *) deps=(--no-deps) ;; esac
if ! PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
  "$python" -m pip install --only-binary=:all: --no-compile --target "$new/it" ${deps[@]+"${deps[@]}"} "${wheels[@]}"; then
  case $system in
    Linux*) needs="glibc 2.35 or newer (Ubuntu 22.04, Debian 12)" ;;
    *) needs="macOS 14 or newer and a native (arm64) Python" ;;
  esac
  fail "pip could not install $name (its reason is above)." \
    "It needs the network (pypi.org, or the index that pip is configured for), $needs and pip 20.3 or newer." \
    "Offline: unpack the wheels elsewhere and set MLX_PREFIX=DIR, or build without MLX with -tags nomlx."
fi
[ -e "$new/it/mlx/include/mlx/version.h" ] || fail "the wheel has no mlx/include/mlx/version.h"
# rename(2), not mv, which would move into the folder of another run that was faster.
"$python" -c 'import os, sys; os.rename(*sys.argv[1:])' "$new/it" "$root/$name" 2>/dev/null ||
  [ -d "$root/$name" ] || fail "cannot write $root/$name"
use "$name"
