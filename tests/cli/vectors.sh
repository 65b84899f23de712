#!/bin/bash
# vectors.sh - vectors on their way to memory and back. To memory: features whose pixels are neighbours; the pixels of a tile are
# interleaved and stored several at once, in every dtype, with what is left over of a tile and of the features. Lines that are asked for
# ahead.
. "$(dirname "$0")/common.bash"
write() { # DTYPE FEATURES PIXELS [CHANNELS [IMAGES]]
  local channels=${4:-3} images=${5:-1}
  cat >conv.hlo <<HLO
HloModule conv

ENTRY main {
  x = $1[$images,$channels,$3] parameter(0)
  w = $1[$2,$channels,1] parameter(1)
  b = $1[$2] parameter(2)
  c = $1[$images,$2,$3] convolution(x, w), window={size=1}, dim_labels=bf0_oi0->bf0
  d = $1[$images,$2,$3] broadcast(b), dimensions={1}
  ROOT y = $1[$images,$2,$3] add(c, d)
}
HLO
}
scalars() { # in the LLVM IR of conv.hlo under schedule $1: elements that are stored alone
  atrousc compile conv.hlo --cpu=haswell --emit=llvm "--schedule=$1" -o conv.ll || fail "compile: $1"
  grep -c extractelement conv.ll || true
}

write f32 16 24
[ "$(scalars 'loop oc ox; reduce ic; unroll ox:12; vector oc:8')" = 0 ] || fail "12 pixels: elements are stored alone"
grep -c "store <4 x float>" conv.ll >stores
[ "$(cat stores)" = 24 ] || fail "12 x 8 numbers in $(cat stores) stores of 4"
[ "$(scalars 'loop oc ox; reduce ic; unroll ox:3; vector oc:8')" = 8 ] || fail "3 pixels: not two of them together"
[ "$(scalars 'loop oc ox; reduce ic; vector oc:8')" = 8 ] || fail "one pixel has no neighbours"
for dtype in f32 f64 f16 bf16 s8 s32 c64; do
  for shape in "16 24" "13 25"; do
    write $dtype $shape
    for unrolled in 2 3 4 5 8; do
      expect 0 atrousc run conv.hlo --random=1 --check "--schedule=loop oc ox; reduce ic; unroll ox:$unrolled; vector oc:8"
    done
  done
done
# lines asked for before they are stored to: of 64 bytes, as the offsets tell
prefetched() { # in the LLVM IR of conv.hlo under schedule $1: lines
  atrousc compile conv.hlo --cpu=haswell --emit=llvm "--schedule=$1" -o conv.ll || fail "compile: $1"
  grep -c "call void @llvm.prefetch" conv.ll || true
}
write f32 32 20
[ "$(prefetched 'loop oc ox; reduce ic; unroll ox:16; vector oc:8; prefetch out')" = 16 ] || fail "lines of 16 and 4 pixels"
[ "$(prefetched 'loop oc ox; reduce ic; unroll oc:4; vector ox:8; prefetch out')" = 8 ] || fail "lines of 8 and 4 pixels of 4 features"
[ "$(prefetched 'loop oc ox; reduce ic; unroll ox:4 oc:2; vector oc:8')" = 0 ] || fail "lines that nobody asked for"
for dtype in f32 f64 bf16 s8 c64 c128; do
  write $dtype 20 21
  for tile in "unroll ox:6; vector oc:8" "unroll oc:3; vector ox:16" "vector oc:2 ox:4"; do
    expect 0 atrousc run conv.hlo --random=1 --check "--schedule=loop oc ox; reduce ic; $tile; prefetch out"
  done
done
# and lines that the next tiles read, which those before them share: of 3 channels of 16 pixels, one for each of 8 tiles, two for each of 2,
# all for the only one; of 8-byte elements twice as many
write f32 32 32
[ "$(prefetched 'loop ox oc; unroll ic:3 oc:4 ox:2; vector ox:8; prefetch lhs')" = 1 ] || fail "3 lines for 8 tiles"
[ "$(prefetched 'loop oc ox; unroll ic:3 oc:4 ox:2; vector ox:8; prefetch lhs')" = 3 ] || fail "3 lines for 1 tile"
[ "$(prefetched 'loop oc ox; unroll ic:3 oc:4 ox:2; vector ox:8; prefetch lhs out')" = 7 ] || fail "3 lines for 1 tile, and of 4 features"
write f32 8 32
[ "$(prefetched 'loop ox oc; unroll ic:3 oc:4 ox:2; vector ox:8; prefetch lhs')" = 2 ] || fail "3 lines for 2 tiles"
write c64 8 32
[ "$(prefetched 'loop ox oc; unroll ic:3 oc:4 ox:4; vector ox:4; prefetch lhs')" = 3 ] || fail "6 lines for 2 tiles"
for dtype in f32 f64 bf16 s8 c64 c128; do
  write $dtype 20 21
  for tile in "loop ox oc; reduce ic; unroll oc:3; vector ox:8" "parallel ox; loop oc; unroll ic:3 ox:5 oc:2; vector oc:4"; do
    expect 0 atrousc run conv.hlo --random=1 --check "--schedule=$tile; prefetch lhs"
  done
