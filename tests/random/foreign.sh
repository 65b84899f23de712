#!/bin/bash
# foreign.sh - code for aarch64 against the interpreter on random problems, in qemu's emulation of such a machine.
set -u
qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) || { echo "no qemu-aarch64 (apt-get install qemu-user)"; exit 77; }
cc=$(command -v aarch64-linux-gnu-gcc) || { echo "no aarch64-linux-gnu-gcc (apt-get install gcc-aarch64-linux-gnu)"; exit 77; }
source=${ATROUS_SOURCE:?} build=${ATROUS_BUILD:?}
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
"$build/tests/random/random_problems" --emit="$work" --triple=aarch64-linux-gnu --seed=1 --count="${ATROUS_FOREIGN_COUNT:-100}" || exit 1
"$source/tests/random/link-guest" "$work" "$cc" || { echo "$cc cannot link (apt-get install libc6-dev-arm64-cross)"; exit 77; }
"$qemu" "$work/guest"
