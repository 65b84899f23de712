#!/bin/bash
# aot.sh - the suite compiled ahead of time: how long it takes, how much memory, how large the objects are, and how fast they run.
#
#   bench/aot.sh [BUILD] [GLOB]     BUILD: folder of the build (default build); GLOB: rows, as 'resnet*' (default all of the suite)
#
# Every row of bench/suite.json as NHWC, one object each (for the default CPUs, as a user would make it), timed as a whole; then a
# shared library for this machine of each, beside the JIT (bench/aot.c). Needs ld, and GNU time for the memory.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build} glob=${2:-*}
make -C "$build" bench/aot --no-print-directory >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/hlo"
python3 - "$work/hlo" <<'END'
import os, sys
sys.path.insert(0, "bench")
import bench
from problems import HERE, Problem, load
for row in load(os.path.join(HERE, "suite.json")):
    problem = Problem(row, "asis" if bench.has_own_layout(row) else "nhwc")
    with open(os.path.join(sys.argv[1], problem.id.replace(" ", "_").replace("/", "_") + ".hlo"), "w") as f:
        f.write(problem.hlo())
END
mapfile -t rows < <(cd "$work/hlo" && compgen -G "$glob.hlo")
[ ${#rows[@]} -gt 0 ] || { echo "no row is called $glob" >&2; exit 2; }

start=$(date +%s.%N)
most=0
for row in "${rows[@]}"; do
  memory=$( { /usr/bin/time -f %M "$build/atrousc" compile "$work/hlo/$row" -o "$work/${row%.hlo}.o" --constant=1 >/dev/null; } 2>&1 | tail -n 1)
  [ "$memory" -le "$most" ] || most=$memory
done
end=$(date +%s.%N)
largest=$(find "$work" -name '*.o' -printf '%s %f\n' | sort -n | tail -n 1)
echo "$start $end ${#rows[@]} $most $largest" |
  awk '{printf "%d objects in %.1f s, %.2f s each; most memory %.0f MiB; largest object %.0f KiB (%s)\n", $3, $2 - $1, ($2 - $1) / $3, $4 / 1024, $5 / 1024, $6}'

pairs=()
for row in "${rows[@]}"; do
  "$build/atrousc" compile "$work/hlo/$row" -o "$work/${row%.hlo}.so" --cpu=native --name=kernel --constant=1
  pairs+=("$work/hlo/$row" "$work/${row%.hlo}.so")
done
"$build/bench/aot" "${pairs[@]}"
