#!/usr/bin/env bash
# Whichever of ractor's features another crate switches on: an application outside the workspace is compiled with each of the
# eight sets, and run with none and with all; the workspace's own tests run with all.
set -euo pipefail
cd "$(dirname "$0")/.."

# The handlers' GPU code has no part in this.
export RESIDENT_NVPTX=off

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}"
# The same versions as the workspace.
cp Cargo.lock ci/features/Cargo.lock

for set in "" async-trait cluster monitors async-trait,cluster async-trait,monitors cluster,monitors async-trait,cluster,monitors; do
    echo "ractor with: ${set:-nothing more}"
    case "$set" in
        "" | async-trait,cluster,monitors) cargo run --quiet --manifest-path ci/features/Cargo.toml --features "$set" ;;
        *) cargo check --quiet --manifest-path ci/features/Cargo.toml --features "$set" ;;
    esac
done
cargo test --quiet -p resident-tests --features ractor/async-trait,ractor/cluster,ractor/monitors
echo "features: passed"
