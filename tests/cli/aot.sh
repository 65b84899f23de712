#!/bin/bash
# aot.sh - objects ahead of time: what is in them, their headers in C and C++, programs that are linked with nothing else, weights,
# several CPUs, self-tests, libraries, the same bytes twice, and every wrong call.
. "$(dirname "$0")/common.bash"
cat >layer.hlo <<'HLO'
HloModule layer

ENTRY main {
  x = f32[1,6,6,8] parameter(0)
  w = f32[3,3,8,16] parameter(1)
  b = f32[16] parameter(2)
  c = f32[1,6,6,16] convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f
  d = f32[1,6,6,16] broadcast(b), dimensions={3}
  ROOT y = f32[1,6,6,16] add(c, d)
}
HLO
cat >words.hlo <<'HLO'
HloModule words

ENTRY main {
  int = bf16[2,3]{0,1} parameter(0)
  and.1 = c64[4] parameter(1)
  args = pred[5] parameter(2)
  not = pred[5] not(args)
  x.y = c64[4] add(and.1, and.1)
  x_y = bf16[2,3]{0,1} copy(int)
  f = f16[3] iota(), iota_dimension=0
  ROOT t = (pred[5], c64[4], bf16[2,3]{0,1}, f16[3]) tuple(not, x.y, x_y, f)
}
HLO
cat >several.hlo <<'HLO'
HloModule several

twice { a = f32[4] parameter(0) ROOT d = f32[4] add(a, a) }
helper { a = f32[4] parameter(0) ROOT n = f32[4] negate(a) }
ENTRY main { x = f32[4] parameter(0) ROOT y = f32[4] call(x), to_apply=helper }
HLO
x86=no
case $(uname -m) in x86_64) x86=yes ;; esac

# ---- what an object may need, and hold

# clean OBJECT ALLOWED: no other undefined symbols, nothing to unwind, no writable data but a 4-byte choice where there are CPUs
clean() {
  nm -u "$1" | grep -vE " ($2)$" && fail "$1 needs more than $2"
  readelf -SW "$1" | sed 's/^ *\[ *[0-9]*\] *//' >sections
  grep -E '^\.(data|tdata|tbss|init_array|eh_frame)' sections && fail "$1 has sections that it should not have"
  grep -E '^\.bss' sections | grep -vE ' 000004 00 +WA ' && fail "$1 has writable data"
  ld -shared -z text -o clean.so "$1" 2>err || fail "$1 is not position independent: $(cat err)"
}

for module in layer words several; do
  expect 0 atrousc compile $module.hlo -o $module.o --prefix=aot_ --selftest
  [ -s $module.h ] || fail "no header beside $module.o"
  clean $module.o "memcpy|memmove|memset"
  expect 0 atrousc compile $module.hlo -o $module.generic.o --target=aarch64-linux-gnu
  nm -u $module.generic.o | grep -vE " mem(cpy|move|set)$" && fail "$module for aarch64 needs more than it may"
done
[ $x86 = no ] || nm layer.o | grep -q ' b atrous.cpu' || fail "an object for several CPUs has no choice"
expect 0 atrousc compile layer.hlo -o one.o --cpu=native
clean one.o "memcpy|memmove|memset"
grep -q '^\.bss' sections && fail "an object for one CPU has writable data"
expect 0 atrousc compile layer.hlo -o unwind.o --unwind
readelf -SW unwind.o | grep -q '\.eh_frame' || fail "--unwind makes no tables"
nm layer.o | grep -E ' [TDBRC] ' | grep -vE ' T aot_layer(_selftest)?$' && fail "a helper is visible"

