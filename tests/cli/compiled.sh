#!/bin/bash
# compiled.sh - the subcommands that need compiled code: run --check, verify, compile, explain, targets, nest, bench.
. "$(dirname "$0")/common.bash"
npy x.npy "$f32_header" "$one$two$three$four"

expect 0 atrousc run sum.hlo x.npy x.npy --check
is out "result 0: f32[2,2] min 2 max 8 mean 5 {2, 4, 6, 8}
check result 0: ok, equal"
expect 0 atrousc run conv.hlo --random=3 --check --constant=1 --repeat=3 --threads=2
has out "check result 0: ok"
expect 0 atrousc run conv.hlo --random-int=3 --exact
has out "check result 0: ok, equal"
expect 0 atrousc run two.hlo --random=3 --check
has out "check result 1: ok, equal"
atrousc run conv.hlo --random=3 -o a.npy || fail "run"
atrousc run conv.hlo --random=3 -o b.npy --constant=1 --threads=2 || fail "run, packed"
cmp a.npy b.npy || fail "packing once or two threads change the bits"

# Neither a limit nor measuring changes a bit.
expect 0 atrousc run conv.hlo --random=3 -o b.npy --workspace=1
cmp a.npy b.npy || fail "a workspace changes the bits"
expect 0 atrousc run conv.hlo --random=3 -o b.npy --measure=yes
cmp a.npy b.npy || fail "measuring changes the bits"
expect 0 atrousc explain conv.hlo --measure=yes
has out "measured  "
expect 0 atrousc explain conv.hlo --measure=no
! grep -q "^measured" out || fail "--measure=no measures"
expect 2 atrousc run conv.hlo --random=3 --measure=maybe
has err "option '--measure' wants yes or no, got 'maybe'"
expect 2 atrousc run conv.hlo --random=3 --workspace=-1
cat >chain.hlo <<'EOF'
HloModule chain
ENTRY e {
  x = f32[1,64,64,64] parameter(0)
  w = f32[1,1,64,128] parameter(1)
  a = f32[1,64,64,128] convolution(x, w), window={size=1x1}, dim_labels=b01f_01io->b01f
  v = f32[3,3,128,8] parameter(2)
  ROOT y = f32[1,64,64,8] convolution(a, v), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f
}
EOF
expect 3 atrousc run chain.hlo --random=3 --workspace=1
has err "bytes of scratch are needed, and the workspace is 1048576"
expect 0 atrousc run chain.hlo --random=3 --workspace=4

# Padding under an infinite tap: skipped, or multiplied as any other zero.
npy x4.npy "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 4), }" "$one$two$three$four"
npy w3.npy "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 3), }" "\\0\\0\\200\\177$one$one"
expect 0 atrousc run border.hlo x4.npy w3.npy
has out "{3, inf, inf, inf}"
expect 0 atrousc run border.hlo x4.npy w3.npy --multiply-padding
has out "{nan, inf, inf, inf}"
expect 2 atrousc run border.hlo x4.npy w3.npy --multiply-padding --target=interpreter
has err "option '--multiply-padding' is for compiled code"
for option in cpu=haswell features=+fma "schedule=loop oc" workspace=1 measure=yes; do
  expect 2 atrousc run border.hlo x4.npy w3.npy --target=interpreter "--$option"
  has err "option '--${option%%=*}' is for compiled code, not for the interpreter"
done
expect 0 atrousc run border.hlo x4.npy w3.npy --target=interpreter --constant=1 -o same.npy

# A module that fails does not keep the next one from being verified; the worst status counts.
sed 's/ROOT z = f32\[2,2\]/ROOT z = f32[2,3]/' sum.hlo >wrong.hlo
expect 0 atrousc verify sum.hlo conv.hlo two.hlo
is out "sum.hlo: ok
conv.hlo: ok
two.hlo: ok"
expect 1 atrousc verify sum.hlo wrong.hlo conv.hlo
is out "sum.hlo: ok
conv.hlo: ok"

