#!/usr/bin/env bash
# Print a Python of exactly version $1 (such as 3.14): from PATH, pyenv or uv, else downloaded into .venvs by uv, else
# from Debian's packages. Fails silently where there is none to be had.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1

works() {
    [ "$("$1" -c 'import sys, ssl, venv; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$version" ]
}

# A pyenv shim stands on PATH also for versions that are not active; hence `works`, and the look at pyenv's own folder.
while read -r candidate; do
    if [ -x "$candidate" ] && works "$candidate"; then
        echo "$candidate"
        exit 0
    fi
done < <(
    type -ap "python$version"
    printf '%s\n' "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python
)

.venv/bin/uv python find --managed-python --no-project "$version" 2>/dev/null && exit 0

export UV_PYTHON_INSTALL_DIR=$PWD/.venvs/pythons
.venv/bin/uv python find --managed-python --no-project "$version" 2>/dev/null && exit 0
if timeout 180 .venv/bin/uv python install --quiet --no-bin "$version" 2>/dev/null; then
    exec .venv/bin/uv python find --managed-python --no-project "$version"
fi

[ -e /etc/debian_version ] && exec tools/debian_python.sh "$version" ".venvs/debian-$version" 2>/dev/null
exit 1
