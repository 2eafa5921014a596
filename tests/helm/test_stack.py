# SPDX-License-Identifier: Apache-2.0
"""The umbrella: what it hands to Loki's and Tempo's charts, and its own objects."""
import pytest
import yaml

from conftest import HELM, LOADER, pod_spec


def handed(charts, name, *args):
    return yaml.load(charts.one("ConfigMap", "stack", *args, name=f"echo-{name}")["data"]["values.yaml"], Loader=LOADER)


def at(values, path):
    for key in path.split("."):
        values = values[key]
    return values


@pytest.mark.parametrize("path,value", [
    ("deploymentMode", "Monolithic"), ("loki.auth_enabled", False), ("loki.storage.type", "filesystem"),
    ("loki.ingester.chunk_encoding", "gzip"), ("loki.compactor.retention_enabled", True),
    ("loki.compactor.delete_request_store", "filesystem"), ("loki.limits_config.retention_period", "168h"),
    ("loki.limits_config.max_label_names_per_series", 15), ("loki.limits_config.max_global_streams_per_user", 10000),
    ("loki.limits_config.allow_structured_metadata", True), ("loki.limits_config.discover_log_levels", True),
    ("singleBinary.persistence.size", "30Gi"), ("singleBinary.persistence.storageClass", "gp3"),
    ("singleBinary.replicas", 1), ("backend.replicas", 0), ("read.replicas", 0), ("write.replicas", 0),
    ("chunksCache.enabled", False), ("resultsCache.enabled", False), ("lokiCanary.enabled", False),
    ("test.enabled", False), ("sidecar.rules.enabled", False), ("gateway.enabled", False),
    ("monitoring.serviceMonitor.labels.release", "prometheus"), ("fullnameOverride", "loki"),
])
def test_loki(charts, path, value):
    assert at(handed(charts, "loki"), path) == value


@pytest.mark.parametrize("path,value", [
    ("tempo.retention", "72h"), ("tempo.reportingEnabled", False), ("persistence.enabled", True),
    ("persistence.size", "20Gi"), ("persistence.storageClassName", "gp3"), ("tempo.metricsGenerator.enabled", False),
    ("serviceMonitor.additionalLabels.release", "prometheus"), ("fullnameOverride", "tempo"),
])
def test_tempo(charts, path, value):
    assert at(handed(charts, "tempo"), path) == value


def test_tempo_keeps_its_default_receivers(charts):
    """OTLP and Jaeger are on in the chart; receivers.jaeger: null would crash it."""
    assert "receivers" not in handed(charts, "tempo")["tempo"]


def test_full_mode_switches_the_metrics_generator_on(charts):
    values = handed(charts, "tempo", "-f", str(HELM / "values/full.yaml"))
    assert values["tempo"]["metricsGenerator"]["enabled"] is True
    assert values["tempo"]["overrides"]["defaults"]["metrics_generator"]["processors"] == ["service-graphs", "span-metrics"]
    assert values["tempo"]["metricsGenerator"]["storage"]["remote_write"][0]["send_exemplars"] is True


def test_tempo_keys_are_known_to_2_x_and_3_x(charts):
    """Keys that one of the two would refuse or ignore must not slip in."""
    for args in ((), ("-f", str(HELM / "values/full.yaml"))):
        tempo = handed(charts, "tempo", *args)["tempo"]
        assert not {"ingester", "memBallastSizeMbs", "liveStore", "receivers"} & set(tempo)
        assert not {"traces_storage"} & set(tempo["metricsGenerator"])
        assert "local_blocks" not in tempo["metricsGenerator"].get("processor", {})


@pytest.mark.parametrize("name,kind", [("loki", "echo-loki"), ("tempo", "echo-tempo"), ("sluice", "sluice")])
def test_conditions(charts, name, kind):
    for value in ("true", "false"):
        names = {o["metadata"]["name"] for o in charts.objects("stack", "--set", f"{name}.enabled={value}")}
        assert (kind in names) is (value == "true")


def test_the_agent_pushes_to_this_loki(charts):
    objects = charts.objects("stack", namespace="monitoring", release="sluice-stack")
    config = next(o for o in objects if o["kind"] == "ConfigMap" and "promtail.yaml" in (o.get("data") or {}))
    assert config["metadata"]["name"] == "sluice"
    assert "http://loki.monitoring.svc.cluster.local:3100/loki/api/v1/push" in config["data"]["promtail.yaml"]
    assert pod_spec(objects)["automountServiceAccountToken"] is False


def sources(charts, *args, **more):
    one = charts.one("ConfigMap", "stack", *args, name="rel-datasources", **more)
    return one, yaml.load(one["data"]["rel-datasources.yaml"], Loader=LOADER)


