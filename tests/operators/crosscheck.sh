#!/bin/bash
# crosscheck.sh - runs crosscheck.py, which compares imported operators with their systems, on a fixed hundred or two of calls.
#
#   ATROUS_PYTHON   a Python with numpy and ml_dtypes; without it the test is skipped. Systems that it has not (of jax, onnx and
#                   onnxruntime, torch) are named and left out
#   ATROUSC         the tool
#   ATROUS_BUILD    the build folder, for the shared library
set -u
here=$(cd "$(dirname "$0")" && pwd)
library=${ATROUS_BUILD:?the build folder}/.libs/libatrous.so
if [ -z "${ATROUS_PYTHON:-}" ]; then
  echo "ATROUS_PYTHON is not set: a Python with numpy and ml_dtypes is needed, jax, onnxruntime and torch are used"
  exit 77
fi
if [ ! -e "$library" ]; then
  echo "no shared library in $ATROUS_BUILD"
  exit 77
fi
for module in numpy ml_dtypes; do
  if ! "$ATROUS_PYTHON" -c "import $module" 2>/dev/null; then
    echo "$ATROUS_PYTHON has no $module"
    exit 77
  fi
done
crosscheck() { "$ATROUS_PYTHON" -B "$here/crosscheck.py" --library="$library" --tool="${ATROUSC:?the tool to test}" "$@"; }
crosscheck --seed=1 --count=150 && crosscheck --seed=2 --count=50 --grad