# Without the subcommand's name: a file, an option, a pipe or a response file first.
mkdir short
same() {
  expect 0 atrousc "$@"
  cmp short/one.o short/"$name".o && cmp short/one.h short/"$name".h || fail "another object or header: atrousc $*"
}
expect 0 atrousc compile layer.hlo -o short/one.o --cpu=native
echo "layer.hlo -o short/response.o --cpu=native" >response
name=file same layer.hlo -o short/file.o --cpu=native
name=path same ./layer.hlo -o short/path.o --cpu native
name=option same --cpu native -oshort/option.o layer.hlo
name=output same -o short/output.o --cpu=native layer.hlo
name=response same @response
name=pipe same - -o short/pipe.o --cpu=native <layer.hlo

# The size of a 3x3 layer of a ResNet, without its weights.
cat >resnet.hlo <<'HLO'
HloModule resnet

ENTRY main {
  x = f32[1,56,56,64] parameter(0)
  w = f32[3,3,64,64] parameter(1)
  ROOT y = f32[1,56,56,64] convolution(x, w), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f
}
HLO
expect 0 atrousc compile resnet.hlo -o resnet.o
[ "$(stat -c %s resnet.o)" -le 40960 ] || fail "a ResNet layer is $(stat -c %s resnet.o) bytes"

# ---- headers

cat >both.c <<'C'
#include "layer.h"
#include "words.h"
#include "several.h"
#include "layer.h"
#ifdef WITH_LIBRARY
#include "atrous/atrous.h"
#endif
int use(const float *x, const float *w, const float *b, float *y, const atr_host *host);
int use(const float *x, const float *w, const float *b, float *y, const atr_host *host) {
  static char scratch[AOT_LAYER_SCRATCH_SIZE + 1];
  return aot_layer_call(x, w, b, y, scratch, host) + aot_several_call(x, y, 0, 0) + aot_twice_call(x, y, 0, 0);
}
C
cp both.c both.cc
warnings="-Wall -Wextra -pedantic -Werror"
compilers=0
for compiler in "gcc -std=c99" "clang -std=c99" "g++ -std=c++11 -x c++" "clang++ -std=c++11 -x c++"; do
  command -v "${compiler%% *}" >/dev/null || continue
  compilers=$((compilers + 1))
  $compiler $warnings -c both.c -o both.o 2>err || fail "$compiler: $(cat err)"
  $compiler $warnings -DWITH_LIBRARY -I"$ATROUS_SOURCE/include" -c both.c -o both.o 2>err || fail "$compiler with atrous.h: $(cat err)"
  (echo '#include "atrous/atrous.h"'; cat both.c) >after.c
  $compiler $warnings -I"$ATROUS_SOURCE/include" -c after.c -o both.o 2>err || fail "$compiler after atrous.h: $(cat err)"
done
has words.h "const uint16_t *int_ /* bf16[2,3]{0,1} */, const float *and_1 /* c64[4] */, const uint8_t *args_ /* pred[5] */"
has words.h "uint8_t *not_ /* pred[5] */, float *x_y /* c64[4] */, uint16_t *x_y_ /* bf16[2,3]{0,1} */, uint16_t *f /* f16[3] */"
has layer.h "convolution(x, w), window={size=3x3 pad=1_1x1_1}"
expect 0 atrousc compile layer.hlo --emit=header --prefix=aot_ --selftest
cmp out layer.h || fail "--emit=header is not the header beside an object"

if [ $compilers = 0 ]; then echo "no C compiler"; exit 77; fi
command -v gcc >/dev/null || { echo "no gcc"; exit 77; }

# ---- programs linked with the object alone

