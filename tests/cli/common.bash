# common.bash - what the tests of the command line share; sourced, not run.
#
# Gives: an empty folder as working directory, removed at the end; `expect CODE COMMAND...`, which runs atrousc (or another
# command), keeps stdout and stderr in files out and err, and fails on another exit status; `has FILE TEXT`; modules to work on.
set -u
export LC_ALL=C
: "${ATROUSC:?the path of atrousc}"
case $ATROUSC in /*) ;; *) ATROUSC=$PWD/$ATROUSC ;; esac
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99

atrousc() { "$ATROUSC" "$@"; }
fail() { echo "FAILED: $*"; exit 1; }

# expect CODE COMMAND...
expect() {
  local want=$1 got
  shift
  "$@" >out 2>err
  got=$?
  [ $got = "$want" ] && return
  cat out err
  fail "exit status $got, not $want: $*"
}

# has FILE TEXT: the file holds the text
has() {
  grep -qF -- "$2" "$1" && return
  cat "$1"
  fail "$1 does not hold: $2"
}

# is FILE TEXT: the file's content is exactly this one line
is() {
  [ "$(cat "$1")" = "$2" ] && return
  cat "$1"
  fail "$1 is not: $2"
}

# npy FILE HEADER DATA: a version 1.0 file; DATA is in printf's escapes
npy() {
  local text="$2"
  while [ $(((10 + ${#text} + 1) % 64)) != 0 ]; do text="$text "; done
  printf "\\223NUMPY\\1\\0\\$(printf %03o $((${#text} + 1)))\\0%s\\n$3" "$text" >"$1"
}

cat >sum.hlo <<'END'
HloModule sum

ENTRY main {
  x = f32[2,2] parameter(0)
  y = f32[2,2] parameter(1)
  ROOT z = f32[2,2] add(x, y)
}
END

cat >conv.hlo <<'END'
HloModule conv

ENTRY main {
  x = f32[1,1,4] parameter(0)
  w = f32[1,1,2] parameter(1)
  ROOT c = f32[1,1,5] convolution(x, w), window={size=2 pad=-1_0 lhs_dilate=2}, dim_labels=bf0_oi0->bf0
}
END

cat >two.hlo <<'END'
HloModule two

ENTRY main {
  x = s32[3] parameter(0)
  n = s32[3] negate(x)
  d = s32[3] add(x, x)
  ROOT t = (s32[3], s32[3]) tuple(n, d)
}
END

f32_header="{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"
one='\0\0\200\77' two='\0\0\0\100' three='\0\0\100\100' four='\0\0\200\100'

# Its first and last result lack a term.
cat >border.hlo <<'END'
HloModule border

ENTRY main {
  x = f32[1,1,4] parameter(0)
  w = f32[1,1,3] parameter(1)
  ROOT y = f32[1,1,4] convolution(x, w), window={size=3 pad=1_1}, dim_labels=bf0_oi0->bf0
}
END
