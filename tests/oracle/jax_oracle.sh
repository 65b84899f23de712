#!/bin/bash
# jax_oracle.sh - runs jax_oracle.py, which compares the interpreter with XLA, where there is a Python with jax (common.bash).
. "$(dirname "$0")/common.bash"
run_with_jax jax_oracle.py "$@"
