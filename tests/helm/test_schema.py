# SPDX-License-Identifier: Apache-2.0
"""Wrong values are refused, and the message names the key."""
import json

import pytest

from conftest import HELM, HELMS

BAD = [
    # chart, values, what the message must contain
    ("agent", {"tolerationz": []}, "tolerationz"),
    ("agent", {"config": {"logLevl": "info"}}, "logLevl"),
    ("agent", {"config": {"logLevel": "loud"}}, "logLevel"),
    ("agent", {"config": {"snippets": {"pipelineStage": []}}}, "pipelineStage"),
    ("agent", {"config": {"serverPort": "3101"}}, "serverPort"),
    ("agent", {"config": {"serverPort": 70000}}, "serverPort"),
    ("agent", {"config": {"clients": [{"uri": "http://x"}]}}, "clients"),
    ("agent", {"loki": {"url": "loki:3100"}}, "loki/url"),
    ("agent", {"loki": {"batchwait": "one second"}}, "batchwait"),
    ("agent", {"loki": {"auth": {"type": "basic"}}}, "existingSecret"),
    ("agent", {"loki": {"auth": {"type": "digest"}}}, "auth/type"),
    ("agent", {"loki": {"basicAuth": {}}}, "basicAuth"),
    ("agent", {"image": {"digest": "abc"}}, "digest"),
    ("agent", {"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
    ("agent", {"memoryLimit": "lots"}, "memoryLimit"),
    ("agent", {"metadata": {"source": "guess"}}, "metadata/source"),
    ("agent", {"reload": {"mode": "magic"}}, "reload/mode"),
    ("agent", {"resources": {"request": {}}}, "request"),
    ("agent", {"updateStrategy": {"typ": "OnDelete"}}, "typ"),
    ("agent", {"existingConfigMap": "a", "existingSecret": "b"}, "existingSecret"),
    ("agent", {"existingConfigMap": "a", "config": {"file": "server: {}"}}, "config/file"),
    ("agent", {"existingSecret": "a", "config": {"file": "server: {}"}}, "config/file"),
    ("agent", {"config": {"raw": "server: {}", "file": "server: {}"}}, "config/file"),
    ("agent", {"existingConfigMap": "a", "config": {"raw": "server: {}"}}, "config/raw"),
    ("agent", {"fullnameOverride": "My_Logs"}, "fullnameOverride"),
    ("agent", {"extraPorts": {"syslog_tcp": {"containerPort": 1}}}, "syslog_tcp"),
    ("agent", {"extraPorts": {"syslog": {"containerPort": 1, "name": "a-name-that-is-too-long"}}}, "name"),
    ("agent", {"service": {"extraPorts": [{"port": 1}]}}, "service/extraPorts"),
    ("stack", {"networkPolicy": {"ingressSources": [{"cidr": "10.0.0.0/8"}]}}, "ingressSources"),
    ("stack", {"networkPolicy": {"ingressSources": [{"ipBlock": {"cidr": "10.0.0.0"}}]}}, "cidr"),
    ("agent", {"config": {"enabled": False}}, "existing"),
    ("agent", {"prometheusRule": {"disabled": ["NoSuchAlert"]}}, "disabled"),
    ("agent", {"prometheusRule": {"overrides": {"NoSuchAlert": {}}}}, "NoSuchAlert"),
    ("agent", {"deployment": {"enabled": True}}, "deployment/enabled"),
    ("agent", {"rbac": {"pspEnabled": True}}, "pspEnabled"),
    ("agent", {"state": {"hostPath": "var/lib"}}, "state/hostPath"),
    ("agent", {"httpPathPrefix": "sluice/"}, "httpPathPrefix"),
    ("agent", {"image": {"repository": "grafana/promtail"}}, "image.repository"),
    ("agent", {"config": {"snippets": {"extraLimitsConfig": "a: [b"}}}, "limits_config"),
    ("stack", {"tempoo": {}}, "tempoo"),
    ("stack", {"sluice": {"tolerationz": []}}, "tolerationz"),
    ("stack", {"grafana": {"datasource": {}}}, "datasource"),
    ("stack", {"grafana": {"datasources": {"loki": {"url": "loki"}}}}, "url"),
    ("stack", {"grafana": {"datasources": {"traceToLogsTags": []}}}, "traceToLogsTags"),
    ("stack", {"grafana": {"datasources": {"traceToLogsTags": [{"key": "service.name"}]}}}, "traceToLogsTags"),
    ("stack", {"ingress": {"tempo": {"enabled": True}}}, "authAnnotations"),
    ("stack", {"httpRoute": {"tempo": {"enabled": True, "parentRefs": [{"name": "g"}]}}}, "authenticated"),
    ("stack", {"loki": {"gateway": {"enabled": True, "ingress": {"enabled": True}}}}, "basicAuth"),
    ("stack", {"loki": {"ingress": {"enabled": True}}}, "annotations"),
    ("stack", {"loki": {"ingress": {"enabled": True, "annotations": {"a": "b"}, "paths": {"compactor": ["/x"], "ruler": []}}}}, "compactor"),
    ("stack", {"loki": {"singleBinary": {"persistence": {"storageClassName": "gp3"}}}}, "storageClassName"),
    ("stack", {"tempo": {"persistence": {"storageClass": "gp3"}}}, "storageClass"),
    ("stack", {"prometheusRule": {"disabled": ["SluiceDown"]}}, "disabled"),
    ("otel", {"collecter": {}}, "collecter"),
    ("otel", {"instrumentation": {"sampler": "one_percent"}}, "sampler"),
    ("otel", {"instrumentation": {"samplerArgument": 0.01}}, "samplerArgument"),
    ("otel", {"tempo": {"endpoint": "http://tempo:4317"}}, "endpoint"),
]


@pytest.mark.parametrize("chart,values,names", BAD, ids=[f"{c}-{json.dumps(v)[:50]}" for c, v, _ in BAD])
def test_refused(charts, tmp_path, chart, values, names):
    path = tmp_path / "bad.yaml"
    path.write_text(json.dumps(values))
    helm = HELMS[len(json.dumps(values)) % 2]
    assert names in charts.refused(chart, "-f", str(path), helm=helm)


def test_an_ingress_without_a_login_is_refused_however_it_is_asked_for(charts):
    for values in ("loki.gateway.ingress.enabled=true", "loki.ingress.enabled=true", "ingress.tempo.enabled=true"):
        charts.refused("stack", "--set", values)


@pytest.mark.parametrize("chart", ["agent", "stack", "otel"])
def test_every_object_of_the_schema_is_closed(chart):
    """Nobody adds a group of keys and forgets to close it."""
    schema = json.loads((HELM / chart / "values.schema.json").read_text())

    def walk(node, path):
        if isinstance(node, dict):
            if "properties" in node and node.get("type") == "object":
                open_ones = {"global", "clients", "loki", "tempo", "sluice", "persistence"}
                assert node.get("additionalProperties") is False or open_ones & set(path), path
            for key, value in node.items():
                if key not in ("if", "then", "not", "allOf"):
                    walk(value, path + [key])
        elif isinstance(node, list):
            for value in node:
                walk(value, path)
    walk(schema, [])
    assert schema["additionalProperties"] is False
