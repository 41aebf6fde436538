#!/usr/bin/env bash
# Device code: the wire header is what wire.rs prints, each PTX is what its source gives, byte for byte, and every PTX assembles.
#   ci/kernels.sh          checks
#   ci/kernels.sh write    writes the header and the PTX anew
set -euo pipefail
cd "$(dirname "$0")/.."
mode="${1:-check}"
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

settle() { # made, kept: in check mode they must be equal, in write mode the made one is kept
  if [ "$mode" = write ]; then cp "$1" "$2"; elif ! cmp "$1" "$2"; then
    echo "$2 is not what its source gives; run ci/kernels.sh write and commit the result" >&2
    exit 1
  fi
}

cargo run --quiet -p resident-kernels --example wire_header > "$work/wire.h"
settle "$work/wire.h" kernels/cuda/wire.h

. ci/cuda.sh

# PTX of CUDA 12.4, so that older drivers take it too: nvcc 13 writes version 9.0 whatever the code needs, and ptxas below
# refuses anything that 8.4 does not have.
ptx() { # source, made, further options
  nvcc -std=c++17 -O3 -arch=compute_80 -ptx "${@:3}" "$1" -o "$2"
  sed -i 's/^\.version .*/.version 8.4/' "$2"
}
ptx kernels/cuda/engine.cu "$work/engine.ptx" -rdc=true
settle "$work/engine.ptx" kernels/cuda/engine.ptx

if [ -f benches/peers/peers.cu ]; then
  ptx benches/peers/peers.cu "$work/peers.ptx"
  settle "$work/peers.ptx" benches/peers/peers.ptx
fi

# What is true of the engine's fast path and easy to lose: whole chunks in one access, no fence at system scope in it.
grep -q 'ld.relaxed.sys.global.b128' kernels/cuda/engine.ptx
grep -q 'st.relaxed.sys.global.b128' kernels/cuda/engine.ptx

# Each handler crate's PTX, as its build script made it last.
declare -A handlers
for crate in resident-test-actors flights-actors pagerank-actors wave-actors factory-actors; do
  cargo build --quiet -p "$crate"
  made=$(find "${CARGO_TARGET_DIR:-target}" -path "*/$crate-*/out/*" -name '*.ptx' -printf '%T@ %p\n' | sort -rn | head -n 1 | cut -d' ' -f2)
  [ -n "$made" ] && handlers[$crate]="$made" || echo "not run: linking engine and handlers (no PTX of $crate was made; the build says why)"
done

# What makes the cells of `wave` the CPU's: each operation is rounded by itself.
made="${handlers[wave-actors]:-}"
if [ -n "$made" ] && grep -E '(add|sub|mul|mad|fma)[a-z.]*\.f32' "$made" | grep -vE '(add|sub|mul)\.rn\.f32'; then
  echo "rustc has fused operations of wave, or leaves it to ptxas" >&2
  exit 1
fi

# What it moves in pieces of hundreds of bytes, its faces, it moves by words.
if [ -n "$made" ] && ! grep -q 'by words where both ends allow it' "$made"; then
  echo "rustc writes its copies otherwise than kernels/build/src/copies.rs knows them" >&2
  exit 1
fi

# As the driver does when it links them.
registers=$(sed -n 's/.* MAX_REGISTERS = \(.*\);/\1/p' kernels/cuda/wire.h)
for arch in sm_80 sm_90 sm_100; do
  ptxas -c -arch=$arch -maxrregcount=$registers kernels/cuda/engine.ptx -o "$work/engine.o"
  for crate in "${!handlers[@]}"; do
    ptxas -c -arch=$arch -maxrregcount=$registers "${handlers[$crate]}" -o "$work/handlers.o"
    nvlink -arch=$arch "$work/engine.o" "$work/handlers.o" -o "$work/module.cubin"
    echo "engine and $crate link for $arch"
  done
done

# What the command says of a handler, by the same assembler.
if [ -n "$made" ]; then
  cargo run --quiet -p resident-command -- inspect-ptx wave-actors --ptxas "$(command -v ptxas)" --arch sm_90 --json | python3 -c '
import json, sys
told = json.load(sys.stdin)
assert told["arch"] == "sm_90" and len(told["handlers"]) > 1, told
for handler in told["handlers"]:
    assert 16 <= handler["registers"] <= int(sys.argv[1]), handler
    assert handler["registers"] <= handler["wanted"] <= 255 and 32 <= handler["lanes"] <= 256, handler
    assert handler["actor"] and handler["message"] and handler["stack"] >= 0 and handler["spill_loads"] >= 0, handler
print("inspect-ptx:", *("{actor} {message} {registers}".format(**handler) for handler in told["handlers"]), sep="\n  ")
' "$registers"
fi
echo "kernels: ok"
