#!/bin/bash
# import.sh - atrousc import: a module that runs, the list in the documentation, initial values, gradients, and refusals without output.
. "$(dirname "$0")/common.bash"

conv=(torch.Conv2d "input=f32[1,2,5,5]" in_channels=2 out_channels=3 kernel_size=3)
expect 0 atrousc import "${conv[@]}" -o conv.hlo
[ -s out ] && fail "-o prints on stdout too"
expect 0 atrousc verify conv.hlo
expect 0 atrousc import "${conv[@]}"
cmp out conv.hlo || fail "-o differs from stdout"

for more in torch.Conv2d --grad=data --init=1; do
  expect 2 atrousc import --list $more
  has err "option '--list' stands alone"
done
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

# --grad: the module of that array's gradient, which is what atrousc gradient makes of the call's.
for array in input weight bias; do
  expect 0 atrousc gradient conv.hlo --parameter=$array -o wanted.hlo
  expect 0 atrousc import "${conv[@]}" --grad=$array
  cmp out wanted.hlo || fail "--grad=$array is not the gradient for $array"
done
expect 0 atrousc import torch.conv1d "input=f32[1,1,3]" "weight=f32[1,1,2]" --grad=weight -o grad.hlo
expect 0 atrousc verify grad.hlo
grep -q "cotangent = f32\[1,1,2\] parameter(2)" grad.hlo || fail "the cotangent is not the last parameter"
expect 0 atrousc import "${conv[@]}" --grad=weight --init=6
has out "cotangent = f32[1,3,3,3]"
[ -e weight.npy ] || fail "--init writes nothing with --grad"

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
refused "torch.Conv2d: error: --grad=wieght; allowed: input, weight, bias" "${conv[@]}" --grad=wieght
refused "onnx.ConvInteger: error: --grad=x_zero_point; allowed: x, w" onnx.ConvInteger "x=u8[1,1,3]" "w=u8[1,1,3]" \
  x_zero_point=1 --grad=x_zero_point
refused "parameter 0 (x) is u8[1,1,3]; only floats and complex numbers have gradients" onnx.ConvInteger "x=u8[1,1,3]" \
  "w=u8[1,1,3]" --grad=x
expect 2 atrousc import
has err "expected an operator"
exit 0