atrousc run layer.hlo --random-int=1 -o y.npy || fail "run"
# The array of random numbers that run fills a parameter with, in a module that only returns it.
array() { # TYPE NUMBER FILE: parameter NUMBER of layer.hlo
  { echo "HloModule a"; echo "ENTRY e {"; for p in 0 1 2; do [ $p -le "$2" ] && echo "  p$p = $1 parameter($p)"; done
    echo "  ROOT c = $1 copy(p$2)"; echo "}"; } >array.hlo
  atrousc run array.hlo --random-int=1 -o "$3" || fail "array $3"
}
array 'f32[1,6,6,8]' 0 x.npy
array 'f32[3,3,8,16]' 1 w.npy
array 'f32[16]' 2 b.npy
for file in x w b y; do tail -c +129 $file.npy >$file.bin; done
cat >program.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include HEADER
static float x[288], w[1152], b[16], y[576], expected[576];
static int calls;
static void backwards(void *user, int64_t n, void (*body)(void *arg, int64_t i), void *arg) {
  (void)user;
  calls++;
  while (n-- > 0) body(arg, n);
}
static void load(const char *path, float *to, size_t n) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fread(to, sizeof *to, n, file) != n) exit(9);
  fclose(file);
}
int main(void) {
  atr_host host = {NULL, backwards};
  void *scratch = aligned_alloc(LAYER_SCRATCH_ALIGNMENT, LAYER_SCRATCH_SIZE + 64);
  load("x.bin", x, 288), load("w.bin", w, 1152), load("b.bin", b, 16), load("y.bin", expected, 576);
#ifdef LAYER_PACKED_SIZE
  void *packed = aligned_alloc(LAYER_SCRATCH_ALIGNMENT, LAYER_PACKED_SIZE);
  if (layer_prepack_call(w, packed, &host) != LAYER_OK) return 2;
#endif
  for (int threads = 0; threads < 2; threads++) {
    memset(y, 0xff, sizeof y);
    int status = layer_call(ARGUMENTS y, scratch, threads ? &host : NULL);
    if (status != LAYER_OK) return 40 + status;
    if (memcmp(y, expected, sizeof y) != 0) return 3;
  }
#ifdef LAYER_SELFTEST_SIZE
  if (layer_selftest(aligned_alloc(64, LAYER_SELFTEST_SIZE), &host) != 0) return 4;
#endif
  return 0;
}
C
# program NAME ARGUMENTS: builds it with NAME.o and NAME.h, and nothing else
program() {
  gcc -std=c11 -Wall -Wextra -Werror -DHEADER="\"$1.h\"" -DARGUMENTS="$2" program.c "$1.o" -o "$1" 2>err || fail "program $1: $(cat err)"
}
expect 0 atrousc compile layer.hlo -o plain.o --selftest
program plain "x, w, b,"
expect 0 ./plain
expect 0 atrousc compile layer.hlo -o packing.o --constant=1 --selftest
has packing.h "#define LAYER_PACKED_SIZE"
program packing "x, w, b, packed,"
expect 0 ./packing
expect 0 atrousc compile layer.hlo -o bound.o --weights=w=w.npy --weights=2=b.npy --selftest
program bound "x,"
expect 0 ./bound
nm bound.o | grep -q prepack && fail "bound weights still need a prepack"
has bound.h "w = f32[3,3,8,16] constant({...})"
expect 0 atrousc compile layer.hlo -o guessed.o --weights=w.npy --weights=b.npy
program guessed "x,"
expect 0 ./guessed
expect 0 atrousc compile layer.hlo -o native.o --cpu=native --selftest --constant=1
program native "x, w, b, packed,"
expect 0 ./native
expect 0 atrousc compile layer.hlo -o scheduled.o --selftest '--schedule=loop oy ox; reduce kx ic; unroll ky:3 ox:2; vector oc:8; pack rhs'
program scheduled "x, w, b,"
expect 0 ./scheduled

# padding under an infinite tap: skipped, or multiplied as any other zero
cat >border.c <<'C'
#include <math.h>
#include <stdlib.h>
#include "border.h"
int main(void) {
  const float x[4] = {1, 2, 3, 4}, w[3] = {INFINITY, 1, 1};
  float y[4];
  if (border_call(x, w, y, aligned_alloc(BORDER_SCRATCH_ALIGNMENT, BORDER_SCRATCH_SIZE + 64), NULL) != BORDER_OK) return 2;
  if (!isinf(y[1]) || !isinf(y[2]) || !isinf(y[3])) return 3;
  return isnan(y[0]) ? 5 : y[0] == 3 ? 0 : 4;
}
C
border() { # STATUS OPTION...
  expect 0 atrousc compile border.hlo -o border.o "${@:2}"
  gcc -std=c11 border.c border.o -o border || fail "border ${*:2}"
  expect "$1" ./border
}
border 0
border 5 --multiply-padding

