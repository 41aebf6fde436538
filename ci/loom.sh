#!/usr/bin/env bash
# Rings, replies and control words under loom: every schedule of two threads at the smallest sizes.
set -euo pipefail
cd "$(dirname "$0")/.."

# The handlers' GPU code has no part in this.
export RESIDENT_NVPTX=off

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target/loom}"
RUSTFLAGS="--cfg loom" cargo test --release -p resident-gpu --test loom
echo "loom: passed"
