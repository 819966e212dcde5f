#!/usr/bin/env bash
# Runs every fuzz target of the repository for a while, one after another: tests/fuzz.sh 1m
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-1m}
grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do
  grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go | sed 's/func //' | while read -r target; do
    echo "== $dir $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 5s "$dir" </dev/null
  done
done