# narrow dtypes, with pairs multiplied at once where the CPU can; weights that are no whole numbers, so that sums are not exact
cat >broken.hlo <<'HLO'
HloModule narrow

ENTRY main {
  x = f32[1,1,64,64] parameter(0)
  w = f32[1,1,3,3] constant({ { { { 0.1, 0.2, 0.7 }, { 0.11, 0.12, 0.15 }, { 1.1, 1.3, 0.003 } } } })
  ROOT c = f32[1,1,64,64] convolution(x, w), window={size=3x3 pad=2_2x2_2 rhs_dilate=2x2}, dim_labels=bf01_oi01->bf01, edge_mode=reflectxzero
}
HLO
for dtype in f16 bf16 s8 broken.f16 broken.bf16 broken.f32 broken.f64; do
  sum=$dtype
  [ $dtype = s8 ] && sum=s32
  case $dtype in
    broken.*) sed "s/f32/${dtype#*.}/g" broken.hlo >narrow.hlo ;;
    *) sed "s/HloModule layer/HloModule narrow/; s/f32\[\(1,6,6,8\|3,3,8,16\)\]/$dtype[\1]/; s/f32\[/$sum[/g" layer.hlo >narrow.hlo ;;
  esac
  expect 0 atrousc compile narrow.hlo -o narrow.o --selftest
  cat >narrow.c <<'C'
#include <stdlib.h>
#include "narrow.h"
int main(void) { return narrow_selftest(aligned_alloc(64, NARROW_SELFTEST_SIZE), NULL); }
C
  gcc -std=c11 narrow.c narrow.o -o narrow || fail "narrow, $dtype"
  expect 0 ./narrow
done

# ---- several CPUs

if [ $x86 = yes ]; then
  expect 0 atrousc compile layer.hlo -o chosen.o --cpu=x86-64,x86-64-v2 --cpu-variable=MY_CPU
  clean chosen.o "memcpy|memmove|memset|getenv"
  nm -u chosen.o | grep -q getenv || fail "no getenv in an object that looks at a variable"
  has chosen.h "MY_CPU in the environment"
  nm -u plain.o | grep getenv && fail "getenv without a variable"
  program chosen "x, w, b,"
  expect 0 ./chosen
  expect 0 env MY_CPU=x86-64 ./chosen
  expect 0 env MY_CPU=nonsense ./chosen
  # A debugger's view of the choice: stepping is not for a test, so the copies are told apart by damaging one of them.
  python=$(command -v python3) || python=
  damage() { # FROM TO SYMBOL: FROM with the entry of a copy returning 7 at once
    "$python" - "$1" "$2" "$3" <<'PY'
import subprocess, sys
source, target, symbol = sys.argv[1:]
names = subprocess.run(["nm", source], capture_output=True, text=True, check=True).stdout.split("\n")
address = next(int(line.split()[0], 16) for line in names if line.split()[2:] == [symbol])
sections = subprocess.run(["readelf", "-SW", source], capture_output=True, text=True, check=True).stdout.split("\n")
text = next(line.split("]", 1)[1].split() for line in sections if " .text " in line)
base = 0 if source.endswith(".o") else int(text[2], 16)
data = bytearray(open(source, "rb").read())
at = int(text[3], 16) + address - base
data[at:at + 6] = b"\xb8\x07\x00\x00\x00\xc3"  # mov eax, 7; ret
open(target, "wb").write(data)
PY
  }
  if [ -n "$python" ]; then
    damage chosen chosen.best layer.x86-64-v2
    damage chosen chosen.base layer.x86-64
    chmod +x chosen.best chosen.base
    expect 47 ./chosen.best
    expect 0 env MY_CPU=x86-64 ./chosen.best
    expect 0 ./chosen.base
    expect 47 env MY_CPU=x86-64 ./chosen.base
  fi
  # A machine that has none of them.
  if ! grep -qw avx512f /proc/cpuinfo; then
    expect 0 atrousc compile layer.hlo -o never.o --cpu=x86-64-v4,cascadelake
    program never "x, w, b,"
    expect 44 ./never
  fi