def test_datasources(charts):
    config, content = sources(charts)
    assert config["metadata"]["labels"]["grafana_datasource"] == "1"
    assert list(config["data"]) == ["rel-datasources.yaml"], "datasource.yaml would overwrite Grafana's own"
    loki, tempo = content["datasources"]
    assert (loki["uid"], loki["url"]) == ("loki", "http://loki.ns.svc.cluster.local:3100")
    assert (tempo["uid"], tempo["url"]) == ("tempo", "http://tempo.ns.svc.cluster.local:3200")
    assert not any(d["isDefault"] for d in content["datasources"])
    fields = loki["jsonData"]["derivedFields"]
    assert len({f["name"] for f in fields}) == len(fields)
    assert [f.get("datasourceUid") for f in fields] == ["tempo", "tempo", None]
    to_logs = tempo["jsonData"]["tracesToLogsV2"]
    assert to_logs["datasourceUid"] == "loki" and to_logs["filterByTraceID"] is True
    assert to_logs["tags"] == [{"key": "k8s.namespace.name", "value": "namespace"}, {"key": "k8s.pod.name", "value": "pod"}]


def test_every_dollar_sign_is_doubled(charts):
    for args in ((), ("--set", "grafana.datasources.correlations=true,grafana.datasources.spanMetrics=true")):
        config, _ = sources(charts, *args)
        text = config["data"]["rel-datasources.yaml"]
        regexes = [line for line in text.splitlines() if "matcherRegex" in line]
        rest = "\n".join(line for line in text.splitlines() if "matcherRegex" not in line)
        assert rest.replace("$$", "").count("$") == 0
        for line in regexes:  # a dollar sign at the end of an expression is no variable
            assert "${" not in line and "$_" not in line


def test_the_derived_field_finds_trace_ids(charts):
    import re
    _, content = sources(charts)
    regex = next(f["matcherRegex"] for f in content["datasources"][0]["jsonData"]["derivedFields"] if f["name"] == "traceID_in_line")
    trace = "0af7651916cd43dd8448eb211c80319c"
    for line in (f'{{"trace_id":"{trace}"}}', f"traceID={trace}", f'"traceId": "{trace}"'):
        assert re.search(regex, line).group(1) == trace
    keys = next(f["matcherRegex"] for f in content["datasources"][0]["jsonData"]["derivedFields"] if f["name"] == "trace_id")
    for key in ("trace_id", "traceid", "traceID", "traceId"):
        assert re.search(keys, key)


def test_metrics_links_only_with_span_metrics(charts):
    for value in ("true", "false"):
        _, content = sources(charts, "--set", f"grafana.datasources.spanMetrics={value}")
        tempo = content["datasources"][1]["jsonData"]
        assert ("tracesToMetrics" in tempo) is ("serviceMap" in tempo) is (value == "true")


def test_correlations_are_complete(charts):
    _, content = sources(charts, "--set", "grafana.datasources.correlations=true")
    one = content["datasources"][0]["correlations"][0]
    assert one["label"] and one["description"] and one["type"] == one["config"]["type"] == "query"
    assert "correlations" not in sources(charts)[1]["datasources"][0]


def test_datasources_go_where_grafana_looks(charts):
    config, _ = sources(charts, "--set", "grafana.namespace=grafana,grafana.datasources.label=ds")
    assert config["metadata"]["namespace"] == "grafana" and config["metadata"]["labels"]["ds"] == "1"


