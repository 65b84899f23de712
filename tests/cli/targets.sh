#!/bin/bash
# targets.sh - code for every row of the table is made, with its instructions and without calls of a runtime library; what there is
# no code for is refused. tests/random/foreign-*.sh run such code.
. "$(dirname "$0")/common.bash"
cat >dense.hlo <<'HLO'
HloModule dense

ENTRY main {
  x = f32[1,12,12,64] parameter(0)
  w = f32[3,3,64,64] parameter(1)
  ROOT y = f32[1,12,12,64] convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f
}
HLO
# What 32-bit targets have no instructions for: division and conversion of s64 and u64, an edge mode's remainder, f16, f64.
cat >wide.hlo <<'HLO'
HloModule wide

ENTRY main {
  a = s64[40] parameter(0)
  b = u64[40] parameter(1)
  c = s32[40] parameter(2)
  f = f64[40] parameter(3)
  h = f16[40] parameter(4)
  q = s64[40] divide(a, a)
  r = u64[40] divide(b, b)
  s = s32[40] divide(c, c)
  i = f32[40] convert(a)
  j = f16[40] convert(b)
  k = s64[40] convert(f)
  l = u64[40] convert(h)
  m = f64[40] maximum(f, f)
  e = f64[40] exponential(m)
  z = c128[40] complex(e, f)
  y = c128[40] tanh(z)
  ROOT t = (s64[40], u64[40], s32[40], f32[40], f16[40], s64[40], u64[40], c128[40]) tuple(q, r, s, i, j, k, l, y)
}
HLO
cat >far.hlo <<'HLO'
HloModule far

ENTRY main {
  x = f32[1,4,4096] parameter(0)
  w = f32[2,4096,8] parameter(1)
  ROOT y = f32[1,4,8] convolution(x, w), window={size=2 pad=0_4194304 rhs_dilate=4194304}, dim_labels=b0f_0io->b0f
}
HLO
nm=$(command -v llvm-nm-19 || command -v llvm-nm-18 || command -v llvm-nm-17 || command -v llvm-nm)

# code ROW PATTERN OPTION...: the row is selected, the assembly holds the pattern, LLVM has nothing to say, nothing is called
code() {
  local row=$1 pattern=$2 module
  shift 2
  expect 0 atrousc targets "$@"
  grep -q "^\* $row " out || { cat out; fail "not row $row: $*"; }
  if ! grep -q "^\* $row .* yes$" out; then # this LLVM was built without the target
    expect 3 atrousc compile dense.hlo "$@" -o dense.o
    has err "LLVM has no target"
    return
  fi
  expect 0 atrousc compile dense.hlo "$@" --emit=asm
  grep -qE -- "$pattern" out || fail "no $pattern in the code for $*"
  [ ! -s err ] || { cat err; fail "LLVM complains about $*"; }
  for module in dense wide; do
    expect 0 atrousc compile $module.hlo "$@" -o $module.o
    [ -n "$nm" ] || continue
    "$nm" -u $module.o >symbols
    ! grep -vE ' (memcpy|memmove|memset|_GLOBAL_OFFSET_TABLE_|__stack_pointer|__indirect_function_table|\.TOC\.)$' symbols | grep ' U ' ||
      fail "$module.o calls for $*"
  done
}

