# common.bash - what the tests of this folder share: a Python with jax, or a reason to skip.
#
#   ATROUS_PYTHON   that Python; without it the test is skipped (./dev check makes one when PyPI can be reached)
#   ATROUSC         the tool that is tested
set -u
here=$(cd "$(dirname "$0")" && pwd)

run_with_jax() { # SCRIPT [ARGUMENT...]
  local script=$1 module
  shift
  if [ -z "${ATROUS_PYTHON:-}" ]; then
    echo "ATROUS_PYTHON is not set: a Python with jax, numpy and ml_dtypes is needed"
    exit 77
  fi
  for module in jax numpy ml_dtypes; do
    if ! "$ATROUS_PYTHON" -c "import $module" 2>/dev/null; then
      echo "$ATROUS_PYTHON has no $module"
      exit 77
    fi
  done
  exec "$ATROUS_PYTHON" "$here/$script" "${ATROUSC:?the tool to test}" "$@"
}
