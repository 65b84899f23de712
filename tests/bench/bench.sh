#!/bin/bash
# bench.sh - the benchmark's own machinery: problems as HLO, the worker's protocol, a run without peers, comparing two runs.
# Nothing here depends on how fast the machine is.
. "$(dirname "$0")/../cli/common.bash"
if ! command -v python3 >/dev/null; then
  echo "python3 is needed"
  exit 77
fi
source=${ATROUS_SOURCE:?the source folder} build=${ATROUS_BUILD:?the build folder}
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$source/bench
bench() { python3 "$source/bench/bench.py" --build "$build" --store "$work/store.jsonl" "$@"; }

expect 0 python3 "$source/tests/bench/check_problems.py" "$ATROUSC"
expect 0 python3 "$source/tests/bench/check_workers.py" "$build/bench/worker_atrous"
expect 0 python3 "$source/tests/bench/check_reports.py"
expect 0 python3 "$source/tests/bench/check_turns.py" "$build"
expect 0 python3 "$source/tests/bench/check_deaths.py" "$build"
[ "$(uname -m)" != x86_64 ] || expect 0 python3 "$source/tests/bench/check_levels.py" "$build"

# A run of two rows without peers; a second one has nothing left to measure.
expect 0 bench 'g1_mb1' 'k7_d4_mb1' --peers none --threads 1 --seconds 0.05 --out old
has out "| all | 2 |"
for file in bench.md bench.json bench.svg; do [ -s old/$file ] || fail "no $file"; done
has old/bench.md "dcgan.g1_mb1"
lines=$(wc -l <store.jsonl)
expect 0 bench 'g1_mb1' 'k7_d4_mb1' --peers none --threads 1 --seconds 0.05 --out again
[ "$(wc -l <store.jsonl)" = "$lines" ] || fail "a second run measures again"
expect 0 bench --compare old/bench.json again/bench.json
has out "2 rows compared, 0 slower, 0 faster, 0 lost"

# A line cut short by an interruption is measured again.
head -c -40 store.jsonl >cut.jsonl && mv cut.jsonl store.jsonl
expect 0 bench 'g1_mb1' 'k7_d4_mb1' --peers none --threads 1 --seconds 0.05 --out again
[ "$(grep -c '"what": "row"' store.jsonl)" -ge 2 ] || fail "the row cut short is not there again"

# A slow-down of one row is found; the others may wobble.
expect 0 bench 'g1_mb1' 'k7_d4_mb1' --peers none --threads 1 --seconds 0.05 --out new --delay 'tcn*:900'
expect 1 bench --compare old/bench.json new/bench.json
grep -q '^slower: tcn.k7_d4_mb1' out || fail "the slow row is not named: $(cat out)"

# A peer that is not there is named.
expect 0 bench 'g1_mb1' --peers xla --python /nonexistent/python --threads 1 --seconds 0.05 --no-cold --out missing
has missing/bench.md "XLA:CPU is not installed"
expect 1 bench 'no such row' --peers none
has err "no row is selected"
exit 0
