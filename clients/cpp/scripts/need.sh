#!/usr/bin/env bash
# Sees to it that Debian packages are there: need.sh [--optional] PACKAGE...
# Installs what is missing where it may (as root, or with sudo that asks no password) and otherwise says in one sentence
# what is missing. A tool that is there in another way counts: cmake=cmake is a package and the command that stands for it.
# --optional: what cannot be installed is passed over in silence.
set -euo pipefail

optional=false
if [ "${1:-}" = --optional ]; then
    optional=true
    shift
fi

missing=()
for wanted in "$@"; do
    package=${wanted%%=*}
    command=${wanted#"$package"}
    command=${command#=}
    if [ -n "$command" ] && command -v "$command" >/dev/null; then
        continue
    fi
    if command -v dpkg-query >/dev/null; then
        [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] && continue
    elif [ -z "$command" ]; then
        continue # A library on another system: CMake looks for it, and says what it does not find.
    fi
    missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

refuse() {
    $optional && exit 0
    echo "maskbus: $1" >&2
    exit 1
}

command -v apt-get >/dev/null || refuse "this needs what Debian calls ${missing[*]}: install them with this system's own packages."
if [ "$(id -u)" = 0 ]; then
    root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    root=(sudo -n)
else
    refuse "packages are missing: sudo apt-get install ${missing[*]}"
fi

apt() {
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get --quiet --quiet --yes --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" >&2
}
echo "maskbus: installing ${missing[*]}" >&2
# The lists of a fresh machine are empty, those of an old one name packages that are gone.
apt install "${missing[@]}" >/dev/null 2>&1 || { apt update && apt install "${missing[@]}"; } ||
    refuse "these packages could not be installed: ${missing[*]}"
