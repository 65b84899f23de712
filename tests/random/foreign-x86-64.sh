#!/bin/bash
# Code for x86-64 against the interpreter, as far as this machine can run it (foreign.bash).
. "$(dirname "$0")/foreign.bash"
run_test x86-64
