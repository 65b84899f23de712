#!/bin/bash
# examples.sh - the examples do what they say: each checks its own result and is run here on what it is shipped with.
#
# hello_conv, deeplab_atrous, transposed, jax_hlo; those of other systems' operators; then wavelet (where libpng is): its module is the one in
# examples/wavelet.hlo, the photograph is decomposed, rebuilt and compared with the interpreter, and of added noise most is
# removed.
set -uo pipefail
examples=$ATROUS_BUILD/examples
source=$ATROUS_SOURCE/examples
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failed=0

expect() { # PATTERN COMMAND...
  local pattern=$1 output status=0
  shift
  output=$("$@" 2>&1) || status=$?
  if [ $status != 0 ] || ! grep -qE -- "$pattern" <<<"$output"; then
    printf '%s: exit status %s, wanted 0 and a line with "%s":\n%s\n' "${*##*/}" "$status" "$pattern" "$output"
    failed=1
  fi
}

expect '^321 432 543$' "$examples/hello_conv"
expect 'equal to the definition$' "$examples/deeplab_atrous"
expect '1.049 of 4.194 MFLOP; equal to scattering$' "$examples/transposed"
expect '^weighted sum 5566532, ' "$examples/jax_hlo" "$source/jax_layer.hlo"
expect '^loss 1\.[0-9]+, after 60 steps [0-9]e-1[0-9]; Sobel' "$examples/torch_train"
expect ' active; equal to the real numbers, rounded$' "$examples/onnx_quantized"
expect 'equal to the definition$' "$examples/megengine_local"
expect '^onnx.ConvInteger +s32\[1,8,9,9\] +exact$' bash "$source/operators.sh" "$ATROUS_BUILD" "$scratch/operators"

if [ ! -x "$examples/wavelet" ]; then
  [ $failed = 0 ] || exit 1
  echo "wavelet was not built: no libpng"
  exit 77
fi
"$examples/wavelet" --print 512 512 >"$scratch/wavelet.hlo" && diff "$scratch/wavelet.hlo" "$source/wavelet.hlo" ||
  { echo "examples/wavelet.hlo is not what wavelet --print writes"; failed=1; }
# 22.7 dB before; losing the thresholds leaves that, wrong ones or a wrong plane give less than 27.
expect 'noisy 22\.[0-9]+ dB, denoised 27\.[0-9]+ dB$' "$examples/wavelet" "$source/data/astronaut.png" "$scratch/out" --noise=20
for name in plane-{1..5} residual denoised enhanced noisy; do
  [ "$(head -c 4 "$scratch/out/$name.png" | tail -c 3)" = PNG ] || { echo "no picture $name.png"; failed=1; }
done
exit $failed
