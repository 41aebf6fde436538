#!/usr/bin/env bash
# Rings and replies under Miri, in this process's memory, over several schedules, and messages to bytes and back. (Rows and arena
# have no unsafe code.)
# RESIDENT_MIRI_SEEDS: how many (default 4).
set -euo pipefail
cd "$(dirname "$0")/.."

# The handlers' GPU code has no part in this.
export RESIDENT_NVPTX=off

toolchain="${RESIDENT_NIGHTLY:-nightly}"
if ! cargo "+$toolchain" miri --version >/dev/null 2>&1; then
    rustup toolchain install "$toolchain" --profile minimal --component miri --component rust-src >/dev/null 2>&1 ||
        rustup component add miri rust-src --toolchain "$toolchain" >/dev/null 2>&1 || true
fi
if ! cargo "+$toolchain" miri --version >/dev/null 2>&1; then
    echo "not run: miri is not available for the toolchain $toolchain (rustup component add miri rust-src --toolchain $toolchain)"
    exit 0
fi

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target/miri}"
tests=(--test rings --test replies)
MIRIFLAGS="-Zmiri-disable-isolation" cargo "+$toolchain" miri test -p resident-gpu "${tests[@]}"
MIRIFLAGS="-Zmiri-disable-isolation" cargo "+$toolchain" miri test -p resident-kernels --features host --test plain --test lanes
# The test with two threads once more for each seed.
for seed in $(seq 1 "${RESIDENT_MIRI_SEEDS:-4}"); do
    MIRIFLAGS="-Zmiri-seed=$seed" cargo "+$toolchain" miri test -q -p resident-gpu --test rings two_threads
done
echo "miri: passed"
