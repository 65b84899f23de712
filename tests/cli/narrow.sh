#!/bin/bash
# narrow.sh - results of 8 bits out of a sum in s32: rounded by the target's instruction, clamped once, and stored in runs.
. "$(dirname "$0")/common.bash"
cat >q.hlo <<'HLO'
HloModule q

ENTRY main {
  x = s8[1,16,6,24] parameter(0)
  w = s8[16,16,1,1] parameter(1)
  y = s32[1,16,6,24] convolution(x, w), window={size=1x1}, dim_labels=bf01_oi01->bf01
  f = f32[1,16,6,24] convert(y)
  c = f32[] constant(0.05)
  cs = f32[1,16,6,24] broadcast(c), dimensions={}
  m = f32[1,16,6,24] multiply(f, cs)
  r = f32[1,16,6,24] round-nearest-even(m)
  low = f32[] constant(-128)
  high = f32[] constant(127)
  k = f32[1,16,6,24] clamp(low, r, high)
  ROOT z = s8[1,16,6,24] convert(k)
}
HLO
apart="parallel oy_ox; reduce ic; unroll oc:2 oy_ox:8; vector oc:8; pack rhs" # lanes lie 144 bytes apart

# listing FILE CPU: the code of the convolution for a CPU
listing() {
  atrousc compile "$1" --cpu="$2" "--schedule=$apart" --emit=asm -o out.s || fail "$1 for $2"
  sed -n '/^q\.z\.task:/,$p' out.s >z.s
  [ -s z.s ] || fail "no code for z"
}
listing q.hlo haswell
grep -q vroundps z.s || fail "haswell code does not round in one instruction"
! grep -q "vpextrb.*(" z.s || fail "bytes that follow each other in memory are stored one by one"
[ "$(grep -c vmaxps z.s)" = "$(grep -c vroundps z.s)" ] || fail "what was clamped is clamped again"
listing q.hlo x86-64
! grep -q "roundeven\|nearbyint" z.s || fail "x86-64 code calls the C library"
expect 0 atrousc run q.hlo --random-int=1 --exact "--schedule=$apart"
expect 0 atrousc run q.hlo --random-int=1 --exact
sed 's/constant(-128)/constant(-200)/; s/constant(127)/constant(100)/' q.hlo >wide.hlo # the conversion has to clamp
expect 0 atrousc run wide.hlo --random-int=1 --exact "--schedule=$apart"
sed 's/constant(-128)/constant(-300)/; s/constant(127)/constant(-200)/' q.hlo >below.hlo
expect 0 atrousc run below.hlo --random-int=1 --exact "--schedule=$apart"
sed 's/constant(0.05)/constant(nan)/' q.hlo >nan.hlo
expect 0 atrousc run nan.hlo --random-int=1 --exact "--schedule=$apart"
