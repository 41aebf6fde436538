#!/usr/bin/env bash
# Parsing of checkpoints and deltas under libFuzzer, from the corpus that is kept: `ci/fuzz.sh` runs the targets side by side
# for 20 seconds, `ci/fuzz.sh 600` for ten minutes. What it comes up with stays out of the repository.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-20}"

work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

# What nobody offers here, or nobody can be asked for, is no failure; what is offered and could not be installed is one.
toolchain="${RESIDENT_NIGHTLY:-nightly}"
not_to_be_had() { echo "not run: $1 can not be had ($2)" && exit 0; }
not_installed() { tail -n 30 "$work/install" && echo "fuzz: $1 is offered and could not be installed ($2)" >&2 && exit 1; }
if ! rustc "+$toolchain" --version >/dev/null 2>&1; then
    how="rustup toolchain install $toolchain"
    if ! rustup toolchain install "$toolchain" --profile minimal >"$work/install" 2>&1; then
        if grep -qE 'could not download|no release found|command not found' "$work/install"; then not_to_be_had "the toolchain $toolchain" "$how"; fi
        not_installed "the toolchain $toolchain" "$how"
    fi
fi
if ! cargo "+$toolchain" fuzz --version >/dev/null 2>&1; then
    how="cargo install cargo-fuzz"
    cargo info --quiet cargo-fuzz >/dev/null 2>&1 || not_to_be_had cargo-fuzz "$how"
    cargo install --quiet --locked cargo-fuzz >"$work/install" 2>&1 || not_installed cargo-fuzz "$how"
fi

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/fuzz"
# The same versions as the workspace.
cp Cargo.lock checkpoint/fuzz/Cargo.lock
cd checkpoint
if ! cargo "+$toolchain" fuzz build >"$work/log" 2>&1; then
    tail -n 30 "$work/log"
    # Our code not compiling is a failure, a compiler without the sanitizer is not.
    if grep -q 'could not compile `resident-checkpoint' "$work/log"; then exit 1; fi
    echo "not run: the fuzz targets can not be built with the toolchain $toolchain"
    exit 0
fi
fuzz() { # one target
    local log="$work/$1.log"
    mkdir "$work/$1"
    # What is new goes to the first folder; the second is only read.
    if ! cargo "+$toolchain" fuzz run "$1" "$work/$1" "fuzz/corpus/$1" -- \
        -max_total_time="$seconds" -max_len=16384 -rss_limit_mb=1024 -malloc_limit_mb=256 -print_final_stats=1 >"$log" 2>&1; then
        tail -n 60 "$log"
        echo "fuzz: $1 fails; the input is in checkpoint/fuzz/artifacts/$1"
        return 1
    fi
    echo "$1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s, nothing found"
}

running=()
for target in full delta apply; do
    fuzz "$target" &
    running+=($!)
done
failed=0
for target in "${running[@]}"; do wait "$target" || failed=1; done
[ "$failed" -eq 0 ] || exit 1
echo "fuzz: passed"
