#!/bin/bash
# aarch64.sh - code for aarch64 is made at all: modules whose straight vector IR crashes LLVM's instruction selection (llvm_access.c
# and llvm_value.c go around that). tests/random/foreign-aarch64.sh runs such code.
. "$(dirname "$0")/common.bash"
cat >lane.hlo <<'HLO'
HloModule lane

ENTRY main {
  x = f16[1,6,6,4] parameter(0)
  w = f16[3,3,4,8] parameter(1)
  ROOT y = f16[1,4,4,8] convolution(x, w), window={size=3x3}, dim_labels=b01f_01io->b01f
}
HLO
cat >strided.hlo <<'HLO'
HloModule strided

ENTRY main {
  x = f32[4,2,2,4,6,4] parameter(0)
  w = f32[2,2,2,3,3,3]{5,2,0,4,1,3} parameter(1)
  ROOT y = f32[4,4,2,4,1,2] convolution(x, w), window={size=2x3x3x3 stride=5x4x1x1 pad=0_0x2_2x1_1x0_0 lhs_dilate=1x4x1x1 rhs_reversal=1x1x0x1}, dim_labels=b0123f_oi0123->32fb01, feature_group_count=2
}
HLO
expect 0 atrousc compile lane.hlo --target=aarch64-linux-gnu --schedule="loop oc oy ox" --emit=obj -o lane.o
expect 0 atrousc compile strided.hlo --target=aarch64-linux-gnu --emit=obj -o strided.o
expect 0 atrousc compile strided.hlo --target=aarch64-linux-gnu --emit=asm
has out fmla
