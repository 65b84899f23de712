#!/bin/bash
# import.sh - atrousc import: a module that runs, the list in the documentation, initial values, and refusals without output.
. "$(dirname "$0")/common.bash"

conv=(torch.Conv2d "input=f32[1,2,5,5]" in_channels=2 out_channels=3 kernel_size=3)
expect 0 atrousc import "${conv[@]}" -o conv.hlo
[ -s out ] && fail "-o prints on stdout too"
expect 0 atrousc verify conv.hlo
expect 0 atrousc import "${conv[@]}"
cmp out conv.hlo || fail "-o differs from stdout"

expect 0 atrousc import --list
awk '/^```$/ { inside = !inside; next } inside' "${ATROUS_SOURCE:?the source folder}/doc/operators.md" >documented
diff documented out || fail "doc/operators.md is not what --list prints"

# Initial values lie beside the output, have the parameters' shapes and depend on the seed alone.
mkdir there
expect 0 atrousc import "${conv[@]}" --init=5 -o there/conv.hlo
expect 0 atrousc import "${conv[@]}" --init=5
cmp weight.npy there/weight.npy && cmp bias.npy there/bias.npy || fail "the same seed gives other values"
expect 0 atrousc run conv.hlo --random=1 --check
expect 0 atrousc import "${conv[@]}" --init=6
cmp -s weight.npy there/weight.npy && fail "another seed gives the same values"
rm weight.npy bias.npy
expect 0 atrousc import "${conv[@]}" bias=False --init=6
[ -e weight.npy ] && [ ! -e bias.npy ] || fail "without bias there is one weight.npy"
expect 1 atrousc import jax.conv_general_dilated_patches "lhs=f32[1,2,5]" window_strides=1 padding=SAME filter_shape=2 --init=1
has err "--init is for torch's operators"
expect 1 atrousc import "${conv[@]}" "input=s8[1,2,5,5]" --init=1
has err "input is given twice"
expect 1 atrousc import torch.conv1d "input=s8[1,2,5]" "weight=s8[1,2,3]" --init=1
has err "--init fills arrays of floats only"
expect 2 atrousc import "${conv[@]}" --init=x
has err "option '--init' wants a number"

# refused MESSAGE PAIRS...: status 1, nothing on stdout, no file
refused() {
  local message=$1
  shift
  expect 1 atrousc import "$@" -o wrong.hlo
  [ -s out ] && fail "a refused call prints: $*"
  [ -e wrong.hlo ] && fail "a refused call leaves a file: $*"
  has err "$message"
}
refused "error: torch.Conv2d: there is no attribute 'kernel'; did you mean 'kernel_size'" "${conv[@]}" kernel=3
refused "error: torch.Conv2d: stride=0; allowed: 2 integers from 1, or one for all" "${conv[@]}" stride=0
refused "error: there is no operator 'conv'" conv
expect 2 atrousc import
has err "expected an operator"
exit 0
