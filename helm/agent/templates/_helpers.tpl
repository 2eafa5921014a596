{{/* Name of the chart in labels. */}}
{{- define "sluice.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Full name: the release's, with the chart's name if that is not in it. 50
characters leave room for the suffixes that the chart and Kubernetes add. */}}
{{- define "sluice.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := include "sluice.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "sluice.namespace" -}}
{{- .Values.namespace | default .Release.Namespace }}
{{- end }}

{{- define "sluice.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sluice.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sluice.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "sluice.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: agent
app.kubernetes.io/part-of: sluice
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* Labels of an object, with those that the values add: (list . map). The values win, save over
what Services and monitors select by. Written one after the other a label could stand there twice. */}}
{{- define "sluice.labelsWith" -}}
{{- $root := index . 0 -}}
{{- toYaml (merge (include "sluice.selectorLabels" $root | fromYaml) (index . 1 | default dict | deepCopy) (include "sluice.labels" $root | fromYaml)) -}}
{{- end }}

{{/* An image's name: (dict "image" map "global" map "tag" default). */}}
{{- define "sluice.image" -}}
{{- $registry := .global.imageRegistry | default .image.registry -}}
{{- with $registry }}{{ . }}/{{ end -}}
{{- .image.repository -}}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .tag }}{{ end -}}
{{- end }}

{{- define "sluice.agentImage" -}}
{{- if hasSuffix "grafana/promtail" .Values.image.repository -}}
{{- fail "image.repository is Promtail's: leave the key image out of the values, or name Sluice's image" -}}
{{- end -}}
{{- include "sluice.image" (dict "image" .Values.image "global" (.Values.global | default dict) "tag" .Chart.AppVersion) -}}
{{- end }}

{{- define "sluice.pullSecrets" -}}
{{- $secrets := concat (((.Values.global).imagePullSecrets) | default list) (.Values.imagePullSecrets | default list) | uniq -}}
{{- with $secrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ if kindIs "map" . }}{{ .name }}{{ else }}{{ . }}{{ end }}
  {{- end }}
{{- end -}}
{{- end }}

{{- define "sluice.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "sluice.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "sluice.usesApi" -}}
{{- if eq .Values.metadata.source "api" }}true{{ end }}
{{- end }}

{{- /* Promtail's values often bring scrape configurations of their own, which discover pods
whatever metadata.source says: they need the token and the role as well. */ -}}
{{- define "sluice.needsApi" -}}
{{- $own := printf "%s %s %s %s" .Values.config.snippets.scrapeConfigs .Values.config.snippets.extraScrapeConfigs .Values.config.file .Values.config.raw -}}
{{- if or (include "sluice.usesApi" .) (contains "kubernetes_sd_configs" $own) }}true{{ end }}
{{- end }}

{{/* The namespaces whose pods the agent may read. None: all. */}}
{{- define "sluice.apiNamespaces" -}}
{{- $namespaces := .Values.rbac.namespaces | default list -}}
{{- if and .Values.rbac.namespaced (not $namespaces) }}{{ $namespaces = list (include "sluice.namespace" .) }}{{ end -}}
{{- toYaml $namespaces -}}
{{- end }}

{{- define "sluice.automountToken" -}}
{{- if kindIs "bool" .Values.automountServiceAccountToken }}{{ .Values.automountServiceAccountToken }}
{{- else if include "sluice.needsApi" . }}true
{{- else }}false
{{- end }}
{{- end }}

{{- define "sluice.reloadMode" -}}
{{- if .Values.sidecar.configReloader.enabled }}sidecar{{ else }}{{ .Values.reload.mode }}{{ end }}
{{- end }}

{{- define "sluice.runsAsRoot" -}}
{{- if eq ((.Values.podSecurityContext).runAsUser | default 0 | int) 0 }}true{{ end }}
{{- end }}

{{/* Is there work for the init container? */}}
{{- define "sluice.needsInit" -}}
{{- if and (not .Values.defaultVolumes) (or (and .Values.state.init.enabled (not (include "sluice.runsAsRoot" .))) .Values.promtailImport.enabled) }}true{{ end }}
{{- end }}

{{/* ---- configuration ------------------------------------------------ */}}

