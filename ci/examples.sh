#!/usr/bin/env bash
# The examples on the CPU device: the totals of `flights` must equal a plain fold over the same file, also where something breaks on
# the way, and so must those of `flights-actix`, whose tree has no framework but its own, as that of `flights-web`; the ranks of `pagerank`
# and the cells of `wave` must be those of a plain computation, bit for bit, and the primes of `factory` as many; the books of `chaos` must
# balance after half a minute of faults of every class (one run that fails is run again, twice).
set -euo pipefail
cd "$(dirname "$0")/.."

# One build for all: each alone would have its own features of tokio, and so its own build of all that stands on it.
cargo build --release -p flights -p flights-actix -p pagerank -p wave -p factory -p chaos
built="${CARGO_TARGET_DIR:-target}/release"

flights() {
    "$built/$program" --json --device cpu "$@" | tee /dev/stderr | tail -n 1 | python3 -c '
import json, sys
line = json.loads(sys.stdin.read())
wanted = "device rows skipped flights aircraft alerts arr_delay_total air_time_total distance_total equal messages_per_second injected".split()
missing = [name for name in wanted if name not in line]
assert not missing, f"the last line lacks {missing}"
assert line["equal"] is True, "the totals of the actors and of the fold differ"
assert line["flights"] > 0 and line["rows"] == line["flights"] + line["skipped"], "rows are lost"
injected = [fault["what"] for fault in line["injected"]]
assert injected == sys.argv[1:], f"{injected} broke, asked for was {sys.argv[1:]}"
print("{flights} flights of {aircraft} aircraft, {messages_per_second:.0f} messages/s, equal".format(**line))
' "${broken[@]}"
}

broken=()
program=flights
flights
flights --devices 2
program=flights-actix
flights
program=flights broken=(panic trap hang kill)
flights --inject panic@3000 --inject trap@8000 --inject hang@13000 --inject kill@18000

for program in flights-actix flights-web; do
    if cargo tree --edges normal,build --prefix none -p "$program" | grep ^ractor; then
        echo "examples: $program depends on a framework that it does not name; it takes \`resident\` without its default features" >&2
        exit 1
    fi
done

"$built/pagerank" --device cpu
"$built/pagerank" --device cpu --generate 100000 --rounds 20

"$built/wave" --device cpu
"$built/wave" --device cpu --size 32 --walls periodic --source point --steps 500

"$built/factory" --device cpu

python3 ci/again.py chaos "$built/chaos" --seconds 30 --device cpu
