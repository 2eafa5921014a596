#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
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
# A test that lacks its program is skipped and named at the end. With SLUICE_NO_SKIP
# set that is a failure, save for tests that are marked as optional.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
export SLUICE_TOOLS=${SLUICE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice/tools}

build=() pytest=()
while (($#)); do
  case $1 in
    --with-apiserver) build+=(--with-apiserver) ;;
    --update) export SLUICE_UPDATE_GOLDEN=1 ;;
    -h | --help) sed -n '3,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) pytest+=("$1") ;;
  esac
  shift
done

if ! command -v go >/dev/null && [[ ! -x $SLUICE_TOOLS/helm4 ]]; then
  echo "THE CHART TESTS DO NOT RUN: there is no Go tool chain to build Helm with, and no $SLUICE_TOOLS/helm4." >&2
  [[ -z ${SLUICE_NO_SKIP:-} ]]
  exit
fi
"$root/scripts/build-helm-tools.sh" "${build[@]}"
cd "$here"
export PYTHONDONTWRITEBYTECODE=1
[[ " ${pytest[*]} " == *.py* ]] || pytest+=(.)
export PYTHONPATH=$root/tests/support
exec /usr/bin/python3 -m pytest -q -rs -p no_skips -p no:cacheprovider "${pytest[@]}"
