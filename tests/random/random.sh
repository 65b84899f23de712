#!/bin/bash
# Compiled code against the interpreter on random problems (random_problems.c). ATROUS_RANDOM_COUNT: how many; a person runs
# `build/tests/random/random_problems --seed=N` for ten thousand.
exec "$ATROUS_BUILD/tests/random/random_problems" --seed=1 --count="${ATROUS_RANDOM_COUNT:-500}"
