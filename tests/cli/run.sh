#!/bin/bash
# run.sh - atrousc run with the interpreter: arrays in, arrays out, summaries.
. "$(dirname "$0")/common.bash"
interpreter=--target=interpreter
npy x.npy "$f32_header" "$one$two$three$four"

expect 0 atrousc run $interpreter sum.hlo x.npy x.npy -o y.npy
npy want.npy "$f32_header" '\0\0\0\100\0\0\200\100\0\0\300\100\0\0\0\101'
cmp y.npy want.npy || fail "1 2 3 4 doubled is not 2 4 6 8 as NumPy writes it"
expect 0 atrousc run $interpreter sum.hlo x.npy x.npy
is out "result 0: f32[2,2] min 2 max 8 mean 5 {2, 4, 6, 8}"

# pipes: the module, an array, the result
expect 0 atrousc run $interpreter - x.npy x.npy <sum.hlo
is out "result 0: f32[2,2] min 2 max 8 mean 5 {2, 4, 6, 8}"
expect 0 atrousc run $interpreter sum.hlo x.npy - -o - <x.npy
cmp out want.npy || fail "-o - does not write the array"
expect 0 atrousc run $interpreter sum.hlo x.npy -o - --random-int=3 --check
[ "$(head -c 6 out | od -An -c | tr -d ' ')" = '223NUMPY' ] || fail "--check spoils an array on stdout"
has err "check result 0: ok"

# Fortran order, big-endian
npy fortran.npy "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }" "$one$three$two$four"
npy big.npy "{'descr': '>f4', 'fortran_order': False, 'shape': (2, 2), }" '\77\200\0\0\100\0\0\0\100\100\0\0\100\200\0\0'
expect 0 atrousc run $interpreter sum.hlo fortran.npy big.npy
is out "result 0: f32[2,2] min 2 max 8 mean 5 {2, 4, 6, 8}"

# The golden vector of dilation before cropping: x = 1 2 3 4, w = 1 10.
npy x4.npy "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 4), }" "$one$two$three$four"
npy w2.npy "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 2), }" "$one\\0\\0\\40\\101"
expect 0 atrousc run $interpreter conv.hlo x4.npy w2.npy
is out "result 0: f32[1,1,5] min 2 max 40 mean 19 {20, 2, 30, 3, 40}"

# several results; an archive out and in again
expect 0 atrousc run $interpreter two.hlo --random-int=5 -o n.npy -o d.npy
expect 0 atrousc run $interpreter two.hlo --random-int=5 -o both.npz
cat >pair.hlo <<'END'
HloModule pair

ENTRY main {
  n = s32[3] parameter(0)
  d = s32[3] parameter(1)
  n2 = s32[3] add(n, n)
  ROOT zero = s32[3] add(n2, d)
}
END
expect 0 atrousc run $interpreter pair.hlo both.npz
is out "result 0: s32[3] min 0 max 0 mean 0 {0, 0, 0}"
expect 0 atrousc run $interpreter pair.hlo n.npy d.npy
is out "result 0: s32[3] min 0 max 0 mean 0 {0, 0, 0}"

# Random arguments depend on the seed and the logical place, not on the layout.
sed 's/f32\[2,2\]/f32[2,2]{0,1}/g' sum.hlo >column.hlo
for fill in --random=7 --random-int=7; do
  atrousc run $interpreter sum.hlo $fill -o a.npy || fail "random"
  atrousc run $interpreter column.hlo $fill -o b.npy || fail "random, column major"
  cmp a.npy b.npy || fail "$fill depends on the layout"
  atrousc run $interpreter sum.hlo ${fill%7}8 -o b.npy || fail "random"
  cmp -s a.npy b.npy && fail "$fill does not depend on the seed"
done

# --repeat reports on stderr
expect 0 atrousc run $interpreter sum.hlo --random=1 --repeat=5
grep -qE '^time: min [0-9]+ ns, median [0-9]+ ns, 5 runs$' err || fail "--repeat prints '$(cat err)'"
exit 0
