#!/usr/bin/env bash
# Build .venvs/peers: the systems that `make bench` compares Cellray with, in an environment of their own. What cannot be
# installed is left out, and <name>.failed in that folder says why.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venvs/peers
requirements=tests/bench/peers/requirements.txt

[ -e $venv/.installed ] && [ ! $requirements -nt $venv/.installed ] && exit 0

echo "Installing what Cellray is compared with into $venv" >&2
.venv/bin/python -m venv --clear $venv
install=($venv/bin/python -m pip install --quiet --disable-pip-version-check)
if ! "${install[@]}" --requirement $requirements 2>/dev/null; then
    # One at a time: one that has no wheel here must not keep the others out.
    while read -r requirement; do
        name=${requirement%%[=<>]*}
        name=${name%%[*}
        if "${install[@]}" "$requirement" 2>"$venv/$name.failed"; then
            rm "$venv/$name.failed"
        fi
    done < <(grep -v '^#' $requirements)
fi
touch $venv/.installed
