#!/usr/bin/env bash
# One label, one promise. A label (O-1) is defined by a row of SPECIFICATION.md or in the list at the head of a source file; all
# that begin alike (O) are defined in one file, each once, and every label that is cited is defined.
set -euo pipefail
cd "$(dirname "$0")/.."

label='[A-Z]{1,3}-[0-9]+'
defined="$(
    git grep -oE "^\| $label \|" -- SPECIFICATION.md
    git grep -oE "^(//! - \*\*|//   )$label( \(|\*\*)" -- '*.rs' '*.h'
)"
defined="$(sed -E "s/^([^:]*):.*[^A-Z]($label).*/\1 \2/" <<<"$defined")"
twice="$(cut -d' ' -f2 <<<"$defined" | sort | uniq -d)"
apart="$(sed -E 's/-[0-9]+$//' <<<"$defined" | sort -u | cut -d' ' -f2 | sort | uniq -d)"
cited="$(git grep -ohwE "$label" -- '*.rs' '*.h' '*.md' | grep -vE '^(UTF|AVX|SHA)-' | sort -u)"
unknown="$(comm -13 <(cut -d' ' -f2 <<<"$defined" | sort -u) - <<<"$cited")"
if [ -n "$twice$apart$unknown" ]; then
    echo "labels: defined twice:" $twice "; begin alike in two files:" $apart "; cited and defined nowhere:" $unknown >&2
    exit 1
fi
echo "labels: $(wc -l <<<"$defined"), each of one promise"
