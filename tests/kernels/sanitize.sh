#!/usr/bin/env bash
# Runs the kernels of the CPU and their threads under sanitizers, without MLX: random cases on every instruction set, checked against
# the same in double. A machine with AVX2 that lacks AVX-512 emulates it.
#
#	sanitize.sh [ROUNDS [SEED]]      default: 40 rounds, seed 1
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-40} seed=${2:-1}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

sources=(mlx/isa.cc mlx/pack.cc mlx/pool.cc mlx/runner.cc mlx/kernels_portable.cc tests/kernels/driver/*.cc)
case $(uname -m) in x86_64 | amd64) sources+=(mlx/kernels_avx2.cc mlx/kernels_avx512.cc) ;; esac
emulated=
if grep -qw avx2 /proc/cpuinfo 2>/dev/null && ! grep -qw avx512_vnni /proc/cpuinfo; then
  echo "AVX-512 is emulated"
  sources=("${sources[@]/mlx\/kernels_avx512.cc/tests/kernels/emulated/avx512.cc}")
  emulated="-DTROUPE_EMULATED -mavx2 -mfma -mf16c -mbmi2 -ffp-contract=off -Wno-psabi"
fi

# check NAME FLAGS: builds the driver with FLAGS and runs it.
check() {
  local name=$1
  shift
  echo "== $name"
  mkdir "$out/$name"
  local flags="-std=c++20 -O1 -g1 -Imlx -Itests/kernels/driver $emulated $*"
  printf '%s\n' "${sources[@]}" |
    xargs -P "$(getconf _NPROCESSORS_ONLN)" -I{} bash -c '"$0" $1 -c "$2" -o "$3/$(echo "$2" | tr / _).o"' "${CXX:-c++}" "$flags" {} "$out/$name"
  "${CXX:-c++}" $flags -pthread -o "$out/$name/driver" "$out/$name"/*.o
  "$out/$name/driver" "$rounds" "$seed" 3
}

check address -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all
check thread -fsanitize=thread
