#!/bin/bash
# help.sh - --help, --version and the manual page agree with each other; wrong command lines are answered with status 2.
. "$(dirname "$0")/common.bash"
page=${ATROUS_SOURCE:?the source folder}/doc/atrousc.1

expect 0 atrousc --version
grep -qE '^atrousc [0-9]+\.[0-9]+\.[0-9]+$' out || fail "--version prints '$(cat out)'"
# It answers at once: LLVM takes 20 to 30 ms to load, and only atrousc-commands does.
readelf -d "$ATROUSC" >needed || fail "atrousc is no program: $(head -n 1 needed)"
grep -iE 'NEEDED.*(llvm|atrous)' needed && fail "atrousc loads libraries for nothing"
expect 0 atrousc --help
sed -n 's/^  *\(-[a-z], \)\{0,1\}\(--[A-Za-z-]\{1,\}\).*/\2/p' out >all
commands=$(sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p' out)
[ "$(echo "$commands" | wc -l)" -ge 8 ] || fail "--help lists: $commands"

# Every option in any --help is described in the manual page, and every one there exists.
sed 's/\\-/-/g; s/\\f[BIR]//g' "$page" >page
for command in $commands; do
  has page "atrousc $command"
  expect 0 atrousc "$command" --help
  has out "Usage: atrousc $command"
  sed -n 's/^  *\(-[a-z], \)\{0,1\}\(--[A-Za-z-]\{1,\}\).*/\2/p' out >names
  grep -qx -- --help names || fail "$command --help does not list --help"
  cat names >>all
  for name in $(cat names); do
    # in an option's own entry, which says for which subcommands it is
    entry=$(grep -E -- "^(-[a-z], )?$name(\[?=[A-Z]+\]?)?( \(|$)" page)
    [ -n "$entry" ] || fail "the manual page does not describe $name of $command"
    [ "${entry#*"("}" = "$entry" ] && continue
    echo "$entry" | grep -qE "[( ]$command[,)]" || fail "the manual page does not list $command at $name"
  done
done
for name in $(sed -n 's/^\(-[a-z], \)\{0,1\}\(--[A-Za-z-]\{1,\}\).*/\2/p' page); do
  grep -qx -- "$name" all || fail "the manual page describes $name, which no --help knows"
done

# usage CODE-2 cases: what is asked, what the message holds
usage() {
  local message=$1
  shift
  expect 2 atrousc "$@"
  [ -s out ] && fail "a usage error prints on stdout: $*"
  has err "$message"
}
grep -q '^@FILE among the arguments' out || fail "--help does not tell of response files"
for section in "AHEAD OF TIME" "RESPONSE FILES" ENVIRONMENT FILES; do has page ".SH $section"; done
while read -r name; do grep -qE -- "^(-[a-z], )?$name" page || fail "the manual page does not describe $name"; done <all
usage "expected a subcommand"
usage "unknown subcommand 'runn'; did you mean 'run'?" runn sum.hlo
usage "unknown subcommand 'conv'; did you mean" conv -o sum.o
usage "expected a subcommand" -- sum.hlo
usage "unknown option '--jsn'; did you mean" --jsn sum.hlo
usage "atrousc compile: expected MODULE" -o sum.o
usage "atrousc compile: cannot tell from '-' what to write" sum.hlo
usage "atrousc compile: unknown option '--random'" sum.hlo --random=1
usage "unknown option '--thread'; did you mean '--threads'?" run --thread=2 sum.hlo
usage "unknown option '--jsn'; did you mean '--json'?" bench --jsn sum.hlo
usage "unknown option '--json'" run --json sum.hlo
usage "unknown option '-q'" run -q sum.hlo
usage "option '--check' takes no argument, got 'yes'" run --check=yes sum.hlo
usage "option '--cpu' needs an argument" run sum.hlo --cpu
usage "option '--cpu' needs an argument" run sum.hlo --cpu=
usage "expected MODULE" run
usage "unexpected operand 'b'" print a b
usage "'-' is given 2 times" run - -
usage "from 1 to 1024, got '0'" run sum.hlo --random=1 --threads=0
usage "got '2x'" run sum.hlo --random=1 --repeat=2x
usage "got '-1'" run sum.hlo --random=-1
usage "got '99999999999999999999999'" run sum.hlo --random=99999999999999999999999
usage "names parameter 2, but the module has 2" run sum.hlo --random=1 --constant=0,2
usage "wants parameter numbers" run sum.hlo --random=1 --constant=0,
usage "cpu or interpreter, got 'gpu'" run sum.hlo --random=1 --target=gpu
usage "exclude each other" run sum.hlo --random=1 --random-int=1
usage "no array for parameter 0, f32[2,2]" run sum.hlo
usage "3 files are given with -o" run sum.hlo --random=1 -o a.npy -o b.npy -o c.npy
usage "obj, static, shared, header, asm, llvm or nest, got 'elf'" compile sum.hlo --emit=elf
usage "wants bash, zsh or fish, got 'csh'" --completion=csh
usage "unknown option '--completion'" run --completion=bash sum.hlo
usage "cannot tell from 'x.bin'" compile sum.hlo -o x.bin
exit 0
