#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the Grafana dashboards. Run it after a change; a test compares.

    helm/dashboards.py [--check]
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

LOKI = {"type": "loki", "uid": "${loki_ds}"}
PROM = {"type": "prometheus", "uid": "${prom_ds}"}
TEMPO = {"type": "tempo", "uid": "${tempo_ds}"}

SIBLINGS = [
    ("sluice-stack-loki-logs", "Loki Logs Dashboard"),
    ("sluice-stack-log-analysis", "Log Analysis Dashboard"),
    ("sluice-stack-tempo", "Tempo Tracing Dashboard"),
    ("sluice-stack-tracing-overview", "Distributed Tracing Overview"),
    ("sluice-stack-agent", "Sluice Agent"),
]

SEL = '{namespace=~"$namespace", pod=~"$pod", container=~"$container"}'
LINES = SEL + ' | detected_level=~"$level" |~ "(?i)$search"'


def datasource(name, label, kind):
    return {"name": name, "label": label, "type": "datasource", "query": kind, "current": {},
            "hide": 0, "includeAll": False, "multi": False, "options": [], "refresh": 1,
            "regex": "", "skipUrlSync": False}


LOKI_DS = datasource("loki_ds", "Loki", "loki")
PROM_DS = datasource("prom_ds", "Prometheus", "prometheus")
TEMPO_DS = datasource("tempo_ds", "Tempo", "tempo")


def query_variable(name, source, query, label=None):
    return {"name": name, "label": label or name, "type": "query", "datasource": source,
            "query": query, "definition": query if isinstance(query, str) else "", "current": {},
            "hide": 0, "includeAll": True, "allValue": ".+", "multi": True, "options": [],
            "refresh": 2, "regex": "", "skipUrlSync": False, "sort": 1}


def loki_label(name, stream=""):
    return query_variable(name, LOKI, {"label": name, "refId": "v", "stream": stream, "type": 1})


def text_variable(name, label, value=""):
    return {"name": name, "label": label, "type": "textbox", "query": value,
            "current": {"text": value, "value": value}, "hide": 0, "options": [],
            "skipUrlSync": False}


def custom_variable(name, label, values):
    return {"name": name, "label": label, "type": "custom", "query": ",".join(values),
            "current": {"text": ["All"], "value": ["$__all"]}, "hide": 0, "includeAll": True,
            "allValue": ".*", "multi": True, "options": [], "skipUrlSync": False}


LEVELS = ["error", "warn", "info", "debug", "trace", "critical", "fatal", "unknown"]
POD_VARIABLES = [loki_label("namespace"), loki_label("pod", '{namespace=~"$namespace"}'),
                 loki_label("container", '{namespace=~"$namespace", pod=~"$pod"}')]


def target(ref, source, expr, legend="", **more):
    out = {"refId": ref, "datasource": source}
    if source is TEMPO:
        out.update({"query": expr, "queryType": "traceql", "limit": 20, "tableType": "traces"})
    else:
        out.update({"expr": expr, "legendFormat": legend, "queryType": "range",
                    "editorMode": "code"})
    out.update(more)
    return out


