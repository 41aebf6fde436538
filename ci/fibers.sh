#!/usr/bin/env bash
# The engine with 32 lanes to a warp, each a fiber (kernels/cuda/fibers.h): what several lanes do together, seen without a GPU. First the
# fibers by themselves, then the conformance suite, in three orders of the lanes.
set -euo pipefail
cd "$(dirname "$0")/.."

# The handlers' GPU code has no part in this.
export RESIDENT_NVPTX=off

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
log="$work/log"

compile() { "${CXX:-c++}" -std=c++17 -O2 -g -Wall -Wextra -Werror "$@" ci/fibers/warp.cpp -o "$work/warp"; }

compile
"$work/warp"
for order in 1 2; do RESIDENT_LANE_ORDER=$order "$work/warp" order; done | sort -u >"$log"
[ "$(wc -l <"$log")" -eq 2 ] || { echo "fibers: lanes run in the same order, whatever RESIDENT_LANE_ORDER says"; exit 1; }
compile -DENGINE_UCONTEXT
"$work/warp"
compile -fsanitize=address
RESIDENT_LANE_ORDER=1 "$work/warp"
compile -fsanitize=thread
RESIDENT_LANE_ORDER=1 "$work/warp"
if "$work/warp" race >"$log" 2>&1 || ! grep -q 'SUMMARY: ThreadSanitizer: data race' "$log"; then
    echo "fibers: ThreadSanitizer does not notice a race between lanes"
    exit 1
fi

# Where inboxes are small, frames are late.
export CARGO_TARGET_DIR=target/fibers RUSTFLAGS="--cfg fibers --cfg small_inboxes"
conformance="$(cargo test -p resident-gpu --test conformance --no-run --message-format=json |
    sed -n 's/.*"name":"conformance".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)"
[ -x "$conformance" ] || { echo "fibers: the test was not built"; exit 1; }
for order in 0 1 2; do
    echo "order $order"
    RESIDENT_LANE_ORDER=$order "$conformance" cpu --nocapture >"$log" 2>&1 || { cat "$log"; exit 1; }
    # A worker that has ended for it may have been taken over from.
    if grep '^fibers: ' "$log"; then exit 1; fi
    tail -n 2 "$log"
done
echo "fibers: passed"
