{{- define "stack.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: sluice-stack
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: sluice
app.kubernetes.io/managed-by: {{ .Release.Service }}
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
