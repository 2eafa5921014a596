#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetches the charts that helm/ builds on, in the versions that helm/lib.sh names, for
# test_upstream_charts.py. Needs a network that reaches their registries.
#
#   tests/helm/pull-charts.sh [DIR]     default: ~/.cache/sluice/charts
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=helm/lib.sh
source "$root/helm/lib.sh"
dir=${1:-${SLUICE_UPSTREAM_CHARTS:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice/charts}}
tools=${SLUICE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice/tools}
helm=$tools/helm4
[[ -x $helm ]] || helm=$(command -v helm) || { echo "pull-charts: there is no Helm (scripts/build-helm-tools.sh helm4)" >&2; exit 1; }
mkdir -p "$dir"

missing=0
pull() { # pull NAME VERSION CHART [helm arguments]
  local name=$1 version=$2 chart=$3
  shift 3
  if [[ -e $dir/$name-$version.tgz || -e $dir/$name-$version ]]; then
    echo "pull-charts: $name $version is there"
  elif "$helm" pull "$chart" --version "$version" --destination "$dir" "$@" >/dev/null; then
    echo "pull-charts: $name $version"
  else
    echo "pull-charts: $name $version could not be fetched" >&2
    missing=1
  fi
}
readonly ours=oci://ghcr.io/grafana-community/helm-charts
pull loki "$LOKI_CHART_VERSION" "$ours/loki"
pull tempo "$TEMPO_CHART_VERSION" "$ours/tempo"
pull kube-prometheus-stack "$KPS_VERSION" "$KPS_CHART"
pull cert-manager "$CERT_MANAGER_VERSION" "$CERT_MANAGER_CHART"
pull opentelemetry-operator "$OPERATOR_VERSION" "$OPERATOR_CHART" --repo "$OPERATOR_REPO"
((missing == 0)) || echo "pull-charts: the tests of the charts that are not there are skipped" >&2
exit "$missing"
