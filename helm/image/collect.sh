#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Puts together the root file system of the image: the programs, the libraries that
# they load, the C library's modules for East Asian character sets, certificates, time
# zones, licences and a bill of materials.
#
#   helm/image/collect.sh AGENT HELPER LICENSE VERSION OUT
#
# Runs on Debian, where dpkg knows which package a library belongs to.
set -euo pipefail

(($# == 5)) || { sed -n '3,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
agent=$1 helper=$2 license=$3 version=$4 out=$5

die() { printf 'collect: %s\n' "$*" >&2; exit 1; }
[[ -x $agent && -x $helper && -r $license ]] || die "cannot read $agent, $helper or $license"
[[ ! -e $out ]] || die "$out is there already"

mkdir -p "$out"/{etc/ssl/certs,usr/bin,usr/lib,usr/share/sluice/licenses,var/lib/sluice,tmp}
ln -s usr/lib "$out/lib"
# The dynamic loader's name is fixed in the program: /lib64/... on amd64, /lib/... on arm64.
mkdir -p "$out/usr/lib64"
ln -s usr/lib64 "$out/lib64"

install -m 755 "$agent" "$out/usr/bin/agent"
install -m 755 "$helper" "$out/usr/bin/sluice-helper"
strip "$out/usr/bin/agent" "$out/usr/bin/sluice-helper"

# Every library, and the loader, under the name that the loader looks for.
# What ldd does not find, or finds in another version, it says in so many words; the program would not start.
loaded=$(ldd "$agent" "$helper" 2>&1) || true
[[ $loaded != *"not found"* ]] || die "a library is missing, or not the right one: $(grep "not found" <<<"$loaded")"
libraries=$(awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// && NF == 2 { print $1 }' <<<"$loaded" | sort -u)
while read -r library; do
  case $library in
    # A library that was built for the image goes where the loader looks.
    /opt/*) target=$out$(dirname "$(ldconfig -p | awk '/libc\.so\.6/ { print $NF; exit }')")/$(basename "$library") ;;
    *) target=$out$library ;;
  esac
  mkdir -p "$(dirname "$target")"
  [[ -e $target ]] || install -m 755 "$(realpath "$library")" "$target"
done <<<"$libraries"

# The C library reads the character sets of East Asia (`encoding` in a configuration) with
# modules that it loads by name, so ldd does not see them. These are the sets that
# agent/text/charset.cc asks for, the libraries that their modules share, and a list that
# names only them.
charsets=(BIG5-HKSCS CP932 EUC-JP-MS GB18030 ISO-2022-JP UHC)
gconv=/usr$(ldconfig -p | awk '/libc\.so\.6/ { print $NF; exit }' | sed 's|^/usr||; s|/[^/]*$||')/gconv
[[ -d $gconv ]] || die "the C library's conversion modules are not in $gconv"
mkdir -p "$out$gconv"
lists=("$gconv/gconv-modules")
for list in "$gconv"/gconv-modules.d/*.conf; do [[ ! -e $list ]] || lists+=("$list"); done
for charset in "${charsets[@]}"; do
  name=$(awk -v want="$charset//" '$1 == "alias" && $2 == want { sub("//$", "", $3); print $3; exit }' "${lists[@]}")
  module=$(awk -v want="${name:-$charset}//" '$1 == "module" && $2 == want && $3 == "INTERNAL" { print $4; exit }' "${lists[@]}")
  [[ -n $module && -e $gconv/$module.so ]] || die "the C library has no module for $charset"
  awk -v want="${name:-$charset}//" -v as="$charset//" \
    '($1 == "module" && ($2 == want || $3 == want)) || ($1 == "alias" && $2 == as && $3 == want)' "${lists[@]}" >>"$out$gconv/gconv-modules"
  install -m 755 "$gconv/$module.so" "$out$gconv/"
  while read -r shared; do
    [[ ! -e $gconv/$shared ]] || install -m 755 "$gconv/$shared" "$out$gconv/"
  done < <(readelf -d "$gconv/$module.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
done
find "$out/usr/lib" -name '*.so*' -type f -exec strip --strip-unneeded {} +

cp /etc/ssl/certs/ca-certificates.crt "$out/etc/ssl/certs/"
mkdir -p "$out/usr/share/zoneinfo"
(cd /usr/share/zoneinfo && tar cf - --exclude=./right --exclude=./posix --exclude='./*.list' --exclude=./localtime .) | tar xf - -C "$out/usr/share/zoneinfo"
printf 'root:x:0:0:root:/:/nologin\nsluice:x:10001:0:sluice:/var/lib/sluice:/nologin\n' >"$out/etc/passwd"
printf 'root:x:0:\n' >"$out/etc/group"
printf 'hosts: files dns\n' >"$out/etc/nsswitch.conf"
chmod 0770 "$out/var/lib/sluice"
chmod 1777 "$out/tmp"
if [[ $(id -u) == 0 ]]; then chown 10001:0 "$out/var/lib/sluice"; fi

# Which Debian package a file belongs to; dpkg knows it by its path before /usr was merged.
# libcurl of the image is Debian's source with fewer features, so its licence is the same.
package_of() {
  local path
  if [[ $1 == /opt/curl/* ]]; then
    dpkg-query -W -f='${Package}\n' libcurl4
    return
  fi
  for path in "$1" "/usr$1" "${1#/usr}" "$(realpath "$1")"; do
    dpkg-query -S "$path" 2>/dev/null | head -n 1 | sed 's/:.*//' | grep . && return 0
  done
  return 1
}

# Header-only and static parts are in the program too.
packages=$({
  while read -r library; do package_of "$library" || die "no package owns $library"; done <<<"$libraries"
  printf '%s\n' ca-certificates tzdata
  for header_only in libboost1.81-dev prometheus-cpp-dev; do
    if dpkg-query -W "$header_only" >/dev/null 2>&1; then echo "$header_only"; fi
  done
} | sort -u)

cp "$license" "$out/usr/share/sluice/licenses/sluice"
while read -r package; do
  cp "/usr/share/doc/$package/copyright" "$out/usr/share/sluice/licenses/$package" || die "no licence text for $package"
done <<<"$packages"

# SPDX 2.3. The licences themselves are in Debian's copyright files beside it.
{
  printf '{\n  "spdxVersion": "SPDX-2.3",\n  "dataLicense": "CC0-1.0",\n  "SPDXID": "SPDXRef-DOCUMENT",\n'
  printf '  "name": "sluice-%s",\n  "documentNamespace": "https://sluice.io/spdx/sluice-%s",\n' "$version" "$version"
  printf '  "creationInfo": {"created": "%s", "creators": ["Tool: collect.sh"]},\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}")"
  printf '  "packages": [\n'
  printf '    {"name": "sluice", "SPDXID": "SPDXRef-sluice", "versionInfo": "%s", "downloadLocation": "NOASSERTION", "licenseDeclared": "Apache-2.0"}' "$version"
  while read -r package; do
    printf ',\n    {"name": "%s", "SPDXID": "SPDXRef-%s", "versionInfo": "%s", "supplier": "Organization: Debian", "downloadLocation": "NOASSERTION", "licenseDeclared": "NOASSERTION", "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:deb/debian/%s@%s"}]}' \
      "$package" "${package//[^A-Za-z0-9.-]/-}" "$(dpkg-query -W -f='${Version}' "$package")" "$package" "$(dpkg-query -W -f='${Version}' "$package" | sed 's/+/%2B/g; s/:/%3A/g')"
  done <<<"$packages"
  printf '\n  ],\n  "relationships": [\n    {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-sluice"}'
  while read -r package; do
    printf ',\n    {"spdxElementId": "SPDXRef-sluice", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "SPDXRef-%s"}' "${package//[^A-Za-z0-9.-]/-}"
  done <<<"$packages"
  printf '\n  ]\n}\n'
} >"$out/usr/share/sluice/sbom.spdx.json"

printf 'collect: %s KiB in %s\n' "$(du -sk --apparent-size "$out" | cut -f1)" "$out"