def panel(title, kind, targets, width=12, height=8, unit="short", description="", **more):
    """targets: (source, expression, legend) or a ready target, one or several."""
    ready = []
    for index, one in enumerate(targets):
        if isinstance(one, dict):
            one["refId"] = "ABCDEFGH"[index]
            ready.append(one)
        else:
            ready.append(target("ABCDEFGH"[index], one[0], one[1], one[2] if len(one) > 2 else ""))
    if kind in ("stat", "table", "gauge"):
        for one in ready:
            if one["datasource"] is not TEMPO:
                one.update({"queryType": "instant", "instant": True, "range": False})
    sources = {json.dumps(one["datasource"]) for one in ready}
    out = {"title": title, "type": kind, "targets": ready, "description": description,
           "datasource": ready[0]["datasource"] if len(sources) == 1 else {"type": "mixed", "uid": "-- Mixed --"},
           "fieldConfig": {"defaults": {"unit": unit, "custom": {}}, "overrides": []},
           "options": {}, "_size": (width, height)}
    if kind == "timeseries":
        out["fieldConfig"]["defaults"]["custom"] = {"fillOpacity": 10, "showPoints": "never"}
        out["options"] = {"legend": {"displayMode": "list", "placement": "bottom"},
                          "tooltip": {"mode": "multi", "sort": "desc"}}
    if kind == "stat":
        out["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}
    if kind == "logs":
        out["options"] = {"showTime": True, "wrapLogMessage": True, "enableLogDetails": True,
                          "sortOrder": "Descending", "dedupStrategy": "none"}
    out.update(more)
    return out


def bars(one):
    one["fieldConfig"]["defaults"]["custom"] = {"drawStyle": "bars", "fillOpacity": 80,
                                                "stacking": {"mode": "normal"}}
    return one


def zero_is_good(one):
    one["fieldConfig"]["defaults"]["thresholds"] = {
        "mode": "absolute", "steps": [{"color": "green", "value": None}, {"color": "red", "value": 0.0000001}]}
    return one


def row(title, collapsed=False):
    return {"title": title, "type": "row", "collapsed": collapsed, "panels": [], "_size": (24, 1)}


def text(content, height=3):
    return {"title": "", "type": "text", "options": {"mode": "markdown", "content": content},
            "_size": (24, height)}


def dashboard(uid, title, variables, panels, tags=(), links=None):
    x = y = tallest = 0
    placed = []
    for index, one in enumerate(panels, 1):
        width, height = one.pop("_size")
        if x + width > 24:
            x, y, tallest = 0, y + tallest, 0
        one["gridPos"] = {"x": x, "y": y, "w": width, "h": height}
        one["id"] = index
        x, tallest = x + width, max(tallest, height)
        placed.append(one)
    return {
        "uid": uid, "title": title, "tags": ["sluice", *tags], "schemaVersion": 39, "version": 1,
        "editable": True, "graphTooltip": 1, "refresh": "", "timezone": "",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"title": name, "type": "link", "url": "/d/" + other, "icon": "dashboard",
                   "keepTime": True, "includeVars": False, "targetBlank": False, "asDropdown": False,
                   "tags": [], "tooltip": ""} for other, name in SIBLINGS if other != uid],
        "annotations": {"list": []}, "templating": {"list": variables}, "panels": placed,
    }


def loki_logs():
    total = f"sum(count_over_time({SEL}[$__range]))"
    return dashboard("sluice-stack-loki-logs", "Loki Logs Dashboard", [
        LOKI_DS, *POD_VARIABLES, custom_variable("level", "Level", LEVELS), text_variable("search", "Search"),
    ], [
        bars(panel("Lines by level", "timeseries", [
            (LOKI, f"sum by (detected_level) (count_over_time({LINES} [$__auto]))", "{{detected_level}}")], 24, 7)),
        panel("Lines", "stat", [(LOKI, total)], 6, 4),
        panel("Bytes", "stat", [(LOKI, f"sum(bytes_over_time({SEL}[$__range]))")], 6, 4, "bytes"),
        panel("Errors", "stat", [(LOKI,  # without any, the first half has no series at all
              f'(sum(count_over_time({SEL} | detected_level=~"error|critical|fatal" [$__range])) or vector(0)) / {total}')],
              6, 4, "percentunit"),
        panel("stdout and stderr", "timeseries", [
            (LOKI, "sum by (stream) (rate({namespace=~\"$namespace\"}[$__auto]))", "{{stream}}")], 6, 4, "ops"),
        panel("Logs", "logs", [(LOKI, LINES)], 24, 18),
        panel("Noisiest pods", "table", [
            (LOKI, 'topk(10, sum by (namespace, pod) (count_over_time({namespace=~"$namespace"}[$__range])))')],
            24, 8, fieldConfig={"defaults": {"unit": "short", "custom": {}}, "overrides": [
                {"matcher": {"id": "byName", "options": "pod"}, "properties": [{"id": "links", "value": [
                    {"title": "Logs of this pod",
                     "url": "/d/sluice-stack-loki-logs?var-pod=${__value.raw}&${__url_time_range}"}]}]}]}),
    ], ["logs"])


