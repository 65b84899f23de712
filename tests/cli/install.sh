#!/bin/bash
# install.sh - what an installation has for build systems: pkg-config, CMake's package, the rules for Make, completions; the folder
# is not the one that was configured, so all of it can be moved.
. "$(dirname "$0")/common.bash"
unset MAKEFLAGS MAKELEVEL # of the make that runs this test
make -C "${ATROUS_BUILD:?}" -s install DESTDIR="$work/root" >log 2>&1 || { cat log; fail "make install"; }
variable() { sed -n "s/^$1 = //p" "$ATROUS_BUILD/Makefile"; }
prefix=$work/root$(variable prefix)
[ -x "$prefix/bin/atrousc" ] || { echo "installed with names or folders of its own"; exit 77; }
library=$(dirname "$(find "$prefix" -name 'libatrous.so')")
[ "$library" != . ] || { echo "no shared library"; exit 77; }
export LD_LIBRARY_PATH=$library${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
ATROUSC=$prefix/bin/atrousc
expect 0 atrousc --version
version=$(sed 's/.* //' out)
expect 0 atrousc run sum.hlo --random=1 --check
ln -s "$ATROUSC" linked
expect 0 ./linked run sum.hlo --random=1
mv "$prefix/libexec" away
expect 3 atrousc run sum.hlo --random=1
has err "cannot run '$prefix/bin/../libexec/atrous/atrousc-commands': No such file"
mv away "$prefix/libexec"
for file in bash-completion/completions/atrousc zsh/site-functions/_atrousc fish/vendor_completions.d/atrousc.fish man/man1/atrousc.1 \
  atrous/atrous.mk; do
  [ -s "$prefix/share/$file" ] || fail "no $file"
done
missing=

if command -v gcc >/dev/null && nm "$library/libatrous.so" 2>/dev/null | grep -qE ' U __(asan|tsan|ubsan)_'; then
  echo "a build with sanitizers"
  exit 77
fi

# ---- pkg-config and Make

npy w.npy "$f32_header" "$one$two$three$four"
if command -v pkg-config >/dev/null && command -v make >/dev/null; then
  # The .pc file has the configured prefix, as it should; --define-prefix is what moves it.
  export PKG_CONFIG_PATH=$library/pkgconfig
  from() { pkg-config --define-prefix "$@"; }
  [ "$(from --variable=atrousc atrous)" = "$prefix/bin/atrousc" ] || fail "pkg-config says atrousc is $(from --variable=atrousc atrous)"
  [ "$(from --variable=makefile atrous)" = "$prefix/share/atrous/atrous.mk" ] || fail "atrous.mk is $(from --variable=makefile atrous)"
  mkdir by_make
  cp sum.hlo by_make/conv.hlo
  cat >by_make/Makefile <<'MAKE'
include $(shell pkg-config --define-prefix --variable=makefile atrous)
ATROUSC = $(shell pkg-config --define-prefix --variable=atrousc atrous)
all: conv.o conv.h
	echo made >>log
conv.o conv.h: ATROUSCFLAGS = --weights=1=../w.npy
MAKE
  for round in 1 2; do expect 0 make -C by_make; done
  [ "$(grep -c 'compile' out)" = 0 ] || fail "made twice"
  [ "$(wc -l <by_make/log)" = 2 ] || fail "conv.d takes the default goal"
  grep -q 'constant' by_make/conv.h || fail "no weights"
  touch -d '+1 minute' w.npy
  expect 0 make -C by_make
  grep -q 'atrousc compile' out || fail "an edit of an array makes nothing"
  touch w.npy
else
  missing="pkg-config or make"
fi

# ---- CMake

command -v cmake >/dev/null || { echo "no cmake (apt-get install cmake)"; exit 77; }
mkdir project
sed 's/HloModule sum/HloModule first/' sum.hlo >project/first.hlo
sed 's/HloModule sum/HloModule second/' sum.hlo >project/second.hlo
npy 'project/w 1.npy' "$f32_header" "$one$two$three$four"
atrousc explain sum.hlo | sed -n 's/^ *schedule  */z: /p' | head -n 1 >project/plain.schedule
cat >project/CMakeLists.txt <<CMAKE
cmake_minimum_required(VERSION 3.20)
project(project C)
find_package(Atrous $version REQUIRED)
atrous_add_convolution(pair first.hlo second.hlo PREFIX my_ CPU x86-64-v2 x86-64-v3 CONSTANT 1 SELFTEST OPTIONS --unwind)
atrous_add_convolution(one first.hlo NAME bound WEIGHTS "y=w 1.npy" OPTIONS --schedule=@plain.schedule)
add_executable(program main.c)
target_link_libraries(program PRIVATE pair one Atrous::atrous)
CMAKE
case $(uname -m) in x86_64) ;; *) sed -i 's/ CPU x86-64-v2 x86-64-v3//' project/CMakeLists.txt ;; esac
cat >project/main.c <<'C'
#include <atrous/atrous.h>
#include "one.h"
#include "pair.h"
static char memory[MY_FIRST_SELFTEST_SIZE + MY_SECOND_SELFTEST_SIZE + 64];
int main(void) {
  float x[4] = {1, 1, 1, 1}, y[4];
  char *aligned = memory + 63 - ((uintptr_t)memory + 63) % 64;
  if (bound_call(x, y, aligned, NULL) != 0 || y[3] != 5) return 2;
  if (my_first_selftest(aligned, NULL) != 0 || my_second_selftest(aligned, NULL) != 0) return 3;
  return atr_version()[0] == 0;
}
C
generators=("Unix Makefiles")
if command -v ninja >/dev/null; then generators+=(Ninja); else missing="${missing:+$missing, }ninja"; fi
for generator in "${generators[@]}"; do
  folder="by $generator"
  expect 0 cmake -S project -B "$folder" -G "$generator" -DCMAKE_PREFIX_PATH="$prefix"
  expect 0 cmake --build "$folder"
  expect 0 "./$folder/program"
  expect 0 cmake --build "$folder"
  grep -q 'Compiling convolution' out && fail "$generator: made twice"
  for file in first.hlo 'w 1.npy' plain.schedule; do
    sleep 1 # the time stamps of Make
    touch "project/$file"
    expect 0 cmake --build "$folder"
    grep -q 'Compiling convolution one' out || fail "$generator: an edit of $file makes nothing"
  done
  expect 0 cmake --build "$folder"
  grep -q 'Compiling convolution' out && fail "$generator: made again after an edit"
