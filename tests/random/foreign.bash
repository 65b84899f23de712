# foreign.bash - code for other machines against the interpreter on random problems; sourced by the tests foreign-TARGET.sh.
#
# A row of the table is one run: kernels for a CPU of a triple, linked by a compiler for it into a program (guest.c), run by a
# command. Where a word of /proc/cpuinfo stands in front of the command and this machine has it, the program runs by itself. No
# object may want more of others than memcpy, memmove, memset and what the linker supplies. ATROUS_FOREIGN_COUNT: problems per row.
#
# --no-liftoff: the signs of NaNs are what the engine likes on WebAssembly, and node's two compilers, which take turns, differ.
set -u
export LC_ALL=C

# test | options of random_problems | compiler | Debian's packages | word? command | Debian's packages
table='
x86-64  | --cpu=x86-64-v2 | cc | gcc | sse4_2? qemu-x86_64 -cpu max | qemu-user
x86-64  | --cpu=x86-64-v3 | cc | gcc | avx2? qemu-x86_64 -cpu max | qemu-user
aarch64 | --triple=aarch64-linux-gnu | aarch64-linux-gnu-gcc | gcc-aarch64-linux-gnu libc6-dev-arm64-cross | qemu-aarch64 | qemu-user
sve     | --triple=aarch64-linux-gnu --cpu=neoverse-v1 | aarch64-linux-gnu-gcc | gcc-aarch64-linux-gnu libc6-dev-arm64-cross | qemu-aarch64 -cpu max,sve256=on | qemu-user
sve     | --triple=aarch64-linux-gnu --cpu=a64fx | aarch64-linux-gnu-gcc | gcc-aarch64-linux-gnu libc6-dev-arm64-cross | qemu-aarch64 -cpu max,sve512=on | qemu-user
armv7   | --flushes --triple=armv7a-linux-gnueabihf | arm-linux-gnueabihf-gcc | gcc-arm-linux-gnueabihf libc6-dev-armhf-cross | qemu-arm -cpu max | qemu-user
armv7   | --flushes --triple=armv7a-linux-gnueabihf --cpu=cortex-a15 | arm-linux-gnueabihf-gcc | gcc-arm-linux-gnueabihf libc6-dev-armhf-cross | qemu-arm -cpu max | qemu-user
riscv64 | --triple=riscv64-linux-gnu | riscv64-linux-gnu-gcc | gcc-riscv64-linux-gnu libc6-dev-riscv64-cross | qemu-riscv64 | qemu-user
rvv     | --triple=riscv64-linux-gnu --features=+v | riscv64-linux-gnu-gcc | gcc-riscv64-linux-gnu libc6-dev-riscv64-cross | qemu-riscv64 -cpu rv64,v=true,vext_spec=v1.0,vlen=128 | qemu-user
rvv     | --triple=riscv64-linux-gnu --features=+v,+zvl256b | riscv64-linux-gnu-gcc | gcc-riscv64-linux-gnu libc6-dev-riscv64-cross | qemu-riscv64 -cpu rv64,v=true,vext_spec=v1.0,vlen=256 | qemu-user
i686    | --triple=i686-linux-gnu | i686-linux-gnu-gcc | gcc-i686-linux-gnu libc6-dev-i386-cross | sse2? qemu-i386 -cpu max | qemu-user
wasm32  | --triple=wasm32-wasi | clang-19 --target=wasm32-wasi | clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32 | node --no-liftoff --no-warnings @/guest-wasm.mjs | nodejs
wasm32  | --triple=wasm32-wasi --cpu=mvp | clang-19 --target=wasm32-wasi | clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32 | node --no-liftoff --no-warnings @/guest-wasm.mjs | nodejs
'

# What the rows need on Debian; ./dev check installs it.
foreign_packages() { awk -F'|' 'NF == 6 { print $4, $6 }' <<<"$table" | tr -s ' ' '\n' | grep . | sort -u; }

