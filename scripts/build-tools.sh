#!/usr/bin/env bash
# Finds or builds the Go programs that the tests run: Loki, Promtail, logcli.
#
#   scripts/build-tools.sh [--find] [loki|promtail|logcli|all]...
#
# Prints one line on stdout for each program, fit for eval:
#
#   LOKI_BIN=/path/to/loki
#
# Everything else goes to stderr. For each program the first of these wins:
#
#   1. LOKI_BIN, PROMTAIL_BIN or LOGCLI_BIN in the environment
#   2. the program on the PATH
#   3. the cache, ${SLUICE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice/tools}
#   4. a build from tests/tools/go.mod into that cache (not with --find)
#
# Exit status: 0 all found, 1 a build failed, 2 wrong use, 3 not to be had here.
# SLUICE_JOBS sets the number of parallel compilers (default: all cores).
set -euo pipefail

readonly version=3.6.15
readonly build_pkg=github.com/grafana/loki/v3/pkg/util/build

say() { printf 'build-tools: %s\n' "$*" >&2; }
die() { # status, text
  say "$2"
  exit "$1"
}
usage() { # status
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
  exit "$1"
}

package_of() {
  case "$1" in
    loki) echo github.com/grafana/loki/v3/cmd/loki ;;
    promtail) echo github.com/grafana/loki/v3/clients/cmd/promtail ;;
    logcli) echo github.com/grafana/loki/v3/cmd/logcli ;;
  esac
}

# Where a program is to be had without a build; empty when nowhere.
# A name on the PATH counts only if its version line is right: Debian has an
# unrelated program called loki.
find_tool() { # tool, variable
  local tool=$1 given=${!2-} first
  if [[ -n $given ]]; then
    [[ -x $given && ! -d $given ]] || die 2 "$2=$given is not an executable file."
    realpath -s -- "$given"
    return
  fi
  if first=$(command -v -- "$tool" 2>/dev/null) && [[ -x $first ]]; then
    if timeout 10 "$first" --version </dev/null 2>&1 | grep -q "^$tool, version "; then
      realpath -s -- "$first"
      return
    fi
    say "$first is not Grafana's $tool; passing over it."
  fi
  if [[ -x $cache/$tool ]]; then echo "$cache/$tool"; fi
}

# Succeeds if the first version is at least the second.
at_least() { [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1) == "$2" ]]; }

