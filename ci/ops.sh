#!/usr/bin/env bash
# What Prometheus says of the metrics and the alerts: the rules are read and tried on recorded series, then Prometheus watches a run of
# chaos, has to say the numbers of the program's own report, and is asked all that the dashboard asks. `ci/ops.sh record` records the
# series anew, which takes some minutes; `ci/ops.sh draw` draws docs/dashboard.png.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in promtool prometheus; do
    command -v "$tool" >/dev/null 2>&1 || {
        echo "not run: $tool is missing (apt-get install prometheus)"
        exit 0
    }
done

# As ci/examples.sh builds them, so that nothing is built twice.
cargo build --release -p flights -p pagerank -p wave -p factory -p chaos
python=python3
if [ "${1:-}" = draw ]; then
    venv="${RESIDENT_PLOT_VENV:-$PWD/.plot}"
    [ -x "$venv/bin/python" ] || { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet matplotlib==3.11.2; }
    python="$venv/bin/python"
fi
exec "$python" ci/ops.py "${CARGO_TARGET_DIR:-target}/release/chaos" "$@"