{{- define "sluice.client" -}}
{{- $l := .Values.loki -}}
{{- $c := dict "url" (tpl $l.url .) "batchwait" $l.batchwait "batchsize" (int64 $l.batchsize) "timeout" $l.timeout -}}
{{- with $l.tenantId }}{{ $_ := set $c "tenant_id" (tpl . $) }}{{ end -}}
{{- with $l.externalLabels }}{{ $_ := set $c "external_labels" . }}{{ end -}}
{{- with $l.headers }}{{ $_ := set $c "headers" . }}{{ end -}}
{{- with $l.backoff }}{{ $_ := set $c "backoff_config" . }}{{ end -}}
{{- if eq $l.auth.type "basic" -}}
{{- $_ := set $c "basic_auth" (dict "username_file" (printf "/etc/sluice/auth/%s" $l.auth.usernameKey) "password_file" (printf "/etc/sluice/auth/%s" $l.auth.passwordKey)) -}}
{{- else if eq $l.auth.type "bearer" -}}
{{- $_ := set $c "bearer_token_file" (printf "/etc/sluice/auth/%s" $l.auth.tokenKey) -}}
{{- end -}}
{{- $tls := dict -}}
{{- if $l.tls.existingSecret -}}
{{- with $l.tls.caKey }}{{ $_ := set $tls "ca_file" (printf "/etc/sluice/tls/%s" .) }}{{ end -}}
{{- with $l.tls.certKey }}{{ $_ := set $tls "cert_file" (printf "/etc/sluice/tls/%s" .) }}{{ end -}}
{{- with $l.tls.keyKey }}{{ $_ := set $tls "key_file" (printf "/etc/sluice/tls/%s" .) }}{{ end -}}
{{- end -}}
{{- with $l.tls.serverName }}{{ $_ := set $tls "server_name" . }}{{ end -}}
{{- if $l.tls.insecureSkipVerify }}{{ $_ := set $tls "insecure_skip_verify" true }}{{ end -}}
{{- with $tls }}{{ $_ := set $c "tls_config" . }}{{ end -}}
{{- toYaml (list $c) -}}
{{- end }}

{{/* Name of a port of `extraPorts`: (list key port). Promtail's values have keys like httpPush. */}}
{{- define "sluice.portName" -}}
{{- (index . 1).name | default (index . 0 | lower | trunc 15 | trimSuffix "-") -}}
{{- end }}

{{/* The stages of pod logs. */}}
{{- define "sluice.pipelineStages" -}}
{{- $stages := .Values.config.snippets.pipelineStages | default list -}}
{{- with .Values.config.multiline -}}
{{- if .firstline -}}
{{- $stages = append $stages (dict "multiline" (dict "firstline" .firstline "max_wait_time" .maxWaitTime "max_lines" (int .maxLines))) -}}
{{- end -}}
{{- end -}}
{{- if .Values.config.traceId -}}
{{- $trace := dict "regex" (dict "expression" `(?:^|[\s{,;"'])trace[_.]?[iI][dD]"?\s*[:=]\s*"?(?P<trace_id>[0-9a-fA-F]{32}|[0-9a-fA-F]{16})(?:[^0-9a-fA-F]|$)`) -}}
{{- $span := dict "regex" (dict "expression" `(?:^|[\s{,;"'])span[_.]?[iI][dD]"?\s*[:=]\s*"?(?P<span_id>[0-9a-fA-F]{16})(?:[^0-9a-fA-F]|$)`) -}}
{{- $keep := dict "structured_metadata" (dict "trace_id" "" "span_id" "") -}}
{{- $stages = append $stages (dict "match" (dict "selector" "{namespace=~\".+\"} |~ \"trace[_.]?[iI][dD]\"" "stages" (list $trace $span $keep))) -}}
{{- end -}}
{{- /* pod_logs sets no label filename in the first place. */ -}}
{{- if and (include "sluice.usesApi" .) (eq .Values.config.filename "structured_metadata") -}}
{{- $stages = append $stages (dict "structured_metadata" (dict "filename" "")) -}}
{{- end -}}
{{- if and (include "sluice.usesApi" .) (ne .Values.config.filename "label") -}}
{{- $stages = append $stages (dict "labeldrop" (list "filename")) -}}
{{- end -}}
{{- toYaml (concat $stages (.Values.config.snippets.extraPipelineStages | default list)) -}}
{{- end }}

