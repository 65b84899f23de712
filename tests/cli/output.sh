#!/bin/bash
# output.sh - nothing is written half: full disks, missing folders, links, permissions, left-over temporary files.
. "$(dirname "$0")/common.bash"
run() { atrousc run --target=interpreter sum.hlo --random-int=1 "$@"; }

# a full disk: status 3, a message, whatever is written
if [ -w /dev/full ]; then
  expect 3 run -o /dev/full
  has err "/dev/full: error: cannot write: No space left on device"
  [ -c /dev/full ] || fail "/dev/full was replaced"
  atrousc print sum.hlo >/dev/full 2>err
  [ $? = 3 ] || fail "print to a full disk is not status 3"
  has err "cannot write: No space left on device"
  run >/dev/full 2>err
  [ $? = 3 ] || fail "a summary to a full disk is not status 3"
  atrousc --help >/dev/full 2>err
  [ $? = 3 ] || fail "--help to a full disk is not status 3"
fi

expect 3 run -o nowhere/y.npy
has err "nowhere/y.npy: error: cannot write: No such file or directory"
mkdir folder
expect 3 run -o folder
has err "folder: error: cannot write"

# The old file stays when the new one cannot be made: here the second of two has no folder.
echo old >n.npy
expect 3 atrousc run --target=interpreter two.hlo --random-int=1 -o n.npy -o nowhere/d.npy
is n.npy old

# A file is replaced as a whole: it keeps its mode, a link stays a link, and a reader of the old one keeps it.
chmod 640 n.npy
ln -s n.npy link.npy
exec 3<n.npy
expect 0 run -o link.npy
[ -L link.npy ] || fail "the link was replaced"
[ "$(stat -c %a n.npy)" = 640 ] || fail "the mode changed to $(stat -c %a n.npy)"
[ "$(cat <&3)" = old ] || fail "the old file was written into"
exec 3<&-
run -o fresh.npy
cmp fresh.npy n.npy || fail "the file behind the link is not the result"
# So does a link to what is not there yet, also by way of another one, which counts from its own folder.
mkdir links places
ln -s ../places/far.npy links/far.npy
ln -s links/far.npy far.npy
expect 0 run -o far.npy
[ -L far.npy ] && [ -L links/far.npy ] || fail "a link to what is not there yet was replaced"
cmp places/far.npy fresh.npy || fail "the result is not where the links lead"
ln -s "$PWD/places/absolute.npy" absolute.npy
expect 0 run -o absolute.npy
[ -L absolute.npy ] || fail "an absolute link was replaced"
cmp places/absolute.npy fresh.npy || fail "the result is not where the absolute link leads"
ln -s nowhere/y.npy lost.npy
expect 3 run -o lost.npy
has err "lost.npy: error: cannot write: No such file or directory"
ln -s ring.npy ring.npy
expect 3 run -o ring.npy
has err "ring.npy: error: cannot write: Too many levels of symbolic links"
[ -L lost.npy ] && [ -L ring.npy ] || fail "a link that leads nowhere was replaced"
(umask 027 && run -o masked.npy)
[ "$(stat -c %a masked.npy)" = 640 ] || fail "umask is not honoured: $(stat -c %a masked.npy)"

# A refused module leaves nothing, also for the other subcommands.
echo rubbish >bad.hlo
for command in print "compile --emit=obj"; do
  expect 1 atrousc $command bad.hlo -o left
  [ -e left ] && fail "$command leaves its output"
done

# Stages as files: of what is kept in the end, also where several schedules were made on the way; each reads back.
cat >layer.hlo <<'HLO'
HloModule layer

ENTRY main {
  x = f32[1,34,8] parameter(0)
  w = f32[5,8,16] parameter(1)
  ROOT y = f32[1,30,16] convolution(x, w), window={size=5}, dim_labels=b0f_0io->b0f
}
HLO
for measure in no yes; do
  mkdir dumps.$measure
  ATROUS_DUMP=dumps.$measure expect 0 atrousc explain layer.hlo --measure=$measure
  ls dumps.$measure >stages.$measure
done
grep -q '^layer\.00\.module\.hlo$' stages.no && grep -q '\.regions\.nest$' stages.no && grep -q '\.llvm\.s$' stages.no || fail "stages: $(cat stages.no)"
cmp stages.no stages.yes || fail "other stages where schedules are measured: $(cat stages.yes)"
for stage in dumps.no/*.nest; do expect 0 atrousc nest "$stage"; done
expect 0 atrousc print dumps.no/layer.00.module.hlo

ls -A >files
grep -E '\.[A-Za-z0-9]{6}$' files && fail "temporary files are left"
exit 0
