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
#   --with-otel                    hybrid: also cert-manager, the operator, a collector
#   --no-cert-manager              the operator makes its own certificate
#   --storage-class NAME           default: gp3
#   --ingress, --no-ingress        switch Tempo's Ingress on or off
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

mode=hybrid namespace=monitoring release='' with_otel=no cert_manager=yes
storage_class=gp3 ingress='' grafana_namespace='' prometheus_url='' timeout=10m
dry_run='' yes=no preflight=yes promtail=fail
values=() sets=()

while (($#)); do
  case $1 in
    --*=*)
      option=${1%%=*} value=${1#*=}
      shift
      if [[ $option == --dry-run ]]; then
        dry_run=$value
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
    --storage-class) need_value "$1" $#; storage_class=$2; shift ;;
    --grafana-namespace) need_value "$1" $#; grafana_namespace=$2; shift ;;
    --prometheus-url) need_value "$1" $#; prometheus_url=$2; shift ;;
    --timeout) need_value "$1" $#; timeout=$2; shift ;;
    --context) need_value "$1" $#; CONTEXT=$2; shift ;;
    --with-otel) with_otel=yes ;;
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
[[ $timeout =~ ^[0-9]+(s|m|h)$ ]] || usage_error "--timeout is a duration like 10m, not \"$timeout\""
for file in "${values[@]}"; do [[ -r $file ]] || usage_error "cannot read the values file $file"; done
[[ $mode == full ]] && with_otel=yes
if [[ $mode == agent-only ]]; then
  [[ $with_otel == no ]] || usage_error "--with-otel needs Tempo, which agent-only does not install"
  [[ -z $ingress ]] || usage_error "agent-only has no Ingress"
  : "${release:=sluice}"
else
  : "${release:=sluice-stack}"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'on_error $LINENO' ERR
rendered=$work/rendered.yaml

# ---- preflight --------------------------------------------------------------

fails=0
ok() { say "  OK    $*"; }
warn() { say "  WARN  $*"; }
fail() {
  say "  FAIL  $*"
  fails=$((fails + 1))
}

