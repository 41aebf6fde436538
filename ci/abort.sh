#!/usr/bin/env bash
# HO-3: a program that is built with `panic = "abort"`, outside the workspace since cargo's tests never are.
set -euo pipefail
cd "$(dirname "$0")/.."

# The handlers' GPU code has no part in this.
export RESIDENT_NVPTX=off

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}"
# The same versions as the workspace.
cp Cargo.lock ci/abort/Cargo.lock

cargo run --quiet --manifest-path ci/abort/Cargo.toml
echo "abort: passed"
