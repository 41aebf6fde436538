#!/usr/bin/env bash
# Every named ordering is needed: weakened to Relaxed, one end at a time, it must turn a loom test red.
# And every name in the code has its row in docs/memory-model.md.
set -euo pipefail
cd "$(dirname "$0")/.."

# The handlers' GPU code has no part in this.
export RESIDENT_NVPTX=off

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target/loom}"
export RUSTFLAGS="--cfg loom"
bin="$(cargo test --release -p resident-gpu --test loom --no-run --message-format=json |
    sed -n 's/.*"name":"loom".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)"
[[ -x "$bin" ]] || { echo "orderings: the loom tests were not built"; exit 1; }

failed=0
log="$(mktemp)"
trap 'rm -f "$log"' EXIT

if ! "$bin" >"$log" 2>&1; then
    cat "$log"
    echo "orderings: the loom tests fail with nothing weakened"
    exit 1
fi
echo "green  nothing weakened"

names="$(sed -n 's/^ *[A-Z][A-Za-z]* = "\([a-z-]*\)",$/\1/p' gpu/src/sync.rs)"
[[ -n "$names" ]] || { echo "orderings: no names found in gpu/src/sync.rs"; exit 1; }
for name in $names; do
    for end in store load; do
        if RESIDENT_WEAKEN="$name/$end" timeout 300 "$bin" >"$log" 2>&1; then
            echo "GREEN  $name/$end: no test notices"
            failed=1
        elif grep -q 'names no ordering' "$log" || ! grep -q '^test .* FAILED$' "$log"; then
            echo "?????  $name/$end: the tests did not run to a failed test"
            failed=1
        else
            echo "red    $name/$end: $(sed -n 's/^test \(.*\) \.\.\. .*FAILED$/\1/p' "$log" | sort | tr '\n' ' ')"
        fi
    done
done

# `SYNC a, b: pairs with ...` names a and b.
used="$(grep -rhoE '// SYNC [a-z, -]+' gpu/src kernels/cuda --include='*.rs' --include='*.h' --include='*.cpp' --include='*.cu' |
    sed 's/^\/\/ SYNC //; s/ *$//; s/, */\n/g' | sort -u)"
for name in $names $used; do
    if ! grep -q "^| \`$name\`" docs/memory-model.md; then
        echo "orderings: docs/memory-model.md has no row for $name"
        failed=1
    fi
done

# Orderings have names: nobody else says Acquire or Release.
if grep -rnE '\b(Acquire|Release|AcqRel|SeqCst)\b' gpu/src --include='*.rs' | grep -v '^gpu/src/sync.rs:'; then
    echo "orderings: an ordering without a name (gpu/src/sync.rs has the names)"
    failed=1
fi

if [[ $failed -ne 0 ]]; then
    echo "orderings: failed"
    exit 1
fi
echo "orderings: passed"
