#!/bin/bash
# Code for riscv64 against the interpreter, as far as this machine can run it (foreign.bash).
. "$(dirname "$0")/foreign.bash"
run_test riscv64
