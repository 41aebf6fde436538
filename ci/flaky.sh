#!/usr/bin/env bash
# Tries ci/tests.py and ci/again.py on what fails once, and on what fails always: a crate outside the workspace, and a command.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/flaky"

# What has to fail or pass, what it has to say, and the command. TRIED is where tests note that they have run.
expect() {
    local wanted="$1" said="$2" status=0
    shift 2
    export TRIED="$work/tried"
    rm -rf "$TRIED" && mkdir "$TRIED"
    "$@" >"$work/log" 2>&1 || status=$?
    if [ "$((status != 0))" -ne "$wanted" ] || [ "$(grep -E '^(flaky|failed): ' "$work/log")" != "$said" ]; then
        cat "$work/log"
        echo "flaky: $* ended with $status and said the above; it should have said:"
        echo "$said"
        exit 1
    fi
}

tests() { (cd ci/flaky && env "$@" python3 ../tests.py); }

once="flaky: --test names fails_once
flaky: --test names panics_but_once
flaky: --test whole
flaky: --doc src/lib.rs - before (line 7)"
expect 0 "$once" tests
grep -q '^said by the test$' "$work/log"
expect 1 "failed: --test names fails_if_asked
$once" tests TRIED_FAILS=1
expect 1 "failed: no test has run, or cargo does not say which one has failed" tests RUSTFLAGS=--no-such-flag

# shellcheck disable=SC2016
expect 0 "flaky: once" python3 ci/again.py once bash -c 'test -e "$TRIED/once" || { touch "$TRIED/once"; exit 3; }'
expect 1 "failed: always" python3 ci/again.py always false
expect 0 "" python3 ci/again.py never true
echo "flaky tests: as they should be"
