#!/usr/bin/env bash
# The example on the data that comes with it: its totals must equal a plain fold over the same file.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo run --release -p flights -- --json --device cpu | tee /dev/stderr | tail -n 1 | python3 -c '
import json, sys
line = json.loads(sys.stdin.read())
wanted = "device rows skipped flights aircraft alerts arr_delay_total air_time_total distance_total equal messages_per_second".split()
missing = [name for name in wanted if name not in line]
assert not missing, f"the last line lacks {missing}"
assert line["equal"] is True, "the totals of the actors and of the fold differ"
assert line["flights"] > 0 and line["rows"] == line["flights"] + line["skipped"], "rows are lost"
print("flights: {flights} flights of {aircraft} aircraft, {messages_per_second:.0f} messages/s, equal".format(**line))
'