skip() { echo "$*"; exit 77; }

# Undefined symbols of all objects but those that anybody may want.
check_symbols() { # FOLDER
  local nm wrong
  nm=$(command -v llvm-nm-19 llvm-nm-18 llvm-nm-17 llvm-nm nm | head -n 1)
  wrong=$("$nm" -u "$1"/k*.o | awk '$1 == "U" { print $2 }' | sort -u |
    grep -vxE 'memcpy|memmove|memset|_GLOBAL_OFFSET_TABLE_|__stack_pointer|__indirect_function_table')
  [ -z "$wrong" ] || { echo "objects want ${wrong//$'\n'/ }"; exit 1; }
}

has_cpu_word() { grep -qw -- "$1" /proc/cpuinfo 2>/dev/null; }

# Runs a program here if the command begins with a word that this machine has, else by the rest of the command.
run_guest() { # PROGRAM PACKAGES COMMAND...
  local guest=$1 packages=$2 status
  shift 2
  if [ "${1%\?}" != "$1" ]; then
    if has_cpu_word "${1%\?}"; then
      "$guest"
      status=$?
      [ $status = 126 ] || return $status # else the kernel takes no such program
    fi
    shift
  fi
  command -v "$1" >/dev/null || skip "no $1 (apt-get install $packages)"
  "${@/#@/$source/tests/random}" "$guest" 2>"$work/stderr"
  status=$?
  cat "$work/stderr" >&2
  ! grep -q '^qemu.*Assertion' "$work/stderr" || return "$GAVE_UP"
  return $status
}

# The emulator stops in an assertion of its own: 7.2, for one, at a narrowing conversion of rvv that stands first in a block.
# Other problems may have none.
GAVE_UP=75 TRIES=4

run_row() { # OPTIONS COMPILER PACKAGES COMMAND PACKAGES
  local seed=${ATROUS_FOREIGN_SEED:-1} try status
  for ((try = 0; try < TRIES; try++)); do
    run_seed $((seed + try)) "$@"
    status=$?
    [ $status = "$GAVE_UP" ] || break
  done
  [ $status != "$GAVE_UP" ] || skip "${4%% *} stops in an assertion of its own: $("${4%% *}" --version | head -n 1)"
  [ $status = 0 ] || exit 1
}

run_seed() { # SEED OPTIONS COMPILER PACKAGES COMMAND PACKAGES
  local seed=$1 folder=$work/kernels options compiler command
  shift
  read -ra options <<<"$1"
  read -ra compiler <<<"$2"
  read -ra command <<<"$4"
  command -v "${compiler[0]}" >/dev/null || skip "no ${compiler[0]} (apt-get install $3)"
  rm -rf "$folder"
  mkdir "$folder"
  "$build/tests/random/random_problems" --emit="$folder" "${options[@]}" --seed="$seed" --count="$count" \
    >"$work/log" || { cat "$work/log"; exit 1; }
  grep refused "$work/log"
  check_symbols "$folder"
  "$source/tests/random/link-guest" "$folder" "${compiler[@]}" 2>"$work/log" || {
    cat "$work/log"
    skip "${compiler[*]} cannot link (apt-get install $3)"
  }
  echo "$1:"
  run_guest "$folder/guest" "$5" "${command[@]}"
}

run_test() { # TEST
  source=${ATROUS_SOURCE:?} build=${ATROUS_BUILD:?} count=${ATROUS_FOREIGN_COUNT:-30}
  work=$(mktemp -d) || exit 99
  trap 'rm -rf "$work"' EXIT
  local name options compiler compiler_packages command packages
  while IFS='|' read -r name options compiler compiler_packages command packages; do
    [ "${name// /}" = "$1" ] || continue
    run_row "${options# }" "$compiler" "${compiler_packages# }" "$command" "${packages# }"
  done <<<"$table"
}