done

# Which triple: by the processor, by the compiler's own, by hand. The rule is looked at, so no cross compiler is needed.
mkdir triple
cat >triple/CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.20)
project(triple NONE)
find_package(Atrous REQUIRED)
_atrous_find_triple(triple)
message(STATUS "triple ${triple}.")
CMAKE
triple() { # TRIPLE DEFINITION...
  local want=$1
  shift
  rm -rf triple/build
  expect 0 cmake -S triple -B triple/build -DCMAKE_PREFIX_PATH="$prefix" "$@"
  has out "triple $want."
}
triple ''
triple aarch64-linux-gnu -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64
triple aarch64-linux-gnu -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=arm64
triple riscv64-linux-gnu -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=riscv64
triple armv7-linux-gnueabihf -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=arm
triple armv7l-linux-gnueabihf -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=armv7l
triple aarch64-none-elf -DCMAKE_SYSTEM_NAME=Generic -DCMAKE_SYSTEM_PROCESSOR=aarch64
triple wasm32-unknown-unknown -DCMAKE_SYSTEM_NAME=Generic -DCMAKE_SYSTEM_PROCESSOR=wasm32
triple riscv64-linux-musl -DCMAKE_C_COMPILER_TARGET=riscv64-linux-musl -DCMAKE_SYSTEM_NAME=Linux
if command -v aarch64-linux-gnu-gcc >/dev/null; then
  sed -i 's/ CPU x86-64-v2 x86-64-v3//; s/ OPTIONS --schedule=@plain.schedule//; s/ Atrous::atrous//' project/CMakeLists.txt
  sed -i '/atr_version/d; /atrous.h/d; s/return 3;/return 3;\n  return 0;/' project/main.c
  expect 0 cmake -S project -B cross -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
    -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc
  expect 0 cmake --build cross
  readelf -h cross/program | grep -q AArch64 || fail "not for aarch64"
fi

# Mistakes are named.
for call in 'atrous_add_convolution(empty)' 'atrous_add_convolution(empty a.hlo NAME)'; do
  printf '%s\n' 'cmake_minimum_required(VERSION 3.20)' 'project(p C)' 'find_package(Atrous REQUIRED)' "$call" >project/CMakeLists.txt
  expect 1 cmake -S project -B wrong -DCMAKE_PREFIX_PATH="$prefix"
  has err 'atrous_add_convolution(empty ...)'
done
for wanted in 99.0 0.0.1; do
  printf '%s\n' 'cmake_minimum_required(VERSION 3.20)' 'project(p C)' "find_package(Atrous $wanted REQUIRED)" >project/CMakeLists.txt
  expect 1 cmake -S project -B wrong -DCMAKE_PREFIX_PATH="$prefix"
  has err 'compatible'
done
[ -z "$missing" ] || { echo "no $missing"; exit 77; }
exit 0