def log_analysis():
    ns = '{namespace=~"$namespace"}'
    volume = 'persistentvolumeclaim=~"storage-loki-.*"'
    return dashboard("sluice-stack-log-analysis", "Log Analysis Dashboard", [
        LOKI_DS, PROM_DS, *POD_VARIABLES, loki_label("service_name", '{namespace=~"$namespace"}'),
    ], [
        row("Trends"),
        panel("Errors now against yesterday", "timeseries", [
            (LOKI, f'sum by (service_name) (rate({ns} | detected_level="error" [$__auto])) / '
                   f'sum by (service_name) (rate({ns} | detected_level="error" [$__auto] offset 1d))',
             "{{service_name}}")], description="1 is as many as yesterday."),
        panel("Most frequent errors (logfmt)", "table", [
            (LOKI, f'topk(20, sum by (service_name, msg) (count_over_time({ns} | detected_level="error" '
                   '| logfmt msg | __error__="" | msg!="" [$__range])))')]),
        panel("Answers 4xx and 5xx (JSON access logs)", "timeseries", [
            (LOKI, 'sum by (status) (rate({namespace=~"$namespace", service_name=~"$service_name"} '
                   '| json status="status" | __error__="" | status=~"[45].." [$__auto]))', "{{status}}")], unit="ops"),
        panel("Latency from logs, p95 (logfmt duration)", "timeseries", [
            (LOKI, 'quantile_over_time(0.95, {namespace=~"$namespace", service_name=~"$service_name"} | logfmt duration '
                   '| unwrap duration_seconds(duration) | __error__="" [$__auto]) by (service_name)',
             "{{service_name}}")], unit="s"),
        panel("Lines that are no JSON", "timeseries", [
            (LOKI, 'sum by (__error__) (count_over_time({namespace=~"$namespace", service_name=~"$service_name"} '
                   '| json | __error__!="" [$__auto]))', "{{__error__}}")]),
        panel("Silent for 15 minutes", "timeseries", [
            (LOKI, 'absent_over_time({namespace=~"$namespace"}[15m])', "{{namespace}}")],
            description="1 while the chosen namespace has sent nothing for 15 minutes. Choose one namespace."),
        row("Cost"),
        panel("Bytes per namespace", "timeseries", [
            (LOKI, 'sum by (namespace) (bytes_rate({namespace=~".+"}[$__auto]))', "{{namespace}}")], unit="Bps"),
        panel("Streams per namespace", "table", [
            (LOKI, 'count by (namespace) (sum by (namespace, pod, container) '
                   f'(count_over_time({ns}[$__range])))')]),
        row("Loki"),
        panel("Ingested", "timeseries", [
            (PROM, "sum(rate(loki_distributor_bytes_received_total[$__rate_interval]))", "bytes")], 8, unit="Bps"),
        panel("Streams in memory", "timeseries", [(PROM, "sum(loki_ingester_memory_streams)", "streams")], 8),
        zero_is_good(panel("Refused lines by reason", "timeseries", [
            (PROM, "sum by (reason) (rate(loki_discarded_samples_total[$__rate_interval]))", "{{reason}}")], 8, unit="ops")),
        panel("Compression (gzip)", "timeseries", [
            (PROM, "sum(rate(loki_ingester_chunk_compression_ratio_sum[$__rate_interval])) / "
                   "sum(rate(loki_ingester_chunk_compression_ratio_count[$__rate_interval]))", "ratio")], 8),
        panel("Since the last deletion of old logs", "stat", [
            (PROM, "time() - max(loki_compactor_apply_retention_last_successful_run_timestamp_seconds > 0)")], 4, unit="s"),
        panel("Chunks waiting for deletion", "stat", [
            (PROM, "sum(loki_boltdb_shipper_retention_sweeper_marker_files_current)")], 4),
        panel("Marked for deletion", "timeseries", [
            (PROM, "sum(rate(loki_boltdb_shipper_retention_marker_count_total[$__rate_interval]))", "chunks")], 8, unit="ops"),
        panel("Push and query, p99", "timeseries", [
            (PROM, 'histogram_quantile(0.99, sum by (le, route) (rate(loki_request_duration_seconds_bucket'
                   '{route=~"loki_api_v1_push|loki_api_v1_query_range"}[$__rate_interval])))', "{{route}}")], unit="s"),
        panel("Volume", "timeseries", [
            (PROM, f"100 * kubelet_volume_stats_used_bytes{{{volume}}} / kubelet_volume_stats_capacity_bytes{{{volume}}}",
             "{{persistentvolumeclaim}}"),
            (PROM, "loki_ingester_wal_disk_usage_percent", "write-ahead log"),
            (PROM, "increase(loki_ingester_wal_disk_full_failures_total[1h])", "full disk, times in 1 h")], unit="percent"),
        row("The chosen pod"),
        panel("CPU", "timeseries", [
            (PROM, 'sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{pod=~"$pod", container!=""}[$__rate_interval]))',
             "{{namespace}}/{{pod}}")]),
        panel("Memory", "timeseries", [
            (PROM, 'sum by (namespace, pod) (container_memory_working_set_bytes{pod=~"$pod", container!=""})',
             "{{namespace}}/{{pod}}")], unit="bytes"),
    ], ["logs"])


