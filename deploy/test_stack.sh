#!/bin/sh
# Tries the whole stack in containers, from a clean clone of this folder: deploy/test_stack.sh [FOLDER]
# puts pictures and figures there. Needs an engine, Compose, git, chromium; 20 minutes of two cores.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
command -v "$python" >/dev/null || make --silent .venv/.dev
exec "$python" -m bench.containers "$@"
