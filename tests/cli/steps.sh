#!/bin/bash
# steps.sh - steps of a sum that a tile takes at once. The cost model's loops over channels are never of a few products; tiles that are
# for a small part of the points loop over the outermost of these steps, which is less code and the same sum.
. "$(dirname "$0")/common.bash"
write() { # CHANNELS FEATURES TAPS DTYPE
  cat >conv.hlo <<HLO
HloModule conv

ENTRY main {
  x = $4[1,50,$1] parameter(0)
  w = $4[$3,$1,$2] parameter(1)
  ROOT y = $4[1,50,$2] convolution(x, w), window={size=$3 pad=$(($3 / 2))_$(($3 / 2))}, dim_labels=b0f_0io->b0f
}
HLO
}
chosen() { # NEST: its schedule on a CPU with 16 registers
  atrousc explain conv.hlo --constant=1 --cpu=haswell >explain || fail explain
  sed -n "/^nest $1\$/,/^nest/s/^  schedule *//p" explain
}
products() { # in the LLVM IR of conv.hlo under schedule $1
  atrousc compile conv.hlo --cpu=haswell --emit=llvm "--schedule=$1" -o conv.ll || fail "compile: $1"
  grep -c "call .*fma" conv.ll || true
}

write 64 64 1 f32
case "$(chosen y)" in *"unroll ic:4 "*) ;; *) fail "64 channels: $(chosen y)" ;; esac
write 63 64 1 f32
case "$(chosen y)" in *"ic:"*) fail "63 channels in steps that do not divide them: $(chosen y)" ;; esac

# 4 x 6 products in the tiles of 6 pixels; the last two pixels are 2 of 50: two tiles of 2 products, for whole vectors and for the rest
write 64 20 1 f32
[ "$(products 'loop ox oc; reduce ic; unroll ic:4 ox:6; vector oc:8')" = 52 ] || fail "tiles at the end are not loops"
[ "$(products 'loop ox oc; reduce ic; unroll ox:6; vector oc:8')" = 16 ] || fail "without steps"
# taps that may be absent have code of their own
write 64 16 3 f32
[ "$(products 'loop ox oc; reduce ic; unroll kx:3 ox:5; vector oc:8')" = 43 ] || fail "absent taps"
for dtype in f32 f64 bf16 s8 c64; do
  for taps in 1 3 5; do
    write 12 20 $taps $dtype
    kx=$([ $taps = 1 ] || echo "kx:$taps ")
    for pieces in "ic:4 ox:6" "${kx}ic:2 ox:6" "ic:12 ox:7" "${kx}ox:9" "ic:3 oc:2"; do
      expect 0 atrousc run conv.hlo --random=1 --check "--schedule=loop ox oc; unroll $pieces; vector oc:8"
    done
  done
done
