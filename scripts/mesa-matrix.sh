#!/bin/sh
# scripts/mesa-matrix.sh COMMAND...: runs a command with Node on the lavapipe of Mesa 26, the only software adapter with subgroup
# matrices (8 x 8 x 8, float16 in, float32 out), so that tensor-core kernels can be tested without a GPU:
#   scripts/mesa-matrix.sh npm test -- test/engine/kernels
#
# Needs no root and installs nothing on the machine. Packages of Debian 13 and its backports, including the C library, are unpacked
# into the cache folder once (some 300 MB), together with copies of this Node and of the project's Deno that load libraries from there.
set -eu

fail() {
  echo "mesa-matrix: $1" >&2
  exit 1
}

[ $# -gt 0 ] || fail 'say what to run: scripts/mesa-matrix.sh COMMAND...'
[ "$(uname -sm)" = 'Linux x86_64' ] || fail 'only Linux on x86_64 is supported'

release=trixie
folder="${XDG_CACHE_HOME:-$HOME/.cache}/promptkd/mesa-matrix"
libraries="$folder/usr/lib/x86_64-linux-gnu"

# The mirror that this machine uses.
mirror() {
  for file in /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -r "$file" ] || continue
    sed -n -e 's/^URIs: *\([^ ]*\).*/\1/p' -e 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\).*/\2/p' "$file"
  done | grep -v security | head -n 1
}

unpack() {
  [ -r /etc/debian_version ] && command -v apt-get >/dev/null || fail 'the packages are fetched with apt-get, on Debian only'
  uri=$(mirror)
  [ -n "$uri" ] || fail 'no mirror is among the sources of apt-get'
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/lists/partial" "$work/archives/partial"
  : >"$work/status"
  keys=/usr/share/keyrings/debian-archive-keyring.gpg
  for suite in "$release" "$release-backports" bookworm; do
    echo "deb [signed-by=$keys arch=amd64] $uri $suite main"
  done >"$work/sources.list"
  # A separate, empty package database, so that every dependency is downloaded.
  set -- -q -o Dir::State::lists="$work/lists" -o Dir::State::status="$work/status" \
    -o Dir::Cache::archives="$work/archives" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
    -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User= -o Debug::NoLocking=1
  log="$work/log"
  apt-get "$@" update >"$log" 2>&1 || fail "apt-get could not read $release: $(grep '^E:' "$log" | head -n 1)"
  # With patchelf 0.18 of Debian 13 the patched Node crashes; 0.14 of Debian 12 works.
  apt-get "$@" install -y --download-only --no-install-recommends -t "$release-backports" \
    mesa-vulkan-drivers libvulkan1 libstdc++6 'patchelf=0.14.*' >>"$log" 2>&1 ||
    fail "apt-get could not fetch Mesa: $(grep '^E:' "$log" | head -n 1)"
  rm -rf "$folder.part"
  mkdir -p "$folder.part"
  for package in "$work"/archives/*.deb; do dpkg-deb -x "$package" "$folder.part"; done
  # The full path of the driver, because the loader would look for a bare name among the machine's libraries.
  sed "s#\"library_path\": *\"[^\"]*/\{0,1\}\(libvulkan_lvp.so\)\"#\"library_path\": \"$libraries/\1\"#" \
    "$folder.part/usr/share/vulkan/icd.d/lvp_icd.json" >"$folder.part/lavapipe.json"
  rm -rf "$folder"
  mv "$folder.part" "$folder"
  rm -rf "$work"
  trap - EXIT
}

loader="$folder/usr/lib64/ld-linux-x86-64.so.2"
[ -x "$loader" ] || unpack

# A copy of a program, one per version. It has its own search path instead of LD_LIBRARY_PATH, so that other programs keep the
# machine's libraries.
copy() { # copy NAME VERSION PROGRAM
  copied="$folder/$1/$2/$1"
  [ ! -x "$copied" ] || return 0
  mkdir -p "$folder/$1/$2"
  cp -L "$3" "$copied.part"
  "$loader" --library-path "$libraries" "$folder/usr/bin/patchelf" --set-interpreter "$loader" \
    --force-rpath --set-rpath "$libraries" "$copied.part" || fail "$1 could not be changed"
  mv "$copied.part" "$copied"
}

deno="$(dirname "$0")/../node_modules/deno/deno"
if [ -x "$deno" ]; then
  copy deno "$("$deno" --version | head -n 1 | cut -d ' ' -f 2)" "$deno"
  export PROMPTKD_DENO="$copied"
fi
copy node "$(node --version)" "$(node -p process.execPath)"

export PATH="${copied%/node}:$PATH" VK_DRIVER_FILES="$folder/lavapipe.json" PROMPTKD_ADAPTER=lavapipe PROMPTKD_MESA_26=1
exec "$@"