def tempo():
    volume = 'persistentvolumeclaim=~"storage-tempo-.*"'
    two = "Tempo 2 only: Tempo 3 has no ingester."
    return dashboard("sluice-stack-tempo", "Tempo Tracing Dashboard", [
        TEMPO_DS, PROM_DS, LOKI_DS, text_variable("service", "Service (regular expression)", ".*"),
        text_variable("min_duration", "Slower than", "500ms"), text_variable("trace_id", "Trace"),
    ], [
        row("Received"),
        panel("Spans", "timeseries", [
            (PROM, "sum(rate(tempo_distributor_spans_received_total[$__rate_interval]))", "spans")], 8, unit="ops"),
        panel("Bytes", "timeseries", [
            (PROM, "sum(rate(tempo_distributor_bytes_received_total[$__rate_interval]))", "bytes")], 8, unit="Bps"),
        panel("By receiver", "timeseries", [
            (PROM, "sum by (receiver, transport) (rate(tempo_receiver_accepted_spans[$__rate_interval]))", "{{receiver}} {{transport}}"),
            (PROM, "sum by (receiver, transport) (rate(tempo_receiver_refused_spans[$__rate_interval]))", "refused {{receiver}} {{transport}}")],
            8, unit="ops"),
        zero_is_good(panel("Discarded by reason", "timeseries", [
            (PROM, "sum by (reason) (rate(tempo_discarded_spans_total[$__rate_interval]))", "{{reason}}")], 8, unit="ops")),
        panel("Live traces", "timeseries", [(PROM, "sum(tempo_ingester_live_traces) or vector(0)", "traces")], 8, description=two),
        zero_is_good(panel("Failed flushes in 1 h", "stat", [
            (PROM, "sum(increase(tempo_ingester_failed_flushes_total[1h])) or vector(0)")], 8, description=two)),
        row("Stored"),
        panel("Blocks", "timeseries", [
            (PROM, "sum(tempodb_blocklist_length)", "blocks"),
            (PROM, "sum(increase(tempodb_compaction_errors_total[1h]))", "failed compactions in 1 h")], 8),
        panel("Requests, p99", "timeseries", [
            (PROM, "histogram_quantile(0.99, sum by (le, route) (rate(tempo_request_duration_seconds_bucket[$__rate_interval])))",
             "{{route}}")], 8, unit="s"),
        panel("Volume", "timeseries", [
            (PROM, f"100 * kubelet_volume_stats_used_bytes{{{volume}}} / kubelet_volume_stats_capacity_bytes{{{volume}}}",
             "{{persistentvolumeclaim}}")], 8, unit="percent"),
        row("Traces"),
        panel("Slow traces", "table", [
            (TEMPO, '{ resource.service.name =~ "$service" && duration > $min_duration }')], 12, 10),
        panel("Failed traces", "table", [
            (TEMPO, '{ status = error && resource.service.name =~ "$service" }')], 12, 10),
        panel("Logs of the trace", "logs", [
            (LOKI, '{namespace=~".+"} | trace_id="$trace_id"')], 24, 10,
            description="Paste a trace id above. Only sampled traces are in Tempo; the logs of the others are here all the same."),
    ], ["traces"])