# at_least HAVE MAJOR MINOR
at_least() {
  local major=${1#v} minor
  major=${major%%.*} minor=${1#*.} minor=${minor%%[!0-9]*}
  ((major > $2 || (major == $2 && minor >= $3)))
}

check_tools() {
  local version tool missing=0
  for tool in kubectl helm; do
    command -v "$tool" >/dev/null || { fail "$tool is not on the PATH."; missing=1; }
  done
  ((missing == 0)) || return 1
  version=$(helm version --short 2>/dev/null | sed -n 's/^.*\(v[0-9][0-9.]*\).*$/\1/p')
  if [[ -z $version ]]; then
    fail "The version of helm cannot be read."
  elif at_least "$version" 3 13; then
    ok "helm $version"
  else
    fail "helm $version is too old; 3.13 or newer is needed."
  fi
}

check_cluster() {
  local version context
  context=${CONTEXT:-$(kubectl config current-context 2>/dev/null || true)}
  say "  context: ${context:-none}"
  if ! version=$(kc get --raw /version 2>/dev/null | sed -n 's/.*"gitVersion": *"\([^"]*\)".*/\1/p') || [[ -z $version ]]; then
    fail "The Kubernetes API does not answer. Check the context (kubectl config get-contexts)."
    return 1
  fi
  if at_least "$version" 1 25; then ok "Kubernetes $version"; else fail "Kubernetes $version is too old; 1.25 or newer is needed."; fi
}

# can VERB RESOURCE [NAMESPACE]
can() {
  local where=(--all-namespaces)
  [[ -z ${3:-} ]] || where=(--namespace "$3")
  [[ $(kc auth can-i "$1" "$2" "${where[@]}" 2>/dev/null || true) == yes ]]
}

check_rights() {
  local missing=() resource
  for resource in daemonsets.apps configmaps services serviceaccounts; do
    can create "$resource" "$namespace" || missing+=("$resource")
  done
  if [[ $mode != agent-only ]]; then
    can create statefulsets.apps "$namespace" || missing+=(statefulsets.apps)
    can create clusterroles.rbac.authorization.k8s.io || missing+=(clusterroles)
  fi
  if [[ $with_otel == yes ]]; then
    can create customresourcedefinitions.apiextensions.k8s.io || missing+=(customresourcedefinitions)
  fi
  if ((${#missing[@]})); then
    fail "You may not create: ${missing[*]}. Ask for these rights, or use another context."
  else
    ok "rights"
  fi
}

check_namespace() {
  local level
  if ! kc get namespace "$namespace" >/dev/null 2>&1; then
    ok "namespace $namespace will be created, with Pod Security level privileged (the agent mounts host paths)"
    return
  fi
  level=$(kc get namespace "$namespace" -o 'jsonpath={.metadata.labels.pod-security\.kubernetes\.io/enforce}')
  case $level in
    '' | privileged) ok "namespace $namespace" ;;
    *) fail "Namespace $namespace enforces Pod Security level \"$level\", and the agent mounts host paths. Allow it: kubectl label namespace $namespace pod-security.kubernetes.io/enforce=privileged --overwrite" ;;
  esac
}

check_storage() {
  local provisioner classes default
  [[ $mode != agent-only ]] || return 0
  if grep -q '^kind: StorageClass' "$rendered"; then
    ok "StorageClass $storage_class is made by this release"
  elif provisioner=$(kc get storageclass "$storage_class" -o 'jsonpath={.provisioner}' 2>/dev/null) && [[ -n $provisioner ]]; then
    ok "StorageClass $storage_class ($provisioner)"
  else
    classes=$(kc get storageclass -o 'jsonpath={range .items[*]}{.metadata.name}{" "}{end}' 2>/dev/null || true)
    default=$(kc get storageclass -o 'jsonpath={range .items[?(@.metadata.annotations.storageclass\.kubernetes\.io/is-default-class=="true")]}{.metadata.name}{" "}{end}' 2>/dev/null || true)
    if [[ -z ${classes// /} ]]; then
      fail "The cluster has no StorageClass at all, so there is no place for Loki's and Tempo's volumes. Install a CSI driver, or on EKS use --values helm/values/eks.yaml with the EBS CSI driver."
    elif [[ -z ${default// /} ]]; then
      fail "StorageClass $storage_class does not exist, and no class is the default. There are: $classes. Choose one with --storage-class."
    else
      fail "StorageClass $storage_class does not exist. The default is ${default% }: use --storage-class ${default% }. There are: $classes"
    fi
  fi
  say "  volumes: Loki $(size_of loki), Tempo $(size_of tempo)"
}

# The size of a volume in the rendered charts.
size_of() {
  local size
  size=$(awk -v want="$1" '
    /^---/ { kind = ""; name = "" }
    /^kind: / { kind = $2 }
    /^  name: / && name == "" { name = $2 }
    kind == "StatefulSet" && name ~ want && /^ +storage: / { gsub(/"/, "", $2); print $2; exit }' "$rendered")
  printf '%s' "${size:-as the chart has it}"
}

# Sums of what nodes have and pods ask for: thousandths of a core and MiB.
check_headroom() {
  local sums
  sums=$({
    kc get nodes -o 'jsonpath={range .items[*]}have {.status.allocatable.cpu} {.status.allocatable.memory}{"\n"}{end}' 2>/dev/null
    kc get pods --all-namespaces -o 'jsonpath={range .items[*].spec.containers[*]}want {.resources.requests.cpu}/{.resources.requests.memory}{"\n"}{end}' 2>/dev/null
  } | awk '
    function cpu(s) { return s ~ /m$/ ? s + 0 : s * 1000 }
    function mib(s,  n) { n = s + 0
      if (s ~ /Ki$/) return n / 1024; if (s ~ /Mi$/) return n; if (s ~ /Gi$/) return n * 1024; if (s ~ /Ti$/) return n * 1048576
      if (s ~ /k$/) return n / 1048.576; if (s ~ /M$/) return n / 1.048576; if (s ~ /G$/) return n * 953.674
      return n / 1048576 }
    $1 == "have" { c += cpu($2); m += mib($3); seen = 1 }
    $1 == "want" { split($2, p, "/"); c -= cpu(p[1]); m -= mib(p[2]) }
    END { if (seen) printf "%d %d", c, m }') || true
  if [[ -z $sums ]]; then
    warn "The free CPU and memory cannot be read."
  elif [[ $mode != agent-only ]] && { ((${sums% *} < 1000)) || ((${sums#* } < 2048)); }; then
    warn "Little room: ${sums% *} m CPU and ${sums#* } MiB memory are not asked for yet; Loki, Tempo and the agents ask for about 1000 m and 2048 MiB."
  else
    ok "room: ${sums% *} m CPU, ${sums#* } MiB memory free"
  fi
}

# Prometheus' selectors become labels of our monitors and rules.
monitor_labels=() rule_labels=()
find_prometheus() {
  local found line ns name kind pairs
  [[ $mode == hybrid ]] || return 0
  # The dollar signs are the template's.
  # shellcheck disable=SC2016
  if ! found=$(kc get prometheuses.monitoring.coreos.com --all-namespaces -o 'go-template={{range .items}}P {{.metadata.namespace}} {{.metadata.name}}{{"\n"}}{{with .spec.serviceMonitorSelector}}{{range $k, $v := .matchLabels}}M {{$k}} {{$v}}{{"\n"}}{{end}}{{end}}{{with .spec.ruleSelector}}{{range $k, $v := .matchLabels}}R {{$k}} {{$v}}{{"\n"}}{{end}}{{end}}{{end}}' 2>/dev/null) || [[ -z $found ]]; then
    fail "Mode hybrid stands beside a Prometheus of the Prometheus operator, and there is none. Install one, or use --mode full (everything) or --mode agent-only."
    return 0
  fi
  while read -r kind ns name; do
    case $kind in
      P)
        [[ -n $prometheus_url ]] || prometheus_url=http://prometheus-operated.$ns.svc.cluster.local:9090
        ok "Prometheus $ns/$name"
        ;;
      M) monitor_labels+=("$ns=$name") ;;
      R) rule_labels+=("$ns=$name") ;;
    esac
  done <<<"$found"
  pairs=${monitor_labels[*]:-}
  line=${pairs:-none, it takes all}
  say "  its ServiceMonitors need the labels: $line"
}

grafana_deployment='' grafana_label='' grafana_label_value=''
find_grafana() {
  local found count watched
  [[ $mode == hybrid ]] || return 0
  # shellcheck disable=SC2016
  found=$(kc get deployments --all-namespaces -o 'go-template={{range .items}}{{$m := .metadata}}{{range .spec.template.spec.containers}}{{if eq .name "grafana-sc-datasources"}}{{$m.namespace}} {{$m.name}}{{range .env}}{{if .value}} {{.name}}={{.value}}{{end}}{{end}}{{"\n"}}{{end}}{{end}}{{end}}' 2>/dev/null || true)
  [[ -z $grafana_namespace ]] || found=$(grep "^$grafana_namespace " <<<"$found" || true)
  if [[ -z $found ]]; then
    if [[ -n $grafana_namespace ]]; then
      warn "No Grafana with a sidecar for data sources in namespace $grafana_namespace. The ConfigMaps are made, but nothing loads them."
    else
      fail "No Grafana with a sidecar for data sources was found (a container grafana-sc-datasources). Switch on grafana.sidecar.datasources in Grafana's chart, or name the namespace with --grafana-namespace."
    fi
    return 0
  fi
  count=$(wc -l <<<"$found")
  if ((count > 1)); then
    fail "There are $count Grafanas. Choose with --grafana-namespace: $(cut -d' ' -f1 <<<"$found" | tr '\n' ' ')"
    return 0
  fi
  grafana_namespace=${found%% *}
  grafana_deployment=$(cut -d' ' -f2 <<<"$found")
  grafana_label=$(tr ' ' '\n' <<<"$found" | sed -n 's/^LABEL=//p')
  grafana_label_value=$(tr ' ' '\n' <<<"$found" | sed -n 's/^LABEL_VALUE=//p')
  watched=$(tr ' ' '\n' <<<"$found" | sed -n 's/^NAMESPACE=//p')
  ok "Grafana $grafana_namespace/$grafana_deployment, label ${grafana_label:-grafana_datasource}${watched:+, watches $watched}"
}

# Asks Grafana in its own container, where its password already is.
grafana_datasources() {
  # The variables are the container's.
  # shellcheck disable=SC2016
  kc exec --namespace "$grafana_namespace" --pod-running-timeout=5s "deployment/$grafana_deployment" --container grafana -- \
    sh -c 'curl -fsS -u "$GF_SECURITY_ADMIN_USER:$GF_SECURITY_ADMIN_PASSWORD" http://127.0.0.1:3000/api/datasources' 2>/dev/null
}

check_datasources() {
  local there name ours
  [[ $mode == hybrid && -n $grafana_namespace && -n $grafana_deployment ]] || return 0
  ours=$(kc get configmap "$release-datasources" --namespace "$grafana_namespace" -o name 2>/dev/null || true)
  if [[ -n $ours ]]; then
    ok "data sources are ours already"
    return 0
  fi
  if ! there=$(grafana_datasources); then
    warn "Grafana's data sources cannot be read. If it has one named Loki or Tempo, made by hand, it would be overwritten."
    return 0
  fi
  while read -r name; do
    if [[ $there == *"\"name\":\"$name\""* ]]; then
      fail "Grafana already has a data source \"$name\" that this release did not make. It would be overwritten. Delete it in Grafana, or give ours another name: --set grafana.datasources.${name,,}.name=Sluice-$name"
    fi
  done < <(datasource_names "$rendered")
  return 0
}

# Other collectors that read the same files. Sets promtail_* when it is to be replaced.
promtail_namespace='' promtail_release='' promtail_path=''
check_agents() {
  local found ns name rel paths images
  found=$(kc get daemonsets --all-namespaces -o 'go-template={{range .items}}{{.metadata.namespace}} {{.metadata.name}} {{with .metadata.annotations}}{{with index . "meta.helm.sh/release-name"}}{{.}}{{else}}-{{end}}{{else}}-{{end}} {{range .spec.template.spec.volumes}}{{with .hostPath}}{{.path}},{{end}}{{end}} {{range .spec.template.spec.containers}}{{.image}},{{end}}{{"\n"}}{{end}}' 2>/dev/null || true)
  while read -r ns name rel paths images; do
    [[ -n $ns && $rel != "$release" ]] || continue
    [[ ,$paths == *,/var/log/pods,* || ,$paths == *,/var/log,* || ,$paths == *,/var/log/containers,* ]] || continue
    if [[ $images != *promtail* ]]; then
      warn "DaemonSet $ns/$name reads pod logs as well. If it sends them to the same Loki, every line arrives twice."
    elif [[ $promtail == keep ]]; then
      warn "Promtail ($ns/$name) goes on: every line arrives twice."
    elif [[ $promtail == fail ]]; then
      fail "Promtail ($ns/$name) is still running: every line would arrive twice. Use --replace-promtail to take over its positions and remove it, or --keep-promtail."
    elif [[ $rel == - ]]; then
      fail "Promtail ($ns/$name) was not installed by Helm, so it is not removed here. Remove it yourself: kubectl --namespace $ns delete daemonset $name. Then set promtailImport.enabled=true."
    else
      promtail_namespace=$ns promtail_release=$rel
      promtail_path=$(tr ',' '\n' <<<"$paths" | grep promtail | head -n 1 || true)
      ok "Promtail ($ns/$name, release $rel) will be replaced; its positions are in ${promtail_path:-/run/promtail}"
    fi
  done <<<"$found"
  return 0
}

check_releases() {
  local list owner object
  list=$(hm list --all-namespaces 2>/dev/null || true)
  while read -r name ns _; do
    fail "Release $ns/$name is of the chart loki-stack (Loki 2, Promtail), which is no longer maintained. Its volume does not fit the new chart. Keep its data until they expire, then: helm uninstall $name --namespace $ns; or install into another namespace with --namespace."
  done < <(grep -E '[[:space:]]loki-stack-[0-9]' <<<"$list" || true)
  [[ $mode != agent-only ]] || return 0
  for object in statefulset/loki statefulset/tempo; do
    owner=$(kc get "$object" --namespace "$namespace" -o 'jsonpath={.metadata.name} {.metadata.annotations.meta\.helm\.sh/release-name}' 2>/dev/null || true)
    [[ -n $owner ]] || continue
    if [[ ${owner#* } != "$release" ]]; then
      [[ $list =~ loki-stack- ]] || fail "There is a $object in namespace $namespace already, of ${owner#* }${owner:+ }(not of release $release). Remove it, or switch ours off: --set ${object#*/}.enabled=false"
    fi
  done
  return 0
}

check_ingress() {
  local class host claimed
  while read -r class; do
    [[ -n $class ]] || continue
    if kc get ingressclass "$class" >/dev/null 2>&1; then ok "ingress class $class"; else fail "Ingress class \"$class\" does not exist. There are: $(kc get ingressclass -o 'jsonpath={range .items[*]}{.metadata.name}{" "}{end}' 2>/dev/null || true)"; fi
  done < <(sed -n 's/^  ingressClassName: "\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$rendered" | sort -u)
  # shellcheck disable=SC2016
  claimed=$(kc get ingress --all-namespaces -o 'go-template={{range .items}}{{$m := .metadata}}{{range .spec.rules}}{{with .host}}{{.}} {{$m.namespace}}/{{$m.name}} {{with $m.annotations}}{{with index . "meta.helm.sh/release-name"}}{{.}}{{end}}{{end}}{{"\n"}}{{end}}{{end}}{{end}}' 2>/dev/null || true)
  while read -r host; do
    [[ -n $host ]] || continue
    while read -r _ object owner; do
      [[ ${owner:-} == "$release" ]] || fail "The host $host is taken by Ingress $object."
    done < <(awk -v h="$host" '$1 == h' <<<"$claimed")
  done < <(sed -n 's/^ *- host: "\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$rendered" | sort -u)
  return 0
}

# Who owns a CRD: "helm NAME", "hand", or nothing if it is not there.
crd_owner() {
  local line
  line=$(kc get crd "$1" -o 'jsonpath={.metadata.name} {.metadata.annotations.meta\.helm\.sh/release-name}' 2>/dev/null || true)
  [[ -n $line ]] || return 0
  if [[ -n ${line#* } ]]; then printf 'helm %s' "${line#* }"; else printf hand; fi
}

# ours RELEASE NAMESPACE : did deploy.sh install this platform release?
ours() { [[ -n $(hm list --namespace "$2" --selector "$OWNER_LABEL=$OWNER_VALUE" --filter "^$1\$" --short 2>/dev/null || true) ]]; }

install_cert_manager=no install_operator=no install_kps=no
check_platform() {
  local owner
  if [[ $with_otel == yes ]]; then
    owner=$(crd_owner opentelemetrycollectors.opentelemetry.io)
    if [[ -z $owner ]] || ours opentelemetry-operator "$namespace"; then
      install_operator=yes
    else
      ok "the OpenTelemetry operator is there (${owner}); it is left alone"
    fi
    owner=$(crd_owner certificates.cert-manager.io)
    if [[ $cert_manager == no ]]; then
      ok "no cert-manager, as you asked: the operator's certificate is made by Helm and lasts 365 days"
    elif [[ -z $owner ]] || ours cert-manager cert-manager; then
      [[ $install_operator == no ]] || install_cert_manager=yes
    else
      ok "cert-manager is there (${owner}); it is left alone"
    fi
  fi
  if [[ $mode == full ]]; then
    owner=$(crd_owner prometheuses.monitoring.coreos.com)
    if [[ -z $owner ]] || ours kube-prometheus-stack "$namespace"; then
      install_kps=yes
    elif [[ -n $(kc get prometheuses.monitoring.coreos.com --all-namespaces -o name 2>/dev/null || true) ]]; then
      fail "Mode full installs its own Prometheus and Grafana, and the cluster has a Prometheus already. Use --mode hybrid, which leaves it untouched."
    else
      install_kps=yes
    fi
  fi
  return 0
}

run_preflight() {
  head_line "Preflight"
  if ! check_tools || ! check_cluster; then return 0; fi
  check_rights
  check_namespace
  find_prometheus
  find_grafana
  check_platform
  collect_arguments
  if ! render; then
    fail "The charts cannot be rendered with these values:"
    sed 's/^/          /' "$work/render.err"
    return 0
  fi
  check_storage
  check_headroom
  check_agents
  check_releases
  check_datasources
  check_ingress
  say "  note: whether the nodes can pull the images cannot be tested from here."
}

# ---- what is installed --------------------------------------------------------

args=()
collect_arguments() {
  local pair file index
  args=()
  if [[ $mode == agent-only ]]; then
    args+=(--values "$here/values/agent-only.yaml")
  else
    args+=(--values "$here/values/$mode.yaml"
      --set-string "loki.singleBinary.persistence.storageClass=$storage_class"
      --set-string "tempo.persistence.storageClassName=$storage_class"
      --set-string "storageClass.name=$storage_class")
    [[ -z $grafana_namespace ]] || args+=(--set-string "grafana.namespace=$grafana_namespace")
    [[ -z $grafana_label ]] || args+=(--set-string "grafana.datasources.label=$grafana_label")
    [[ -z $grafana_label_value ]] || args+=(--set-string "grafana.datasources.labelValue=$grafana_label_value")
    [[ -z $grafana_namespace ]] || args+=(--set-string "sluice.dashboards.namespace=$grafana_namespace")
    for pair in "${monitor_labels[@]}"; do
      for index in sluice.serviceMonitor.labels loki.monitoring.serviceMonitor.labels tempo.serviceMonitor.additionalLabels; do
        args+=(--set-string "$index.${pair%%=*}=${pair#*=}")
      done
    done
    for pair in "${rule_labels[@]}"; do
      args+=(--set-string "sluice.prometheusRule.labels.${pair%%=*}=${pair#*=}" --set-string "prometheusRule.labels.${pair%%=*}=${pair#*=}")
    done
    if [[ $mode == full ]]; then
      args+=(--set-string "tempo.tempo.metricsGenerator.storage.remote_write[0].url=${prometheus_url:-http://kube-prometheus-stack-prometheus.$namespace.svc:9090}/api/v1/write"
        --set "tempo.tempo.metricsGenerator.storage.remote_write[0].send_exemplars=true")
    fi
    [[ -z $ingress ]] || args+=(--set "ingress.tempo.enabled=$ingress")
  fi
  for file in "${values[@]}"; do args+=(--values "$file"); done
  for pair in "${sets[@]}"; do args+=(--set "$pair"); done
}

# Values that are known only after the preflight.
import_arguments() {
  local prefix=sluice.
  [[ $mode != agent-only ]] || prefix=
  [[ -n $promtail_release ]] || return 0
  args+=(--set "${prefix}promtailImport.enabled=true")
  [[ -z $promtail_path ]] || args+=(--set-string "${prefix}promtailImport.hostPath=$promtail_path")
}

chart() { if [[ $mode == agent-only ]]; then printf '%s' "$here/agent"; else printf '%s' "$here/stack"; fi; }

# Loki's and Tempo's charts are fetched once, into helm/stack/charts; the agent's
# is packed anew each time, so that it is never an old one.
dependencies() {
  [[ $mode != agent-only ]] || return 0
  local charts=$here/stack/charts
  if [[ -e $charts/loki-$LOKI_CHART_VERSION.tgz && -e $charts/tempo-$TEMPO_CHART_VERSION.tgz ]]; then
    helm package "$here/agent" --destination "$charts" >/dev/null
  else
    say "  fetching the charts of Loki and Tempo" >&2
    helm dependency update "$here/stack" >"$work/dependency.out" 2>&1 || {
      cat "$work/dependency.out" >&2
      return 1
    }
  fi
}

render() {
  {
    dependencies && helm template "$release" "$(chart)" --namespace "$namespace" "${args[@]}" \
      --api-versions monitoring.coreos.com/v1 >"$rendered"
  } 2>"$work/render.err" || return 1
}

print_plan() {
  head_line "Plan"
  say "  mode $mode, namespace $namespace"
  [[ $install_cert_manager == no ]] || say "  1. release cert-manager/cert-manager, chart $CERT_MANAGER_VERSION"
  [[ $install_kps == no ]] || say "  2. release $namespace/kube-prometheus-stack, chart $KPS_VERSION"
  [[ $install_operator == no ]] || say "  3. release $namespace/opentelemetry-operator, chart $OPERATOR_VERSION"
  if [[ $mode == agent-only ]]; then
    say "  4. release $namespace/$release, chart sluice"
  else
    say "  4. release $namespace/$release, chart sluice-stack (loki $LOKI_CHART_VERSION, tempo $TEMPO_CHART_VERSION)"
  fi
  [[ $with_otel == no ]] || say "  5. release $namespace/sluice-otel, chart sluice-otel"
  [[ -z $promtail_release ]] || say "  6. uninstall release $promtail_namespace/$promtail_release (Promtail)"
  say "  Objects of release $release:"
  awk '/^---/ { kind = ""; name = "" } /^kind: / { kind = $2 } /^  name: / && kind && !name { name = $2; gsub(/"/, "", name); print "    " kind "/" name }' "$rendered" | sort | uniq
}

upgrade() { # upgrade NAMESPACE RELEASE CHART [helm arguments]
  local ns=$1 name=$2 chart=$3
  shift 3
  say "  helm upgrade --install $name ($ns)"
  hm upgrade --install "$name" "$chart" --namespace "$ns" --wait --timeout "$timeout" "$@"
}

apply_namespace() { # apply_namespace NAME LEVEL
  kc get namespace "$1" >/dev/null 2>&1 && return 0
  kc create namespace "$1" --dry-run=client -o yaml | kc apply -f -
  [[ -z $2 ]] || kc label namespace "$1" "pod-security.kubernetes.io/enforce=$2" --overwrite
}

random_password() { od -An -N18 -tx1 /dev/urandom | tr -d ' \n'; }

ca_bundle_is_there() {
  [[ -n $(kc get mutatingwebhookconfiguration opentelemetry-operator-mutation -o 'jsonpath={.webhooks[0].clientConfig.caBundle}' 2>/dev/null) ]]
}

# The only test that goes through the operator's webhooks.
collector_is_admitted() {
  kc apply --dry-run=server --namespace "$namespace" -f - >/dev/null 2>"$work/admission.err" <<'YAML'
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata:
  name: sluice-admission-test
spec:
  mode: deployment
  config:
    receivers:
      otlp:
        protocols:
          grpc: {}
    exporters:
      debug: {}
    service:
      pipelines:
        traces:
          receivers: [otlp]
          exporters: [debug]
YAML
}

gate_operator() {
  STEP="wait for the operator's webhooks"
  kc wait --for=condition=Established --timeout="$timeout" crd/opentelemetrycollectors.opentelemetry.io crd/instrumentations.opentelemetry.io
  if [[ $install_operator == yes && $cert_manager == yes ]]; then
    kc wait --for=condition=Ready --timeout="$timeout" --namespace "$namespace" certificate/opentelemetry-operator-serving-cert
  fi
  if [[ $install_operator == yes ]]; then
    wait_until "${SLUICE_GATE_SECONDS:-120}" ca_bundle_is_there || { complain "The webhook of the operator has no CA bundle."; return 1; }
  fi
  wait_until "${SLUICE_GATE_SECONDS:-120}" collector_is_admitted || {
    complain "The operator does not admit a collector:"
    complain "$(<"$work/admission.err")"
    return 1
  }
}

deploy() {
  STEP="namespace $namespace"
  head_line "Deploy"
  apply_namespace "$namespace" privileged
  if [[ $install_kps == yes ]] && ! kc get secret grafana-admin --namespace "$namespace" >/dev/null 2>&1; then
    STEP="secret grafana-admin"
    random_password >"$work/password"
    kc create secret generic grafana-admin --namespace "$namespace" --from-literal=admin-user=admin --from-file="admin-password=$work/password"
    say "  Grafana's password: kubectl -n $namespace get secret grafana-admin -o jsonpath='{.data.admin-password}' | base64 -d"
  fi
  if [[ $install_cert_manager == yes ]]; then
    STEP="release cert-manager"
    apply_namespace cert-manager ''
    upgrade cert-manager cert-manager "$CERT_MANAGER_CHART" --version "$CERT_MANAGER_VERSION" \
      --labels "$OWNER_LABEL=$OWNER_VALUE" --values "$here/values/platform/cert-manager.yaml"
  fi
  if [[ $install_kps == yes ]]; then
    STEP="release kube-prometheus-stack"
    upgrade "$namespace" kube-prometheus-stack "$KPS_CHART" --version "$KPS_VERSION" \
      --labels "$OWNER_LABEL=$OWNER_VALUE" --values "$here/values/platform/kube-prometheus-stack.yaml" \
      --set-string "prometheus.prometheusSpec.storageSpec.volumeClaimTemplate.spec.storageClassName=$storage_class" \
      --set-string "grafana.persistence.storageClassName=$storage_class"
  fi
  if [[ $install_operator == yes ]]; then
    STEP="release opentelemetry-operator"
    local certificate=()
    [[ $cert_manager == yes ]] || certificate=(--set admissionWebhooks.certManager.enabled=false)
    upgrade "$namespace" opentelemetry-operator "$OPERATOR_CHART" --repo "$OPERATOR_REPO" --version "$OPERATOR_VERSION" \
      --labels "$OWNER_LABEL=$OWNER_VALUE" --values "$here/values/platform/opentelemetry-operator.yaml" "${certificate[@]}"
  fi
  [[ $with_otel == no ]] || gate_operator
  STEP="release $release"
  upgrade "$namespace" "$release" "$(chart)" "${args[@]}"
  if [[ $with_otel == yes ]]; then
    STEP="release sluice-otel"
    upgrade "$namespace" sluice-otel "$here/otel"
  fi
  if [[ -n $promtail_release ]]; then
    STEP="remove Promtail"
    kc rollout status "daemonset/$(daemonset_name)" --namespace "$namespace" --timeout "$timeout"
    hm uninstall "$promtail_release" --namespace "$promtail_namespace" --wait
  fi
}

# ---- verification -------------------------------------------------------------

# From the rendered chart: the name and the image of the agent.
daemonset_name() { awk '/^---/ { kind = "" } /^kind: / { kind = $2 } /^  name: / && kind == "DaemonSet" { print $2; exit }' "$rendered"; }
agent_image() { awk '/^---/ { kind = "" } /^kind: / { kind = $2 } kind == "DaemonSet" && /^ +image: / { gsub(/"/, "", $2); print $2; exit }' "$rendered"; }

# answers SERVICE:PORT PATH : through the API server, so no port-forward is needed.
answers() { kc get --raw "/api/v1/namespaces/$namespace/services/$1/proxy$2" >"$work/answer" 2>/dev/null; }

marker=''
marker_is_in_loki() {
  answers loki:3100 "/loki/api/v1/query_range?limit=1&query=%7Bnamespace%3D%22$namespace%22%7D%20%7C%3D%20%22$marker%22" &&
    grep -q "$marker" "$work/answer"
}

verify_marker() {
  local found=no
  marker=sluice-marker-$(date +%s)-$RANDOM
  STEP="marker line"
  kc apply --namespace "$namespace" -f - <<YAML
apiVersion: batch/v1
kind: Job
metadata:
  name: $marker
  labels:
    app.kubernetes.io/name: sluice-marker
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: 300
  template:
    metadata:
      labels:
        app.kubernetes.io/name: sluice-marker
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      securityContext:
        runAsUser: 10001
        runAsNonRoot: true
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: say
          image: $(agent_image)
          command: [/usr/bin/sluice-helper, say, $marker]
          resources:
            requests: {cpu: 10m, memory: 16Mi}
            limits: {memory: 32Mi}
          securityContext:
            readOnlyRootFilesystem: true
            allowPrivilegeEscalation: false
            capabilities:
              drop: [ALL]
YAML
  if wait_until "${SLUICE_MARKER_SECONDS:-60}" marker_is_in_loki; then found=yes; fi
  kc delete job "$marker" --namespace "$namespace" --ignore-not-found --wait=false
  if [[ $found == no ]]; then
    complain "A line that a pod wrote did not arrive in Loki within ${SLUICE_MARKER_SECONDS:-60} s. See docs/TROUBLESHOOTING.md, \"No logs arrive\"."
    return 1
  fi
  ok "a line that a pod wrote was found in Loki"
}

verify() {
  head_line "Verify"
  STEP_EXIT=$EXIT_VERIFY
  STEP="daemonset $(daemonset_name)"
  kc rollout status "daemonset/$(daemonset_name)" --namespace "$namespace" --timeout "$timeout"
  ok "every node has a ready agent"
  if [[ $mode == agent-only ]]; then
    say "  note: with agent-only it is not known where your Loki can be asked; look for {namespace=\"$namespace\"} there."
    return 0
  fi
  local app
  for app in loki tempo; do
    grep -q "^  name: $app\$" "$rendered" || continue
    STEP="statefulset $app"
    kc rollout status "statefulset/$app" --namespace "$namespace" --timeout "$timeout"
  done
  STEP="Loki's /ready"
  if grep -q '^  name: loki$' "$rendered"; then
    wait_until "${SLUICE_READY_SECONDS:-120}" answers loki:3100 /ready || { complain "Loki does not say that it is ready."; return 1; }
    ok "Loki is ready"
  fi
  STEP="Tempo's /ready"
  if grep -q '^  name: tempo$' "$rendered"; then
    wait_until "${SLUICE_READY_SECONDS:-120}" answers tempo:3200 /ready || { complain "Tempo does not say that it is ready."; return 1; }
    ok "Tempo is ready"
  fi
  if grep -q '^  name: loki$' "$rendered"; then verify_marker; fi
  verify_datasources
}

datasources_are_there() {
  local there name
  there=$(grafana_datasources) || return 1
  while read -r name; do [[ $there == *"\"name\":\"$name\""* ]] || return 1; done < <(datasource_names "$rendered")
}

verify_datasources() {
  if [[ $mode == full ]]; then grafana_namespace=$namespace grafana_deployment=grafana; fi
  [[ -n $grafana_deployment ]] || return 0
  STEP="data sources in Grafana"
  if wait_until "${SLUICE_DATASOURCE_SECONDS:-60}" datasources_are_there; then
    ok "Grafana has the data sources"
  else
    warn "Grafana does not show the data sources yet. Its sidecar may not be allowed to reload (a changed admin password). A restart helps: kubectl --namespace $grafana_namespace rollout restart deployment/$grafana_deployment"
  fi
}

print_hints() {
  [[ $mode == hybrid ]] || return 0
  head_line "Not changed here"
  say "Your Prometheus and Grafana were not touched. For span metrics and links from"
  say "metrics to traces, add this to the values of kube-prometheus-stack, then deploy"
  say "again with --values helm/values/full.yaml and --set"
  say "tempo.tempo.metricsGenerator.storage.remote_write[0].url=${prometheus_url:-http://<prometheus>:9090}/api/v1/write"
  cat <<'YAML'
  prometheus:
    prometheusSpec:
      enableRemoteWriteReceiver: true
      enableFeatures: [exemplar-storage]
  grafana:
    sidecar:
      datasources:
        exemplarTraceIdDestinations: {datasourceUid: tempo, traceIdLabelName: traceID, urlDisplayLabel: View trace}
YAML
}

# ---- main ---------------------------------------------------------------------

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
