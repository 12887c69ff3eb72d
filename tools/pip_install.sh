#!/usr/bin/env bash
# Install into the virtual environment $1 whatever the other arguments name, as `pip install` understands them.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1/bin/python
shift

# uv is several times faster, but does not read pip's configuration; where an index is configured for pip alone, pip
# knows more. --group needs pip 25.1.
.venv/bin/uv pip install --quiet --python "$python" "$@" && exit 0
echo "uv could not install $*; trying again with pip" >&2
"$python" -m pip install --quiet "$@"