{{- define "sluice.scrapeConfigs" -}}
{{- $s := .Values.config.snippets -}}
{{- $job := dict "job_name" "kubernetes-pods" "pipeline_stages" (include "sluice.pipelineStages" . | fromYamlArray) -}}
{{- $rules := list -}}
{{- if include "sluice.usesApi" . -}}
{{- $pods := dict "role" "pod" -}}
{{- with include "sluice.apiNamespaces" . | fromYamlArray }}{{ $_ := set $pods "namespaces" (dict "names" .) }}{{ end -}}
{{- if .Values.metadata.annotations }}{{ $_ := set $pods "annotations" true }}{{ end -}}
{{- $_ := set $job "kubernetes_sd_configs" (list $pods) -}}
{{- $first := "^;*([^;]+)(;.*)?$" -}}
{{- $rules = append $rules (dict "source_labels" (list "__meta_kubernetes_pod_controller_name") "regex" "([0-9a-z-.]+?)(-[0-9a-f]{8,10})?" "action" "replace" "target_label" "__tmp_controller_name") -}}
{{- $rules = append $rules (dict "source_labels" (list "__meta_kubernetes_pod_label_app_kubernetes_io_name" "__meta_kubernetes_pod_label_app" "__tmp_controller_name" "__meta_kubernetes_pod_name") "regex" $first "action" "replace" "target_label" "app") -}}
{{- $rules = append $rules (dict "source_labels" (list "__meta_kubernetes_pod_label_app_kubernetes_io_instance" "__meta_kubernetes_pod_label_instance") "regex" $first "action" "replace" "target_label" "instance") -}}
{{- $rules = append $rules (dict "source_labels" (list "__meta_kubernetes_pod_label_app_kubernetes_io_component" "__meta_kubernetes_pod_label_component") "regex" $first "action" "replace" "target_label" "component") -}}
{{- if $s.addScrapeJobLabel }}{{ $rules = append $rules (dict "replacement" "kubernetes-pods" "target_label" "scrape_job") }}{{ end -}}
{{- $rules = concat $rules ($s.common | default list) -}}
{{- else -}}
{{- $_ := set $job "pod_logs" (dict "root" .Values.logs.pods.hostPath) -}}
{{- if $s.addScrapeJobLabel }}{{ $rules = append $rules (dict "replacement" "kubernetes-pods" "target_label" "scrape_job") }}{{ end -}}
{{- end -}}
{{- $rules = concat $rules ($s.extraRelabelConfigs | default list) -}}
{{- with $rules }}{{ $_ := set $job "relabel_configs" . }}{{ end -}}
{{- toYaml (list $job) -}}
{{- end }}

{{/* The whole file, when config.raw or config.file does not give it. */}}
{{- define "sluice.generatedConfig" -}}
{{- $c := .Values.config -}}
{{- $server := dict "log_level" $c.logLevel "log_format" $c.logFormat "http_listen_address" $c.listenAddress "http_listen_port" (int $c.serverPort) -}}
{{- with .Values.httpPathPrefix }}{{ $_ := set $server "http_path_prefix" . }}{{ end -}}
{{- $server = mergeOverwrite $server (tpl $c.snippets.extraServerConfigs . | fromYaml) -}}
{{- $limits := mergeOverwrite (deepCopy ($c.limits | default dict)) (tpl $c.snippets.extraLimitsConfig . | fromYaml) -}}
{{- $clients := $c.clients -}}
{{- if $clients }}{{ $clients = tpl (toYaml $clients) . | fromYamlArray }}{{ else }}{{ $clients = include "sluice.client" . | fromYamlArray }}{{ end -}}
{{- $scrapes := tpl $c.snippets.scrapeConfigs . | fromYamlArray -}}
{{- with tpl $c.snippets.extraScrapeConfigs . | fromYamlArray }}{{ $scrapes = concat $scrapes . }}{{ end -}}
{{- /* The default file lies in the state directory, wherever that is mounted; on volumes for Promtail where Promtail's was. */ -}}
{{- $positions := $c.positions -}}
{{- if eq ($positions.filename | default "") "/var/lib/sluice/positions.yaml" -}}
{{- $place := .Values.state.mountPath -}}
{{- if .Values.defaultVolumes -}}
{{- $place = "/var/lib/sluice" -}}
{{- if and (include "sluice.ownMountHas" (list . "/run/promtail/x")) (not (include "sluice.ownMountHas" (list . "/var/lib/sluice/x"))) }}{{ $place = "/run/promtail" }}{{ end -}}
{{- end -}}
{{- $positions = merge (dict "filename" (printf "%s/positions.yaml" (trimSuffix "/" $place))) $positions -}}
{{- end -}}
{{- $file := dict "server" $server "clients" $clients "positions" $positions "scrape_configs" $scrapes -}}
{{- with $limits }}{{ $_ := set $file "limits_config" . }}{{ end -}}
{{- with $c.pipelines }}{{ $_ := set $file "pipelines" . }}{{ end -}}
{{- with $c.targetConfig }}{{ $_ := set $file "target_config" . }}{{ end -}}
{{- if $c.enableTracing }}{{ $_ := set $file "tracing" (dict "enabled" true) }}{{ end -}}
{{- range $key, $value := dict "server" $server "limits_config" $limits -}}
{{- with $value.Error }}{{ fail (printf "the text for %s is no YAML: %s" $key .) }}{{ end -}}
{{- end -}}
{{- toYaml $file -}}
{{- end }}