code sse2 'mulps.*%xmm' --target=x86_64-linux-gnu
code avx2 'vfmadd.*%ymm' --target=x86_64-linux-gnu --cpu=x86-64-v3
code avx512 'vfmadd.*%zmm' --target=x86_64-linux-gnu --cpu=x86-64-v4
code avx512zen5 'vfmadd.*%zmm' --target=x86_64-linux-gnu --cpu=znver5
code avx512half 'vfmadd.*%zmm' --target=x86_64-linux-gnu --cpu=znver4
code sse2x8 'mulps.*%xmm' --target=i686-linux-gnu
code neon 'fmla.*v[0-9]+\.4s' --target=aarch64-linux-gnu
code neon 'fmla.*v[0-9]+\.4s' --target=aarch64-linux-gnu --features=+sve
code sve256 '(fmla|fmad).*z[0-9]+\.s' --target=aarch64-linux-gnu --cpu=neoverse-v1
code sve512 '(fmla|fmad).*z[0-9]+\.s' --target=aarch64-linux-gnu --cpu=a64fx
code neon32 'vm(ul|la)\.f32.*q[0-9]+' --target=armv7a-linux-gnueabihf
code neon32 'vm(ul|la)\.f32.*q[0-9]+' --target=armv7a-linux-gnueabihf --cpu=cortex-a9
code neonfma 'vfma\.f32.*q[0-9]+' --target=armv7a-linux-gnueabihf --cpu=cortex-a15
code rv64 'fmadd\.s' --target=riscv64-linux-gnu
code rvv128 'vsetivli.* 4, e32, m1' --target=riscv64-linux-gnu --features=+v
code rvv256 'vsetivli.* 8, e32, m1' --target=riscv64-linux-gnu --features=+v,+zvl256b
code rvv512 'vsetivli.* 16, e32, m1' --target=riscv64-linux-gnu --cpu=sifive-x280
code simd128 'f32x4\.mul' --target=wasm32-unknown-unknown
code wasm 'f32\.mul' --target=wasm32-unknown-unknown --cpu=mvp
code vector128 'f' --target=powerpc64le-linux-gnu
code vector128 'f' --target=powerpc-linux-gnu

# Both calling conventions of 32-bit Arm are served by one object.
expect 0 atrousc compile dense.hlo --target=armv7a-linux-gnueabihf --emit=asm
has out '.eabi_attribute	28, 3'

# SVE: code for one length, which the functions say.
expect 0 atrousc compile dense.hlo --target=aarch64-linux-gnu --cpu=a64fx --emit=llvm
has out 'vscale_range(4,4)'
expect 0 atrousc compile dense.hlo --target=aarch64-linux-gnu --features=+sve --emit=llvm
! grep -q vscale_range out || fail "a length of SVE is assumed"

# At the edges of rows some lanes have no term. Where masks have registers the multiply-add leaves them as they are; elsewhere a blend does.
for cpu in x86-64-v4 znver4 znver5 haswell; do
  expect 0 atrousc compile dense.hlo --target=x86_64-linux-gnu --cpu=$cpu --schedule='loop oy oc; reduce ic; unroll ky:3 kx:3; vector ox:16' --emit=asm
  case $cpu in
  haswell) grep -q 'vblendps' out || fail "no blends for $cpu" ;;
  *)
    grep -q 'vfmadd.*{%k[1-7]}' out || fail "no multiply-adds of some lanes for $cpu"
    ! grep -q 'vblend' out || fail "blends for $cpu"
    ;;
  esac
done

# Stores of single lanes, where there are many, are fenced off from each other, so that LLVM need not compare all of them.
many='loop ox; reduce ky kx ic; unroll oy:12; vector oc:16'
expect 0 atrousc compile dense.hlo --target=x86_64-linux-gnu --cpu=x86-64-v4 --schedule="$many" --emit=llvm
! grep -q 'asm sideeffect "", "~{memory}"' out || fail "fences between whole vectors"
sed -e 's/ROOT y = f32\[1,12,12,64\]/ROOT y = f32[1,64,12,12]/; s/->b01f/->bf01/' dense.hlo >apart.hlo
expect 0 atrousc compile apart.hlo --target=x86_64-linux-gnu --cpu=x86-64-v4 --schedule="$many" --emit=llvm
[ "$(grep -c 'asm sideeffect "", "~{memory}"' out)" -ge 3 ] || fail "no fences between many stores"
expect 0 atrousc compile apart.hlo --target=x86_64-linux-gnu --cpu=x86-64-v4 --schedule='loop ox; reduce ky kx ic; unroll oy:3; vector oc:16' --emit=llvm
! grep -q 'asm sideeffect "", "~{memory}"' out || fail "fences between few stores"

# Two groups of eight channels to a vector: the span that the channels are picked from is loaded again for each of them, rather than kept with
# what LLVM makes of it.
cat >groups.hlo <<'HLO'
HloModule groups

