#!/usr/bin/env bash
# What has to hold on a GPU, where there may be no Rust: built here, run there from a copy of this checkout.
#   ci/gpu.sh build [DIR]         builds everything for release and packs it into DIR/gpu.tar.xz [.stage]
#   ci/gpu.sh run [DIR] [TEXT]    runs it, or what has TEXT in its name; needs bash, coreutils, python3 and a C compiler
# A run ends within ten minutes, with one table. The logs and the benches' files go to the folder $OUT, if that is set.
set -euo pipefail
cd "$(dirname "$0")/.."
mode="${1:-}"
stage="${2:-.stage}"
# `cpu` tries this script itself, where there is no GPU.
device="${RESIDENT_GPU_SH_DEVICE:-cuda}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

build() {
    cargo build --release --message-format=json-render-diagnostics --bins --test '*' --bench '*' \
        -p resident-gpu -p resident-tests -p resident-benches \
        -p flights -p flights-actix -p pagerank -p wave -p factory -p chaos >"$work/built"
    # Kept under package/sort/name, as cargo names them; tests that run elsewhere stay here.
    python3 - "$work" <<'PYTHON'
import json, os, shutil, sys
work = sys.argv[1]
for line in open(f"{work}/built"):
    built = json.loads(line)
    if built.get("reason") != "compiler-artifact" or not built["executable"]:
        continue
    folder, target = os.path.basename(os.path.dirname(built["manifest_path"])), built["target"]
    if target["kind"] == ["test"] and not (folder == "tests" or (folder == "gpu" and target["name"] in ("conformance", "driver"))):
        continue
    to = f"{work}/{folder}/{target['kind'][0]}"
    os.makedirs(to, exist_ok=True)
    shutil.copy(built["executable"], f"{to}/{target['name']}")
PYTHON
    rm "$work/built"
    find "$work" -type f -exec strip {} +
    mkdir -p "$stage"
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1], "w:xz").add(sys.argv[2], ".")' "$stage/gpu.tar.xz" "$work"
    ls -l "$stage/gpu.tar.xz"
    [ "$(stat -c %s "$stage/gpu.tar.xz")" -le $((64 << 20)) ] || { echo "larger than 64 MiB" >&2 && exit 1; }
}

# The whole run's limit, and a program's, in seconds.
all=570
each=200
# Tests at a time: a system of each has the GPU in turn, and waits for every takeover of the others.
export RUST_TEST_THREADS=5
table=()
failed=0

# A program: its name, and its command.
step() {
    local name="$1" begun=$SECONDS limit=$((all - SECONDS)) rc=0 result=passed
    shift
    [[ "$name" == *"$only"* ]] || return 0
    limit=$((limit < each ? limit : each))
    if [ $limit -le 0 ]; then
        result="failed: no time is left"
    else
        timeout -s KILL $limit "$@" </dev/null >"$work/log" 2>&1 || rc=$?
        [ $rc -eq 0 ] || result="failed: exit status $rc"
        [ $rc -ne 137 ] || result="failed: killed after $limit s"
        { printf '\n==== %s: %s: %s\n' "$name" "$result" "$*" && cat "$work/log"; } >>"$out/log.txt"
    fi
    if [ "$result" != passed ]; then
        failed=1
        printf '\n==== %s: %s\n' "$name" "$result"
        [ $limit -le 0 ] || tail -n 40 "$work/log"
    fi
    table+=("$(printf '%-34s %5d s  %s' "$name" $((SECONDS - begun)) "$result")")
}

run() {
    local only="${1:-}" path name more out="${OUT:-$work/out}"
    mkdir -p "$out"
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$stage/gpu.tar.xz" "$work"
    [ "$device" != cuda ] || export RESIDENT_REQUIRE_GPU=1
    export RESIDENT_TEST_DEVICE="$device" RESIDENT_TEST_BIN="$work/tests/bin"

    step "conformance" "$work/gpu/test/conformance" "$device"
    step "driver" "$work/gpu/test/driver"
    for path in "$work"/tests/test/*; do step "tests, $(basename "$path")" "$path"; done
    step "flights" "$work/flights/bin/flights" --device "$device"
    step "flights-actix" "$work/flights-actix/bin/flights-actix" --device "$device"
    step "pagerank" "$work/pagerank/bin/pagerank" --device "$device"
    step "pagerank, 100,000 vertices" "$work/pagerank/bin/pagerank" --device "$device" --generate 100000 --rounds 20
    step "wave" "$work/wave/bin/wave" --device "$device"
    step "factory" "$work/factory/bin/factory" --device "$device"
    step "chaos" "$work/chaos/bin/chaos" --seconds 30 --device "$device"
    for path in "$work"/benches/bench/*; do
        name="$(basename "$path")" more=()
        [ "$name" != flights ] || more=(--program "$work/flights/bin/flights")
        step "bench, $name" "$path" --short --device "$device" --json "$out/$name.json" "${more[@]}"
    done

    printf '\n==== figures, in ratios to what ran beside them\n'
    find "$out" -name '*.json' -exec python3 ci/figures.py ratios {} + || failed=1
    [ ${#table[@]} -gt 0 ] || { echo "nothing has '$only' in its name" >&2 && exit 2; }
    printf '\n==== summary\n'
    printf '%s\n' "${table[@]}"
    printf '%-34s %5d s  %s\n' "all" $SECONDS "$([ $failed -eq 0 ] && echo passed || echo failed)"
    return $failed
}

case "$mode" in
    build) build ;;
    run) run "${3:-}" ;;
    *) echo "ci/gpu.sh build [DIR], or ci/gpu.sh run [DIR] [TEXT]" >&2 && exit 2 ;;
esac