def tracing_overview():
    kinds = 'span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"'
    calls = f'traces_spanmetrics_calls_total{{service=~"$service",{kinds}}}'
    failed = f'traces_spanmetrics_calls_total{{service=~"$service",{kinds},status_code="STATUS_CODE_ERROR"}}'

    def quantile(q):
        return (PROM, f'histogram_quantile({q}, sum by (le, service) (rate(traces_spanmetrics_latency_bucket'
                      f'{{service=~"$service"}}[$__rate_interval])))', f"p{int(q * 100)} {{{{service}}}}")

    latency = panel("Latency", "timeseries", [quantile(0.5), quantile(0.95), quantile(0.99)], 12, unit="s")
    for one in latency["targets"]:
        one["exemplar"] = True
    return dashboard("sluice-stack-tracing-overview", "Distributed Tracing Overview", [
        TEMPO_DS, PROM_DS, LOKI_DS,
        query_variable("service", PROM, "label_values(traces_spanmetrics_calls_total, service)"),
    ], [
        text("Span metrics need Tempo's metrics generator and a Prometheus that takes remote writes (mode **full**). "
             "All rates are of **sampled** spans: with the shipped sampler that is 1 % of the traffic."),
        panel("Service graph", "nodeGraph", [
            {"datasource": TEMPO, "query": "", "queryType": "serviceMap", "limit": 20}], 24, 12),
        panel("Requests", "timeseries", [
            (PROM, f"sum by (service) (rate({calls}[$__rate_interval]))", "{{service}}")], 12, unit="ops"),
        panel("Failed", "timeseries", [
            (PROM, f"(sum by (service) (rate({failed}[$__rate_interval])) or 0 * sum by (service) (rate({calls}[$__rate_interval])))"
                   f" / sum by (service) (rate({calls}[$__rate_interval]))",
             "{{service}}")], 12, unit="percentunit"),
        latency,
        panel("Errors in the logs of the service", "timeseries", [
            (LOKI, 'sum by (service_name) (rate({service_name=~"$service"} | detected_level="error" [$__auto]))',
             "{{service_name}}")], 12, unit="ops"),
        row("Between services"),
        panel("Busiest", "table", [
            (PROM, "topk(10, sum by (client, server) (rate(traces_service_graph_request_total[$__rate_interval])))")], 12),
        panel("Failing", "table", [
            (PROM, "topk(10, sum by (client, server) (rate(traces_service_graph_request_failed_total[$__rate_interval])))")], 12),
        panel("Latency, p95", "timeseries", [
            (PROM, "histogram_quantile(0.95, sum by (le, client, server) "
                   "(rate(traces_service_graph_request_server_seconds_bucket[$__rate_interval])))",
             "{{client}} to {{server}}")], 12, unit="s"),
        panel("Spans without a partner", "timeseries", [
            (PROM, "sum(rate(traces_service_graph_unpaired_spans_total[$__rate_interval]))", "spans")], 12, unit="ops",
            description="Many of them: a service in between is not instrumented."),
        row("Without span metrics (TraceQL metrics: Tempo 3, or Tempo 2 with local-blocks)"),
        panel("Traces", "timeseries", [(TEMPO, "{} | rate() by (resource.service.name)")], 8, unit="ops"),
        panel("Failed", "timeseries", [(TEMPO, "{ status = error } | rate() by (resource.service.name)")], 8, unit="ops"),
        panel("Latency, p95", "timeseries", [(TEMPO, "{ kind = server } | quantile_over_time(duration, 0.95)")], 8, unit="s"),
    ], ["traces"])


