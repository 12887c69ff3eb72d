#!/usr/bin/env bash
# Install the project, editable, with its dependency group $2 into the virtual environment $1.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1/bin/python
group=$2

# uv is several times faster, but does not read pip's configuration: where packages come from a place that only pip
# knows, pip has to fetch them. Resolving alone tells, and builds nothing, so that a broken build is not tried twice.
if .venv/bin/uv pip compile --quiet --python "$python" --group "$group" pyproject.toml >/dev/null; then
    .venv/bin/uv pip install --quiet --python "$python" --group "$group" --reinstall-package cellray --editable .
else
    echo "uv does not find all packages; pip, which has a configuration of its own, is asked instead" >&2
    # --group needs this version.
    "$python" -m pip install --quiet --upgrade 'pip>=25.1'
    "$python" -m pip install --quiet --group "$group" --editable .
fi
