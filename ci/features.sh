#!/usr/bin/env bash
# With ractor, with actix, with both and with neither: each depends on no framework but those it names, and is run: the core by its own
# tests, actix by an application outside the workspace, both by the workspace's tests. And whichever of ractor's features another crate
# switches on: an application is compiled with each of the eight sets, and run with none and with all; the workspace's tests run with all.
set -euo pipefail
cd "$(dirname "$0")/.."

# The handlers' GPU code has no part in this.
export RESIDENT_NVPTX=off

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}"
# The same versions as the workspace.
cp Cargo.lock ci/features/Cargo.lock

# Fails if what `resident` depends on with these features is a framework of these names.
depends_on_no() {
    local others="$1" tree
    shift
    tree="$(cargo tree -p resident --no-default-features --edges normal,build --prefix none "$@")"
    if grep -E "^($others)" <<<"$tree"; then
        echo "features: resident${*:+ with $*} depends on a framework that it does not name; make that dependency optional, and part of the" \
            "framework's feature" >&2
        exit 1
    fi
}

echo "without a framework"
depends_on_no "ractor|actix"
cargo test --quiet -p resident --no-default-features --lib

echo "actix alone"
depends_on_no "ractor" --features actix
cp Cargo.lock ci/features/actix/Cargo.lock
cargo run --quiet --manifest-path ci/features/actix/Cargo.toml

echo "ractor alone"
depends_on_no "actix" --features ractor
for set in "" async-trait cluster monitors async-trait,cluster async-trait,monitors cluster,monitors async-trait,cluster,monitors; do
    echo "ractor with: ${set:-nothing more}"
    case "$set" in
        "" | async-trait,cluster,monitors) cargo run --quiet --manifest-path ci/features/Cargo.toml --features "$set" ;;
        *) cargo check --quiet --manifest-path ci/features/Cargo.toml --features "$set" ;;
    esac
done
python3 ci/tests.py -p resident-tests --features ractor/async-trait,ractor/cluster,ractor/monitors
echo "features: passed"
