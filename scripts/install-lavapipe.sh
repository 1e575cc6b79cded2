#!/bin/sh
# Installs Mesa's software Vulkan driver (lavapipe) from Debian's backports, because the stable suite's is too old for Dawn.
# The backports suite is added next to the existing entry, so that the machine keeps using its own mirror.
set -eu

fail() {
  echo "install-lavapipe: $1" >&2
  exit 1
}

[ "$(uname -s)" = Linux ] && [ -r /etc/os-release ] || fail 'only Debian is supported'
. /etc/os-release
[ "${ID:-}" = debian ] && [ -n "${VERSION_CODENAME:-}" ] || fail "only Debian is supported, this is ${ID:-unknown}"
[ "$(id -u)" = 0 ] || fail 'needs root'

# Dawn needs version 25 or later; compare the major version.
version=$(dpkg-query -W -f '${db:Status-Status} ${Version}' mesa-vulkan-drivers 2>/dev/null || true)
major=$(printf '%s' "${version#installed }" | sed -n 's/^\([0-9]*\)\..*/\1/p')
if [ "${version%% *}" = installed ] && [ "${major:-0}" -ge 25 ] && dpkg-query -W libvulkan1 >/dev/null 2>&1; then
  echo "install-lavapipe: mesa-vulkan-drivers ${version#installed } is already installed"
  exit 0
fi

suite="$VERSION_CODENAME-backports"
folder=/etc/apt/sources.list.d
target="$folder/promptkd-backports"

# deb822 format: copy the first stanza that has the release among its Suites, with that field replaced.
from_deb822() {
  awk -v RS= -v codename="$VERSION_CODENAME" -v suite="$suite" '
    {
      lines = split($0, line, "\n"); hit = 0; out = ""
      for (i = 1; i <= lines; i++) {
        if (line[i] ~ /^#/) continue
        if (line[i] ~ /^Suites:/) {
          count = split(line[i], word, /[ \t]+/)
          for (j = 2; j <= count; j++) if (word[j] == codename) hit = 1
          line[i] = "Suites: " suite
        }
        out = out line[i] "\n"
      }
      if (hit) { printf "%s", out; exit }
    }' "$1"
}

# One-line format: `deb [options] URI suite components`.
from_list() {
  awk -v codename="$VERSION_CODENAME" -v suite="$suite" '
    $1 == "deb" {
      for (i = 2; i <= NF; i++) if ($i == codename) { $i = suite; print; exit }
    }' "$1"
}

if grep -rqsw -- "$suite" /etc/apt/sources.list "$folder"; then
  echo "install-lavapipe: $suite is already among the sources"
else
  for file in "$folder"/*.sources /etc/apt/sources.list "$folder"/*.list; do
    [ -r "$file" ] || continue
    case "$file" in
      *.sources) entry=$(from_deb822 "$file") suffix=sources ;;
      *) entry=$(from_list "$file") suffix=list ;;
    esac
    if [ -n "$entry" ]; then
      printf '%s\n' "$entry" >"$target.$suffix"
      echo "install-lavapipe: added $suite in $target.$suffix, from $file"
      break
    fi
  done
  [ -n "${entry:-}" ] || fail "no source entry for $VERSION_CODENAME to derive $suite from"
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND
# Ignore errors of other sources; the installation below shows whether this worked.
apt-get update >"$log" 2>&1 || true
apt-get install -y --no-install-recommends -t "$suite" mesa-vulkan-drivers libvulkan1 >>"$log" 2>&1 ||
  fail "apt-get could not install from $suite: $(grep '^E:' "$log" | head -n 1)"
echo "install-lavapipe: installed mesa-vulkan-drivers $(dpkg-query -W -f '${Version}' mesa-vulkan-drivers) from $suite"
