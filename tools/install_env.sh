#!/usr/bin/env bash
# Build the virtual environment in $1: the project, editable, with its built front end and its development tools.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1

if ! "$venv/bin/python" -c '' 2>/dev/null; then
    python=$(tools/find_python.sh)
    echo "Building $venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
"$venv/bin/python" -m pip install --quiet --upgrade 'pip>=25.1' uv

# The build hook compares the front end with labextension/src only; what else it is made of is compared here.
built=labextension/cellray_lab/labextension
others=(pyproject.toml labextension/package.json labextension/yarn.lock labextension/tsconfig.json labextension/style)
if [ -e "$built/package.json" ] && [ -n "$(find "${others[@]}" -newer "$built/package.json" -print -quit)" ]; then
    rm -rf "$built"
fi

# uv is several times faster, but does not read pip's configuration; where an index is configured for pip alone, pip
# knows more. --group needs pip 25.1.
if ! "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --reinstall-package cellray --editable . --group dev; then
    echo "uv could not install the project; trying again with pip" >&2
    "$venv/bin/python" -m pip install --editable . --group dev
fi
"$venv/bin/jupyter" labextension list 2>&1 | grep -q 'cellray-lab .*enabled.*OK' || {
    "$venv/bin/jupyter" labextension list >&2
    echo "The JupyterLab extension was installed, but JupyterLab does not accept it (list above)." >&2
    exit 1
}