fi

# ---- libraries

expect 0 atrousc compile layer.hlo -o liblayer.a
gcc -std=c11 -DHEADER='"liblayer.h"' -DARGUMENTS="x, w, b," program.c liblayer.a -o archived || fail "static library"
expect 0 ./archived
is <(ar t liblayer.a) layer.o
expect 0 atrousc compile layer.hlo -o liblayer.so
gcc -std=c11 -DHEADER='"liblayer.h"' -DARGUMENTS="x, w, b," program.c ./liblayer.so -Wl,-rpath,"$work" -o shared || fail "shared library"
expect 0 ./shared
readelf -d liblayer.so | grep -q 'SONAME.*\[liblayer.so\]' || fail "no soname"
readelf -d liblayer.so | grep TEXTREL && fail "text relocations"
cat >dl.c <<'C'
#include <dlfcn.h>
int main(void) {
  void *library = dlopen("./liblayer.so", RTLD_NOW | RTLD_LOCAL);
  return library == 0 || dlsym(library, "layer") == 0 || dlsym(library, "atrous.choose") != 0;
}
C
gcc dl.c -o dl -ldl && expect 0 ./dl
expect 3 env LD=no-such-linker "$ATROUSC" compile layer.hlo -o lost.so
has err "cannot run 'no-such-linker': there is no such program"
expect 3 env AR=no-such-ar "$ATROUSC" compile layer.hlo -o lost.a
has err "cannot run 'no-such-ar'"
expect 3 env LD=false "$ATROUSC" compile layer.hlo -o lost.so
has err "cannot run 'false': it failed"
ls lost.* 2>/dev/null && fail "a library that was not made leaves files"
if command -v aarch64-linux-gnu-ld >/dev/null || command -v ld.lld >/dev/null; then
  expect 0 atrousc compile layer.hlo -o foreign.so --target=aarch64-linux-gnu
  readelf -h foreign.so | grep -q AArch64 || fail "a foreign library is not foreign"
fi

# ---- the same bytes, wherever and however often

mkdir there && cp layer.hlo there/
for kind in o a so; do
  expect 0 atrousc compile layer.hlo -o first.$kind
  (cd there && ATROUS_UNUSED=1 "$ATROUSC" compile "$work/there/layer.hlo" -o first.$kind) || fail "compile there"
  cmp first.$kind there/first.$kind || fail "two builds of first.$kind differ"
done
cmp first.h there/first.h || fail "two headers differ"
grep -aF "$work" first.o && fail "the object holds a path"

# ---- several functions

nm several.o | grep -c ' T aot_' >count
is count 4
expect 0 atrousc compile several.hlo layer.hlo -o many.o
nm many.o | grep -E ' T (several|twice|layer)$' | wc -l >count
is count 3
expect 0 atrousc compile layer.hlo several.hlo --emit=nest
cp out many.nest
expect 0 atrousc nest many.nest
cmp out many.nest || fail "nest does not print what compile wrote for several functions and CPUs"

# ---- wrong calls: a message, an exit status, no file

