#!/bin/bash
# parts.sh - parts of a sum and threads: tasks that share nothing run all parts of their iterations, others meet after every part. The
# result is the same, bit for bit, on any number of threads.
. "$(dirname "$0")/common.bash"
cat >gradient.hlo <<'HLO'
HloModule gradient

ENTRY main {
  x = f32[4,12,14,96] parameter(0)
  w = f32[4,12,14,96] parameter(1)
  ROOT y = f32[3,3,1,96] convolution(x, w), window={size=12x14 pad=1_1x1_1}, dim_labels=f01b_i01o->01bf, batch_group_count=96
}
HLO
# tasks SCHEDULE: the line of explain on how y is shared out
tasks() {
  atrousc explain gradient.hlo --cpu=haswell "--schedule=$1" >explain || fail "explain: $1"
  sed -n '/^nest y$/,/^nest/s/^  threads *//p' explain
}
# Every channel has operands and sums of its own, but all rows of the result are of the same images; packed weights are laid out by a nest
# that runs in the same parts.
private='part ic:1 ky:4; parallel g; loop oy ox; reduce ky kx; vector g:8'
rows='part ic:1 ky:4; parallel g oy; loop ox; reduce ky kx; vector g:8'
packed='part ic:1 ky:4; parallel g; loop oy ox; reduce ky kx; vector g:8; pack rhs'
panel='part ic:1 ky:4; lhs oy ox kx ky g; parallel g; loop oy ox; reduce ky kx; vector g:8'
[ "$(tasks "$private")" = "g.1 (12): 12 iterations in 12 tasks, each of which runs all parts" ] || fail "private: $(tasks "$private")"
for shared in "$rows" "$packed" "$panel"; do
  case "$(tasks "$shared")" in *"all parts"* | "") fail "$shared: $(tasks "$shared")" ;; esac
done
for schedule in "$private" "$rows" "$packed" "$panel"; do
  expect 0 atrousc run gradient.hlo --random=3 --check "--schedule=$schedule" --threads=1 -o one.npy
  for threads in 2 3; do
    expect 0 atrousc run gradient.hlo --random=3 --check "--schedule=$schedule" --threads=$threads -o more.npy
    cmp one.npy more.npy || fail "other bits on $threads threads: $schedule"
  done
done
# Parts of one element each, copied and packed by themselves: the nests that do it have a dim left beside those that count parts.
cat >ones.hlo <<'HLO'
HloModule ones

ENTRY main {
  x = f32[1,2,3,4] parameter(0)
  w = f32[1,1,4,5] parameter(1)
  ROOT y = f32[1,2,3,5] convolution(x, w), window={size=1x1}, dim_labels=b01f_01io->b01f
}
HLO
for schedule in "part oy_ox:1 ic:1; lhs ic" "part oy_ox:1 oc:1 ic:1; pack rhs" "part oy_ox:1 oc:1 ic:1; lhs ic oy_ox; pack rhs"; do
  expect 0 atrousc run ones.hlo --random-int=1 --exact "--schedule=$schedule"
done
# The cost model: the images of some rows and of the channels of a task stay in the nearest cache, for which parts cost nothing.
sed 's/12,14,96/28,28,192/g; s/size=12x14 pad=1_1x1_1/size=28x28 pad=2_2x2_2/; s/3,3,1,96/5,5,1,192/; s/count=96/count=192/; s/\[4,/[8,/g' \
  gradient.hlo >large.hlo
expect 0 atrousc explain large.hlo --cpu=znver5
grep -q '^  schedule  part ky:1 ic:1; parallel g; ' out || { grep schedule out; fail "the gradient of a depthwise layer's weights"; }
grep -q 'each of which runs all parts' out || fail "its tasks"
# Tiles that have all channels would leave nothing to share out of parts as small as that.
sed 's/28,28,192/112,112,96/g; s/size=28x28 pad=2_2x2_2/size=112x112 pad=1_1x1_1/; s/5,5,1,192/3,3,1,96/; s/count=192/count=96/; s/\[8,/[4,/g' \
  large.hlo >serial.hlo
expect 0 atrousc explain serial.hlo --cpu=znver5
sed -n '/^nest y$/,/^nest/p' out | grep -q '^  threads .* tasks' || { grep -E 'schedule|threads' out; fail "one thread alone has all channels"; }
exit 0