def agent():
    sel = 'namespace=~"$agent_namespace",pod=~"$agent"'
    push = f"promtail_request_duration_seconds_count{{{sel}"
    # Series of what went wrong are not there before it does: 0 as long as there are agents.
    none = f"0 * count(promtail_build_info{{{sel}}})"
    lost = f"sluice_lost_lines_total{{{sel}}}"
    return dashboard("sluice-stack-agent", "Sluice Agent", [
        PROM_DS,
        query_variable("agent_namespace", PROM, "label_values(promtail_build_info, namespace)", "Namespace"),
        query_variable("agent", PROM, 'label_values(promtail_build_info{namespace=~"$agent_namespace"}, pod)', "Agent"),
    ], [
        zero_is_good(panel("Nodes without a ready agent", "stat", [
            (PROM, 'sum(kube_daemonset_status_desired_number_scheduled{daemonset=~".*sluice.*"} - '
                   'kube_daemonset_status_number_ready{daemonset=~".*sluice.*"})')], 6, 4)),
        zero_is_good(panel("Lines lost in 1 h", "stat", [
            # A series that begins with a loss has no increase.
            (PROM, f"sum((increase({lost}[1h]) and {lost} offset 1h) or ({lost} unless {lost} offset 1h)) or {none}")], 6, 4)),
        panel("Failed pushes", "stat", [
            (PROM, f'100 * (sum(rate({push},status_code!~"2.."}}[$__rate_interval])) or {none}) / (sum(rate({push}}}[$__rate_interval])) > 0)')],
            6, 4, "percent"),
        panel("Unread", "stat", [
            (PROM, f"sum(promtail_file_bytes_total{{{sel}}} - promtail_read_bytes_total{{{sel}}})")], 6, 4, "bytes"),
        row("Flow"),
        panel("Read", "timeseries", [
            (PROM, f"sum by (node, pod) (rate(promtail_read_bytes_total{{{sel}}}[$__rate_interval]) > 0)", "{{node}} {{pod}}")],
            8, unit="Bps"),
        panel("Sent, compressed", "timeseries", [
            (PROM, f"sum by (node, pod) (rate(promtail_sent_bytes_total{{{sel}}}[$__rate_interval]))", "{{node}} {{pod}}")],
            8, unit="Bps"),
        panel("Lines sent", "timeseries", [
            (PROM, f"sum by (node, pod) (rate(promtail_sent_entries_total{{{sel}}}[$__rate_interval]))", "{{node}} {{pod}}")],
            8, unit="ops"),
        zero_is_good(panel("Dropped by reason", "timeseries", [
            (PROM, f"sum by (reason) (rate(promtail_dropped_entries_total{{{sel}}}[$__rate_interval]))", "{{reason}}")],
            8, unit="ops")),
        panel("Backlog, 20 largest", "timeseries", [
            (PROM, f"topk(20, promtail_file_bytes_total{{{sel}}} - promtail_read_bytes_total{{{sel}}})", "{{pod}} {{path}}")],
            16, unit="bytes"),
        zero_is_good(panel("Lost by reason", "timeseries", [
            (PROM, f"sum by (reason) (increase(sluice_lost_lines_total{{{sel}}}[$__rate_interval]))", "{{reason}}"),
            (PROM, f"sum(increase(sluice_unread_bytes_lost_total{{{sel}}}[$__rate_interval]))", "bytes of files that went away unread")], 8)),
        panel("From the first line of a batch to stored", "timeseries", [
            (PROM, f"histogram_quantile({q}, sum by (le) (rate(sluice_delivery_seconds_bucket{{{sel}}}[$__rate_interval])))", f"p{int(q * 100)}")
            for q in (0.5, 0.99)], 8, unit="s"),
        panel("Rotations and truncations", "timeseries", [
            (PROM, f"sum(rate(sluice_file_rotations_total{{{sel}}}[$__rate_interval]))", "rotations"),
            (PROM, f"sum(rate(sluice_file_truncations_total{{{sel}}}[$__rate_interval]))", "truncations")], 8, unit="ops"),
        row("Streams and stages"),
        panel("Active streams", "timeseries", [
            (PROM, f"sum by (pod) (sluice_streams_active{{{sel}}})", "{{pod}}")], 6),
        panel("Values per label", "timeseries", [
            (PROM, f"max by (label) (sluice_label_distinct_values{{{sel}}})", "{{label}}")], 6),
        zero_is_good(panel("Labels with too many values", "timeseries", [
            (PROM, f"max by (label) (sluice_label_demoted{{{sel}}})", "{{label}}")], 6,
            description="1: the label is kept out of the streams, and its values are structured metadata.")),
        panel("Lines that a stage could not work on", "timeseries", [
            (PROM, f"sum by (stage) (rate(sluice_stage_failures_total{{{sel}}}[$__rate_interval]))", "{{stage}}")], 6, unit="ops",
            description="They went on as they were: a json stage met a line that is no JSON, a timestamp could not be read."),
        row("Push"),
        panel("Waiting for Loki", "timeseries", [
            (PROM, f"sum by (pod) (sluice_push_waiting_bytes{{{sel}}})", "{{pod}}")], 12, unit="bytes"),
        panel("Since the last push that Loki took", "timeseries", [
            (PROM, f"max by (pod) (time() - sluice_push_last_accepted_timestamp_seconds{{{sel}}})", "{{pod}}")], 12, unit="s"),
        panel("Pushes by answer", "timeseries", [
            (PROM, f"sum by (status_code) (rate({push}}}[$__rate_interval]))", "{{status_code}}")], 8, unit="ops",
            description="-1: no answer came."),
        panel("Retries", "timeseries", [
            (PROM, f"sum by (pod) (rate(promtail_batch_retries_total{{{sel}}}[$__rate_interval]))", "{{pod}}")], 8, unit="ops"),
        panel("Push, p99", "timeseries", [
            (PROM, f"histogram_quantile(0.99, sum by (le, pod) (rate(promtail_request_duration_seconds_bucket{{{sel}}}[$__rate_interval])))",
             "{{pod}}")], 8, unit="s"),
        row("The program"),
        panel("CPU", "timeseries", [
            (PROM, f"rate(process_cpu_seconds_total{{{sel}}}[$__rate_interval])", "{{pod}}")], 8),
        panel("Memory", "timeseries", [
            (PROM, f"process_resident_memory_bytes{{{sel}}}", "{{pod}}"),
            (PROM, f'max(kube_pod_container_resource_limits{{{sel},container="sluice",resource="memory"}})', "limit")], 8, unit="bytes"),
        panel("Files", "timeseries", [
            (PROM, f"promtail_files_active_total{{{sel}}}", "{{pod}}")], 8),
        panel("Restarts in 1 h", "timeseries", [
            (PROM, f'increase(kube_pod_container_status_restarts_total{{{sel},container="sluice"}}[1h])', "{{pod}}")], 8),
        panel("Configurations taken and refused", "timeseries", [
            (PROM, f"sum(increase(promtail_config_reload_success_total{{{sel}}}[$__rate_interval]))", "taken"),
            (PROM, f"sum(increase(promtail_config_reload_fail_total{{{sel}}}[$__rate_interval]))", "refused")], 8),
        panel("Versions", "table", [
            (PROM, f"count by (version) (promtail_build_info{{{sel}}})")], 8),
    ], ["logs", "agent"])


FILES = {
    "agent/dashboards/agent.json": agent,
    "stack/dashboards/loki-logs.json": loki_logs,
    "stack/dashboards/log-analysis.json": log_analysis,
    "stack/dashboards/tempo.json": tempo,
    "stack/dashboards/tracing-overview.json": tracing_overview,
}


def main():
    stale = []
    for name, make in FILES.items():
        path = os.path.join(HERE, name)
        content = json.dumps(make(), indent=1) + "\n"
        if "--check" in sys.argv[1:]:
            with open(path, encoding="utf-8") as f:
                if f.read() != content:
                    stale.append(name)
        else:
            with open(path, "w", encoding="utf-8") as f:
                f.write(content)
    if stale:
        print("stale, run helm/dashboards.py:", ", ".join(stale))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