def test_four_dashboards(charts):
    maps = [o for o in charts.objects("stack") if o["kind"] == "ConfigMap" and any(k.endswith(".json") for k in (o.get("data") or {}))]
    assert len([m for m in maps if m["metadata"]["name"].startswith("rel-")]) == 4
    keys = [k for m in maps for k in m["data"]]
    assert len(keys) == len(set(keys)) == 5
    for one in maps:
        assert one["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert one["metadata"]["annotations"]["grafana_folder"] == "Logs & Traces"
        assert sum(len(v) for v in one["data"].values()) < 1 << 20


def test_ingress_for_tempo(charts):
    ingress = charts.one("Ingress", "stack", "-f", str(HELM / "stack/ci/full-values.yaml"))
    assert ingress["metadata"]["annotations"] == {"a": "b", "alb.ingress.kubernetes.io/auth-type": "oidc"}
    paths = ingress["spec"]["rules"][0]["http"]["paths"]
    assert [(p["path"], p["backend"]["service"]["port"]["number"]) for p in paths] == [("/v1/traces", 4318), ("/", 3200)]
    assert not [o for o in charts.objects("stack") if o["kind"] in ("Ingress", "HTTPRoute")]


def test_storage_class(charts):
    one = charts.one("StorageClass", "stack", "--set", "storageClass.create=true,storageClass.default=true")
    assert one["volumeBindingMode"] == "WaitForFirstConsumer" and one["allowVolumeExpansion"] is True
    assert one["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep",
                                              "storageclass.kubernetes.io/is-default-class": "true"}


def test_alerts_follow_what_is_installed(charts):
    def alerts(*args):
        rule = charts.one("PrometheusRule", "stack", *args, name="rel")
        return {r["alert"] for g in rule["spec"]["groups"] for r in g["rules"]}
    assert {a[:4] for a in alerts()} == {"Loki", "Temp"}
    assert {a[:4] for a in alerts("--set", "tempo.enabled=false")} == {"Loki"}
    assert {a[:4] for a in alerts("--set", "loki.enabled=false")} == {"Temp"}
    assert "LokiDiscardsLines" not in alerts("--set", "prometheusRule.disabled={LokiDiscardsLines}")


def test_network_policies_name_their_pods(charts):
    policies = [o for o in charts.objects("stack", "--set", "networkPolicy.enabled=true") if o["kind"] == "NetworkPolicy"]
    assert {p["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for p in policies} == {"loki", "tempo"}
    assert all(p["spec"]["podSelector"] for p in policies)


OPEN = {
    "ingress.tempo": "ingress.tempo.enabled=true,ingress.tempo.authAnnotations.a=b",
    "httpRoute.tempo": "httpRoute.tempo.enabled=true,httpRoute.tempo.authenticated=true,httpRoute.tempo.parentRefs[0].name=g",
    "loki.ingress": "loki.ingress.enabled=true,loki.ingress.annotations.a=b"}
NO_PATHS = ("--set-json", "loki.ingress.paths.compactor=[],loki.ingress.paths.ruler=[]")
VPC = ("--set", "networkPolicy.enabled=true,networkPolicy.ingressSources[0].ipBlock.cidr=10.0.0.0/16")


@pytest.mark.parametrize("key", OPEN)
def test_a_policy_that_keeps_the_load_balancer_out_is_refused(charts, key):
    """With ALB target type ip the load balancer asks the pod itself; the policy let only Grafana in."""
    args = ("--set", OPEN[key], *NO_PATHS)
    assert charts.objects("stack", *args)
    said = charts.refused("stack", *args, "--set", "networkPolicy.enabled=true")
    assert f"networkPolicy.enabled keeps everybody away from {key}: say in networkPolicy.ingressSources" in said
    assert charts.objects("stack", *args, *VPC)


def let_in(charts, app, *args):
    """Port to those who may come in."""
    policy = charts.one("NetworkPolicy", "stack", *args, name=f"rel-{app}")
    return {port["port"]: rule["from"] for rule in policy["spec"]["ingress"] for port in rule.get("ports", [])}


def test_who_may_come_in(charts):
    balancer = {"ipBlock": {"cidr": "10.0.0.0/16"}}
    # Addresses are let in for what is open, and for nothing else.
    assert balancer not in let_in(charts, "tempo", *VPC)[3200] + let_in(charts, "loki", *VPC)[3100]
    tempo = ("--set", OPEN["ingress.tempo"])
    assert balancer in let_in(charts, "tempo", *tempo, *VPC)[3200] and balancer not in let_in(charts, "loki", *tempo, *VPC)[3100]
    assert balancer in let_in(charts, "loki", "--set", OPEN["loki.ingress"], *NO_PATHS, *VPC)[3100]
    rules = charts.one("NetworkPolicy", "stack", *tempo, *VPC, "--set", "ingress.tempo.otlp=true", name="rel-tempo")["spec"]["ingress"]
    assert {"from": [balancer], "ports": [{"port": 4318, "protocol": "TCP"}]} in rules


def test_grafana_may_always_ask(charts):
    """Its namespace was a value of its own, which nobody changed along with grafana.namespace."""
    for args, namespace in ((("--set", "grafana.namespace=dash"), "dash"), ((), "ns")):
        for app, port in (("loki", 3100), ("tempo", 3200)):
            peers = let_in(charts, app, "--set", "networkPolicy.enabled=true", *args)[port]
            assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}} in peers


def test_eks_with_policies(charts):
    """The file has the place for the load balancer's subnets, so that switching it on is enough."""
    args = ("-f", str(HELM / "values/eks.yaml"), "--set", f"networkPolicy.enabled=true,{OPEN['ingress.tempo']}")
    assert any("ipBlock" in peer for peer in let_in(charts, "tempo", *args)[3200])


def test_labels_of_the_values_stand_once(charts):
    rule = charts.text("stack", "--set", "prometheusRule.labels.app\\.kubernetes\\.io/part-of=theirs", "-s", "templates/prometheusrule.yaml")
    assert rule.count("app.kubernetes.io/part-of") == 1 and "app.kubernetes.io/part-of: theirs" in rule


def test_pins_are_exact_and_the_same_everywhere():
    chart = yaml.load((HELM / "stack/Chart.yaml").read_text(), Loader=LOADER)
    pins = {d["name"]: d["version"] for d in chart["dependencies"]}
    assert all(v.replace(".", "").isdigit() for v in pins.values())
    agent = yaml.load((HELM / "agent/Chart.yaml").read_text(), Loader=LOADER)
    assert pins["sluice"] == agent["version"]
    lib = (HELM / "lib.sh").read_text()
    assert f"LOKI_CHART_VERSION={pins['loki']}" in lib and f"TEMPO_CHART_VERSION={pins['tempo']}" in lib


def test_otel(charts):
    collector = charts.one("OpenTelemetryCollector", "otel")
    config = collector["spec"]["config"]
    assert config["exporters"]["otlp_grpc/tempo"]["endpoint"] == "tempo.ns.svc.cluster.local:4317"
    assert config["service"]["pipelines"]["traces"]["receivers"] == ["otlp", "jaeger"]
    used = config["service"]["pipelines"]["traces"]
    for group in ("receivers", "processors", "exporters"):
        assert set(used[group]) == set(config[group])
    instrumentation = charts.one("Instrumentation", "otel")["spec"]
    assert instrumentation["sampler"] == {"type": "parentbased_traceidratio", "argument": "0.01"}
    assert instrumentation["exporter"]["endpoint"] == "http://gateway-collector.ns.svc.cluster.local:4317"


def environment(language):
    return {one["name"]: one["value"] for one in language["env"]}


def test_every_language_speaks_http_to_the_port_of_http(charts, tmp_path):
    """Java's agent speaks HTTP since 2.0, Node.js gRPC: with nothing said but the endpoint, whose port
    is gRPC's, workloads with inject-java sent no trace. Only Python and .NET had been told."""
    wanted = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://gateway-collector.ns.svc.cluster.local:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    spec = charts.one("Instrumentation", "otel")["spec"]
    for language in ("java", "nodejs", "python", "dotnet", "go"):
        assert environment(spec[language]) == wanted, language
    values = {"instrumentation": {"languages": {
        "java": {"env": [{"name": "OTEL_LOGS_EXPORTER", "value": "none"}], "resources": {"limits": {"memory": "64Mi"}}},
        "nodejs": {"env": [{"name": "OTEL_EXPORTER_OTLP_PROTOCOL", "value": "grpc"}, {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://else:4317"}]}}}}
    spec = next(o for o in charts.with_values("otel", values, tmp_path) if o["kind"] == "Instrumentation")["spec"]
    assert environment(spec["java"]) == {**wanted, "OTEL_LOGS_EXPORTER": "none"}
    assert spec["java"]["resources"] == {"limits": {"memory": "64Mi"}}
    assert environment(spec["nodejs"]) == {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://else:4317"}


def test_the_collectors_monitor_gets_the_labels_that_prometheus_wants(charts):
    """The operator makes that ServiceMonitor; beside a Prometheus that selects by a label nobody saw it."""
    def metrics(*args):
        return charts.one("OpenTelemetryCollector", "otel", *args)["spec"]["observability"]["metrics"]
    assert metrics() == {"enableMetrics": True}
    assert metrics("--set", "collector.monitorLabels.release=prometheus")["extraLabels"] == {"release": "prometheus"}


@pytest.mark.parametrize("setting,kind", [("collector.enabled", "OpenTelemetryCollector"), ("instrumentation.enabled", "Instrumentation"),
                                          ("collector.k8sAttributes", "ClusterRole")])
def test_otel_switches(charts, setting, kind):
    for value in ("true", "false"):
        kinds = [o["kind"] for o in charts.objects("otel", "--set", f"{setting}={value}")]
        assert (kind in kinds) is (value == "true")


def test_otel_pipeline_follows_its_switches(charts):
    config = charts.one("OpenTelemetryCollector", "otel", "--set", "collector.jaeger=false,collector.k8sAttributes=false")["spec"]["config"]
    assert set(config["receivers"]) == {"otlp"} and "k8s_attributes" not in config["processors"]
    assert config["service"]["pipelines"]["traces"]["processors"] == ["memory_limiter", "batch"]
