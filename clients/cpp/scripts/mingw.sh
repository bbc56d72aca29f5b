#!/usr/bin/env bash
# Fills a folder with what the preset mingw builds against: mingw.sh FOLDER [LIBZMQ_SOURCE]
# libzmq is built for Windows, as a static library, from LIBZMQ_SOURCE or else from Debian's source package; the libraries
# that are headers alone are this system's own.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
prefix=$(mkdir -p "$1" && cd "$1" && pwd)
source=${2:-}
[ -e "$prefix/.complete" ] && exit 0
"$here/scripts/need.sh" cmake=cmake g++-mingw-w64-x86-64-posix=x86_64-w64-mingw32-g++-posix cppzmq-dev libmsgpack-cxx-dev \
    doctest-dev nlohmann-json3-dev
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -z "$source" ]; then
    command -v apt-get >/dev/null || {
        echo "maskbus: no apt-get here; name a folder with libzmq's source: mingw.sh FOLDER LIBZMQ_SOURCE" >&2
        exit 1
    }
    # Lists of source packages, beside the system's own lists and not among them.
    mkdir -p "$work"/{lists/partial,sources,source}
    for list in /etc/apt/sources.list.d/*.sources; do
        [ -e "$list" ] && sed 's/^Types:.*/Types: deb-src/' "$list" >"$work/sources/${list##*/}"
    done
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -e "$list" ] && sed -n 's/^deb /deb-src /p' "$list" >"$work/sources/${list##*/}.list"
    done
    chmod -R a+rX "$work"
    options=(-qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/sources"
        -o Dir::State::Lists="$work/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=)
    apt-get "${options[@]}" update
    (cd "$work" && apt-get "${options[@]}" source --download-only zeromq3)
    tar -x --strip-components 1 -C "$work/source" -f "$work"/zeromq3_*.orig.tar.*
    source=$work/source
fi

cmake -S "$source" -B "$work/build" -Wno-dev -DCMAKE_TOOLCHAIN_FILE="$here/cmake/mingw.cmake" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_INSTALL_PREFIX="$prefix" -DBUILD_SHARED=OFF -DBUILD_TESTS=OFF -DENABLE_CPACK=OFF -DENABLE_CURVE=ON \
    -DWITH_LIBSODIUM=OFF -DWITH_LIBBSD=OFF -DWITH_DOCS=OFF -DZMQ_HAVE_IPC=OFF >"$work/log"
cmake --build "$work/build" --target install --parallel "${JOBS:-2}" >>"$work/log" 2>&1 || {
    tail -50 "$work/log" >&2
    exit 1
}
for header in zmq.hpp zmq_addon.hpp msgpack.hpp msgpack doctest nlohmann; do
    cp -r "/usr/include/$header" "$prefix/include/"
done
touch "$prefix/.complete"
