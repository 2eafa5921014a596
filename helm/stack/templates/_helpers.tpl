{{- define "stack.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: sluice-stack
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: sluice
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* With those that the values add, each label once: (list . map). */}}
{{- define "stack.labelsWith" -}}
{{- toYaml (merge (index . 1 | default dict | deepCopy) (include "stack.labels" (index . 0) | fromYaml)) -}}
{{- end }}

{{/* Who may query and scrape. Grafana's own namespace always may: the data sources lead here. */}}
{{- define "stack.clients" -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ include "stack.grafanaNamespace" . }}
{{- range .Values.networkPolicy.clientNamespaces }}
- namespaceSelector:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}

{{/* Who may come in by an Ingress, besides those in networkPolicy.clientNamespaces. */}}
{{- define "stack.ingressSources" -}}
{{- range .Values.networkPolicy.ingressSources }}
- {{ toYaml . | nindent 2 | trim }}
{{- end }}
{{- end }}

{{/* A policy that keeps the load balancer out would leave an Ingress that answers nobody. */}}
{{- define "stack.checkIngressSources" -}}
{{- $open := list -}}
{{- if and .Values.tempo.enabled .Values.ingress.tempo.enabled }}{{ $open = append $open "ingress.tempo" }}{{ end -}}
{{- if and .Values.tempo.enabled .Values.httpRoute.tempo.enabled }}{{ $open = append $open "httpRoute.tempo" }}{{ end -}}
{{- if and .Values.loki.enabled ((.Values.loki.ingress).enabled) }}{{ $open = append $open "loki.ingress" }}{{ end -}}
{{- if and .Values.networkPolicy.enabled $open (not .Values.networkPolicy.ingressSources) -}}
{{- fail (printf "networkPolicy.enabled keeps everybody away from %s: say in networkPolicy.ingressSources where its requests come from, the load balancer's subnets (an ALB with target type ip) or the ingress controller's namespace" (join " and " $open)) -}}
{{- end -}}
{{- end }}

{{- define "stack.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "stack.grafanaNamespace" -}}
{{- .Values.grafana.namespace | default .Release.Namespace }}
{{- end }}

{{- define "stack.lokiName" -}}{{ .Values.loki.fullnameOverride | default "loki" }}{{- end }}
{{- define "stack.tempoName" -}}{{ .Values.tempo.fullnameOverride | default "tempo" }}{{- end }}

{{- define "stack.lokiUrl" -}}
{{- .Values.grafana.datasources.loki.url | default (printf "http://%s.%s.svc.cluster.local:3100" (include "stack.lokiName" .) .Release.Namespace) }}
{{- end }}

{{- define "stack.tempoUrl" -}}
{{- .Values.grafana.datasources.tempo.url | default (printf "http://%s.%s.svc.cluster.local:3200" (include "stack.tempoName" .) .Release.Namespace) }}
{{- end }}
