#!/bin/bash
# dot.sh - pairs of narrow integers: the instruction that the target has is used, and the schedule word is refused where it cannot be.
. "$(dirname "$0")/common.bash"
cat >s8.hlo <<'HLO'
HloModule s8

ENTRY main {
  x = s8[1,6,6,32] parameter(0)
  w = s8[3,3,32,32] parameter(1)
  ROOT y = s32[1,6,6,32] convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f
}
HLO
atrousc compile s8.hlo --cpu=haswell --emit=asm -o v3.s || fail "haswell"
grep -q vpmaddwd v3.s || fail "haswell code has no vpmaddwd"
atrousc compile s8.hlo --cpu=cascadelake --emit=asm -o vnni.s || fail "cascadelake"
grep -q vpdpwssd vnni.s || fail "cascadelake code has no vpdpwssd"
expect 0 atrousc run s8.hlo --random-int=1 --exact "--schedule=loop oy ox; reduce ky kx ic; unroll oc:4; vector oc:8; dot ic:2; pack rhs"
expect 0 atrousc run s8.hlo --random-int=1 --exact "--schedule=loop oy ox; reduce ky kx ic; unroll ox:3; vector oc:5; dot ic:2"
expect 1 atrousc run s8.hlo --random-int=1 "--schedule=loop oy ox; reduce ky kx ic; vector oc:8; dot ic:4"
has err "dot takes one piece of extent 2"
sed 's/s8\[/f32[/g; s/s32\[/f32[/' s8.hlo >f32.hlo
expect 1 atrousc run f32.hlo --random=1 "--schedule=loop oy ox; reduce ky kx ic; vector oc:8; dot ic:2"
has err "dot takes one piece of extent 2"
