#!/usr/bin/env bash
# Whichever of ractor's features another crate switches on: an application outside the workspace is compiled with each of the
# eight sets, and run with none and with all; the workspace's own tests run with all. And without a framework: the core compiles, nothing of
# it depends on one, and its own tests run.
set -euo pipefail
cd "$(dirname "$0")/.."

# The handlers' GPU code has no part in this.
export RESIDENT_NVPTX=off

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}"
# The same versions as the workspace.
cp Cargo.lock ci/features/Cargo.lock

echo "without a framework"
tree="$(cargo tree -p resident --no-default-features --edges normal,build --prefix none)"
if grep -E '^(ractor|actix)' <<<"$tree"; then
    echo "features: the core depends on a framework; make that dependency optional, and part of the framework's feature" >&2
    exit 1
fi
cargo test --quiet -p resident --no-default-features --lib

for set in "" async-trait cluster monitors async-trait,cluster async-trait,monitors cluster,monitors async-trait,cluster,monitors; do
    echo "ractor with: ${set:-nothing more}"
    case "$set" in
        "" | async-trait,cluster,monitors) cargo run --quiet --manifest-path ci/features/Cargo.toml --features "$set" ;;
        *) cargo check --quiet --manifest-path ci/features/Cargo.toml --features "$set" ;;
    esac
done
cargo test --quiet -p resident-tests --features ractor/async-trait,ractor/cluster,ractor/monitors
echo "features: passed"
