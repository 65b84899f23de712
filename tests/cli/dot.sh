#!/bin/bash
# dot.sh - pairs and fours of narrow integers, pairs of bf16: the instruction that the target has is used, and the schedule word is refused where
# it cannot be.
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
sed 's/= s8\[/= s16[/' s8.hlo >s16.hlo
atrousc compile s16.hlo --cpu=cascadelake --emit=asm -o vnni.s || fail "cascadelake"
grep -q vpdpwssd vnni.s || fail "cascadelake code has no vpdpwssd"
expect 0 atrousc run s8.hlo --random-int=1 --exact "--schedule=loop oy ox; reduce ky kx ic; unroll oc:4; vector oc:8; dot ic:2; pack rhs"
expect 0 atrousc run s8.hlo --random-int=1 --exact "--schedule=loop oy ox; reduce ky kx ic; unroll ox:3; vector oc:5; dot ic:2"
expect 1 atrousc run s8.hlo --random-int=1 "--schedule=loop oy ox; reduce ky kx ic; vector oc:8; dot ic:8"
has err "dot takes one piece of extent 2"

# single products, as a depthwise layer has them, are half of a pair: no multiplication of 32 bits; the lowest s16 is one too
sed 's/3,3,32,32/3,3,1,32/; s/b01f$/b01f, feature_group_count=32/' s8.hlo >depthwise.hlo
sed 's/= s8\[/= s16[/' depthwise.hlo >depthwise16.hlo
sed 's/x = s8/x = u16/; s/w = s8/w = s16/' depthwise.hlo >wide.hlo
for cpu in haswell znver5 sapphirerapids; do
  for signs in depthwise depthwise16; do
    atrousc compile $signs.hlo --cpu=$cpu --emit=asm -o single.s || fail "$signs, $cpu"
    grep -Eq "vpmaddwd|vpdpwssd" single.s || fail "$cpu code for $signs has no product of pairs"
    grep -q vpmulld single.s && fail "$cpu code for $signs multiplies 32 bits"
  done
  atrousc compile wide.hlo --cpu=$cpu --emit=asm -o wide.s || fail "wide, $cpu"
  grep -Eq "vpmaddwd|vpdpwssd" wide.s && fail "$cpu multiplies u16 as s16"
done
for signs in depthwise depthwise16 wide; do
  expect 0 atrousc run $signs.hlo --random=5 --exact
  for lanes in 4 8 16 5; do
    expect 0 atrousc run $signs.hlo --random=5 --exact "--schedule=loop oy g; reduce ky; unroll kx:3 ox:2; vector g:$lanes"
    expect 0 atrousc run $signs.hlo --random=5 --exact "--schedule=loop oy g; reduce ky kx; vector ox:$lanes"
  done
done

# fours of 8-bit integers, of any signs: where there is no instruction, and of lanes for which there is none
sed 's/x = s8/x = u8/' s8.hlo >u8s8.hlo
sed 's/w = s8/w = u8/' s8.hlo >s8u8.hlo
sed 's/= s8/= u8/' s8.hlo >u8.hlo
sed 's/= s32/= u32/' u8.hlo >u32.hlo
for cpu in cascadelake alderlake znver5; do
  for signs in s8 u8s8 s8u8 u8; do
    atrousc compile $signs.hlo --cpu=$cpu --emit=asm -o fours.s || fail "$signs, $cpu"
    grep -q vpdpbusd fours.s || fail "$cpu code for $signs has no vpdpbusd"
  done
