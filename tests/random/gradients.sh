#!/bin/bash
# Gradients of random modules against differences (random_gradients.c). ATROUS_RANDOM_COUNT: how many; a person runs
# `build/tests/random/random_gradients --seed=N --count=10000`.
exec "$ATROUS_BUILD/tests/random/random_gradients" --seed=1 --count="${ATROUS_RANDOM_COUNT:-300}"
