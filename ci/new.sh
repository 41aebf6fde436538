#!/usr/bin/env bash
# What `resident new` makes, built and run with the crates as they are packaged: each template in two commands, without a GPU. And the
# packages have nothing of ci's. Sources of other crates are those of the workspace's Cargo.lock.
set -euo pipefail
cd "$(dirname "$0")/.."

here="$PWD"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
case "$CARGO_TARGET_DIR" in /*) ;; *) CARGO_TARGET_DIR="$PWD/$CARGO_TARGET_DIR" ;; esac
work="$(mktemp -d)"
service=""
# What is set for scripts of CI is no setting of the projects.
for name in $(compgen -e | grep '^RESIDENT_' | grep -vx RESIDENT_NVPTX); do unset "$name"; done
trap '[ -z "$service" ] || kill "$service" 2>/dev/null || true; rm -rf "$work"' EXIT

fail() { echo "new: $*" >&2 && exit 1; }

# The registry: every crate that may be published, as cargo packages it.
readarray -t crates < <(cargo metadata --no-deps --format-version 1 | python3 -c '
import json, sys
print(*(package["name"] for package in json.load(sys.stdin)["packages"] if package["publish"] is None), sep="\n")')
rm -rf "$CARGO_TARGET_DIR/package"
cargo package --quiet --no-verify --allow-dirty "${crates[@]/#/--package=}"
mkdir -p "$work/registry" "$work/.cargo"
echo "[patch.crates-io]" >"$work/.cargo/config.toml"
for crate in "${crates[@]}"; do
    packed=("$CARGO_TARGET_DIR/package/$crate"-[0-9]*.crate)
    [ ${#packed[@]} -eq 1 ] && [ -f "${packed[0]}" ] || fail "$crate is packaged as ${packed[*]}"
    tar -xzf "${packed[0]}" -C "$work/registry"
    folder="$work/registry/$(basename "${packed[0]}" .crate)"
    ! find "$folder" -name ci -o -name .ci | grep . || fail "the package of $crate has scripts of CI"
    echo "$crate = { path = \"$folder\" }" >>"$work/.cargo/config.toml"
done

cargo build --quiet -p resident-command
cd "$work"

# Makes a project, and tries that it is as a user would want it before it is run.
project() {
    "$CARGO_TARGET_DIR/debug/resident" new "$1-made" --template "$1"
    cp "$here/Cargo.lock" "$1-made/"
    cd "$work/$1-made"
    cargo fmt --all --check
    cargo test --quiet
}

project group
cargo run --quiet | tee "$work/group"
grep -qx "10000 sensors have answered: the largest value is 9999, the sum of each one's largest 49995028" "$work/group" ||
    fail "the group has answered otherwise"
RESIDENT_SHARDS=3 RESIDENT_DEVICES=cpu "$CARGO_TARGET_DIR/debug/group-made" | grep "^running on cpu:0 CPU, 3 shards (asked for)" ||
    fail "the group does not mind its settings"
said="$(RESIDENT_SHARD=1 "$CARGO_TARGET_DIR/debug/group-made" 2>&1)" && fail "the group has taken a setting that there is none of"
grep -q 'is no setting: is `RESIDENT_SHARDS` meant?' <<<"$said" || fail "the group has said: $said"
cd "$work"

project actix
! cargo tree --quiet --edges normal | grep -w ractor || fail "there is another framework in the tree of the one under actix"
cargo run --quiet | tee "$work/actix"
grep -q "10 of 3 cannot be withdrawn" "$work/actix" && grep -qx "an account has only 4 left" "$work/actix" &&
    grep -qx "1000 accounts have 489555 left, 10 were overdrawn, 5 run low" "$work/actix" || fail "the accounts have answered otherwise"
cd "$work"

project service
cargo build --quiet
"$CARGO_TARGET_DIR/debug/service-made" 127.0.0.1:0 >"$work/service" &
service=$!
# The numbers are added; one that is too many costs the actor, which is started again.
python3 - "$work/service" "$service" <<'CLIENT'
import os, re, signal, socket, sys, time

path, pid = sys.argv[1], int(sys.argv[2])
end = time.monotonic() + 60
while not (found := re.search(r"^listening on 127\.0\.0\.1:(\d+)", open(path).read(), re.MULTILINE)):
    assert time.monotonic() < end, "the service does not listen"
    time.sleep(0.05)
with socket.create_connection(("127.0.0.1", int(found[1])), timeout=60) as client:
    lines = client.makefile("rw")
    def answer(line):
        print(line, file=lines, flush=True)
        return lines.readline().strip()
    said = [answer(line) for line in ("40", "2", "forty", str(2**64 - 1), "7")]
assert said[:3] == ["2 numbers, 40 in all", "3 numbers, 42 in all", "a line is a number"], said
assert "the sum is too large" in said[3] and said[4] == "1 numbers, 7 in all", said
os.kill(pid, signal.SIGINT)
CLIENT
wait "$service" || fail "the service has ended with $?"
service=""
cat "$work/service"
grep -qx "the first call: 1 numbers, 0 in all" "$work/service" && grep -qx "stopped" "$work/service" ||
    fail "the service has said otherwise"
echo "new: passed"
