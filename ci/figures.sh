#!/usr/bin/env bash
# Figures, and what they are of: each file in benches/results against the one before it, and README's table against the files of the
# engine as it stands.
#   ci/figures.sh            compares, and fails if README's table is not what the files of this engine say
#   ci/figures.sh write      writes README's table anew, from benches/headline.md and those files
#   ci/figures.sh ratios F   prints the ratios to peers that are in a result file
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 ci/figures.py "$@"
