# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
# What deploy.sh installs: values, the plan, the releases in their order, and the gate before
# the operator's webhooks.
# Sourced by deploy.sh, whose variables these functions read and set; never run.

# labels PAIR... : "key: value" pairs inside the braces of a YAML map. A key may have dots in it,
# which --set would take for levels.
labels() {
  local pair out=
  for pair in "$@"; do out+="${out:+, }\"${pair%%=*}\": \"${pair#*=}\""; done
  printf '{%s}' "$out"
}

# What was found in the cluster and the defaults of this script, as a values file: the files and
# settings of the user come after it and win.
found_values() {
  local monitors rules board
  monitors=$(labels "${monitor_labels[@]}") rules=$(labels "${rule_labels[@]}")
  printf 'storageClass: {name: "%s"}\n' "${storage_class:-gp3}"
  printf 'sluice:\n  serviceMonitor: {labels: %s}\n  prometheusRule: {labels: %s}\n' "$monitors" "$rules"
  board="${dashboard_label:+label: \"$dashboard_label\", }${dashboard_label_value:+labelValue: \"$dashboard_label_value\"}"
  printf '  dashboards: {%s%s}\n' "${grafana_namespace:+namespace: \"$grafana_namespace\", }" "$board"
  printf 'loki:\n  singleBinary: {persistence: {storageClass: "%s"}}\n  monitoring: {serviceMonitor: {labels: %s}}\n' "${storage_class:-gp3}" "$monitors"
  printf 'tempo:\n  persistence: {storageClassName: "%s"}\n  serviceMonitor: {additionalLabels: %s}\n' "${storage_class:-gp3}" "$monitors"
  [[ $mode != full ]] || printf '  tempo: {metricsGenerator: {storage: {remote_write: [{url: "%s/api/v1/write", send_exemplars: true}]}}}\n' \
    "${prometheus_url:-http://kube-prometheus-stack-prometheus.$namespace.svc:9090}"
  printf 'prometheusRule: {labels: %s}\n' "$rules"
  printf 'grafana:\n  namespace: %s\n  dashboards: {%s}\n  datasources: {%s%s}\n' "${grafana_namespace:-null}" "$board" \
    "${grafana_label:+label: \"$grafana_label\", }" "${grafana_label_value:+labelValue: \"$grafana_label_value\"}"
}

args=()
collect_arguments() {
  local pair file key
  args=()
  if [[ $mode == agent-only ]]; then
    args+=(--values "$here/values/agent-only.yaml")
  else
    found_values >"$work/found.yaml"
    args+=(--values "$here/values/$mode.yaml" --values "$work/found.yaml")
  fi
  for file in "${values[@]}"; do args+=(--values "$file"); done
  if [[ $mode != agent-only ]]; then
    # An option that was given counts more than any file.
    if [[ -n $storage_class ]]; then
      for key in loki.singleBinary.persistence.storageClass tempo.persistence.storageClassName storageClass.name; do
        args+=(--set-string "$key=$storage_class")
      done
    fi
    [[ -z $ingress ]] || args+=(--set "ingress.tempo.enabled=$ingress")
    if [[ $ingress == false ]]; then
      for key in httpRoute.tempo loki.ingress loki.gateway.ingress; do args+=(--set "$key.enabled=false"); done
    fi
  fi
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

# platform NAMESPACE RELEASE CHART [helm arguments] : our values, what the script adds, then the user's.
platform() {
  local pair more=()
  for pair in "${platform_values[@]}"; do [[ $pair != "$2="* ]] || more+=(--values "${pair#*=}"); done
  upgrade "$@" "${more[@]}" --labels "$OWNER_LABEL=$OWNER_VALUE"
}

# The objects of one kind in the rendered charts.
objects_of() {
  awk -v want="$1" 'function out() { if (kind == want) printf "---\n%s", text; kind = text = "" }
    /^---/ { out(); next } /^kind: / { kind = $2 } { text = text $0 "\n" } END { out() }' "$rendered"
}

# The stack makes a StorageClass (values/eks.yaml), and the volumes of Prometheus and Grafana, which
# come before the stack, wait for it. With Helm's marks on it the stack's release takes it over.
make_storage_class() {
  local class
  for class in $(rendered_values StorageClass name); do
    kc get storageclass "$class" >/dev/null 2>&1 && continue
    STEP="storage class $class"
    objects_of StorageClass | kc annotate --local -f - -o yaml \
      "meta.helm.sh/release-name=$release" "meta.helm.sh/release-namespace=$namespace" >"$work/class.yaml"
    kc apply --server-side --field-manager=helm -f "$work/class.yaml"
  done
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
    platform cert-manager cert-manager "$CERT_MANAGER_CHART" --version "$CERT_MANAGER_VERSION" \
      --values "$here/values/platform/cert-manager.yaml"
  fi
  if [[ $install_kps == yes ]]; then
    make_storage_class
    STEP="release kube-prometheus-stack"
    local class=() key
    if [[ -n $storage_class ]]; then
      for key in prometheus.prometheusSpec.storageSpec.volumeClaimTemplate.spec grafana.persistence; do
        class+=(--set-string "$key.storageClassName=$storage_class")
      done
    fi
    platform "$namespace" kube-prometheus-stack "$KPS_CHART" --version "$KPS_VERSION" \
      --values "$here/values/platform/kube-prometheus-stack.yaml" "${class[@]}"
  fi
  if [[ $install_operator == yes ]]; then
    STEP="release opentelemetry-operator"
    local certificate=()
    [[ $cert_manager == yes ]] || certificate=(--set admissionWebhooks.certManager.enabled=false)
    printf 'manager: {serviceMonitor: {extraLabels: %s}}\n' "$(labels "${monitor_labels[@]}")" >"$work/operator.yaml"
    platform "$namespace" opentelemetry-operator "$OPERATOR_CHART" --repo "$OPERATOR_REPO" --version "$OPERATOR_VERSION" \
      --values "$here/values/platform/opentelemetry-operator.yaml" --values "$work/operator.yaml" "${certificate[@]}"
  fi
  [[ $with_otel == no ]] || gate_operator
  STEP="release $release"
  upgrade "$namespace" "$release" "$(chart)" "${args[@]}"
  if [[ $with_otel == yes ]]; then
    STEP="release sluice-otel"
    printf 'collector: {monitorLabels: %s}\n' "$(labels "${monitor_labels[@]}")" >"$work/otel.yaml"
    upgrade "$namespace" sluice-otel "$here/otel" --values "$work/otel.yaml"
  fi
  if [[ -n $promtail_release ]]; then
    STEP="remove Promtail"
    kc rollout status "daemonset/$(daemonset_name)" --namespace "$namespace" --timeout "$timeout"
    hm uninstall "$promtail_release" --namespace "$promtail_namespace" --wait
  fi
}