ENTRY main {
  x = f32[1,56,56,256] parameter(0)
  w = f32[3,3,8,256] parameter(1)
  ROOT y = f32[1,28,28,256] convolution(x, w), window={size=3x3 stride=2x2 pad=0_1x0_1}, dim_labels=b01f_01io->b01f, feature_group_count=32
}
HLO
expect 0 atrousc compile groups.hlo --target=x86_64-linux-gnu --cpu=x86-64-v4 --constant=1 --emit=asm \
  --schedule='parallel oy g; loop ox; reduce ky; unroll kx:3 ic:8 ox:14; vector g:2 oc:8; pack rhs'
on_stack() { grep "$1" out | grep -c '(%rsp)'; } # instructions with such registers
products=$(grep -c vfmadd out) spilled=$(on_stack zmm)
[ "$products" -gt 600 ] && [ "$spilled" -lt 60 ] || fail "$spilled spills for $products products"

# Weights that no tile moves stay where they are, where sums leave them no registers: read where they lie, not from the stack.
cat >weights.hlo <<'HLO'
HloModule m
ENTRY main {
  x = f32[1,56,56,16] parameter(0)
  w = f32[1,1,16,96] parameter(1)
  ROOT y = f32[1,56,56,96] convolution(x, w), window={size=1x1}, dim_labels=b01f_01io->b01f
}
HLO
expect 0 atrousc compile weights.hlo --target=x86_64-linux-gnu --cpu=haswell --constant=1 --emit=asm \
  --schedule='parallel oy_ox; unroll ic:16 oc:12; vector oc:8; pack rhs'
[ "$(on_stack ymm)" -eq 0 ] || fail 'weights on the stack'
# What has to be there is aligned to vectors: 24 sums, for 16 registers.
expect 0 atrousc compile weights.hlo --target=x86_64-linux-gnu --cpu=haswell --constant=1 --emit=asm \
  --schedule='parallel oy_ox; reduce ic; unroll oy_ox:2 oc:12; vector oc:8; pack rhs'
[ "$(on_stack ymm)" -gt 0 ] && grep -q 'andq.*-32, %rsp' out || fail 'vectors at any place of the stack'

# explain counts the work of three features, not of the four lanes that they are given.
sed 's/w = f32\[3,3,64,64\]/w = f32[3,3,64,3]/; s/y = f32\[1,12,12,64\]/y = f32[1,12,12,3]/' dense.hlo >three.hlo
expect 0 atrousc explain three.hlo --cpu=haswell --schedule='loop oy ox; reduce ky kx ic; vector oc:4'
has out 'work      0.4977 MFLOP'

# Index arithmetic is as wide as addresses.
expect 0 atrousc compile dense.hlo --target=wasm32-unknown-unknown --emit=llvm
has out 'phi i32'
expect 3 atrousc compile far.hlo --target=i686-linux-gnu -o far.o
has err 'pass 2^28, which 32-bit addresses allow'
expect 0 atrousc compile far.hlo --target=x86_64-linux-gnu -o far.o

refused() { # MESSAGE OPTION...
  local message=$1
  shift
  expect 3 atrousc compile dense.hlo "$@" -o refused.o
  has err "$message"
  [ ! -e refused.o ] || fail "an object in spite of the error: $*"
}
refused 'no code for target riscv32-linux-gnu' --target=riscv32-linux-gnu
refused 'no code for target no-such-machine' --target=no-such-machine
refused 'code for riscv64-linux-gnu needs d' --target=riscv64-linux-gnu --features=-d
refused 'CPU "cortex-a9" is not one of target riscv64-linux-gnu' --target=riscv64-linux-gnu --cpu=cortex-a9
# Without instructions that multiply integers LLVM would call a function.
if atrousc targets | grep -q 'riscv64.* yes$'; then
  expect 3 atrousc compile wide.hlo --target=riscv64-linux-gnu --features=-m -o refused.o
  has err "would call __"
fi

expect 0 atrousc targets
for cpus in 'x86_64: x86-64\* x86-64-v2' 'i686: pentium4\*' 'aarch64: .* generic\*' 'armv7: .* generic\*' 'riscv64: generic-rv64\*' \
  'wasm32: .* generic\*'; do
  grep -q "^$cpus" out || fail "targets does not print $cpus"
done
exit 0
