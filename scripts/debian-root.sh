#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A minimal Debian 12 in a directory, with this machine's own way to its packages: mirrors,
# settings, names. As root; does nothing if it is there.
#
#   scripts/debian-root.sh DIR
set -euo pipefail

(($# == 1)) || { sed -n '3,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
dir=$1
[[ ! -e $dir/.complete ]] || exit 0
command -v debootstrap >/dev/null || { echo "debootstrap is not there (Debian's package of that name)" >&2; exit 1; }
[[ $(id -u) == 0 ]] || { echo "only root can make a Debian system" >&2; exit 1; }
rm -rf "$dir"
mkdir -p "$(dirname "$dir")"
debootstrap --variant=minbase --include=ca-certificates bookworm "$dir" http://deb.debian.org/debian >"$dir.log" 2>&1 ||
  { tail -n 20 "$dir.log" >&2; exit 1; }
for file in /etc/apt/apt.conf.d/*; do
  if grep -qs '^Acquire' "$file"; then cp "$file" "$dir/etc/apt/apt.conf.d/"; fi
done
if [[ -e /etc/apt/sources.list.d/debian.sources ]]; then
  cp /etc/apt/sources.list.d/debian.sources "$dir/etc/apt/sources.list.d/"
  : >"$dir/etc/apt/sources.list"
fi
touch "$dir/.complete"