done
# the model: for results that go to memory, and channels that lie far apart
chosen() { # WHAT FEATURES PIXELS CHANNELS CPU: does its schedule prefetch that?
  write f32 "$2" "$3" "$4"
  atrousc explain conv.hlo --constant=1 "--cpu=$5" >explain || fail explain
  sed -n '/^nest y$/,/^nest/s/^  schedule *//p' explain | grep -c "prefetch.* $1" || true
}
[ "$(chosen out 64 160000 3 sapphirerapids)" = 1 ] && has explain "results prefetched, they go to memory" || fail "41 MB are not prefetched"
[ "$(chosen out 2 160000 3 sapphirerapids)" = 0 ] || fail "1.3 MB are prefetched"
[ "$(chosen out 64 160000 3 znver5)" = 0 ] || fail "prefetched where it was not seen to pay"
[ "$(chosen lhs 128 12544 256 sapphirerapids)" = 1 ] && has explain "lhs prefetched, its lines are far from each other" ||
  fail "12.8 MB are not prefetched"
[ "$(chosen lhs 128 784 256 sapphirerapids)" = 0 ] || fail "0.8 MB are prefetched"
[ "$(chosen lhs 128 12544 256 znver5)" = 0 ] || fail "lhs prefetched where it was not seen to pay"
# and longer rows of results that go to memory where shorter ones were seen to take longer: 8 images of 64 to 256 channels of 56 x 56 pixels
write f32 256 3136 64 8
atrousc explain conv.hlo --constant=1 --cpu=sapphirerapids >explain || fail explain
has explain "oc:6 ox:4; vector ox:16; pack rhs; prefetch out"
# residues beside each other: two vectors of every other pixel become two of neighbours
cat >conv.hlo <<'HLO'
HloModule transposed

ENTRY main {
  x = f32[1,3,16] parameter(0)
  w = f32[4,3,2] parameter(1)
  ROOT y = f32[1,4,32] convolution(x, w), window={size=2 pad=1_1 lhs_dilate=2}, dim_labels=bf0_oi0->bf0
}
HLO
[ "$(scalars 'loop oc ox; reduce ic; unroll r:2; vector ox:8')" = 0 ] || fail "residues: elements are stored alone"
expect 0 atrousc run conv.hlo --random=1 --check "--schedule=loop oc ox; reduce ic; unroll r:2; vector ox:8"
# what follows in memory where the tile walks backwards
sed -i 's/ROOT y/y/; s/^}/  ROOT z = f32[1,4,32] reverse(y), dimensions={2}\n}/' conv.hlo
[ "$(scalars 'loop oc ox; reduce ic; unroll r:2; vector ox:8')" = 0 ] || fail "backwards: elements are stored alone"
expect 0 atrousc run conv.hlo --random=1 --check "--schedule=loop oc ox; reduce ic; unroll r:2; vector ox:8"

# and back: of every other neighbour two vectors are read that may overlap, not one of fifteen, whatever is at the edges
for dtype in f32 f64 f16 s8 c64; do
  for stride in 2 3 5; do
    cat >conv.hlo <<HLO
HloModule conv

ENTRY main {
  x = $dtype[1,3,40] parameter(0)
  w = $dtype[5,3,3] parameter(1)
  ROOT y = $dtype[1,5,$((38 / stride + 1))] convolution(x, w), window={size=3 stride=$stride pad=1_0}, dim_labels=bf0_oi0->bf0
}
HLO
    for lanes in 4 8; do
      schedule="loop oc ox; reduce ic; unroll kx:3; vector ox:$lanes"
      expect 0 atrousc run conv.hlo --random=1 --check "--schedule=$schedule"
      [ $dtype = f32 ] || continue
      atrousc compile conv.hlo --cpu=haswell --emit=llvm "--schedule=$schedule" -o conv.ll || fail "stride $stride"
      ! grep -q "load <\(15\|17\|22\|24\) x float>" conv.ll || fail "stride $stride: vectors that are no registers"
    done
  done
done

# floats become narrow integers in vectors: NaN is zero, what does not fit the nearest that does
for type in s8 u8 s16 u16; do
  cat >narrow.hlo <<HLO
HloModule narrow

ENTRY main {
  x = f32[8,8] parameter(0)
  k = f32[8] constant({nan, inf, -inf, 1, 100, 1e4, 1e6, 1e30})
  b = f32[8,8] broadcast(k), dimensions={1}
  m = f32[8,8] multiply(x, b)
  ROOT y = $type[8,8] convert(m)
}
HLO
  expect 0 atrousc run narrow.hlo --random=1 --exact
  atrousc compile narrow.hlo --cpu=haswell --emit=asm -o narrow.s || fail "$type"
  ! grep -q "vcvttss2si" narrow.s || fail "$type: one by one"
done