{{- define "sluice.config" -}}
{{- if or .Values.config.raw .Values.config.file }}{{ tpl (.Values.config.raw | default .Values.config.file) . }}{{ else }}{{ include "sluice.generatedConfig" . }}{{ end -}}
{{- end }}

{{- define "sluice.makesConfig" -}}
{{- if and .Values.config.enabled (not .Values.existingConfigMap) (not .Values.existingSecret) }}true{{ end }}
{{- end }}

{{/* ---- reading positions ---------------------------------------------- */}}

{{- define "sluice.positionsFile" -}}
{{- if include "sluice.makesConfig" . }}{{ ((include "sluice.config" . | fromYaml).positions).filename | default "" }}{{ end -}}
{{- end }}

{{/* Does a path lie below a mount that the values bring? (list . path) */}}
{{- define "sluice.ownMountHas" -}}
{{- $path := index . 1 -}}
{{- $mounts := concat ((index . 0).Values.extraVolumeMounts | default list) ((index . 0).Values.defaultVolumeMounts | default list) -}}
{{- range $mounts }}{{ if hasPrefix (printf "%s/" (trimSuffix "/" .mountPath)) $path }}true{{ end }}{{ end -}}
{{- end }}

{{/* Where the state directory is mounted: where the positions file is. Values for Promtail's chart
name it in /run/promtail; the root file system is read-only, and a position that cannot be saved
means that everything is read again. */}}
{{- define "sluice.stateMount" -}}
{{- $file := include "sluice.positionsFile" . -}}
{{- $mount := .Values.state.mountPath -}}
{{- if or (not (hasPrefix "/" $file)) (contains "$" $file) (hasPrefix (printf "%s/" (trimSuffix "/" $mount)) $file) (include "sluice.ownMountHas" (list . $file)) -}}
{{- $mount -}}
{{- else if eq (dir $file) "/" -}}
{{- fail (printf "config.positions.filename is %s, and nothing can be mounted in its place: name a file below %s" $file $mount) -}}
{{- else -}}
{{- dir $file -}}
{{- end -}}
{{- end }}

{{/* ---- network ------------------------------------------------------- */}}

{{/* Ports that the agent pushes to, from the addresses of its clients. A policy is held against the
port of the pod behind a Service: Loki's gateway has 80 in front and 8080 behind. */}}
{{- define "sluice.lokiPorts" -}}
{{- $ports := list -}}
{{- $urls := list -}}
{{- if .Values.config.clients }}{{ range .Values.config.clients }}{{ $urls = append $urls (tpl (toString .url) $) }}{{ end }}{{ else }}{{ $urls = append $urls (tpl .Values.loki.url .) }}{{ end -}}
{{- range $urls -}}
{{- $u := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $u.host | trimPrefix ":" -}}
{{- $port = int ($port | default (ternary 443 80 (eq $u.scheme "https"))) -}}
{{- $ports = append $ports $port -}}
{{- $host := regexReplaceAll ":[0-9]+$" $u.host "" -}}
{{- if and (eq $port 80) (regexMatch "^[a-z0-9-]+([.][a-z0-9-]+)?$|[.]svc([.]|$)" $host) }}{{ $ports = append $ports 8080 }}{{ end -}}
{{- end -}}
{{- toYaml ($ports | uniq) -}}
{{- end }}
