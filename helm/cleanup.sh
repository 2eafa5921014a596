#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Removes what deploy.sh installed. Prometheus, Grafana, CRDs and the namespace stay.
#
#   helm/cleanup.sh [options]
#
#   --mode hybrid|full|agent-only  as with deploy.sh; default: hybrid
#   --namespace NS                 default: monitoring
#   --release NAME                 default: sluice-stack; agent-only: sluice
#   --grafana-namespace NS         default: found
#   --keep-pvc                     keep the volumes of Loki and Tempo (default)
#   --delete-pvc                   delete them, and all logs and traces with them
#   --platform                     also remove the platform releases that deploy.sh
#                                  itself installed
#   --timeout DURATION             default: 5m
#   --dry-run                      print what would be done, change nothing
#   --yes                          do not ask
#   --context NAME                 context of kubectl and Helm
#   --help
#
# Exit codes: 0 done, 2 wrong use or not confirmed, 3 cluster not reached, 4 failed.
set -Eeuo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=helm/lib.sh
source "$here/lib.sh"

mode=hybrid namespace=monitoring release='' grafana_namespace='' pvc=keep platform=no
timeout=5m dry_run=no yes=no

while (($#)); do
  case $1 in
    --*=*)
      option=${1%%=*} value=${1#*=}
      shift
      set -- "$option" "$value" "$@"
      continue
      ;;
    --mode) need_value "$1" $#; mode=$2; shift ;;
    --namespace) need_value "$1" $#; namespace=$2; shift ;;
    --release) need_value "$1" $#; release=$2; shift ;;
    --grafana-namespace) need_value "$1" $#; grafana_namespace=$2; shift ;;
    --timeout) need_value "$1" $#; timeout=$2; shift ;;
    --context) need_value "$1" $#; CONTEXT=$2; shift ;;
    --keep-pvc) pvc=keep ;;
    --delete-pvc) pvc=delete ;;
    --platform) platform=yes ;;
    --dry-run) dry_run=yes ;;
    --yes | -y) yes=yes ;;
    --help | -h) print_help "${BASH_SOURCE[0]}"; exit 0 ;;
    *) usage_error "unknown option $1" ;;
  esac
  shift
done

[[ $mode =~ ^(hybrid|full|agent-only)$ ]] || usage_error "--mode is hybrid, full or agent-only, not \"$mode\""
[[ $timeout =~ ^([0-9]+(s|m|h))+$ ]] || usage_error "--timeout is a duration like 5m, not \"$timeout\""
if [[ $mode == agent-only ]]; then : "${release:=sluice}"; else : "${release:=sluice-stack}"; fi

trap 'on_error "${BASH_SOURCE[0]##*/}:$LINENO"' ERR