# Beside the poles of a function the errors of the sums in front of it grow, and so does the bound.
cat >poles.hlo <<'EOF'
HloModule poles
ENTRY e {
  x = f32[1,64,32] parameter(0)
  w = f32[3,32,32] parameter(1)
  s = f32[1,64,32] convolution(x, w), window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f
  r = f32[1,64,32] subtract(s, s)
  z = c64[1,64,32] complex(r, s)
  t = c64[1,64,32] tanh(z)
  l = c64[1,64,32] logistic(z)
  ROOT p = (c64[1,64,32], c64[1,64,32]) tuple(t, l)
}
EOF
for seed in 1 2 3 4; do expect 0 atrousc verify poles.hlo --random=$seed; done

# So do those of a sum over many elements, which is added up in lanes and in another order than the interpreter's.
for count in 20000 200000; do
  cat >squares.hlo <<EOF
HloModule squares
add {
  a = f32[] parameter(0)
  b = f32[] parameter(1)
  ROOT c = f32[] add(a, b)
}
ENTRY e {
  x = f32[$count] parameter(0)
  z = f32[] constant(0)
  s = f32[$count] multiply(x, x)
  ROOT y = f32[] reduce(s, z), dimensions={0}, to_apply=add
}
EOF
  expect 0 atrousc verify squares.hlo
  expect 0 atrousc run squares.hlo --random=1 --check
done

# print is the identity on what it printed
expect 0 atrousc print conv.hlo -o printed.hlo
expect 0 atrousc print printed.hlo
cmp out printed.hlo || fail "print of print differs"

# gradient: a module again, for a parameter by name or by number
cat >square.hlo <<'EOF'
HloModule square
ENTRY e {
  x = f32[3] parameter(0)
  k = f32[3] parameter(1)
  s = f32[3] multiply(x, x)
  ROOT y = f32[3] multiply(s, k)
}
EOF
expect 0 atrousc gradient square.hlo --parameter=k
has out "ROOT multiply.6 = f32[3] multiply(cotangent, s)"
cp out by_name
expect 0 atrousc gradient square.hlo --parameter=1 -o by_number
cmp by_name by_number || fail "the gradient for parameter k and that for parameter 1 differ"
expect 0 atrousc gradient square.hlo
expect 0 atrousc verify by_number
expect 1 atrousc gradient square.hlo --parameter=z
has err "square.hlo: error: the module has no parameter 'z'"
expect 2 atrousc gradient square.hlo --parameter=2
has err "option '--parameter' wants a number from 0 to 1, got '2'"
expect 1 atrousc gradient two.hlo
has err "a gradient needs a module with one result; this one has 2"

