#!/usr/bin/env bash
# The engine built for the host, and the Rust around it, both instrumented: AddressSanitizer and ThreadSanitizer over the
# conformance suite (a shard as one thread and as two), rings and replies. Then some orderings of the engine are relaxed, one at
# a time, and ThreadSanitizer must notice each (kernels/cuda/watch.h).
#   ci/sanitizers.sh            all of it
#   ci/sanitizers.sh address    one
#   ci/sanitizers.sh thread     the other
#   ci/sanitizers.sh fibers     ThreadSanitizer with 32 lanes to a warp (ci/fibers.sh), each of which it takes for a thread
#
# What ThreadSanitizer sees is each side of a region: host and engine map it at two addresses, and it takes those for two
# memories. The orderings across it are loom's (ci/orderings.sh).
set -euo pipefail
cd "$(dirname "$0")/.."

# The handlers' GPU code has no part in this.
export RESIDENT_NVPTX=off

toolchain="${RESIDENT_NIGHTLY:-nightly}"
host=x86_64-unknown-linux-gnu
if [ "$(uname -m)" != x86_64 ]; then
    echo "not run: sanitizers are set up for $host only"
    exit 0
fi
sources() { [ -f "$(rustc "+$toolchain" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/std/Cargo.toml" ]; }
if ! sources; then
    rustup toolchain install "$toolchain" --profile minimal --component rust-src >/dev/null 2>&1 || true
    if ! sources; then
        echo "not run: the standard library's sources are not there (rustup toolchain install $toolchain --component rust-src)"
        exit 0
    fi
fi

# Workers are threads: what a sanitizer finds in another process would not end this one.
export RESIDENT_TEST_ISOLATION=thread
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=line-tables-only CARGO_PROFILE_TEST_DEBUG=line-tables-only
log="$(mktemp)"
trap 'rm -f "$log"' EXIT

build() { # sanitizer, and how the engine is built besides: builds the tests and sets $<test> to each one's program
    export CARGO_TARGET_DIR="target/$1${2:+-$2}" CXXFLAGS="-fsanitize=$1 -g -DENGINE_WATCH"
    # The system is called through libc, where the sanitizers see what it writes (memmap2 always does).
    export RUSTFLAGS="-Zsanitizer=$1 --cfg rustix_use_libc --cfg small_inboxes${2:+ --cfg $2}"
    cargo "+$toolchain" test -Zbuild-std --target "$host" -p resident-gpu --test conformance --test rings --test replies --no-run --message-format=json >"$log"
    local test
    for test in conformance rings replies; do
        printf -v "$test" %s "$(sed -n "s/.*\"name\":\"$test\".*\"executable\":\"\([^\"]*\)\".*/\1/p" "$log" | tail -n 1)"
        [ -x "${!test}" ] || { echo "sanitizers: the test $test was not built"; exit 1; }
    done
    # The C++ is instrumented too. All of the list is read: nm does not like to be left.
    nm -u "$CARGO_TARGET_DIR/$host"/debug/build/resident-kernels-*/out/*host.o | grep -E '__(asan_report|tsan_read)' >/dev/null
}

address() {
    build address
    "$conformance" cpu
    "$rings"
    "$replies"
    echo "address: passed"
}

thread() {
    build thread
    "$conformance" cpu
    "$rings" two_threads
    "$replies"
    for end in staged/store staged/load stage-free/store stage-free/load inbox-room/store inbox-room/load helper/open helper/left; do
        for turn in 1 2 3; do
            if RESIDENT_WEAKEN="$end" "$conformance" cpu_threads >"$log" 2>&1; then continue; fi
            if grep -q 'SUMMARY: ThreadSanitizer: data race' "$log"; then
                echo "red    $end: $(grep -m 1 -o 'SUMMARY.*' "$log")"
                continue 2
            fi
            cat "$log"
            echo "?????  $end: the tests failed, and not by a race"
            exit 1
        done
        echo "GREEN  $end: ThreadSanitizer does not notice that it is relaxed"
        exit 1
    done
    echo "thread: passed"
}

fibers() {
    build thread fibers
    RESIDENT_LANE_ORDER=1 TSAN_OPTIONS="suppressions=$PWD/ci/fibers/races" "$conformance" cpu
    echo "fibers: passed"
}

case "${1:-all}" in
    all)
        address
        thread
        fibers
        ;;
    address | thread | fibers) "$1" ;;
    *) echo "ci/sanitizers.sh [address|thread|fibers]" >&2 && exit 2 ;;
esac
