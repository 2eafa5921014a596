#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds Loki and Tempo in exactly the versions that the charts of helm/stack ship, so that
# test_servers.py can show them the configuration that the charts render.
#
#   tests/helm/build-servers.sh [loki|tempo]...     default: both
#
# Loki is a Go module. Tempo is not to be had as one; its source is cloned from GitHub, or taken
# from TEMPO_SOURCE, a tree of that version. They are seven and ten CPU-minutes of compiling, so
# .ci/run leaves them out, and the tests that need them are optional. The end-to-end tests and
# test_loki_config.py use the Loki of scripts/build-tools.sh, which is older.
set -euo pipefail

readonly loki=3.7.6 tempo=2.10.8
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${SLUICE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice/tools}
work=''
trap '[[ -z $work ]] || rm -rf "$work"' EXIT

say() { printf 'build-servers: %s\n' "$*"; }
go_build() { # go_build PROGRAM DIR PACKAGE [go build option...]
  local program=$1 dir=$2 package=$3
  shift 3
  (cd "$dir" && CGO_ENABLED=0 GOWORK=off GOFLAGS='-buildvcs=false -trimpath' go build -gcflags=all=-dwarf=false "$@" -o "$out/$program.new" "$package")
  mv -f "$out/$program.new" "$out/$program"
  say "$program is in $out"
}

build_loki() {
  go_build "loki-$loki" "$here/../tools/helm/loki" github.com/grafana/loki/v3/cmd/loki -mod=readonly \
    -ldflags="-s -w -X github.com/grafana/loki/v3/pkg/util/build.Version=$loki"
}

build_tempo() {
  local source=${TEMPO_SOURCE:-}
  if [[ -z $source ]]; then
    work=$(mktemp -d)
    source=$work/tempo
    git clone --quiet --depth 1 --branch "v$tempo" https://github.com/grafana/tempo "$source"
  fi
  go_build "tempo-$tempo" "$source" ./cmd/tempo -mod=vendor -ldflags="-s -w -X main.Version=$tempo"
}

command -v go >/dev/null || { echo "build-servers: no Go tool chain on the PATH" >&2; exit 1; }
mkdir -p "$out"
(($#)) || set -- loki tempo
for name in "$@"; do
  case $name in
    -h | --help) sed -n '3,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    loki | tempo)
      version=${!name}
      if [[ -x $out/$name-$version ]]; then say "$name-$version is there"; else "build_$name"; fi
      ;;
    *) echo "build-servers: unknown program $name (see --help)" >&2; exit 2 ;;
  esac
done
