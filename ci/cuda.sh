# Sourced by others: puts nvcc and ptxas of CUDA 13.0 on PATH, installing them from PyPI with pinned hashes if need be.
cuda_venv="${RESIDENT_CUDA_VENV:-$PWD/.cuda}"
cuda_bin() { echo "$cuda_venv"/lib/python3*/site-packages/nvidia/cu13/bin; }
if [ ! -x "$(cuda_bin)/nvcc" ]; then
  python3 -m venv "$cuda_venv" && "$cuda_venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes -r ci/cuda-requirements.txt || {
    echo "not run: nvcc and ptxas could not be installed from PyPI (ci/cuda-requirements.txt)"
    exit 0
  }
fi
export PATH="$(cuda_bin):$PATH"