done
for signs in s8 u8s8 s8u8 u8 u32; do
  for tile in "unroll oc:2; vector oc:16" "unroll ox:3 oc:2; vector oc:8" "unroll ic:2 ox:5; vector oc:4" "vector oc:5" \
    "unroll kx:3 ox:2; vector oc:16"; do
    rest="reduce ky kx ic"
    case $tile in *kx*) rest="reduce ky ic" ;; esac
    expect 0 atrousc run $signs.hlo --random=1 --exact "--schedule=loop oy ox; $rest; $tile; dot ic:4; pack rhs"
    expect 0 atrousc run $signs.hlo --random=1 --exact "--schedule=loop oy ox; $rest; $tile; dot ic:4"
  done
  expect 0 atrousc run $signs.hlo --random=1 --exact "--schedule=loop oy oc; reduce ky kx ic; unroll oc:3; vector ox:8; dot ic:4; pack rhs"
  expect 0 atrousc run $signs.hlo --random=1 --exact "--schedule=loop oy oc; reduce ky ic; unroll kx:3 oc:3; vector ox:4; dot ic:4; pack rhs"
  expect 0 atrousc run $signs.hlo --random=1 --exact "--schedule=part ic:16; loop oy ox; reduce ky kx ic; vector oc:16; dot ic:4; pack rhs"
  expect 0 atrousc run $signs.hlo --random=1 --exact "--schedule=lhs oy ky ox kx ic; loop oy ox; reduce ky kx ic; vector oc:16; dot ic:4; pack rhs"
done
sed 's/s8\[/f32[/g; s/s32\[/f32[/' s8.hlo >f32.hlo
expect 1 atrousc run f32.hlo --random=1 "--schedule=loop oy ox; reduce ky kx ic; vector oc:8; dot ic:2"
has err "dot takes one piece of extent 2"

# bf16: the instruction, or two multiply-adds of halves; whole numbers are exact either way
sed 's/s8\[/bf16[/g; s/s32\[/f32[/; s/6,6,/24,24,/g' s8.hlo >bf16.hlo
atrousc compile bf16.hlo --cpu=sapphirerapids --emit=asm -o native.s || fail "sapphirerapids"
grep -q "vdpbf16ps.*zmm" native.s || fail "sapphirerapids code has no vdpbf16ps"
atrousc compile bf16.hlo --cpu=sapphirerapids --features=-avx512bf16 --emit=asm -o without.s || fail "sapphirerapids without bf16"
grep -q vdpbf16ps without.s && fail "vdpbf16ps in spite of -avx512bf16"
for lanes in 4 8; do
  atrousc compile bf16.hlo --cpu=znver4 "--schedule=loop oy ox; reduce ky kx ic; vector oc:$lanes; dot ic:2; pack rhs" --emit=asm \
    -o narrow.s || fail "znver4, $lanes lanes"
  grep -q "vdpbf16ps.*[xy]mm" narrow.s || fail "no vdpbf16ps of $lanes lanes"
done
if atrousc compile bf16.hlo --target=aarch64-linux-gnu --cpu=neoverse-v1 --emit=asm -o arm.s; then
  grep -q bfdot arm.s || fail "neoverse-v1 code has no bfdot"
fi
expect 0 atrousc explain bf16.hlo --cpu=sapphirerapids
has out "bf16 dot products"
has out "subnormal bf16 taken as zero"
dense="loop oy ox; reduce ky kx ic; unroll oc:2; vector oc:8; dot ic:2"
expect 0 atrousc run bf16.hlo --random-int=1 --exact "--schedule=$dense; pack rhs"
expect 0 atrousc run bf16.hlo --random-int=1 --exact "--schedule=$dense"
expect 0 atrousc run bf16.hlo --random-int=1 --exact "--schedule=loop oy oc; reduce ky kx ic; vector ox:4; dot ic:2; pack rhs"
sed 's/x = bf16\[1,24,24,32\]/x = bf16[1,32,24,24]/; s/b01f_01io/bf01_01io/' bf16.hlo >nchw.hlo # the pair is far apart in lhs
expect 0 atrousc run nchw.hlo --random-int=1 --exact "--schedule=$dense; pack rhs"
sed 's/x = bf16/x0 = f32/; s/^  w = /  x = bf16[1,24,24,32] convert(x0)\n  w = /' bf16.hlo >converted.hlo # lhs is f32 in memory
expect 0 atrousc run converted.hlo --random=1 --check "--schedule=$dense; pack rhs"

