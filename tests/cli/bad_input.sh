#!/bin/bash
# bad_input.sh - wrong modules, arrays and archives: status 1, a message that names the file and the fault, and no output file.
. "$(dirname "$0")/common.bash"
npy x.npy "$f32_header" "$one$two$three$four"

# refused MESSAGE FILES...: run refuses the arrays
refused() {
  local message=$1
  shift
  expect 1 atrousc run --target=interpreter sum.hlo "$@" -o y.npy
  has err "$message"
  [ -e y.npy ] && fail "a refused run leaves its output"
  return 0
}

refused "missing.npy: error: cannot read: No such file" missing.npy x.npy
refused ".: error: cannot read: Is a directory" . x.npy
npy dtype.npy "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }" "$one$two$three$four$one$two$three$four"
refused "dtype.npy: error: dtype is '<f8', f32 wants '<f4' (parameter 1 is f32[2,2])" x.npy dtype.npy
npy shape.npy "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 1), }" "$one$two$three$four"
refused "shape.npy: error: the array is f32[4,1], the parameter is f32[2,2]" shape.npy x.npy
npy short.npy "$f32_header" "$one$two$three\\0"
refused "short.npy: error: the array needs 16 bytes, the file has 13" short.npy x.npy
npy long.npy "$f32_header" "$one$two$three$four\\0"
refused "long.npy: error: the array needs 16 bytes, the file has 17" long.npy x.npy
npy huge.npy "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }" "$one"
refused "huge.npy: error: the number of elements overflows" huge.npy x.npy
: >empty.npy
refused "empty.npy: error: not an .npy file" empty.npy x.npy
refused "x.npy: error: the module has only 2 parameters" x.npy x.npy x.npy
head -c 40 x.npy >cut.npy
refused "cut.npy: error: the file ends in the header" cut.npy x.npy

# archives: damaged data, cut off
atrousc run --target=interpreter two.hlo --random-int=1 -o both.npz || fail "no archive to damage"
sed 's/NUMPY/NuMPY/' both.npz >damaged.npz
refused "damaged.npz: error: entry 'arr_0' is damaged" damaged.npz
head -c 100 both.npz >cut.npz
refused "cut.npz: error: the archive is truncated" cut.npz

# modules: the library's diagnostics come through, with name, line and column; stdin has a name
expect 1 atrousc print missing.hlo
has err "missing.hlo: error: cannot read"
sed 's/ROOT z = f32\[2,2\]/ROOT z = f32[2,3]/' sum.hlo >wrong.hlo
for command in print verify "run --random=1" explain "compile --emit=nest"; do
  expect 1 atrousc $command wrong.hlo
  grep -qE '^wrong\.hlo:6:[0-9]+: error: ' err || fail "$command: $(cat err)"
done
expect 1 atrousc print - <wrong.hlo
grep -qE '^<stdin>:6:[0-9]+: error: ' err || fail "stdin: $(cat err)"
head -c 60 sum.hlo >cut.hlo
expect 1 atrousc print cut.hlo
grep -qE '^cut\.hlo:[0-9]+:[0-9]+: error: ' err || fail "cut text: $(cat err)"
: >empty.hlo
expect 1 atrousc print empty.hlo
has err "empty.hlo"
printf 'HloModule a\0b' >nul.hlo
expect 1 atrousc print nul.hlo
expect 1 atrousc run sum.hlo --random=1 --schedule=@missing.txt
has err "missing.txt: error: cannot read"
printf 'loop\0d0' >nul.txt
expect 1 atrousc run sum.hlo --random=1 --schedule=@nul.txt
has err "nul.txt: error: the schedule holds a NUL byte"
exit 0
