#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the programs that the chart tests need, into a cache outside the tree.
#
#   scripts/build-helm-tools.sh [--list] [--with-apiserver] [NAME...]
#
# Without a NAME every program is built, save kube-apiserver and kubectl, which
# take long and are built when they are named or with --with-apiserver. A program
# whose sources did not change since its last build is not built again.
#
# Go must be on the PATH. promtool, etcd and a Docker engine come from Debian's packages:
# those on the PATH are taken, else the packages are unpacked. They are not installed,
# because an installed etcd or Docker starts as a service.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
src=$here/tests/tools/helm
out=${SLUICE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice/tools}

usage() { sed -n '3,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
say() { printf 'build-helm-tools: %s\n' "$*"; }
die() { printf 'build-helm-tools: %s\n' "$*" >&2; exit 1; }

all=(promtool etcd docker helm4 helm3 kubeconform kube-score helm-unittest querycheck schemas traceql)
want=()
apiserver=no
while (($#)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --list) printf '%s\n' "${all[@]}" kube-apiserver kubectl; exit 0 ;;
    --with-apiserver) apiserver=yes ;;
    -*) die "unknown option $1 (see --help)" ;;
    *) want+=("$1") ;;
  esac
  shift
done
((${#want[@]})) || want=("${all[@]}")
[[ $apiserver == no ]] || want+=(kube-apiserver kubectl)

command -v go >/dev/null || die "no Go tool chain on the PATH; it is needed to build the chart test tools"
mkdir -p "$out"

# Two builds of one program at the same time would only take turns on the same files: the
# second one waits. A lock for all of them would let a test that wants promtool, which is
# unpacked in a second, wait for a kube-apiserver that another build compiles at leisure.
only_one() { # name
  exec 9>"$out/.$1.lock"
  if command -v flock >/dev/null; then flock 9; fi
}

# stamp DIR... : what a program is made from.
stamp() {
  {
    go version
    cat "${BASH_SOURCE[0]}"
    find "$@" -name node_modules -prune -o -type f \( -name '*.go' -o -name 'go.*' -o -name '*.py' -o -name '*.mjs' -o -name '*.json' \) -print0 | LC_ALL=C sort -z | xargs -0 cat
  } | sha256sum | cut -d' ' -f1
}

# fresh NAME STAMP : is the program there, made from that?
fresh() { [[ -e $out/$1 && -f $out/.$1.stamp && $(<"$out/.$1.stamp") == "$2" ]]; }

# build NAME DIR PACKAGE [go build option...]
build() {
  local name=$1 dir=$2 package=$3 want_stamp start=$SECONDS
  shift 3
  want_stamp=$(stamp "$dir")
  if fresh "$name" "$want_stamp"; then
    say "$name is up to date"
    return
  fi
  say "building $name"
  # The flags of scripts/build-tools.sh, so that what both need is compiled once; the
  # linker would throw the debug information away anyhow.
  (cd "$dir" && CGO_ENABLED=0 GOFLAGS='-mod=readonly -buildvcs=false -trimpath' go build -gcflags=all=-dwarf=false "$@" -o "$out/$name.new" "$package")
  mv -f "$out/$name.new" "$out/$name"
  printf '%s' "$want_stamp" >"$out/.$name.stamp"
  say "$name built in $((SECONDS - start)) s"
}

# unpack DIR PACKAGE... : Debian packages into a directory, without installing them, so
# that no service of theirs is started.
unpack() {
  local dir=$1 debs one
  shift
  command -v apt-get >/dev/null || return 1
  debs=$(mktemp -d)
  if (cd "$debs" && apt-get -qq -o APT::Sandbox::User=root download "$@" >/dev/null); then
    mkdir -p "$dir"
    for one in "$debs"/*.deb; do dpkg-deb -x "$one" "$dir" || break; done
  fi
  rm -rf "$debs"
  [[ -d $dir ]]
}

# from_debian NAME PACKAGE PROGRAM : the one on the PATH, or out of Debian's package.
from_debian() {
  local name=$1 package=$2 program=$3 start=$SECONDS
  if command -v "$name" >/dev/null; then
    ln -sfn "$(command -v "$name")" "$out/$name"
    say "$name: the one on the PATH"
    return
  fi
  if [[ -x $out/$name && ! -L $out/$name ]]; then
    say "$name is there"
    return
  fi
  say "unpacking $name from Debian's package \"$package\""
  rm -rf "$out/$name.deb"
  unpack "$out/$name.deb" "$package" || die "could not get Debian's package \"$package\" (apt-get update may be needed)"
  rm -f "$out/$name"
  install -m 755 "$out/$name.deb/$program" "$out/$name.new"
  mv -f "$out/$name.new" "$out/$name"
  rm -rf "$out/$name.deb"
  say "$name unpacked in $((SECONDS - start)) s"
}

# A Docker engine for tests/image/docker.sh. Without one that test is skipped and says so.
get_docker() {
  local start=$SECONDS
  if command -v dockerd >/dev/null && command -v docker >/dev/null; then
    say "docker: the one on the PATH"
  elif [[ $(id -u) != 0 ]]; then
    say "docker: not fetched, because only root can run an engine"
  elif [[ -x $out/docker/usr/sbin/dockerd ]]; then
    say "docker is there"
  else
    rm -rf "$out/docker.new"
    if unpack "$out/docker.new" docker.io containerd runc libdevmapper1.02.1 && [[ -x $out/docker.new/usr/sbin/dockerd ]]; then
      # Libraries where LD_LIBRARY_PATH can name them without naming the architecture.
      mkdir -p "$out/docker.new/lib"
      find "$out/docker.new" -name 'libdevmapper*' -type f -exec cp -t "$out/docker.new/lib" {} +
      rm -rf "$out/docker" "$out/docker.new/usr/share"
      mv "$out/docker.new" "$out/docker"
      say "docker unpacked in $((SECONDS - start)) s"
    else
      rm -rf "$out/docker.new"
      say "DOCKER IS NOT THERE: Debian's package docker.io could not be fetched, so the image is not run"
    fi
  fi
}

# The schemas of Kubernetes and of the custom resources that the charts use, as
# their own Go modules publish them, made strict (an unknown field is an error).
make_schemas() {
  local want_stamp modules=() start=$SECONDS
  want_stamp=$(stamp "$src/schemas")
  if fresh schemas "$want_stamp"; then
    say "schemas are up to date"
    return
  fi
  say "making schemas"
  mapfile -t modules < <(cd "$src/schemas" && GOFLAGS=-mod=mod go mod download -json | python3 -c '
import json, sys
text, dec = sys.stdin.read(), json.JSONDecoder()
while text.strip():
    one, end = dec.raw_decode(text.lstrip())
    text = text.lstrip()[end:]
    print(one["Path"] + "=" + one["Dir"])')
  rm -rf "$out/schemas.new"
  /usr/bin/python3 "$src/schemas/make.py" "$out/schemas.new" "${modules[@]}"
  rm -rf "$out/schemas"
  mv "$out/schemas.new" "$out/schemas"
  printf '%s' "$want_stamp" >"$out/.schemas.stamp"
  say "schemas made in $((SECONDS - start)) s"
}

# The grammar of TraceQL is a package for Node.js: Tempo's own parser is no Go module.
make_traceql() {
  local want_stamp start=$SECONDS
  want_stamp=$(stamp "$src/traceql")
  if fresh traceql "$want_stamp"; then
    say "traceql is up to date"
    return
  fi
  if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
    say "TRACEQL IS NOT CHECKED: Node.js and npm are not there (scripts/install-deps.sh browser)"
    return
  fi
  rm -rf "$out/traceql" "$out/traceql.new"
  mkdir "$out/traceql.new"
  cp "$src"/traceql/*.json "$src"/traceql/*.mjs "$out/traceql.new"
  (cd "$out/traceql.new" && npm ci --no-audit --no-fund --silent)
  mv "$out/traceql.new" "$out/traceql"
  printf '%s' "$want_stamp" >"$out/.traceql.stamp"
  say "traceql made in $((SECONDS - start)) s"
}

for name in "${want[@]}"; do
  only_one "$name"
  case $name in
    helm4) build helm4 "$src/cli" helm.sh/helm/v4/cmd/helm -ldflags='-s -w -X helm.sh/helm/v4/internal/version.version=v4.3.1' ;;
    helm3) # Helm 3 is told at link time which Kubernetes it renders for.
      build helm3 "$src/cli" helm.sh/helm/v3/cmd/helm -ldflags='-s -w -X helm.sh/helm/v3/internal/version.version=v3.22.0
        -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36
        -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=36' ;;
    kubeconform) build kubeconform "$src/cli" github.com/yannh/kubeconform/cmd/kubeconform -ldflags='-s -w' ;;
    kube-score) build kube-score "$src/score" github.com/zegl/kube-score/cmd/kube-score -ldflags='-s -w' ;;
    helm-unittest) build helm-unittest "$src/cli" github.com/helm-unittest/helm-unittest/cmd/helm-unittest -ldflags='-s -w' ;;
    querycheck) build querycheck "$src/query" . -ldflags='-s -w' ;;
    kube-apiserver) build kube-apiserver "$src/apiserver" k8s.io/kubernetes/cmd/kube-apiserver -ldflags='-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3' ;;
    kubectl) build kubectl "$src/apiserver" k8s.io/kubernetes/cmd/kubectl -ldflags='-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3' ;;
    promtool) from_debian promtool prometheus usr/bin/promtool ;;
    etcd) from_debian etcd etcd-server usr/bin/etcd ;;
    docker) get_docker ;;
    schemas) make_schemas ;;
    traceql) make_traceql ;;
    *) die "unknown program $name (see --list)" ;;
  esac
done
say "all in $out"
