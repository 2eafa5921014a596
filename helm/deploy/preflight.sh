# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
# What deploy.sh looks at before it changes anything. Every check says OK, WARN or FAIL, and
# all of them are made, so that one run names every problem.
# Sourced by deploy.sh, whose variables these functions read and set; never run.

# shellcheck source=helm/deploy/storage.sh
source "${BASH_SOURCE[0]%/*}/storage.sh"

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
  check_skew "$version"
}

# kubectl is made for servers one minor version older or newer than itself.
check_skew() {
  local server=${1#v*.} client skew
  client=$(kc version --client -o yaml 2>/dev/null | sed -n 's/^ *gitVersion: *v[0-9]*\.\([0-9]*\).*/\1/p')
  server=${server%%[!0-9]*}
  if [[ -z $client || -z $server ]]; then
    warn "The version of kubectl cannot be read."
    return 0
  fi
  skew=$((client - server))
  if ((skew >= -1 && skew <= 1)); then
    ok "kubectl 1.$client"
  else
    warn "kubectl is of version 1.$client and the server of 1.$server; more than one apart is not supported by Kubernetes."
  fi
}

# can VERB RESOURCE [NAMESPACE]
can() {
  local where=(--all-namespaces)
  [[ -z ${3:-} ]] || where=(--namespace "$3")
  [[ $(kc auth can-i "$1" "$2" "${where[@]}" 2>/dev/null || true) == yes ]]
}

# What the release consists of, one "RESOURCE NAMESPACE" a line, "-" for the whole cluster. Pods are
# those of "helm test", which runs later.
rendered_resources() {
  awk -v ns="$namespace" '
    function plural(k) { k = tolower(k); if (k ~ /constraints$/) return k; if (k ~ /s$/) return k "es"; if (sub(/y$/, "ies", k)) return k; return k "s" }
    function out() {
      if (kind != "" && kind != "Pod") print plural(kind) (group == "" ? "" : "." group), kind ~ /^(Cluster|StorageClass|SecurityContext|PriorityClass)/ ? "-" : where
      kind = group = ""; where = ns }
    BEGIN { where = ns }
    /^---/ { out() }
    /^apiVersion: / { if ($2 ~ /\//) { group = $2; sub(/\/.*/, "", group) } }
    /^kind: / { kind = $2 }
    /^  namespace: / && where == ns { where = $2; gsub(/"/, "", where) }
    END { out() }' "$rendered" | sort -u
}

# Everything that deploy.sh creates, in the form of rendered_resources.
wanted_resources() {
  rendered_resources
  printf '%s\n' "secrets $namespace" # Helm keeps its releases there
  kc get namespace "$namespace" >/dev/null 2>&1 || printf 'namespaces -\n'
  [[ $mode == agent-only ]] || printf 'jobs.batch %s\n' "$namespace" # the marker line
  if [[ $with_otel == yes ]]; then
    printf '%s\n' "clusterroles.rbac.authorization.k8s.io -" "clusterrolebindings.rbac.authorization.k8s.io -"
    printf '%s.opentelemetry.io '"$namespace"'\n' opentelemetrycollectors instrumentations
  fi
  if [[ $install_operator$install_cert_manager$install_kps == *yes* ]]; then
    printf '%s -\n' customresourcedefinitions.apiextensions.k8s.io clusterroles.rbac.authorization.k8s.io \
      clusterrolebindings.rbac.authorization.k8s.io {mutating,validating}webhookconfigurations.admissionregistration.k8s.io
  fi
}

check_rights() {
  local missing=() resource where
  while read -r resource where; do
    if [[ $where == - ]]; then
      can create "$resource" || missing+=("$resource")
    elif ! can create "$resource" "$where"; then
      if [[ $where == "$namespace" ]]; then missing+=("$resource"); else missing+=("$resource (in $where)"); fi
    fi
  done < <(wanted_resources | sort -u)
  if ((${#missing[@]})); then
    fail "You may not create: $(printf '%s, ' "${missing[@]}" | sed 's/, $//'). Ask for these rights, or use another context."
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

# rendered_values KIND FIELD : what stands in this field of the rendered objects of a kind.
rendered_values() {
  awk -v want="$1" -v field="$2" '/^---/ { kind = "" } /^kind: / { kind = $2 }
    kind == want && $1 == field ":" { gsub(/"/, "", $2); print $2 }' "$rendered" | sort -u
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

# Prometheus' selectors become labels of our monitors and rules. Of several Prometheuses each
# finds them, unless two want different values of one label.
monitor_labels=() rule_labels=()
# add_label LIST KEY VALUE PROMETHEUS
add_label() {
  local -n labels_ref=$1
  local pair
  for pair in "${labels_ref[@]}"; do
    [[ ${pair%%=*} == "$2" ]] || continue
    [[ $pair == "$2=$3" ]] || warn "Prometheus $4 wants the label $2=$3 and another one $pair. It will not see what is installed here; say which one shall with sluice.serviceMonitor.labels and the like."
    return 0
  done
  labels_ref+=("$2=$3")
}

find_prometheus() {
  local found line ns name kind pairs current
  [[ $mode == hybrid ]] || return 0
  # The dollar signs are the template's.
  # shellcheck disable=SC2016
  if ! found=$(kc get prometheuses.monitoring.coreos.com --all-namespaces -o 'go-template={{range .items}}P {{.metadata.namespace}} {{.metadata.name}}{{"\n"}}{{with .spec.serviceMonitorSelector}}{{range $k, $v := .matchLabels}}M {{$k}} {{$v}}{{"\n"}}{{end}}{{if .matchExpressions}}E ServiceMonitors -{{"\n"}}{{end}}{{end}}{{with .spec.ruleSelector}}{{range $k, $v := .matchLabels}}R {{$k}} {{$v}}{{"\n"}}{{end}}{{if .matchExpressions}}E PrometheusRules -{{"\n"}}{{end}}{{end}}{{end}}' 2>/dev/null) || [[ -z $found ]]; then
    fail "Mode hybrid stands beside a Prometheus of the Prometheus operator, and there is none. Install one, or use --mode full (everything) or --mode agent-only."
    return 0
  fi
  while read -r kind ns name; do
    case $kind in
      P)
        [[ -n $prometheus_url ]] || prometheus_url=http://prometheus-operated.$ns.svc.cluster.local:9090
        current=$ns/$name
        ok "Prometheus $current"
        ;;
      M) add_label monitor_labels "$ns" "$name" "$current" ;;
      R) add_label rule_labels "$ns" "$name" "$current" ;;
      E) warn "Prometheus $current selects its $ns by expressions, which are not read here. Give ours the labels that it wants, in a file with --values." ;;
    esac
  done <<<"$found"
  pairs=${monitor_labels[*]:-}
  line=${pairs:-none, it takes all}
  say "  its ServiceMonitors need the labels: $line"
}

# env_of LINE NAME : one of the variables that find_grafana's template prints.
env_of() { tr ' ' '\n' <<<"$1" | sed -n "s/^$2=//p"; }

grafana_deployment='' grafana_label='' grafana_label_value='' dashboard_label='' dashboard_label_value=''
find_grafana() {
  local found boards count watched
  [[ $mode == hybrid ]] || return 0
  # shellcheck disable=SC2016
  found=$(kc get deployments --all-namespaces -o 'go-template={{range .items}}{{$m := .metadata}}{{range .spec.template.spec.containers}}{{if or (eq .name "grafana-sc-datasources") (eq .name "grafana-sc-dashboard")}}{{if eq .name "grafana-sc-dashboard"}}-dashboards {{end}}{{$m.namespace}} {{$m.name}}{{range .env}}{{if .value}} {{.name}}={{.value}}{{end}}{{end}}{{"\n"}}{{end}}{{end}}{{end}}' 2>/dev/null || true)
  boards=$(sed -n 's/^-dashboards //p' <<<"$found")
  found=$(grep -v '^-dashboards ' <<<"$found" || true)
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
  grafana_label=$(env_of "$found" LABEL)
  grafana_label_value=$(env_of "$found" LABEL_VALUE)
  watched=$(env_of "$found" NAMESPACE)
  ok "Grafana $grafana_namespace/$grafana_deployment, label ${grafana_label:-grafana_datasource}${watched:+, watches $watched}"
  boards=$(grep "^$grafana_namespace $grafana_deployment\( \|$\)" <<<"$boards" || true)
  if [[ -z $boards ]]; then
    warn "Grafana $grafana_namespace/$grafana_deployment has no sidecar for dashboards (a container grafana-sc-dashboard), so none will appear. Switch on grafana.sidecar.dashboards in its chart."
  fi
  dashboard_label=$(env_of "$boards" LABEL)
  dashboard_label_value=$(env_of "$boards" LABEL_VALUE)
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
  if ! list=$(hm list --all-namespaces --max 10000 2>/dev/null); then
    warn "Helm's releases in all namespaces cannot be read; only those in $namespace are looked at."
    list=$(hm list --namespace "$namespace" 2>/dev/null || true)
  fi
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

# Promtail is not removed for an agent that the values switch off.
check_replacement() {
  [[ -z $promtail_release || -n $(daemonset_name) ]] ||
    fail "--replace-promtail would leave nobody to read the logs: the values switch the agent off (sluice.enabled or daemonset.enabled)."
}

# A pod whose Secret is missing never starts, and says so only in its events.
check_secrets() {
  local name missing=()
  while read -r name; do
    [[ -n $name ]] || continue
    kc get secret "$name" --namespace "$namespace" -o name >/dev/null 2>&1 || missing+=("$name")
  done < <(awk '
    /^---/ { kind = ""; name = "" }
    /^kind: / { kind = $2 }
    /^  name: / && name == "" { name = $2; gsub(/"/, "", name); if (kind == "Secret") made[name] = 1 }
    kind ~ /^(DaemonSet|Deployment|StatefulSet)$/ && /^ +secretName: / { gsub(/"/, "", $2); wanted[$2] = 1 }
    END { for (one in wanted) if (!(one in made)) print one }' "$rendered" | sort)
  if ((${#missing[@]})); then
    fail "These Secrets are named in the values and are not in namespace $namespace: ${missing[*]}. Make them first: kubectl --namespace $namespace create secret generic ..."
  fi
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

# CRDs alone do not mean an operator: they are kept when it is uninstalled.
operator_is_there() {
  [[ -n $(crd_owner opentelemetrycollectors.opentelemetry.io) ]] &&
    grep -q opentelemetry <<<"$(kc get mutatingwebhookconfigurations -o name 2>/dev/null || true)"
}

install_cert_manager=no install_operator=no install_kps=no
check_platform() {
  local owner
  if [[ $with_otel == auto ]]; then
    with_otel=no
    if operator_is_there; then
      with_otel=yes
      ok "the OpenTelemetry operator is there and left alone; a collector and an Instrumentation are made for it (--no-otel: none)"
    fi
  elif [[ $with_otel == yes ]]; then
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
  check_rights
  check_storage
  check_headroom
  check_agents
  check_replacement
  check_releases
  check_secrets
  check_datasources
  check_ingress
  say "  note: whether the nodes can pull the images cannot be tested from here."
}
