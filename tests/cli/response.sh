#!/bin/bash
# response.sh - response files: words and quotes as gcc has them, nesting, where @ means something else, and every wrong file.
. "$(dirname "$0")/common.bash"

# The rest of a usage message shows how a file was split: print takes one operand and names the second one.
second() { # WORD TEXT: the second word of TEXT, which is in printf's escapes
  printf "print first $2" >words
  expect 2 atrousc @words
  has err "unexpected operand '$1'"
}
second plain 'plain third'
second plain '\n\t\v\f\r plain\n'
second 'a b' '"a b"'
second 'a b' "'a b'"
second 'a"b' "'a\"b'"
second "a'b" "\"a'b\""
second 'a b' 'a\\ b'
second 'a\b' 'a\\\\b'
second 'a"b' '"a\\"b"'
second "a'b" "'a\\\\'b'"
second 'abc' "a'b'\"c\""
second 'a\' 'a\\'
second '@' '@'

cp sum.hlo 'a sum.hlo'
echo "print 'a sum.hlo' -o out.hlo" >all
expect 0 atrousc @all
expect 0 atrousc print sum.hlo
cmp out out.hlo || fail "a whole command line in a file"
: >empty
expect 0 atrousc print @empty sum.hlo @empty
echo '--random-int=3' >options
for command in run verify; do expect 0 atrousc $command sum.hlo @options; done
echo '@options @options' >outer
echo 'sum.hlo @outer' >outermost
expect 0 atrousc run @outermost --check

# Where @ begins something else.
echo 'z: unroll d0_d1:2; vector d0_d1:2' >plain.schedule
echo '--schedule @plain.schedule' >nested
for words in '--schedule=@plain.schedule' '--schedule @plain.schedule' '@nested'; do
  # shellcheck disable=SC2086
  expect 0 atrousc explain sum.hlo $words
  has out 'unroll d0_d1:2; vector d0_d1:2'
done
cp sum.hlo @sum.hlo
expect 0 atrousc print -- @sum.hlo
expect 0 atrousc print ./@sum.hlo
expect 0 atrousc print sum.hlo -o @out
[ -s @out ] || fail "-o @out wrote elsewhere"
expect 0 atrousc compile sum.hlo -o md.o --MD @empty
[ -s md.d ] || fail "--MD in front of a response file"

# What is wrong with a file.
wrong() { # MESSAGE ARGUMENT...
  local message=$1
  shift
  expect 2 atrousc "$@"
  has err "$message"
}
wrong 'missing: error: cannot read: No such file' print @missing
wrong 'missing: error: cannot read: No such file' @missing
mkdir folder
wrong 'folder: error: cannot read' print @folder
echo '@loop' >loop
wrong "response files are nested deeper than 16: '@loop'" print @loop
for depth in $(seq 2 16); do echo "@deep$((depth - 1))" >"deep$depth"; done
echo sum.hlo >deep1
expect 0 atrousc print @deep16
echo '@deep16' >deep17
wrong "nested deeper than 16: '@deep1'" print @deep17
echo 'a "b' >quote
wrong "response file 'quote': a \" is not closed" print @quote
echo "a 'b" >quote
wrong "response file 'quote': a ' is not closed" print @quote
printf 'a\0b' >nul
wrong "response file 'nul': it holds a NUL" print @nul
echo "''" >empty_word
wrong 'a file name is empty' print @empty_word
wrong "unknown option '--chek'; did you mean '--check'?" run sum.hlo @<(echo --chek)
wrong "unknown subcommand 'prnt'; did you mean 'print'?" @<(echo prnt)
wrong "expected a subcommand" @empty

# Many words.
seq 1 5000 >many
wrong "unexpected operand '2'" print @many
exit 0
