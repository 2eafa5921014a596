{{- define "otel.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: sluice-otel
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: sluice
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "otel.account" -}}otel-{{ .Values.collector.name }}{{- end }}

{{- define "otel.collectorHost" -}}
{{ .Values.collector.name }}-collector.{{ .Release.Namespace }}.svc.cluster.local
{{- end }}

{{- define "otel.config" -}}
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "0.0.0.0:4317"}
      http: {endpoint: "0.0.0.0:4318"}
  {{- if .Values.collector.jaeger }}
  jaeger:
    protocols:
      grpc: {endpoint: "0.0.0.0:14250"}
      thrift_http: {endpoint: "0.0.0.0:14268"}
  {{- end }}
processors:
  memory_limiter: {check_interval: 1s, limit_percentage: 80, spike_limit_percentage: 25}
  {{- if .Values.collector.k8sAttributes }}
  k8s_attributes:
    extract:
      metadata: [k8s.namespace.name, k8s.pod.name, k8s.pod.uid, k8s.node.name, k8s.deployment.name]
    pod_association:
      - sources: [{from: resource_attribute, name: k8s.pod.uid}]
      - sources: [{from: connection}]
  {{- end }}
  batch: {}
exporters:
  otlp_grpc/tempo:
    endpoint: {{ .Values.tempo.endpoint | default (printf "tempo.%s.svc.cluster.local:4317" .Release.Namespace) | quote }}
    tls: {insecure: {{ .Values.tempo.insecure }}}
service:
  pipelines:
    traces:
      receivers: [otlp{{ if .Values.collector.jaeger }}, jaeger{{ end }}]
      processors: [memory_limiter{{ if .Values.collector.k8sAttributes }}, k8s_attributes{{ end }}, batch]
      exporters: [otlp_grpc/tempo]
{{- end }}
