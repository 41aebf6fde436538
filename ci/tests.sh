#!/usr/bin/env bash
# The tests, as README says: `cargo test --workspace`. What fails is run again, alone and twice. If it then passes both times, the
# last lines say `flaky: NAME`, and the script passes: a defect that is mended next. If it fails again, the script fails.
set -euo pipefail
cd "$(dirname "$0")/.."

exec python3 ci/tests.py
