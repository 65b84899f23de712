#!/bin/bash
# aot.sh - examples/aot by Make, CMake and Meson, for each machine that can be run here; the drawing is the interpreter's.
set -uo pipefail
source=${ATROUS_SOURCE:?} build=${ATROUS_BUILD:?}
unset MAKEFLAGS MAKELEVEL # of the make that runs this test
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 99
example=$source/examples/aot
fail() { echo "FAILED: $*"; exit 1; }
bash "$example/run.sh" "$build" "$scratch/out" >log 2>&1 || { cat log; fail "run.sh"; }
cat log
drawing=$(find out -name drawing.pgm | head -n 1)

# The photograph as an array: a header of 128 bytes in front of the pixels.
header="{'descr': '|u1', 'fortran_order': False, 'shape': (1, 128, 128, 1), }"
{ printf '\223NUMPY\1\0v\0%-117s\n' "$header"; tail -c 16384 "$example/face.pgm"; } >face.npy
"$build/atrousc" run "$example/sketch.hlo" face.npy "$example/edges.npy" "$example/blur.npy" --target=interpreter -o drawn.npy ||
  fail "the interpreter"
cmp <(tail -c 16384 drawn.npy) <(tail -c 16384 "$drawing") || fail "the drawing is not the interpreter's"

# The weights are what the script makes.
if command -v python3 >/dev/null; then
  mkdir -p aot data
  cp "$example/make-data.py" aot
  cp "$source/examples/data/astronaut.png" data
  python3 aot/make-data.py || fail "make-data.py"
  for file in face.pgm edges.npy blur.npy; do cmp "aot/$file" "$example/$file" || fail "$file is not what make-data.py writes"; done
fi
grep -q '^skipped' log || exit 0
tail -n 1 log
exit 77
