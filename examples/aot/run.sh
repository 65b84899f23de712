#!/bin/bash
# run.sh - a photograph drawn in pencil by code compiled ahead of time, for five machines: bash run.sh BUILD-FOLDER [OUTPUT-FOLDER]
#
# Builds main.c with Make, CMake and Meson, for this machine, aarch64, riscv64 and armv7 (which qemu runs), and a WebAssembly module
# (which Node runs), in OUTPUT-FOLDER (default: BUILD-FOLDER/aot), and compares the checksum of each drawing. Says what is skipped,
# and why; the last line counts. SYSTEMS="make cmake" and MACHINES="native aarch64" do a part.
set -euo pipefail
build=$(cd "${1:?"usage: examples/aot/run.sh BUILD-FOLDER [OUTPUT-FOLDER]"}" && pwd)
source=$(cd "$(dirname "$0")" && pwd)
output=${2:-$build/aot}
mkdir -p "$output"
output=$(cd "$output" && pwd)
# From an installation these come from pkg-config and CMake's and Meson's search.
export ATROUSC=$build/atrousc ATROUS_MK=$source/../../share/atrous.mk
systems=${SYSTEMS:-make cmake meson} machines=${MACHINES:-native aarch64 riscv64 armv7 wasm32}
sum=3e4e4a7d
ran=0 skipped=0 failed=0 missing=

skip() { skipped=$((skipped + 1)); missing="$missing; $*"; printf 'skipped      %s\n' "$*"; }
first_of() { # COMMAND...: the first that is there
  local command
  for command; do if command -v "$command" >/dev/null; then echo "$command"; return; fi; done
  return 1
}

# machine NAME: sets triple, compiler, runner (a list) and processor; fails with why when something is missing
machine() {
  local qemu=
  runner=()
  case $1 in
    native) triple='' compiler=$(first_of "${CC:-cc}" gcc clang) || { why="no C compiler"; return 1; }; return ;;
    aarch64) triple=aarch64-linux-gnu qemu=aarch64 processor=aarch64 ;;
    riscv64) triple=riscv64-linux-gnu qemu=riscv64 processor=riscv64 ;;
    armv7) triple=arm-linux-gnueabihf qemu=arm processor=armv7 ;;
    wasm32)
      triple=wasm32-unknown-unknown
      first_of node >/dev/null || { why="no node (apt-get install nodejs)"; return 1; }
      compiler=$(first_of clang-{19,18,17} clang) || { why="no clang"; return 1; }
      first_of wasm-ld-{19,18,17} wasm-ld >/dev/null || { why="no wasm-ld (apt-get install lld-19)"; return 1; }
      return ;;
  esac
  compiler=$triple-gcc
  first_of "$compiler" >/dev/null || { why="no $compiler (apt-get install gcc-$triple)"; return 1; }
  qemu=$(first_of "qemu-$qemu-static" "qemu-$qemu") || { why="no qemu-$qemu (apt-get install qemu-user)"; return 1; }
  runner=("$qemu" -L "/usr/$triple")
  [ "$1" != armv7 ] || triple=armv7-linux-gnueabihf # Debian's name of the tools has no version
}

# Unsupported targets are told from broken ones by the exit status.
can_compile() { # NAME
  local status=0 options=(--weights=edges="$source/edges.npy" --weights=blur="$source/blur.npy" --selftest -o "$output/probe.o")
  { "$ATROUSC" compile "$source/sketch.hlo" "${options[@]}" ${triple:+"--target=$triple"} || status=$?; } 2>"$output/probe.log"
  rm -f "$output"/probe.[oh]
  case $status in
    0) return ;;
    3) why="atrousc: $(grep -m 1 -iE 'error' "$output/probe.log")"; return 1 ;;
  esac
  cat "$output/probe.log"
  exit 1
}

# ---- the systems: in folder $1, for the machine that `machine` has set; leaves $1/draw

by_make() {
  local program=draw
  [ "$triple" != wasm32-unknown-unknown ] || program=draw.wasm
  cp "$source"/*.{c,hlo,npy} "$source/Makefile" "$1"
  make -C "$1" --no-print-directory CC="$compiler" TRIPLE="$triple" $program
}

by_cmake() {
  local options=(-DAtrous_DIR="$build/cmake" -DAtrous_ATROUSC="$ATROUSC" -DCMAKE_BUILD_TYPE=Release)
  [ -z "$triple" ] || options+=(-DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="$processor")
  cmake -S "$source" -B "$1" -DCMAKE_C_COMPILER="$compiler" "${options[@]}"
  cmake --build "$1"
}

by_meson() {
  local options=(--native-file "$1.ini")
  printf "[binaries]\natrousc = '%s'\n" "$ATROUSC" >"$1.ini"
  if [ -n "$triple" ]; then
    options=(--cross-file "$1.ini")
    printf "c = '%s'\n[host_machine]\nsystem = 'linux'\ncpu_family = '%s'\ncpu = '%s'\nendian = 'little'\n" \
      "$compiler" "${processor/armv7/arm}" "$processor" >>"$1.ini"
  fi
  CC=$compiler meson setup "$1" "$source" "${options[@]}" -Dtriple="$triple"
  ninja -C "$1"
}

# ---- all of them

try() { # SYSTEM MACHINE
  local system=$1 folder=$output/$2-$1 drawn
  rm -rf "$folder"
  mkdir -p "$folder"
  if ! "by_$system" "$folder" >"$folder.log" 2>&1; then
    tail -n 20 "$folder.log"
    drawn="no program"
  elif [ "$2" = wasm32 ]; then
    drawn=$(node "$source/run-wasm.mjs" "$folder/draw.wasm" "$source/face.pgm" "$folder/drawing.pgm" 2>&1 | tail -n 1)
  else
    drawn=$("${runner[@]}" "$folder/draw" "$source/face.pgm" "$folder/drawing.pgm" 2>&1 | tail -n 1)
  fi
  if [ "$drawn" = $sum ]; then ran=$((ran + 1)); else failed=$((failed + 1)); fi
  printf '%-12s %-8s %s\n' "$2" "$system" "$drawn"
}

for name in $machines; do
  why=
  if ! machine "$name" || ! can_compile; then skip "$name: $why"; continue; fi
  for system in $systems; do
    if [ "$name-$system" = wasm32-cmake ] || [ "$name-$system" = wasm32-meson ]; then continue; fi # Make shows it
    if ! first_of "$system" >/dev/null; then skip "$name by $system: no $system (apt-get install $system)"; continue; fi
    if [ "$system" = meson ] && ! first_of ninja >/dev/null; then skip "$name by meson: no ninja (apt-get install ninja-build)"; continue; fi
    try "$system" "$name"
  done
done
echo "$ran drawings are $sum, $failed are not, $skipped skipped${missing#;}"
[ $failed = 0 ] && [ $ran -gt 0 ]
