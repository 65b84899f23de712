#!/bin/bash
# depfile.sh - dependency files of compile (--MD): what they name, how it is written, that Make reads them, and every wrong call.
. "$(dirname "$0")/common.bash"
unset MAKEFLAGS MAKELEVEL # of the make that runs this test
cat >layer.hlo <<'HLO'
HloModule layer

ENTRY main {
  x = f32[2,2] parameter(0)
  w = f32[2,2] parameter(1)
  b = f32[2,2] parameter(2)
  p = f32[2,2] multiply(x, w)
  ROOT y = f32[2,2] add(p, b)
}
HLO
npy w.npy "$f32_header" "$one$two$three$four"
cp w.npy 'b $x#1.npy'

# words FILE: one word of the rule on a line
words() { sed -e ':join' -e '/\\$/{N;s/\\\n//;b join' -e '}' "$1" | sed 's/\\ /\x01/g; s/  */ /g' | tr ' ' '\n' | tr '\001' ' '; }
names() { # FILE WORD...
  local file=$1
  shift
  printf '%s\n' "$@" >wanted
  words "$file" | diff wanted - || fail "$file names other files"
}

expect 0 atrousc compile layer.hlo -o layer.o --MD
names layer.d layer.o layer.h: layer.hlo
expect 0 atrousc compile layer.hlo sum.hlo --prefix=a_ --emit=nest -o two.nest --MD=deps.mk
names deps.mk two.nest: layer.hlo sum.hlo
[ -e two.d ] && fail "--MD=FILE wrote beside the output too"
expect 0 atrousc compile layer.hlo -o liblayer.a --MD --weights=w=w.npy '--weights=2=b $x#1.npy'
names liblayer.d liblayer.a liblayer.h: layer.hlo w.npy 'b $$x\#1.npy'
expect 0 atrousc compile layer.hlo -o twice.o --MD --weights=w=w.npy --weights=b=w.npy
names twice.d twice.o twice.h: layer.hlo w.npy
expect 0 atrousc explain sum.hlo
sed -n 's/^ *schedule  */z: /p' out | head -n 1 >plain.schedule
expect 0 atrousc compile sum.hlo -o sum.o --MD --schedule=@plain.schedule
names sum.d sum.o sum.h: sum.hlo plain.schedule
expect 0 atrousc compile - -o piped.o --MD <sum.hlo
names piped.d piped.o 'piped.h:'

# As gcc writes the same names.
if command -v gcc >/dev/null; then
  for name in 'a b' 'a\ b' 'a\\  b' '$a$$' '#a' 'a\#b' 'a\b' 'end\'; do
    cp sum.hlo "$name.hlo"
    cp /dev/null "$name.c"
    expect 0 atrousc compile "$name.hlo" -o name.o --MD --emit=obj
    expect 0 gcc -c "$name.c" -o name.o -MMD -MF gcc.d -MT 'name.o name.h'
    [ "$(words name.d)" = "$(words gcc.d | sed 's/\.c$/.hlo/')" ] || fail "gcc writes $(cat gcc.d), not $(cat name.d)"
  done
fi

# Make rebuilds for an edit of anything that was read, and only then.
if command -v make >/dev/null; then
  cat >Makefile <<'MAKE'
objects/layer.o objects/layer.h &: layer.hlo
	$(ATROUSC) compile $< -o objects/layer.o --MD --weights=w=w.npy '--weights=b=b $$x#1.npy'
	echo made >>log
-include objects/layer.d
MAKE
  mkdir objects
  export ATROUSC
  made() { # COUNT
    expect 0 make
    [ "$(wc -l <log)" = "$1" ] || fail "made $(wc -l <log) times, not $1: $(cat objects/layer.d)"
  }
  made 1
  made 1
  for file in w.npy 'b $x#1.npy' layer.hlo; do
    touch -d '+1 minute' "$file" # newer than what is there; not newer than what comes
    before=$(wc -l <log)
    expect 0 make
    [ "$(wc -l <log)" -gt "$before" ] || fail "an edit of $file makes nothing"
    touch -d '-1 minute' "$file"
  done
fi

# All files, or none.
mkdir taken.d
expect 3 atrousc compile sum.hlo -o taken.o --MD
has err "taken.d: error: cannot write"
if [ -e taken.o ] || [ -e taken.h ]; then fail "an output is there without its dependency file"; fi
echo old >broken.d
expect 1 atrousc compile sum.hlo missing.hlo -o broken.o --MD
is broken.d old
for call in "-o conv.d --emit=obj" "-o conv.o --MD=conv.h" "-o conv.o --MD=conv.o"; do
  # shellcheck disable=SC2086
  expect 2 atrousc compile conv.hlo --MD $call
  has err "cannot both be 'conv."
done
expect 2 atrousc compile conv.hlo --MD --emit=obj
has err "option '--MD' needs -o FILE"
expect 2 atrousc compile conv.hlo --emit=obj -o conv.o --MD=
has err "option '--MD' needs an argument"
expect 2 atrousc run conv.hlo --MD
ls -A | grep -E '\.[A-Za-z0-9]{6}$' | grep -vE '\.(static)$' && fail "temporary files are left"
exit 0