# an odd number of terms: the last pair has one
for type in bf16 u8 s8; do
  sum=s32
  [ $type = bf16 ] && sum=f32
  sed "s/x = s8\[1,6,6,32/x = $type[1,6,6,13/; s/w = s8\[3,3,32/w = $type[3,3,13/; s/s32\[/$sum[/" s8.hlo >odd.hlo
  [ $type = u8 ] && sed -i 's/w = u8/w = s8/' odd.hlo
  for reduce in "reduce ky kx ic" "reduce ky ic kx" "reduce ky kx; unroll ic:7" "reduce ky ic; unroll kx:3" "reduce ky kx ic; unroll ic:2"; do
    expect 0 atrousc run odd.hlo --random-int=1 --exact "--schedule=loop oy ox; $reduce; vector oc:8; dot ic:2; pack rhs"
    [ $type = bf16 ] && continue
    expect 0 atrousc run odd.hlo --random=1 --exact "--schedule=loop oy ox; $reduce; vector oc:8; dot ic:4; pack rhs"
    expect 0 atrousc run odd.hlo --random=1 --exact "--schedule=loop oy ox; ${reduce/unroll/unroll ox:4}; vector oc:8; dot ic:4; pack rhs"
  done
  expect 0 atrousc run odd.hlo --random-int=1 --exact "--schedule=loop oy oc; reduce ky kx ic; vector ox:4; dot ic:2; pack rhs"
  expect 1 atrousc run odd.hlo --random-int=1 "--schedule=loop oy ox; reduce ky kx ic; vector oc:8; dot ic:2"
  has err "without pack rhs, pieces of the reduced dim ic must divide its extent 13"
done
atrousc compile odd.hlo --cpu=haswell --emit=asm -o odd.s || fail "odd"
grep -q vpmaddwd odd.s || fail "haswell code for 13 channels has no vpmaddwd"

# 16-bit elements that are multiplied as s8 are no pairs as they lie
cat >narrowed.hlo <<'HLO'
HloModule narrowed

ENTRY main {
  x = s8[1,6,6,2] parameter(0)
  v = s16[3,3,2,8]{2,3,1,0} parameter(1)
  w = s8[3,3,2,8]{2,3,1,0} convert(v)
  ROOT y = s32[1,6,6,8] convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f
}
HLO
expect 0 atrousc run narrowed.hlo --random=1 --exact "--schedule=loop oy ox; reduce ky kx; vector oc:8; dot ic:2"
# packed ones are, also one pair for all pixels of a vector: nothing is shifted to make them
atrousc compile s8.hlo --cpu=haswell --constant=1 "--schedule=parallel oy oc; reduce ky kx ic; unroll oc:8; vector ox:8; dot ic:2; pack rhs" \
  --emit=asm -o pixels.s || fail "pixels"
! grep -q "vpbroadcastw" pixels.s || fail "packed pairs are put together from their halves"
expect 0 atrousc run s8.hlo --random=1 --exact "--schedule=parallel oy oc; reduce ky kx ic; unroll oc:8; vector ox:8; dot ic:2; pack rhs"

# of channels that lie apart the cost model makes a panel with pairs side by side
sed 's/x = s8\[1,6,6,32\]/x = s8[1,32,28,28]/; s/s32\[1,6,6,32\]/s32[1,32,28,28]/; s/b01f_01io->b01f/bf01_01io->bf01/' s8.hlo >channels.hlo
expect 0 atrousc explain channels.hlo --cpu=haswell --constant=1
has out "lhs oy ky ox kx ic as s16"
expect 0 atrousc run channels.hlo --random-int=1 --exact

# lanes behind the last feature read the same pair as the others: one broadcast, not three insertions
sed 's/3,3,32,32/3,3,32,3/; s/s32\[1,6,6,32/s32[1,6,6,3/' s8.hlo >three.hlo
shared="lhs oy ox ic as s16; loop oy ox; reduce ky kx ic; vector oc:8; dot ic:2; pack rhs"
atrousc compile three.hlo --cpu=haswell "--schedule=$shared" --emit=asm -o three.s || fail "three"
! sed -n "/^s8.y.task:/,\$p" three.s | grep -q vpinsrw || fail "one pair for all lanes is put together"
expect 0 atrousc run three.hlo --random-int=1 --exact "--schedule=$shared"

