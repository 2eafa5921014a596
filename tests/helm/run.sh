#!/usr/bin/env bash
# Tests of everything under helm/: charts, scripts, dashboards, alerts, the helper.
#
#   tests/helm/run.sh [--with-apiserver] [--update] [pytest arguments]
#
#   --with-apiserver  build kube-apiserver and kubectl too (takes long the first
#                     time), and install the charts into a real API server
#   --update          write the golden files anew
#
# AGENT_BIN  the agent's program; default: build/release/bin/agent
# LOKI_BIN   Loki's program, for the check of its configuration
# A test that lacks its program is skipped and named at the end. With CI=true a
# skipped test that is not about kube-apiserver makes the run fail.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
export SLUICE_TOOLS=${SLUICE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice/tools}

build=() pytest=()
while (($#)); do
  case $1 in
    --with-apiserver) build+=(--with-apiserver) ;;
    --update) export SLUICE_UPDATE_GOLDEN=1 ;;
    -h | --help) sed -n '2,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) pytest+=("$1") ;;
  esac
  shift
done

"$root/scripts/build-helm-tools.sh" "${build[@]}"
cd "$here"
export PYTHONDONTWRITEBYTECODE=1
[[ " ${pytest[*]} " == *.py* ]] || pytest+=(.)
exec /usr/bin/python3 -m pytest -q -rs -p no:cacheprovider "${pytest[@]}"
