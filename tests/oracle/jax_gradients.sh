#!/bin/bash
# jax_gradients.sh - runs jax_gradients.py, which compares gradients with jax.vjp, where there is a Python with jax (common.bash).
. "$(dirname "$0")/common.bash"
run_with_jax jax_gradients.py "$@"
