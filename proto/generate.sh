#!/usr/bin/env bash
# Regenerates proto/gen from proto/ricity; `make check` fails when the committed code differs from what this makes.
set -euo pipefail
cd "$(dirname "$0")"
out=${1:-gen}
bin=$(cd .. && pwd)/.venv/bin
mkdir -p "$out"
PATH="$bin:$PATH" "$bin/python" -m grpc_tools.protoc -I . --python_out="$out" --grpc_python_out="$out" --mypy_out=quiet:"$out" \
  $(find ricity -name '*.proto' | sort)
find "$out/ricity" -type d -exec touch {}/__init__.py \;
