#!/usr/bin/env bash
# Which folder may name which: the arrows between floors run down. `ci/floors.py` has the floors; it is tried on made-up arrows first.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 ci/floors.py try
python3 ci/floors.py
