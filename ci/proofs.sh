#!/usr/bin/env bash
# Tries ci/proofs.py in a repository of its own: what it takes for proved, and what it does not.
set -euo pipefail
proofs="$(cd "$(dirname "$0")" && pwd)/proofs.py"
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME="$work/cache"

mkdir -p "$work/tree/ci" "$work/tree/docs" && cd "$work/tree"
git init --quiet
printf '/built\n' >.gitignore
echo code >one.rs && echo code >two.rs && echo text >docs/design.md && echo text >docs/format.md
git add . && echo log >"$work/log"

# Two steps: `old`, of all but docs save for one of them, and `new`, of one file.
describe() { printf 'old\t. !docs !ci docs/format.md\ttrue\nnew\tone.rs\ttrue\n'; }
plan() { describe | python3 "$proofs" plan "$@"; }
digest() { plan | sed -n "s/^$1\t\([0-9a-f]*\)\t.*/\1/p"; }
prove() { # a step, and the digest that it began with
    local inputs
    inputs="$(describe | sed -n "s/^$1\t\(.*\)\t.*/\1/p")"
    python3 "$proofs" proved "$1" "$inputs" true "${2:-$(digest "$1")}" "$work/log"
}
expect() { # what plan takes for proved; then what comes before, for who reads the failure
    local skipped
    skipped="$(plan "${3:-}" | awk -F '\t' '$3 != "" { printf "%s", $1 }')"
    [ "$skipped" = "$1" ] || { echo "proofs: $2: skipped are '$skipped', not '$1'"; cat ci/proved; exit 1; }
}
age() { sed -i "s/^\($1\t[0-9a-f]*\t\)[0-9]*/\1$2/" ci/proved; }

expect "" "nothing is proved yet"
prove old && prove new && age old 2001 && age new 2002
expect "new" "both are proved, and the oldest is looked at again"
age new 2000
expect "old" "the other is the oldest"
expect "" "all are asked for" all
[ "$(wc -l <ci/proved)" -eq 3 ] || { echo "proofs: an entry a step, and a heading"; exit 1; }
sha="$(sha256sum <"$work/log" | cut -d' ' -f1)"
grep -q "^old.*$sha$" ci/proved && cmp "$work/log" "$XDG_CACHE_HOME/resident/ci/logs/$sha"

cp ci/proved "$work/proved"
unlike() { # what is done to the tree; afterwards `old`, which was skipped, is not
    local before
    before="$(digest old)"
    eval "$1"
    [ "$before" != "$(digest old)" ] || { echo "proofs: $1 changes nothing"; exit 1; }
    expect "" "$1"
    prove old "$before" >"$work/said"
    grep -q "changed while it ran" "$work/said"
    cmp ci/proved "$work/proved"
    eval "$2"
    expect "old" "$2"
}
unlike "echo more >>docs/format.md" "git checkout --quiet docs/format.md"
unlike "echo new >three.rs" "rm three.rs"
unlike "rm two.rs" "git checkout --quiet two.rs"
unlike "chmod +x one.rs" "chmod -x one.rs"
unlike "export RUSTFLAGS=-Cdebuginfo=0" "unset RUSTFLAGS"
unlike "export RESIDENT_NIGHTLY=none" "unset RESIDENT_NIGHTLY"
unlike "printf '\\0' >two.rs" "git checkout --quiet two.rs"
echo more >>docs/design.md && echo more >built && echo more >ci/script.sh
expect "old" "what is no input"

mv docs/format.md docs/forms.md
if plan 2>"$work/said" >&2; then echo "proofs: took a word that names no file"; exit 1; fi
grep -q "no file is named by docs/format.md" "$work/said"
mv docs/forms.md docs/format.md

age old 2999
expect "" "an entry of days to come"
sed 's/^\(old\t.\)[0-9a-f]/\1x/' "$work/proved" >ci/proved
expect "" "an entry with a digest that is none"
sed 's/\t[0-9a-f]*$//' "$work/proved" >ci/proved
expect "" "entries without the digest of a log"
cp "$work/proved" ci/proved
python3 "$proofs" doubted new "$(digest old)"
cmp ci/proved "$work/proved"
python3 "$proofs" doubted new "$(digest new)"
! grep -q '^new' ci/proved && grep -q '^old' ci/proved
rm ci/proved && mkdir ci/proved
prove old >"$work/said"
grep -q "is left as it was" "$work/said"
echo "proofs: as they should be"
