#!/usr/bin/env bash
# What every change passes besides the tests: fmt, labels, clippy, docs. With names, those: `ci/check.sh clippy`. `msrv` is asked for by
# name: each crate compiles with the oldest Rust it names.
set -euo pipefail
cd "$(dirname "$0")/.."

# None of these looks at the handlers' GPU code.
export RESIDENT_NVPTX=off

fmt() {
    cargo fmt --all --check
    cargo fmt --check --manifest-path ci/features/Cargo.toml
    cargo fmt --check --manifest-path ci/features/actix/Cargo.toml
    cargo fmt --check --manifest-path ci/flaky/Cargo.toml
    cargo fmt --check --manifest-path ci/abort/Cargo.toml
}

labels() { bash ci/labels.sh; }

clippy() {
    cargo clippy --workspace --all-targets -- -D warnings
    # The core, without a framework, and with actix alone.
    cargo clippy -p resident -- -D warnings
    cargo clippy -p resident --no-default-features --all-targets -- -D warnings
    cargo clippy -p resident --no-default-features --features actix --all-targets -- -D warnings
}

docs() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps; }

msrv() {
    local oldest
    oldest="$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)"
    if ! cargo "+$oldest" --version >/dev/null 2>&1; then
        rustup toolchain install "$oldest" --profile minimal >/dev/null 2>&1 || {
            echo "not run: Rust $oldest can not be had (rustup toolchain install $oldest)"
            exit 0
        }
    fi
    cargo "+$oldest" check --workspace --exclude resident-benches
}

for name in "${@:-fmt labels clippy docs}"; do
    for check in $name; do
        case "$check" in
            fmt | labels | clippy | docs | msrv) "$check" ;;
            *) echo "ci/check.sh knows fmt, labels, clippy, docs and msrv, not $check" >&2 && exit 2 ;;
        esac
    done
done