# refused CODE MESSAGE ARGUMENTS...
refused() {
  local code=$1 message=$2
  shift 2
  rm -f left.*
  expect "$code" atrousc compile "$@" -o left.o
  has err "$message"
  ls left.* 2>/dev/null && fail "a refused compilation leaves files: $*"
  return 0
}
refused 1 'the function "layer" of layer.hlo collides with "layer" of layer.hlo' layer.hlo layer.hlo
sed 's/HloModule layer/HloModule LAYER_prepack/' layer.hlo >close.hlo
refused 1 'the function "LAYER_prepack" of close.hlo collides with "layer" of layer.hlo' layer.hlo close.hlo
refused 1 '"3d" is not a C identifier' layer.hlo --name=3d
refused 1 '"a-b_layer" is not a C identifier' layer.hlo --prefix=a-b_ --name=layer
refused 1 '"while" is not a C identifier' layer.hlo --name=while
refused 2 "option '--name' is for one function, but there are more; see --prefix" several.hlo --name=one
refused 2 "option '--weights' is for one function" layer.hlo several.hlo --weights=w.npy
refused 3 "no code for target nothing-at-all" layer.hlo --target=nothing-at-all
refused 3 "target cuda:sm_90: there is no code generator for GPUs" layer.hlo --target=cuda:sm_90
refused 3 'unknown CPU "pentium"' layer.hlo --target=x86_64-linux-gnu --cpu=x86-64-v3,pentium
refused 3 "only x86-64 has a test" layer.hlo --target=aarch64-linux-gnu --cpu=cortex-a72,neoverse-v1
refused 1 "ask for the same of a machine" layer.hlo --target=x86_64-linux-gnu --cpu=haswell,x86-64-v3
refused 1 "w.npy: error: there is no parameter 3: layer.hlo has 3" layer.hlo --weights=3=w.npy
refused 1 "w.npy: error: parameter 1 is given twice" layer.hlo --weights=1=w.npy --weights=1=w.npy
refused 1 "b.npy: error: the array has 1 dimensions, the parameter has 4 (parameter w is f32[3,3,8,16])" layer.hlo --weights=w=b.npy
refused 1 "x.npy: error: no parameter of layer.hlo behind the first takes this array" layer.hlo --weights=x.npy
cat >alike.hlo <<'HLO'
HloModule alike

ENTRY main {
  x = f32[16] parameter(0)
  a = f32[16] parameter(1)
  b = f32[16] parameter(2)
  y = f32[16] multiply(x, a)
  ROOT z = f32[16] add(y, b)
}
HLO
refused 1 "b.npy: error: 2 parameters of alike.hlo have this shape; write --weights=PARAMETER=FILE" alike.hlo --weights=b.npy
expect 0 atrousc compile alike.hlo -o alike.o --weights=b=b.npy --weights=b.npy # the first leaves one
for which in 0 x; do # what is behind the first stays so when the first is bound
  expect 0 atrousc compile layer.hlo -o all.o --weights=$which=x.npy --weights=w.npy --weights=b.npy
done
refused 1 "w.npy: error: no parameter of layer.hlo behind the first takes this array" layer.hlo --weights=0=x.npy --weights=1=w.npy --weights=w.npy
refused 1 "missing.npy: error: cannot read" layer.hlo --weights=w=missing.npy
refused 1 "w.npy: error: layer.hlo has no parameter 'v' that is not bound yet" layer.hlo --weights=v=w.npy
refused 1 "w.npy: error: layer.hlo has no parameter 'w' that is not bound yet" layer.hlo --weights=w=w.npy --weights=w=w.npy
cp w.npy v=w.npy # a name with = in it
expect 0 atrousc compile layer.hlo -o named.o --weights=v=w.npy
for option in --weights=w=- --weights=- --schedule=@-; do
  refused 2 "'-' is given 2 times, but there is one standard input" - $option </dev/null
done
refused 1 "is no name of an environment variable" layer.hlo --cpu-variable=A=B
refused 1 "cannot read" missing.hlo
expect 3 atrousc compile layer.hlo -o nowhere/left.o
has err "nowhere/left.o: error: cannot write"
mkdir left.h
expect 3 atrousc compile layer.hlo -o left.o
has err "left.h: error: cannot write"
[ -e left.o ] && fail "the object is there without its header"
rmdir left.h
expect 2 atrousc compile layer.hlo --emit=obj -o left.h
has err "the object and its header cannot both be 'left.h'"
ls -A | grep -E '\.[A-Za-z0-9]{6}$' | grep -v '\.static$' && fail "temporary files are left"
exit 0