# weights that are repeated along the channels have no zeros behind the last of them: what stands there in lhs must not be multiplied
for channels in 3 5 6 7 8; do
  cat >repeated.hlo <<HLO
HloModule repeated

ENTRY main {
  x = s8[1,16,$channels] parameter(0)
  v = s8[16] parameter(1)
  w = s8[1,$channels,16] broadcast(v), dimensions={2}
  ROOT y = s32[1,16,16] convolution(x, w), window={size=1}, dim_labels=b0f_0io->b0f
}
HLO
  for cpu in cascadelake alderlake znver5; do
    expect 0 atrousc compile repeated.hlo --cpu=$cpu --constant=1 --emit=nest -o repeated.nest
    [ $channels = 8 ] || ! grep -q "dot ic:4" repeated.nest || fail "$channels repeated channels in fours for $cpu"
  done
  expect 0 atrousc run repeated.hlo --random-int=1 --exact
  rest="loop ox; reduce ic; vector oc:16; dot ic:4"
  if [ $channels = 8 ]; then
    for pack in "" "; pack rhs"; do expect 0 atrousc run repeated.hlo --random-int=1 --exact "--schedule=$rest$pack"; done
  else
    expect 1 atrousc run repeated.hlo --random-int=1 "--schedule=$rest; pack rhs"
    has err "and divides it where rhs is repeated along it"
  fi
done
# infinite ones times a channel that is not there would be NaN
sed 's/s8\[/bf16[/g; s/s32\[/f32[/g; s/,8/,7/g' repeated.hlo >repeated.bf16.hlo
npy ones.npy "{'descr': '<u2', 'fortran_order': False, 'shape': (1, 16, 7), }" "$(printf '\\200\\77%.0s' {1..112})"
npy infinite.npy "{'descr': '<u2', 'fortran_order': False, 'shape': (16,), }" "$(printf '\\200\\177%.0s' {1..16})"
expect 0 atrousc run repeated.bf16.hlo ones.npy infinite.npy --exact
has out "inf"

# unshared weights that are all the same, whose taps exist or not by pixel, cannot be laid out once
cat >same.hlo <<'HLO'
HloModule same

ENTRY main {
  g = f32[1,5,5,4] parameter(0)
  v = f32[18,4] parameter(1)
  u = f32[5,5,18,4] broadcast(v), dimensions={2,3}
  ROOT e = f32[1,5,5,2] custom-call(g, u), custom_call_target="atrous.local_convolution_data_gradient", window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f
}
HLO
expect 0 atrousc run same.hlo --random-int=1 --exact
expect 0 atrousc run same.hlo --random-int=1 --exact "--schedule=pack rhs"

# three channels and the taps beside them are one sum of pairs or fours in the inside of an image, and loops over it are chosen for bf16,
# whose last pair is put together
for dtypes in "bf16 bf16 f32 2" "s8 s8 s32 4" "u8 s8 s32 4"; do
  set -- $dtypes
  cat >stem.hlo <<HLO
HloModule stem

ENTRY main {
  x = $1[1,96,96,3] parameter(0)
  w = $2[7,7,3,64] parameter(1)
  ROOT y = $3[1,48,48,64] convolution(x, w), window={size=7x7 stride=2x2 pad=3_3x3_3}, dim_labels=b01f_01io->b01f
}
HLO
  expect 0 atrousc explain stem.hlo --cpu=znver5 --constant=1
  grep -q "^nest y.ox_low" out || fail "$1: no inside"
  sed -n '/^nest y$/,$p' out | grep -q "reduce [a-z_ ]*kx_ic;.*dot kx_ic:$4; pack rhs" || fail "$1: $(grep schedule out)"
  expect 0 atrousc run stem.hlo --random-int=1 --exact --constant=1
done
