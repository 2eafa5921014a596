#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs Sluice, alone or with Loki and Tempo, or the whole stack. Run again, it
# upgrades; nothing changes if nothing has changed.
#
#   helm/deploy.sh [options]
#
#   --mode hybrid|full|agent-only  hybrid: beside a Prometheus and a Grafana that are
#                                  there and stay untouched (default). full: with
#                                  kube-prometheus-stack, cert-manager and the
#                                  OpenTelemetry operator. agent-only: Sluice alone.
#   --namespace NS                 default: monitoring
#   --release NAME                 default: sluice-stack; agent-only: sluice
#   --values FILE                  values, may be given several times
#   --set KEY=VALUE                one value, may be given several times
#   --platform-values RELEASE=FILE values for cert-manager, kube-prometheus-stack or
#                                  opentelemetry-operator, may be given several times
#   --with-otel                    hybrid: also cert-manager, the operator, a collector. Where
#                                  the operator is there, a collector is made without this
#   --no-otel                      hybrid: no collector, though the operator is there
#   --no-cert-manager              the operator makes its own certificate
#   --storage-class NAME           default: gp3
#   --ingress                      switch Tempo's Ingress on
#   --no-ingress                   switch every Ingress and HTTPRoute off
#   --grafana-namespace NS         default: found
#   --prometheus-url URL           default: found
#   --replace-promtail             take over Promtail's positions, then remove Promtail
#   --keep-promtail                leave Promtail running: every line is sent twice
#   --timeout DURATION             for each release, default: 10m
#   --dry-run[=client|server]      print the plan, change nothing
#   --yes                          do not ask
#   --skip-preflight               do not look at the cluster first
#   --context NAME                 context of kubectl and Helm
#   --help
#
# Exit codes: 0 done, 2 wrong use, 3 preflight, 4 deployment, 5 verification.
set -Eeuo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=helm/lib.sh
source "$here/lib.sh"

mode=hybrid namespace=monitoring release='' with_otel=auto cert_manager=yes
storage_class='' ingress='' grafana_namespace='' prometheus_url='' timeout=10m
dry_run='' yes=no preflight=yes promtail=fail
values=() sets=() platform_values=()

while (($#)); do
  case $1 in
    --*=*)
      option=${1%%=*} value=${1#*=}
      shift
      if [[ $option == --dry-run ]]; then
        # Nothing after the sign (an empty variable, say) must not deploy.
        dry_run=${value:-nothing}
        continue
      fi
      set -- "$option" "$value" "$@"
      continue
      ;;
    --mode) need_value "$1" $#; mode=$2; shift ;;
    --namespace) need_value "$1" $#; namespace=$2; shift ;;
    --release) need_value "$1" $#; release=$2; shift ;;
    --values | -f) need_value "$1" $#; values+=("$2"); shift ;;
    --set) need_value "$1" $#; sets+=("$2"); shift ;;
    --platform-values) need_value "$1" $#; platform_values+=("$2"); shift ;;
    --storage-class) need_value "$1" $#; storage_class=$2; shift ;;
    --grafana-namespace) need_value "$1" $#; grafana_namespace=$2; shift ;;
    --prometheus-url) need_value "$1" $#; prometheus_url=$2; shift ;;
    --timeout) need_value "$1" $#; timeout=$2; shift ;;
    --context) need_value "$1" $#; CONTEXT=$2; shift ;;
    --with-otel) with_otel=yes ;;
    --no-otel) with_otel=no ;;
    --no-cert-manager) cert_manager=no ;;
    --ingress) ingress=true ;;
    --no-ingress) ingress=false ;;
    --replace-promtail) promtail=replace ;;
    --keep-promtail) promtail=keep ;;
    --dry-run) dry_run=client ;;
    --yes | -y) yes=yes ;;
    --skip-preflight) preflight=no ;;
    --help | -h) print_help "${BASH_SOURCE[0]}"; exit 0 ;;
    *) usage_error "unknown option $1" ;;
  esac
  shift
done

[[ $mode =~ ^(hybrid|full|agent-only)$ ]] || usage_error "--mode is hybrid, full or agent-only, not \"$mode\""
[[ $dry_run =~ ^(|client|server)$ ]] || usage_error "--dry-run is client or server, not \"$dry_run\""
[[ $namespace =~ ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$ ]] || usage_error "\"$namespace\" is no name for a namespace"
[[ $timeout =~ ^([0-9]+(s|m|h))+$ ]] || usage_error "--timeout is a duration like 10m, not \"$timeout\""
for file in "${values[@]}"; do [[ -r $file ]] || usage_error "cannot read the values file $file"; done
for pair in "${platform_values[@]}"; do
  [[ $pair =~ ^(cert-manager|kube-prometheus-stack|opentelemetry-operator)=. ]] ||
    usage_error "--platform-values is RELEASE=FILE, for cert-manager, kube-prometheus-stack or opentelemetry-operator, not \"$pair\""
  [[ -r ${pair#*=} ]] || usage_error "cannot read the values file ${pair#*=}"
done
if [[ $mode == full ]]; then
  [[ $with_otel != no ]] || usage_error "--no-otel is for hybrid; full has a collector"
  with_otel=yes
fi
if [[ $mode == agent-only ]]; then
  [[ $with_otel != yes ]] || usage_error "--with-otel needs Tempo, which agent-only does not install"
  with_otel=no
  [[ -z $ingress ]] || usage_error "agent-only has no Ingress"
  : "${release:=sluice}"
else
  : "${release:=sluice-stack}"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'on_error "${BASH_SOURCE[0]##*/}:$LINENO"' ERR
rendered=$work/rendered.yaml

# shellcheck source=helm/deploy/preflight.sh
source "$here/deploy/preflight.sh"
# shellcheck source=helm/deploy/install.sh
source "$here/deploy/install.sh"
# shellcheck source=helm/deploy/verify.sh
source "$here/deploy/verify.sh"

STEP=preflight STEP_EXIT=$EXIT_PREFLIGHT
if [[ $preflight == yes ]]; then
  run_preflight
  if ((fails)); then
    complain ""
    complain "$fails of the checks failed. Nothing was changed."
    exit "$EXIT_PREFLIGHT"
  fi
else
  check_platform
  collect_arguments
  render || { cat "$work/render.err" >&2; complain "Nothing was changed."; exit "$EXIT_PREFLIGHT"; }
fi
import_arguments
print_plan
if [[ -n $dry_run ]]; then
  if [[ $dry_run == server ]]; then
    STEP="dry run in the API server"
    head_line "What the API server says"
    hm upgrade --install "$release" "$(chart)" --namespace "$namespace" --dry-run=server "${args[@]}" >"$work/server.out"
    ok "it would accept the release"
  fi
  say ""
  say "Dry run: nothing was changed."
  exit 0
fi
if [[ $yes == no ]]; then
  confirm "Deploy to context \"${CONTEXT:-$(kubectl config current-context 2>/dev/null || true)}\"?" yes || { complain "Nothing was changed."; exit "$EXIT_USAGE"; }
fi
STEP_EXIT=$EXIT_DEPLOY
deploy
verify
print_hints
head_line "Done"