# Go from the PATH or the usual folder; empty if there is none that can do it.
# Since 1.21 Go fetches a newer Go by itself, unless GOTOOLCHAIN says local.
find_go() {
  local go have need
  go=$(command -v go || true)
  if [[ -z $go && -x /usr/local/go/bin/go ]]; then go=/usr/local/go/bin/go; fi
  if [[ -z $go ]]; then return; fi
  need=$(awk '$1 == "go" { print $2; exit }' "$module/go.mod")
  have=$(cd / && "$go" env GOVERSION 2>/dev/null) || have=
  have=${have#go}
  have=${have%% *}
  if at_least "${have:-0}" "$need"; then
    echo "$go"
  elif at_least "${have:-0}" 1.21 && [[ $(cd / && "$go" env GOTOOLCHAIN) != local* ]]; then
    echo "$go"
  else
    say "$go is Go ${have:-of an unknown version}; Go $need or newer is needed."
  fi
}

# Builds the given tools with one go build, so that they share what they share.
build() {
  local go jobs total done_ start pid status=0 log out tool
  local -a packages=()
  go=$(find_go)
  if [[ -z $go ]]; then
    die 3 "NOT TO BE HAD: $*. There is no suitable Go on this machine, and no such program on the PATH, in LOKI_BIN / PROMTAIL_BIN / LOGCLI_BIN or in $cache."
  fi
  jobs=${SLUICE_JOBS:-$(nproc)}
  for tool in "$@"; do packages+=("$(package_of "$tool")"); done
  log=$cache/build.log
  # On the cache's own file system, so that the move below is one rename. What
  # a killed build left behind is nobody's: the lock is ours.
  rm -rf -- "$cache"/build.??????
  out=$(mktemp -d "$cache/build.XXXXXX")
  # shellcheck disable=SC2064  # the folder's name is wanted as it is now
  trap "rm -rf -- '$out'" EXIT

  start=$SECONDS
  say "$* $version: fetching the Go modules (2 GB unpacked, if they are not there yet) ..."
  export GOWORK=off CGO_ENABLED=0
  if ! total=$(cd "$module" && "$go" list -deps -f . "${packages[@]}" 2>"$log" | wc -l); then
    tail -n 15 "$log" >&2
    die 3 "NOT TO BE HAD: $*. Go is here but the modules are not: see the lines above."
  fi
  say "$* $version: modules there after $((SECONDS - start)) s; compiling up to $total packages with $jobs jobs. Cold, this takes minutes."

  start=$SECONDS
  # -dwarf=false: the linker would throw the debug information away anyhow.
  (cd "$module" && exec "$go" build -v -p "$jobs" -trimpath -buildvcs=false \
    -gcflags=all=-dwarf=false \
    -ldflags "-s -w -X $build_pkg.Version=$version -X $build_pkg.Branch=tests -X $build_pkg.Revision=v$version" \
    -o "$out/" "${packages[@]}") >"$log" 2>&1 &
  pid=$!
  # shellcheck disable=SC2064
  trap "kill $pid 2>/dev/null || true; rm -rf -- '$out'" EXIT
  local next=20
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.5
    if ((SECONDS - start >= next)); then
      done_=$(wc -l <"$log")
      say "$done_ of at most $total packages after $((SECONDS - start)) s"
      next=$((next + 20))
    fi
  done
  wait "$pid" || status=$?
  if ((status != 0)); then
    grep -v '^[[:alnum:]./_-]*$' "$log" | tail -n 30 >&2 || true
    die 1 "the build of $* failed after $((SECONDS - start)) s; the whole log is $log"
  fi
  for tool in "$@"; do mv -f -- "$out/$tool" "$cache/$tool"; done
  rm -rf -- "$out"
  trap - EXIT
  say "built $* in $((SECONDS - start)) s into $cache"
}

may_build=yes
tools=()
declare -A found=()
missing=()

seek() {
  local tool at
  missing=()
  for tool in "${tools[@]}"; do
    at=$(find_tool "$tool" "${tool^^}_BIN")
    if [[ -n $at ]]; then
      found[$tool]=$at
    elif [[ " ${missing[*]-} " != *" $tool "* ]]; then
      missing+=("$tool")
    fi
  done
}

# A function, so that the shell has read all of this file before the long part.
main() {
  local arg tool lock
  for arg in "$@"; do
    case "$arg" in
      --find) may_build=no ;;
      -h | --help) usage 0 ;;
      loki | promtail | logcli) tools+=("$arg") ;;
      all) tools+=(loki promtail logcli) ;;
      *)
        say "unknown argument: $arg"
        usage 2
        ;;
    esac
  done
  if ((${#tools[@]} == 0)); then tools=(loki); fi

  module=$(cd "$(dirname "${BASH_SOURCE[0]}")/../tests/tools" && pwd)
  key=$(cat "$module/go.mod" "$module/go.sum" | sha256sum | cut -c 1-12)
  base=${SLUICE_TOOLS:-${XDG_CACHE_HOME:-${HOME:?neither SLUICE_TOOLS, XDG_CACHE_HOME nor HOME is set}/.cache}/sluice/tools}
  cache=$base/loki-$version-$(uname -m)-$key

  seek
  if ((${#missing[@]} > 0)); then
    if [[ $may_build == no ]]; then
      die 3 "NOT TO BE HAD: ${missing[*]}. Not in LOKI_BIN / PROMTAIL_BIN / LOGCLI_BIN, on the PATH or in $cache; '$0 ${missing[*]}' builds it."
    fi
    mkdir -p -- "$cache"
    exec {lock}>"$cache/lock"
    if ! flock -n "$lock"; then
      say "another build is under way in $cache; waiting for it ..."
      flock "$lock"
    fi
    seek
    if ((${#missing[@]} > 0)); then build "${missing[@]}"; fi
    exec {lock}>&-
    seek
  fi

  for tool in "${tools[@]}"; do
    printf '%s_BIN=%q\n' "${tool^^}" "${found[$tool]}"
  done
}

main "$@"
exit
