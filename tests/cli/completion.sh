#!/bin/bash
# completion.sh - shell completions know each subcommand, option and word that the tool knows, and really complete, in the shells that
# are here.
. "$(dirname "$0")/common.bash"
for shell in bash zsh fish; do
  expect 0 atrousc --completion=$shell
  cp out script.$shell
done
expect 0 atrousc --help
commands=$(sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p' out)
options() { sed -n 's/^  *\(-[a-z], \)\{0,1\}\(--[A-Za-z-]\{1,\}\).*/\2/p' out | sort; }

# ---- bash: its variables as they are when Tab is pressed

compopt() { compopts="$compopts $*"; }
. ./script.bash
complete -p atrousc >/dev/null || fail "the script completes nothing"
press() { # WORD...: what Tab offers for the last of these words; = is a word of its own
  COMP_WORDS=(atrousc "$@")
  COMP_CWORD=$#
  compopts=
  _atrousc
}
offers() { # "WORD..." WORD...
  local want=$1
  shift
  press "$@"
  [ "${COMPREPLY[*]}" = "$want" ] || fail "bash offers '${COMPREPLY[*]}' for '$*', not '$want'"
}
press ''
for command in $commands; do
  [[ " ${COMPREPLY[*]} " = *" $command "* ]] || fail "bash does not offer $command"
done
for command in $commands; do
  expect 0 atrousc "$command" --help
  options >known
  press "$command" --
  printf '%s\n' "${COMPREPLY[@]%=}" | sort -u >offered
  diff known offered || fail "bash offers other options of $command than there are"
done
offers 'compile' co
offers '--emit=' compile --em
[ "$compopts" = ' -o nospace' ] || fail "a space behind --emit="
offers 'static shared' compile --emit = s
offers 'obj static shared header asm llvm nest' compile a.hlo --emit =
offers 'obj' compile a.hlo --emit ob
offers '--emit=obj' compile a.hlo --emit=ob # without = among COMP_WORDBREAKS
offers 'interpreter' run --target = int
offers '' compile --target = int
offers '' run --threads = ''
[ "$compopts" = ' +o default' ] || fail "files are offered for a number"
offers '' run --output = ''
[ "$compopts" = '' ] || fail "no files are offered for --output"
offers '--selftest' compile --MD --self
offers 'bash' --completion = b
offers '--version' --ver

# A word that is offered is known, and each that is known is offered.
press compile --emit = ''
atrousc compile sum.hlo --emit=none 2>message
for word in "${COMPREPLY[@]}"; do
  has message "$word"
  expect 0 atrousc compile sum.hlo --emit="$word" -o "emit.$word"
done
[ "$(sed 's/.*wants //; s/, got.*//; s/,//g; s/ or / /' message)" = "${COMPREPLY[*]}" ] || fail "words of --emit: ${COMPREPLY[*]}"
press run --target = ''
for word in "${COMPREPLY[@]}"; do expect 0 atrousc run sum.hlo --random=1 --target="$word"; done
press --completion = ''
for word in "${COMPREPLY[@]}"; do expect 0 atrousc --completion="$word"; done

# In a real shell, with real keys.
if command -v script >/dev/null; then
  printf '. ./script.bash\nPS1=\natrousc comp\t--emit=sha\t\t-o x.so --self\t; exit\n' >keys
  printf 'atrousc() { printf "<%%s>" "$@" >keyed; }\n' >function
  (sleep 1; cat function keys; sleep 1) | TERM=dumb timeout 30 script -qec 'bash --norc --noprofile -i' /dev/null >terminal 2>&1
  [ "$(cat keyed)" = '<compile><--emit=shared><-o><x.so><--selftest>' ] || fail "keys gave $(cat keyed terminal)"
fi

# ---- zsh and fish: all options are there; what they make of them, where they are

for command in $commands; do
  has script.zsh "$command)"
  has script.fish "-a $command "
  expect 0 atrousc "$command" --help
  for name in $(options); do
    sed -n "/^      $command)/,/;;/p" script.zsh | grep -qE -- "'\\*?$name(=-?)?\\[" || fail "zsh does not know $name of $command"
    grep -E -- " -l ${name#--} " script.fish | grep -qE "(from|[ a-z]) ${command}[ ']|^complete -c atrousc -l" ||
      fail "fish does not know $name of $command"
  done
done
missing=
if command -v fish >/dev/null; then
  HOME=$work fish -c 'source script.fish; complete -C "atrousc compile --emit=s"' >out 2>err || fail "fish: $(cat err)"
  [ "$(cut -f 1 out | tr '\n' ' ')" = '--emit=shared --emit=static ' ] || fail "fish offers $(cat out)"
else
  missing="fish"
fi
if command -v zsh >/dev/null; then
  cp script.zsh _atrousc
  cat >keys.zsh <<'ZSH'
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; PS1=; atrousc() { print -rn -- "<${(j:><:)@}>" >zsh_keyed }'
zpty -w shell $'atrousc comp\t--emit=sha\t-o x.so --self\t'
zpty -w shell exit
repeat 100; do [[ -s zsh_keyed ]] && break; sleep 0.1; done
zpty -d shell
ZSH
  rm -f zsh_keyed
  HOME=$work TERM=dumb timeout 60 zsh -f keys.zsh >out 2>&1
  [ "$(cat zsh_keyed)" = '<compile><--emit=shared><-o><x.so><--selftest>' ] || fail "zsh's keys gave $(cat zsh_keyed out)"
else
  missing="${missing:+$missing and }zsh"
fi
[ -z "$missing" ] || { echo "not run in $missing (apt-get install fish zsh)"; exit 77; }
exit 0
