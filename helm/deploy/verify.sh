# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
# What deploy.sh looks at afterwards: pods, Loki and Tempo, and a line that a pod wrote.
# Sourced by deploy.sh, whose variables these functions read and set; never run.

# rendered_field CHART KIND PATTERN : the first value of a line with this pattern in an object of a
# chart. Other charts have objects of the same kind (Loki's canary is a DaemonSet), and put quotes
# around names. Helm writes the template's path before each object.
rendered_field() {
  awk -v chart="$1" -v want="$2" -v pattern="$3" '
    /^# Source: / { ours = $3 ~ "(^|/)" chart "/templates/"; kind = "" }
    /^---/ { kind = "" }
    /^kind: / { kind = $2 }
    ours && kind == want && $0 ~ pattern { gsub(/["\047]/, "", $2); print $2; exit }' "$rendered"
}

# From the rendered chart: the name and the image of the agent.
daemonset_name() { rendered_field sluice DaemonSet '^  name: '; }
agent_image() { rendered_field sluice DaemonSet '^ +image: '; }
# is_installed loki|tempo : is its StatefulSet part of this release, under that name?
is_installed() { [[ $(rendered_field "$1" StatefulSet '^  name: ') == "$1" ]]; }

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

# Where Loki cannot be asked, the agents can: what they count as sent, Loki has taken. Their own
# first lines are enough.
metrics_are_read=no
an_agent_has_delivered() {
  local pod
  for pod in $(kc get pods --namespace "$namespace" -l "app.kubernetes.io/instance=$release,app.kubernetes.io/component=agent" \
    -o 'jsonpath={range .items[*]}{.metadata.name}{" "}{end}' 2>/dev/null); do
    kc get --raw "/api/v1/namespaces/$namespace/pods/$pod:$1/proxy$2/metrics" >"$work/answer" 2>/dev/null || continue
    metrics_are_read=yes
    ! grep -qE '^promtail_sent_entries_total(\{[^}]*\})? [1-9]' "$work/answer" || return 0
  done
  return 1
}

verify_delivery() {
  local port prefix
  STEP="delivery"
  port=$(rendered_field sluice DaemonSet '^ +containerPort: ')
  prefix=$(rendered_field sluice DaemonSet '^ +path: .*/ready.?$')
  if wait_until "${SLUICE_MARKER_SECONDS:-60}" an_agent_has_delivered "$port" "${prefix%/ready}"; then
    ok "an agent has delivered lines, and Loki has taken them"
  elif [[ $metrics_are_read == no ]]; then
    warn "The agents' metrics cannot be read through the API server, so it was not seen whether lines arrive. Look for {namespace=\"$namespace\"} in your Loki."
  else
    complain "No agent has delivered a line within ${SLUICE_MARKER_SECONDS:-60} s. Is the address of Loki right? See docs/TROUBLESHOOTING.md, \"No logs arrive\", and: kubectl --namespace $namespace logs daemonset/$(daemonset_name)"
    return 1
  fi
}

verify() {
  head_line "Verify"
  STEP_EXIT=$EXIT_VERIFY
  local agent
  agent=$(daemonset_name)
  if [[ -n $agent ]]; then
    STEP="daemonset $agent"
    kc rollout status "daemonset/$agent" --namespace "$namespace" --timeout "$timeout"
    ok "every node has a ready agent"
  else
    warn "The values switch the agent off, so no logs are read."
  fi
  if [[ $mode == agent-only ]]; then
    [[ -z $agent ]] || verify_delivery
    return 0
  fi
  local app
  for app in loki tempo; do
    is_installed "$app" || continue
    STEP="statefulset $app"
    kc rollout status "statefulset/$app" --namespace "$namespace" --timeout "$timeout"
  done
  STEP="Loki's /ready"
  if is_installed loki; then
    wait_until "${SLUICE_READY_SECONDS:-120}" answers loki:3100 /ready || { complain "Loki does not say that it is ready."; return 1; }
    ok "Loki is ready"
  fi
  STEP="Tempo's /ready"
  if is_installed tempo; then
    wait_until "${SLUICE_READY_SECONDS:-120}" answers tempo:3200 /ready || { complain "Tempo does not say that it is ready."; return 1; }
    ok "Tempo is ready"
  fi
  if [[ -z $agent ]]; then
    :
  elif is_installed loki; then
    verify_marker
  else
    say "  note: no StatefulSet named loki is installed, so Loki cannot be asked for a line."
    verify_delivery
  fi
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