# run COMMAND... : runs it, or only says so.
run() {
  local shown=$*
  # As a person would type it, with the context where one was given.
  shown=${shown/#hm /helm${CONTEXT:+ --kube-context "$CONTEXT"} }
  shown=${shown/#kc /kubectl${CONTEXT:+ --context "$CONTEXT"} }
  if [[ $dry_run == yes ]]; then
    say "  would run: $shown"
  else
    say "  $shown"
    "$@"
  fi
}

# A release that cannot be looked at is not one that is not there.
release_is_there() {
  hm status "$2" --namespace "$1" >/dev/null 2>"$work/status.err" && return 0
  if [[ -s $work/status.err ]] && ! grep -qi 'not found' "$work/status.err"; then
    complain "Helm cannot tell whether release $1/$2 is there: $(<"$work/status.err")"
    exit "$EXIT_DEPLOY"
  fi
  return 1
}

uninstall() { # uninstall NAMESPACE RELEASE
  if release_is_there "$1" "$2"; then
    run hm uninstall "$2" --namespace "$1" --wait --timeout "$timeout"
  else
    say "  release $1/$2 is not there"
  fi
}

no_collectors_left() {
  [[ -z $(kc get opentelemetrycollectors.opentelemetry.io --namespace "$namespace" -l app.kubernetes.io/instance=sluice-otel -o name 2>/dev/null || true) ]]
}

# Removing the file of a data source does not remove it from Grafana; a file that
# asks for its deletion does.
remove_datasources() {
  local maps ns name names one columns='jsonpath={range .items[*]}{.metadata.namespace}{" "}{.metadata.name}{"\n"}{end}'
  if ! maps=$(kc get configmaps --all-namespaces -l "app.kubernetes.io/instance=$release" -o "$columns" 2>/dev/null) &&
    ! maps=$(kc get configmaps --namespace "${grafana_namespace:-$namespace}" -l "app.kubernetes.io/instance=$release" -o "$columns" 2>/dev/null); then
    complain "  WARN  The ConfigMaps cannot be read, so Grafana is not asked to forget the data sources. Delete them there by hand, or restart Grafana."
    return 0
  fi
  while read -r ns name; do
    [[ $name == "$release-datasources" ]] || continue
    [[ -z $grafana_namespace || $ns == "$grafana_namespace" ]] || continue
    names=$(kc get configmap "$name" --namespace "$ns" -o "jsonpath={.data.$release-datasources\\.yaml}" | sed -n 's/^ *- name: "\(.*\)"$/\1/p')
    [[ -n $names ]] || continue
    say "  Grafana is asked to forget: $(tr '\n' ' ' <<<"$names")"
    if [[ $dry_run == yes ]]; then
      say "  would replace configmap $ns/$name by a request for deletion"
      continue
    fi
    {
      printf 'apiVersion: 1\ndeleteDatasources:\n'
      while read -r one; do printf '  - {name: "%s", orgId: 1}\n' "$one"; done <<<"$names"
    } >"$work/tombstone.yaml"
    kc create configmap "$name" --namespace "$ns" --from-file="$release-datasources.yaml=$work/tombstone.yaml" --dry-run=client -o yaml >"$work/map.yaml"
    # A patch keeps the labels that Grafana's sidecar looks for.
    kc patch configmap "$name" --namespace "$ns" --type merge --patch-file "$work/map.yaml"
    say "  waiting ${SLUICE_SIDECAR_SECONDS:-45} s for Grafana's sidecar"
    sleep "${SLUICE_SIDECAR_SECONDS:-45}"
    say "  if a data source is still shown: kubectl --namespace $ns rollout restart deployment <Grafana's>"
  done <<<"$maps"
}

list_volumes() {
  kc get persistentvolumeclaims --namespace "$namespace" \
    -l "app.kubernetes.io/instance=$release,app.kubernetes.io/name in (loki,tempo)" \
    -o 'jsonpath={range .items[*]}{.metadata.name} {.spec.resources.requests.storage} {.spec.volumeName}{"\n"}{end}' 2>/dev/null || true
}

volumes() {
  local list claim size volume policy
  list=$(list_volumes)
  if [[ -z $list ]]; then
    say "  no volumes"
    return 0
  fi
  while read -r claim size volume; do
    policy=$(kc get persistentvolume "$volume" -o 'jsonpath={.spec.persistentVolumeReclaimPolicy}' 2>/dev/null || true)
    say "  $claim: $size, volume ${volume:-none}, reclaim policy ${policy:-unknown}"
  done <<<"$list"
  if [[ $pvc == keep ]]; then
    say "  They are kept. To delete them, and all logs and traces: $0 --namespace $namespace --release $release --delete-pvc"
    return 0
  fi
  if [[ $yes == no && $dry_run == no ]]; then
    confirm "Delete these volumes and everything in them?" "$namespace" || {
      complain "The volumes were not deleted."
      exit "$EXIT_USAGE"
    }
  fi
  while read -r claim _; do run kc delete persistentvolumeclaim "$claim" --namespace "$namespace"; done <<<"$list"
}

remove_platform() {
  local list ns name
  list=$(hm list --all-namespaces --max 10000 --selector "$OWNER_LABEL=$OWNER_VALUE" 2>/dev/null | awk 'NR > 1 { print $2, $1 }' || true)
  if [[ -z $list ]]; then
    say "  deploy.sh installed no platform release"
    return 0
  fi
  say "$list" | sed 's/^/  /'
  if [[ $yes == no && $dry_run == no ]]; then
    confirm "Uninstall these, for everybody who uses them?" platform || {
      complain "The platform releases were not removed."
      exit "$EXIT_USAGE"
    }
  fi
  # The operator first: its objects need cert-manager's certificate until then.
  for name in opentelemetry-operator kube-prometheus-stack cert-manager; do
    while read -r ns one; do
      if [[ $one == "$name" ]]; then run hm uninstall "$name" --namespace "$ns" --wait --timeout "$timeout"; fi
    done <<<"$list"
  done
  say "  CRDs are kept, because deleting one deletes every object of its kind:"
  kc get crds -o name 2>/dev/null | grep -E 'opentelemetry\.io|cert-manager\.io|monitoring\.coreos\.com' | sed 's/^/    /' || true
}

STEP="look at the cluster" STEP_EXIT=$EXIT_PREFLIGHT
kc get --raw /version >/dev/null 2>&1 || {
  complain "The Kubernetes API does not answer. Check the context (kubectl config get-contexts)."
  exit "$EXIT_PREFLIGHT"
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say "context: ${CONTEXT:-$(kubectl config current-context 2>/dev/null || true)}, namespace $namespace, release $release"
if [[ $yes == no && $dry_run == no ]]; then
  confirm "Remove release $release?" yes || { complain "Nothing was changed."; exit "$EXIT_USAGE"; }
fi
STEP_EXIT=$EXIT_DEPLOY

if [[ $mode != agent-only ]]; then
  STEP="release sluice-otel"
  head_line "Collector"
  # Its finalizer is the operator's work, so it goes before the operator.
  uninstall "$namespace" sluice-otel
  if [[ $dry_run == no ]]; then
    wait_until "${SLUICE_GATE_SECONDS:-120}" no_collectors_left || {
      complain "The collector is not gone. Is the operator running? Its finalizer holds it."
      exit "$EXIT_DEPLOY"
    }
  fi
  STEP="data sources"
  head_line "Data sources"
  remove_datasources
fi

STEP="release $release"
head_line "Release"
uninstall "$namespace" "$release"

if [[ $mode != agent-only ]]; then
  STEP=volumes
  head_line "Volumes"
  volumes
fi

if [[ $platform == yes ]]; then
  STEP="platform releases"
  head_line "Platform"
  remove_platform
fi

head_line "What is left"
say "  On every node: /var/lib/sluice, a few kilobytes. A new installation goes on where"
say "  this one stopped. To forget that, delete the directory on the nodes."
say "  The StorageClass, if the release made one: volumes that are kept need it."
[[ $dry_run == yes ]] || kc get all,configmaps,secrets,persistentvolumeclaims,storageclasses --namespace "$namespace" -l "app.kubernetes.io/instance=$release" || true
say ""
if [[ $dry_run == yes ]]; then say "Dry run: nothing was changed."; else say "Done."; fi
