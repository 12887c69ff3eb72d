#!/usr/bin/env bash
# Build .venv: the project, editable, with its built front end and its development tools.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! .venv/bin/python -c '' 2>/dev/null; then
    python=$(tools/find_python.sh)
    echo "Building .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
fi
[ -x .venv/bin/uv ] || .venv/bin/python -m pip install --quiet uv

# The build hook compares the front end with labextension/src only; what else it is made of is compared here, and the
# widgets' views, which the same build makes, are looked for.
built=labextension/cellray_lab/labextension
others=(pyproject.toml labextension/package.json labextension/yarn.lock labextension/tsconfig.json labextension/style)
if [ -e labextension/views.build.mjs ]; then
    others+=(labextension/views.build.mjs)
    compgen -G 'kernel_ext/cellray_kernel/widgets/static/*.js' >/dev/null || rm -rf $built
fi
if [ -e $built/package.json ] && [ -n "$(find "${others[@]}" -newer $built/package.json -print -quit)" ]; then
    rm -rf $built
fi
tools/pip_install.sh .venv dev

# The first session is not to wait for the compiling of what each of its processes imports.
packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
.venv/bin/python -m compileall -q runtime kernel_ext labextension/cellray_lab "$packages"/{cloudpickle,msgspec,numpy}

listed=$(.venv/bin/jupyter labextension list 2>&1)
if ! grep -q 'cellray-lab .*enabled.*OK' <<<"$listed"; then
    printf '%s\nThe JupyterLab extension was built, but JupyterLab does not accept it (list above).\n' "$listed" >&2
    exit 1
fi
echo "Ready: .venv with $(.venv/bin/python --version)"
