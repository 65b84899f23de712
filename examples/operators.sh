#!/bin/bash
# operators.sh - calls of MXNet, MegEngine, PyTorch, JAX and ONNX as modules, with their gradients.
#
#   bash examples/operators.sh BUILD-FOLDER [FOLDER]
#
# Each call is written as in its system, becomes a module (atrousc import), is compiled, run on small integers and compared with
# the reference interpreter, exactly; so are its gradients. The modules are left in FOLDER (default: BUILD-FOLDER/operators).
set -euo pipefail
shopt -s inherit_errexit
build=${1:?"usage: examples/operators.sh BUILD-FOLDER [FOLDER]"}
out=${2:-$build/operators}
mkdir -p "$out"

run() { # FILE IMPORT-ARGUMENT...: writes FILE.hlo, runs it and prints the type of its result
  local file=$out/$1.hlo said
  shift
  "$build/atrousc" import "$@" >"$file"
  said=$("$build/atrousc" run "$file" --random-int=1 --exact)
  sed -n 's/^result 0: \([^ ]*\) .*/\1/p' <<<"$said"
}

example() { # "ARRAY..." OPERATOR NAME=VALUE...: the call, and the gradients for these arrays
  local arrays=$1 operator=$2 array result
  shift
  result=$(run "$operator" "$@")
  for array in $arrays; do run "$operator.$array" "$@" --grad="$array" >/dev/null; done
  printf '%-31s %-16s exact%s\n' "$operator" "$result" "${arrays:+; gradients for ${arrays// /, } too}"
}

# The stem of a residual network.
example "data weight bias" mxnet.Convolution "data=f32[1,3,64,64]" kernel="(7,7)" stride="(2,2)" pad="(3,3)" num_filter=64
# A generator's layer that doubles an image, to the very size that is asked for.
example "data weight" mxnet.Deconvolution "data=f32[1,16,8,8]" kernel="(4,4)" stride="(2,2)" num_filter=8 target_shape="(16,16)"
# Depthwise, on an image that is continued by reflection; the weight has a dimension for the groups.
example "inp weight bias" megengine.Conv2d "inp=f32[1,8,16,16]" in_channels=8 out_channels=8 kernel_size=3 padding=1 groups=8 \
  padding_mode=reflect
# The example in torch's documentation of Conv3d, with fewer channels.
example "input weight bias" torch.Conv3d "input=f32[2,4,10,20,20]" in_channels=4 out_channels=8 kernel_size="(3,5,2)" \
  stride="(2,1,1)" padding="(4,2,0)"
# Weights of their own at every pixel; no patches are stored.
example "lhs rhs" jax.conv_general_dilated_local "lhs=f32[1,8,8,3]" "rhs=f32[6,6,27,4]" window_strides="(1,1)" padding=VALID \
  filter_shape="(3,3)" dimension_numbers="('NHWC','HWIO','NHWC')"
# Both dilations and negative padding, which crops.
example "lhs rhs" jax.conv_general_dilated "lhs=c64[2,3,12]" "rhs=c64[5,3,4]" window_strides=2 padding="((-1,3),)" \
  lhs_dilation=2 rhs_dilation=3
# SAME, with the odd zero in front.
example "X W B" onnx.Conv "X=f32[1,4,9,9]" "W=f32[8,4,2,2]" "B=f32[8]" auto_pad=SAME_LOWER
# Bytes with zero points, summed in 32 bits; integers have no gradients.
example "" onnx.ConvInteger "x=u8[1,16,9,9]" "w=s8[8,16,3,3]" x_zero_point=128 "w_zero_point=[0,1,2,3,0,-1,-2,-3]" "pads=[1,1,1,1]"