# compile: kinds by option and by suffix, one text for both
for kind in nest:nest llvm:ll asm:s; do
  expect 0 atrousc compile conv.hlo --emit=${kind%:*}
  cp out stdout.text
  [ -s stdout.text ] || fail "--emit=${kind%:*} writes nothing"
  expect 0 atrousc compile conv.hlo -o conv.${kind#*:}
  cmp stdout.text conv.${kind#*:} || fail "-o conv.${kind#*:} differs from --emit=${kind%:*}"
done
expect 0 atrousc compile conv.hlo -o conv.o --name=my_kernel
[ -s conv.o ] || fail "no object"
expect 0 atrousc compile conv.hlo -o conv.s --name=my_kernel
has conv.s my_kernel

expect 0 atrousc nest conv.nest
cmp out conv.nest || fail "nest does not print what compile wrote"
expect 0 atrousc explain conv.hlo
[ -s out ] || fail "explain prints nothing"
# Which threads take what, and where the loops are cut, for what reason.
cat >cut.hlo <<'EOF'
HloModule cut
ENTRY e {
  x = f32[1,20,9,8] parameter(0)
  w = f32[3,3,8,8] parameter(1)
  z = f32[] constant(0)
  c = f32[1,20,9,8] convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f, edge_mode=zeroxreflect
  ROOT p = f32[1,20,11,8] pad(c, z), padding=0_0x0_0x1_1x0_0
}
EOF
expect 0 atrousc explain cut.hlo --cpu=haswell --schedule='parallel oy ox; reduce ky kx ic; unroll ox:4; vector oc:8'
has out '  threads   oy (20) and ox.1 (3): 60 iterations in 60 tasks'
has out '; kx in 3 parts for its edge mode'
has out 'ox.1 in 3 parts for its edge mode and a last tile that is not full; ky clipped to the input while running'
has out '  regions   3 tiles in the code: d2 in 3 parts for the ends of a pad or concatenation'
expect 0 atrousc explain cut.hlo --schedule='loop ox oy; reduce kx ic; unroll ky:3; vector oc:8'
has out '  threads   one: no dim is parallel'
has out 'oy in 3 parts for padding'
# An edge mode and holes that are both resolved while running: 81 residues are too many for nests of their own.
cat >holes.hlo <<'EOF'
HloModule holes
ENTRY e {
  x = f32[2,5,7,3] parameter(0)
  w = f32[3,3,3,16] parameter(1)
  ROOT c = convolution(x, w), window={size=3x3 stride=2x1 pad=20_20x9_11 lhs_dilate=9x9 rhs_dilate=9x1}, dim_labels=b01f_01io->b01f, edge_mode=circularxreflect
}
EOF
expect 0 atrousc explain holes.hlo
has out 'index (ox + kx - 9) / 9 of 7 by 3 else reflect'
expect 0 atrousc run holes.hlo --random-int=1 --exact --check

# Gradients of unshared weights: taps clipped (the first pixel has no first tap), cut and unrolled, pixels in lanes; taps around
# the sum, tested and cut.
cat >data.hlo <<'EOF'
HloModule data
ENTRY e {
  g = f32[2,12,4] parameter(0)
  w = f32[12,24,4] parameter(1)
  ROOT y = f32[2,12,8] custom-call(g, w), custom_call_target="atrous.local_convolution_data_gradient", window={size=3 pad=-1_3}, dim_labels=b0f_0io->b0f
}
EOF
for schedule in 'loop n ix ic; reduce kx oc' 'loop n ic; reduce oc kx; unroll ix:5' 'loop n ix; reduce oc; unroll kx:3; vector ic:8' \
  'parallel n; loop ic; reduce kx oc; vector ix:4' 'loop ix; reduce kx oc; vector ic:4 n:2'; do
  expect 0 atrousc run data.hlo --random-int=1 --exact --check --schedule="$schedule"
done
cat >weights.hlo <<'EOF'
HloModule weights
ENTRY e {
  x = f32[4,12,3] parameter(0)
  g = f32[4,12,8] parameter(1)
  ROOT y = f32[12,9,8] custom-call(x, g), custom_call_target="atrous.local_convolution_weight_gradient", window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f
}
EOF
for schedule in 'loop ox kx ic; reduce n; vector oc:8' 'loop kx ox oc; reduce n; unroll ic:3' 'loop ic kx; reduce n; unroll oc:8; vector ox:8' \
  'parallel ox; loop oc ic; unroll kx:3 n:4' 'loop kx ox ox:4; reduce n; unroll ic:3; vector oc:8'; do
  expect 0 atrousc run weights.hlo --random-int=1 --exact --check --schedule="$schedule"
done
# Addresses are computed without a look at overflow, so what would pass the limit is not compiled.
cat >far.hlo <<'EOF'
HloModule far
ENTRY e {
  x = f32[1,4,4096] parameter(0)
  w = f32[2,4096,8] parameter(1)
  ROOT y = f32[1,4,8] convolution(x, w), window={size=2 pad=0_4503599627370496 rhs_dilate=4503599627370496}, dim_labels=b0f_0io->b0f
}
EOF
expect 0 atrousc explain far.hlo
has out 'nest y: strides or dilations times steps through an array pass 2^55'
expect 0 atrousc run far.hlo --random-int=1 --exact --check

expect 0 atrousc targets
[ -s out ] || fail "targets prints nothing"

expect 0 atrousc bench conv.hlo sum.hlo --repeat=3
grep -qE '^conv\.hlo  min [0-9]+ ns  median [0-9]+ ns  .* GFLOP/s' out || fail "bench prints '$(cat out)'"
grep -qE '^conv\.hlo  .* [0-9.]+ of the f32 peak [0-9.]+  compile' out || fail "bench prints no peak: '$(cat out)'"
[ "$(grep -c '^  [a-z0-9.]*: ' out)" -ge 1 ] || fail "bench prints no schedule: '$(cat out)'"
# What it prints as a schedule is one.
sed -n 's/^  \(.*: .*\)/\1/p' out >schedule.txt
expect 0 atrousc run conv.hlo --random-int=1 --exact --schedule=@schedule.txt
# Each of its lines must be for a nest.
echo 'nosuch: loop oc' >>schedule.txt
expect 1 atrousc run conv.hlo --random=1 --schedule=@schedule.txt
has err "schedule:$(wc -l <schedule.txt):1: error: there is no nest \"nosuch\""
sed 's/f32/f64/g' conv.hlo >conv64.hlo
expect 0 atrousc bench conv64.hlo --repeat=3 --threads=2
has out "of the f64 peak"
expect 0 atrousc bench conv.hlo sum.hlo --repeat=3 --json
grep -qE '"peak_dtype": "f32", "peak_gflops": [0-9.]+, "share": [0-9.e-]+, "schedules": \{"[a-z0-9.]+": "' out ||
  fail "bench --json lacks peak or schedules: '$(cat out)'"
if command -v python3 >/dev/null; then python3 -m json.tool <out >/dev/null || fail "bench --json is not JSON"; fi
# 5 outputs of 2 taps are 20 operations; the dilated, cropped input meets a tap in 5 of the 10 pairs.
has out '"name": "conv.hlo", "min_ns": '
has out '"runs": 3,'
has out '"flops": 20, "useful_flops": 10,'
[ "$(grep -c '"name"' out)" = 2 ] || fail "bench --json lacks a module"
# More threads than cores have no higher peak than the cores.
peak() { atrousc bench conv.hlo --repeat=3 --json "--threads=$1" | sed -n 's/.*"peak_gflops": \([0-9.e+]*\),.*/\1/p'; }
awk -v one="$(peak 1)" -v all="$(peak 1024)" -v n="$(nproc)" 'BEGIN { exit !(one > 0 && all > 0 && all < 4 * n * one) }' ||
  fail "1024 threads have a peak of $(peak 1024), one of $(peak 1), with $(nproc) cores"

# An unknown CPU is refused, not crashed on.
atrousc run conv.hlo --random=1 --cpu=no-such-cpu >out 2>err
case $? in 1 | 3) has err "no-such-cpu" ;; *) fail "an unknown CPU is taken" ;; esac
expect 3 atrousc run conv.hlo --random=1 --cpu=no-such-cpu --features=+avx2,+fma
has err 'unknown CPU "no-such-cpu"'
expect 3 atrousc compile conv.hlo -o none.o --target=x86_64-linux-gnu --cpu=no-such-cpu --features=+avx2,+fma
has err 'unknown CPU "no-such-cpu"'
expect 1 atrousc compile conv.hlo -o none.o --target=x86_64-linux-gnu --cpu=haswell --features=fma
has err 'feature "fma": expected +NAME or -NAME'

# Features that LLVM ends the process for when what they need is not there.
for dtypes in "s8 s32" "bf16 f32" "f32 f32"; do
  read -r operand sum <<<"$dtypes"
  cat >narrow.hlo <<HLO
HloModule narrow

ENTRY main {
  x = $operand[1,16,9,19] parameter(0)
  w = $operand[20,16,3,3] parameter(1)
  ROOT y = $sum[1,20,7,17] convolution(x, w), window={size=3x3}, dim_labels=bf01_oi01->bf01
}
HLO
  for words in haswell:+avx512f haswell:+avx512f,+avx512bw haswell:+avx512vnni haswell:-avx x86-64-v4:-avx512bw znver4:-avx512bw znver4:-f16c; do
    expect 0 atrousc compile narrow.hlo -o narrow.o --target=x86_64-linux-gnu "--cpu=${words%:*}" "--features=${words#*:}"
  done
done
exit 0
