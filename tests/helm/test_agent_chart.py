# SPDX-License-Identifier: Apache-2.0
"""What the agent's chart makes of its values, both ways of every condition."""
import json
import re

import pytest
import yaml

from conftest import HELM, LOADER, agent_config, pod_spec, run, tool

PROMTAIL_CHART_LABELS = {"namespace", "pod", "container", "node_name", "app", "job", "instance", "component"}


def agent(spec):
    return next(c for c in spec["containers"] if c["name"] == "sluice")


def volumes(spec):
    return {v["name"]: v for v in spec["volumes"]}


def mounts(container):
    return {m["name"]: m for m in container["volumeMounts"]}


# ---- secure by default ------------------------------------------------------

@pytest.mark.parametrize("values", ["default", "full", "promtail", "root", "own-config", "openshift"])
def test_security_of_every_container(charts, values):
    objects = charts.objects("agent", "-f", str(HELM / f"agent/ci/{values}-values.yaml"), "--api-versions", "security.openshift.io/v1")
    spec = pod_spec(objects)
    for container in spec["containers"] + spec.get("initContainers", []):
        if container["name"] in ("one", "two"):  # the ci file's own
            continue
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"]["drop"] == ["ALL"]
        assert "privileged" not in context
        assert set(context["capabilities"].get("add", [])) <= {"CHOWN"}
        assert container["resources"]["limits"]["memory"]
        assert "cpu" not in container["resources"]["limits"]
        assert not container["image"].endswith(":latest") and re.search(r"[:@]", container["image"])
    assert not any(spec.get(key) for key in ("hostPID", "hostIPC"))
    read_only = {m["mountPath"] for c in spec["containers"] for m in c.get("volumeMounts", []) if m.get("readOnly")}
    writable = {m["name"] for c in spec["containers"] for m in c.get("volumeMounts", []) if not m.get("readOnly")}
    host_paths = {v["name"] for v in spec["volumes"] if "hostPath" in v}
    assert writable & host_paths <= {"state", "run"}
    assert "/var/log/pods" in read_only
    for one in objects:
        for rule in one.get("rules", []):
            assert "secrets" not in rule["resources"] and "nodes/proxy" not in rule["resources"]
            assert set(rule["verbs"]) <= {"get", "list", "watch"}


def test_default_is_non_root_with_group_0_and_no_token(charts):
    spec = pod_spec(charts.objects("agent"))
    assert spec["securityContext"] == {"runAsUser": 10001, "runAsGroup": 0, "runAsNonRoot": True,
                                       "seccompProfile": {"type": "RuntimeDefault"}}
    assert spec["automountServiceAccountToken"] is False
    assert charts.one("ServiceAccount", "agent")["automountServiceAccountToken"] is False
    assert not [o for o in charts.objects("agent") if "Role" in o["kind"]]
    assert "fsGroup" not in spec["securityContext"]


def test_token_and_role_with_metadata_from_the_api(charts):
    objects = charts.objects("agent", "--set", "metadata.source=api")
    assert pod_spec(objects)["automountServiceAccountToken"] is True
    role = next(o for o in objects if o["kind"] == "ClusterRole")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    binding = next(o for o in objects if o["kind"] == "ClusterRoleBinding")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "rel-sluice", "namespace": "ns"}]


@pytest.mark.parametrize("key", ["scrapeConfigs", "extraScrapeConfigs"])
def test_token_and_role_for_scrape_configs_of_ones_own(charts, tmp_path, key):
    """Values for Promtail's chart often bring these, and know no metadata.source: the pods had no token."""
    text = "- job_name: mine\n  kubernetes_sd_configs: [{role: pod}]\n"
    objects = charts.with_values("agent", {"config": {"snippets": {key: text}}, "networkPolicy": {"enabled": True}}, tmp_path)
    assert pod_spec(objects)["automountServiceAccountToken"] is True
    assert {o["kind"] for o in objects if "Role" in o["kind"]} == {"ClusterRole", "ClusterRoleBinding"}
    policy = next(o for o in objects if o["kind"] == "NetworkPolicy")
    assert [p["port"] for p in policy["spec"]["egress"][2]["ports"]] == [6443, 443]
    objects = charts.with_values("agent", {"config": {"snippets": {key: "- job_name: mine\n"}}}, tmp_path)
    assert pod_spec(objects)["automountServiceAccountToken"] is False


def test_roles_in_namespaces_only(charts):
    objects = charts.objects("agent", "--set", "metadata.source=api,rbac.namespaces={a,b}")
    assert {o["metadata"]["namespace"] for o in objects if o["kind"] == "Role"} == {"a", "b"}
    assert {o["metadata"]["namespace"] for o in objects if o["kind"] == "RoleBinding"} == {"a", "b"}
    assert not [o for o in objects if o["kind"].startswith("ClusterRole")]


@pytest.mark.parametrize("setting,kinds", [
    ("rbac.create=false,metadata.source=api", []),
    ("rbac.create=true,metadata.source=api", ["ClusterRole", "ClusterRoleBinding"]),
    ("rbac.create=true,metadata.source=path", []),
])
def test_rbac_switch(charts, setting, kinds):
    assert sorted(o["kind"] for o in charts.objects("agent", "--set", setting) if "Role" in o["kind"]) == kinds


def test_the_agent_asks_for_what_its_roles_allow(charts):
    config = agent_config(charts.objects("agent", "--set", "metadata.source=api,rbac.namespaces={a,b}"))
    assert config["scrape_configs"][0]["kubernetes_sd_configs"] == [{"role": "pod", "namespaces": {"names": ["a", "b"]}}]
    role = charts.one("ClusterRole", "agent", "--set", "metadata.source=api")
    assert [(r["resources"], r["verbs"]) for r in role["rules"]] == [(["pods"], ["get", "list", "watch"])]


def test_annotations_and_pipelines(charts):
    values = '{"metadata": {"source": "api", "annotations": true}, "config": {"pipelines": {"java": [{"cri": {}}]}}}'
    config = agent_config(charts.objects("agent", *(f"--set-json={key}={json.dumps(value)}" for key, value in json.loads(values).items())))
    assert config["scrape_configs"][0]["kubernetes_sd_configs"] == [{"role": "pod", "annotations": True}]
    assert config["pipelines"] == {"java": [{"cri": {}}]}


def test_token_can_be_forced(charts):
    for value in ("true", "false"):
        spec = pod_spec(charts.objects("agent", "--set", f"metadata.source=api,automountServiceAccountToken={value}"))
        assert spec["automountServiceAccountToken"] is (value == "true")


# ---- state and logs ---------------------------------------------------------

def test_state_directory_survives_a_reboot_and_is_given_away(charts):
    spec = pod_spec(charts.objects("agent"))
    assert volumes(spec)["state"]["hostPath"] == {"path": "/var/lib/sluice", "type": "DirectoryOrCreate"}
    init = spec["initContainers"][0]
    assert init["args"] == ["prepare", "--dir=/var/lib/sluice", "--owner=10001:0"]
    assert init["securityContext"]["runAsUser"] == 0
    assert init["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["CHOWN"]}


@pytest.mark.parametrize("setting", ["podSecurityContext.runAsUser=0", "state.init.enabled=false"])
def test_no_init_container_where_it_has_no_work(charts, setting):
    assert "initContainers" not in pod_spec(charts.objects("agent", "--set", setting))


def test_import_of_promtails_positions(charts):
    for user in ("10001", "0"):
        spec = pod_spec(charts.objects("agent", "--set", f"promtailImport.enabled=true,podSecurityContext.runAsUser={user}"))
        init = spec["initContainers"][0]
        assert "--import=/run/promtail-import/positions.yaml" in init["args"] and "--as=positions.yaml" in init["args"]
        assert f"--owner={user}:0" in init["args"]
        assert mounts(init)["promtail"]["readOnly"] is True
        assert volumes(spec)["promtail"]["hostPath"]["path"] == "/run/promtail"
        assert "promtail" not in mounts(agent(spec))


@pytest.mark.parametrize("kind,names", [("pods", {"pods"}), ("docker", {"containers"}),
                                        ("journal", {"journal", "run-journal", "machine-id"})])
def test_log_mounts(charts, kind, names):
    for value in ("true", "false"):
        spec = pod_spec(charts.objects("agent", "--set", f"logs.{kind}.enabled={value}"))
        assert (names <= set(volumes(spec))) is (value == "true")
        assert (names <= set(mounts(agent(spec)))) is (value == "true")


def test_default_volumes_replace_ours(charts, tmp_path):
    spec = pod_spec(charts.with_values("agent", {
        "defaultVolumes": [{"name": "run", "hostPath": {"path": "/run/promtail"}}],
        "defaultVolumeMounts": [{"name": "run", "mountPath": "/run/promtail"}]}, tmp_path))
    assert set(volumes(spec)) == {"config", "run"}
    assert set(mounts(agent(spec))) == {"config", "run"}
    assert "initContainers" not in spec


def test_every_mount_has_its_volume(charts):
    for name in ("default", "full", "promtail", "root", "own-config"):
        spec = pod_spec(charts.objects("agent", "-f", str(HELM / f"agent/ci/{name}-values.yaml")))
        for container in spec["containers"] + spec.get("initContainers", []):
            for mount in container.get("volumeMounts", []):
                assert mount["name"] in volumes(spec)


# ---- configuration ----------------------------------------------------------

def test_generated_configuration(charts):
    config = agent_config(charts.objects("agent"))
    assert config["server"] == {"log_level": "info", "log_format": "logfmt", "http_listen_address": "",
                                "http_listen_port": 3101}
    assert config["positions"] == {"filename": "/var/lib/sluice/positions.yaml"}
    assert config["clients"] == [{"url": "http://loki-gateway/loki/api/v1/push", "batchwait": "1s",
                                  "batchsize": 1048576, "timeout": "10s"}]
    job = config["scrape_configs"][0]
    assert job["pod_logs"] == {"root": "/var/log/pods"}
    assert [next(iter(s)) for s in job["pipeline_stages"]] == ["cri", "match"]
    assert "limits_config" not in config


def test_promtails_relabel_rules_with_the_api(charts):
    job = agent_config(charts.objects("agent", "--set", "metadata.source=api"))["scrape_configs"][0]
    assert job["kubernetes_sd_configs"] == [{"role": "pod"}] and "pod_logs" not in job
    targets = {r.get("target_label") for r in job["relabel_configs"]}
    assert PROMTAIL_CHART_LABELS <= targets
    mirror = job["relabel_configs"][-1]
    assert mirror["target_label"] == "__path__" and mirror["regex"] == "true/(.*)"


@pytest.mark.parametrize("value,stages", [("structured_metadata", {"structured_metadata", "labeldrop"}),
                                          ("drop", {"labeldrop"}), ("label", set())])
def test_filename(charts, value, stages):
    config = agent_config(charts.objects("agent", "--set", f"metadata.source=api,config.filename={value},config.traceId=false"))
    assert {next(iter(s)) for s in config["scrape_configs"][0]["pipeline_stages"]} - {"cri"} == stages


TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("line,trace,span", [
    ('{"level":"info","trace_id":"%s","span_id":"b7ad6b7169203331"}' % TRACE, TRACE, "b7ad6b7169203331"),
    ('{"traceId": "%s"}' % TRACE, TRACE, None),
    ('{"msg":"x", "traceID" : "%s", "spanID" : "b7ad6b7169203331"}' % TRACE, TRACE, "b7ad6b7169203331"),
    ('{"trace.id":"%s"}' % TRACE, TRACE, None),
    ("level=info trace_id=%s msg=done" % TRACE, TRACE, None),
    ('level=info traceID="%s" span_id="b7ad6b7169203331"' % TRACE, TRACE, "b7ad6b7169203331"),
    ("trace_id=b7ad6b7169203331", "b7ad6b7169203331", None),
    ("no identifiers here", None, None),
    ("backtrace_id=%s" % TRACE, None, None),
    ("trace_id=%sff" % TRACE, None, None),
    ("trace_id=xyz", None, None),
])
def test_trace_ids(charts, line, trace, span):
    """The expressions of the shipped pipeline, on lines as programs write them."""
    stages = agent_config(charts.objects("agent"))["scrape_configs"][0]["pipeline_stages"]
    match = next(s["match"] for s in stages if "match" in s)
    first, second = (s["regex"]["expression"] for s in match["stages"][:2])
    assert match["stages"][2] == {"structured_metadata": {"trace_id": "", "span_id": ""}}
    guard = re.search(r'\|~ "(.*)"', match["selector"]).group(1)
    found = re.search(first, line) if re.search(guard, line) else None
    assert (found.group("trace_id") if found else None) == trace
    found = re.search(second, line)
    assert (found.group("span_id") if found else None) == span


def test_trace_ids_can_be_switched_off(charts):
    stages = agent_config(charts.objects("agent", "--set", "config.traceId=false"))["scrape_configs"][0]["pipeline_stages"]
    assert not [s for s in stages if "match" in s]


def test_multiline(charts, tmp_path):
    config = agent_config(charts.with_values("agent", {"config": {"multiline": {"firstline": r"^\d{4}"}}}, tmp_path))
    assert config["scrape_configs"][0]["pipeline_stages"][1] == {
        "multiline": {"firstline": r"^\d{4}", "max_wait_time": "3s", "max_lines": 128}}


def test_full_configuration(charts):
    config = agent_config(charts.objects("agent", "-f", str(HELM / "agent/ci/full-values.yaml")))
    client = config["clients"][0]
    assert client["url"] == "https://loki.ns.example.com/loki/api/v1/push"
    assert client["tenant_id"] == "team-a" and client["external_labels"] == {"cluster": "ci"}
    assert client["basic_auth"] == {"username_file": "/etc/sluice/auth/username", "password_file": "/etc/sluice/auth/password"}
    assert client["tls_config"] == {"ca_file": "/etc/sluice/tls/ca.crt", "cert_file": "/etc/sluice/tls/tls.crt",
                                    "key_file": "/etc/sluice/tls/tls.key", "server_name": "loki.example.com"}
    assert client["backoff_config"] == {"min_period": "500ms", "max_period": "5m", "max_retries": 20}
    assert config["server"]["log_level"] == "warn" and config["server"]["http_path_prefix"] == "/sluice"
    assert config["limits_config"] == {"max_line_size": "256KB", "max_line_size_truncate": True, "readline_rate_enabled": False}
    assert [j["job_name"] for j in config["scrape_configs"]] == ["kubernetes-pods", "node"]
    assert config["target_config"] == {"sync_period": "10s"}


@pytest.mark.parametrize("kind,client", [("bearer", {"bearer_token_file": "/etc/sluice/auth/token"}),
                                         ("basic", {"basic_auth": {"username_file": "/etc/sluice/auth/username",
                                                                   "password_file": "/etc/sluice/auth/password"}})])
def test_credentials_are_files(charts, kind, client):
    objects = charts.objects("agent", "--set", f"loki.auth.type={kind},loki.auth.existingSecret=creds")
    assert client.items() <= agent_config(objects)["clients"][0].items()
    spec = pod_spec(objects)
    assert volumes(spec)["auth"]["secret"] == {"secretName": "creds", "defaultMode": 0o440}
    assert mounts(agent(spec))["auth"]["readOnly"] is True


def test_promtails_values(charts):
    objects = charts.objects("agent", "-f", str(HELM / "agent/ci/promtail-values.yaml"))
    config = agent_config(objects)
    assert config["clients"] == [{"url": "http://loki-gateway.ns/loki/api/v1/push", "tenant_id": "a"}]
    assert config["scrape_configs"][0]["kubernetes_sd_configs"] == [{"role": "pod"}]
    assert config["limits_config"] is None
    assert [o for o in objects if o["kind"] == "Secret"]
    spec = pod_spec(objects)
    # User 0 and runAsNonRoot together: the kubelet would refuse the pod.
    assert spec["securityContext"] == {"runAsUser": 0, "runAsGroup": 0, "seccompProfile": {"type": "RuntimeDefault"}}
    assert agent(spec)["readinessProbe"]["httpGet"]["path"] == "/ready"


def test_whole_file(charts, tmp_path):
    objects = charts.with_values("agent", {"config": {"file": "server: {log_level: {{ .Values.config.logLevel }}}\n"}}, tmp_path)
    assert agent_config(objects) == {"server": {"log_level": "info"}}


@pytest.mark.parametrize("setting,kind", [("configmap.enabled=true", "ConfigMap"), ("configmap.enabled=false", "Secret")])
def test_kind_of_the_configuration(charts, setting, kind):
    objects = charts.objects("agent", "--set", setting)
    assert next(o["kind"] for o in objects if "promtail.yaml" in str(o)) == kind
    assert ("secret" in volumes(pod_spec(objects))["config"]) is (kind == "Secret")


@pytest.mark.parametrize("key,field", [("existingConfigMap", "configMap"), ("existingSecret", "secret")])
def test_existing_configuration(charts, key, field):
    objects = charts.objects("agent", "--set", f"{key}=mine")
    assert list(volumes(pod_spec(objects))["config"][field].values()) == ["mine"]
    assert not [o for o in objects if o["kind"] in ("ConfigMap", "Secret")]


# ---- reload -----------------------------------------------------------------

def test_reload_modes(charts):
    def pod(mode, *more):
        one = charts.one("DaemonSet", "agent", "--set", f"reload.mode={mode}", *more)
        return one["spec"]["template"]
    watch, checksum, sidecar = pod("watch"), pod("checksum"), pod("sidecar")
    assert "checksum/config" not in watch["metadata"]["annotations"]
    assert "checksum/config" in checksum["metadata"]["annotations"]
    assert pod("checksum", "--set", "config.logLevel=debug") != checksum
    names = [c["name"] for c in sidecar["spec"]["containers"]]
    assert names == ["sluice", "config-reloader"]
    assert "-server.enable-runtime-reload" in agent(sidecar["spec"])["args"]
    assert "-server.enable-runtime-reload" not in agent(watch["spec"])["args"]
    assert any(a.endswith(":3101/reload") for a in sidecar["spec"]["containers"][1]["args"])


def test_configuration_is_mounted_as_a_directory(charts):
    """A file mounted by subPath would never change."""
    mount = mounts(agent(pod_spec(charts.objects("agent"))))["config"]
    assert mount == {"name": "config", "mountPath": "/etc/sluice/config", "readOnly": True}


# ---- probes, node, image ----------------------------------------------------

def test_probes_ask_the_agent_only(charts):
    container = agent(pod_spec(charts.objects("agent", "--set", "httpPathPrefix=/x")))
    paths = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {"startupProbe": "/x/healthy", "readinessProbe": "/x/ready", "livenessProbe": "/x/healthy"}


def test_grace_is_longer_than_the_last_flush(charts):
    spec = pod_spec(charts.objects("agent"))
    flush = next(a for a in agent(spec)["args"] if a.startswith("--shutdown-timeout="))
    assert spec["terminationGracePeriodSeconds"] == 60 and flush == "--shutdown-timeout=25s"


def test_memory_limit(charts):
    args = agent(pod_spec(charts.objects("agent", "--set", "memoryLimit=32MiB")))["args"]
    assert "--memory-limit=32MiB" in args
    assert not [a for a in agent(pod_spec(charts.objects("agent")))["args"] if "memory-limit" in a]


def test_runs_on_every_node(charts):
    spec = pod_spec(charts.objects("agent"))
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}
    names = [e["name"] for e in agent(spec)["env"]]
    assert names == ["HOSTNAME", "NODE_NAME", "POD_NAME", "POD_NAMESPACE", "POD_IP"]


@pytest.mark.parametrize("sets,image", [
    ("", "sluice:0.1.0"),
    ("image.tag=1.2.3", "sluice:1.2.3"),
    ("image.registry=r.example.com,image.tag=1.2.3", "r.example.com/sluice:1.2.3"),
    ("image.registry=a,global.imageRegistry=b.example.com", "b.example.com/sluice:0.1.0"),
    ("image.tag=v1,image.digest=sha256:" + "a" * 64, "sluice@sha256:" + "a" * 64),
])
def test_image(charts, sets, image):
    args = ["--set", sets] if sets else []
    assert agent(pod_spec(charts.objects("agent", *args)))["image"] == image


def test_pull_secrets(charts):
    spec = pod_spec(charts.objects("agent", "--set", "imagePullSecrets={a},global.imagePullSecrets={b}"))
    assert spec["imagePullSecrets"] == [{"name": "b"}, {"name": "a"}]
    assert "imagePullSecrets" not in pod_spec(charts.objects("agent"))


def test_selector_never_changes(charts):
    """A DaemonSet's selector cannot be changed by an upgrade."""
    for values in ("default", "full", "promtail"):
        one = charts.one("DaemonSet", "agent", "-f", str(HELM / f"agent/ci/{values}-values.yaml"))
        assert one["spec"]["selector"] == {"matchLabels": {"app.kubernetes.io/name": "sluice", "app.kubernetes.io/instance": "rel"}}
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_host_network(charts):
    spec = pod_spec(charts.objects("agent", "--set", "hostNetwork=true"))
    assert spec["hostNetwork"] is True and spec["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert "hostNetwork" not in pod_spec(charts.objects("agent"))


@pytest.mark.parametrize("setting,kind", [
    ("daemonset.enabled", "DaemonSet"), ("service.enabled", "Service"), ("serviceAccount.create", "ServiceAccount"),
    ("serviceMonitor.enabled", "ServiceMonitor"), ("podMonitor.enabled", "PodMonitor"),
    ("prometheusRule.enabled", "PrometheusRule"), ("serviceMonitor.prometheusRule.enabled", "PrometheusRule"),
    ("networkPolicy.enabled", "NetworkPolicy"),
    ("daemonset.autoscaling.enabled", "VerticalPodAutoscaler"), ("test.enabled", "Pod"),
])
def test_switches(charts, setting, kind):
    for value in ("true", "false"):
        kinds = [o["kind"] for o in charts.objects("agent", "--set", f"{setting}={value}")]
        assert (kind in kinds) is (value == "true")


def test_openshift_only_where_it_is(charts):
    args = ("--set", "openshift.scc.enabled=true")
    assert not [o for o in charts.objects("agent", *args) if o["kind"] == "SecurityContextConstraints"]
    scc = charts.one("SecurityContextConstraints", "agent", *args, "--api-versions", "security.openshift.io/v1")
    assert scc["users"] == ["system:serviceaccount:ns:rel-sluice"] and scc["allowPrivilegedContainer"] is False


# ---- monitoring -------------------------------------------------------------

def test_monitors_select_the_service_and_the_pods(charts):
    args = ("--set", "serviceMonitor.enabled=true,podMonitor.enabled=true")
    service = next(o for o in charts.objects("agent", *args) if o["kind"] == "Service")
    monitor = charts.one("ServiceMonitor", "agent", *args)
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["ns"]}
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"] == "http-metrics"
    pods = charts.one("DaemonSet", "agent", *args)["spec"]["template"]["metadata"]["labels"]
    assert charts.one("PodMonitor", "agent", *args)["spec"]["selector"]["matchLabels"].items() <= pods.items()
    assert service["spec"]["clusterIP"] == "None" and service["spec"]["selector"].items() <= pods.items()


def test_alerts_can_be_changed_and_left_out(charts, tmp_path):
    def rules(values):
        objects = charts.with_values("agent", {"prometheusRule": {"enabled": True, **values}}, tmp_path)
        rule = next(o for o in objects if o["kind"] == "PrometheusRule")
        return {r["alert"]: r for g in rule["spec"]["groups"] for r in g["rules"]}
    assert len(rules({})) == (HELM / "agent/files/alerts.yaml").read_text().count("alert:") > 10
    assert "SluiceDown" not in rules({"disabled": ["SluiceDown"]})
    changed = rules({"overrides": {"SluicePushErrors": {"threshold": 50, "for": "1h", "severity": "info"}}})["SluicePushErrors"]
    assert changed["expr"].endswith("> 50") and changed["for"] == "1h" and changed["labels"]["severity"] == "info"
    assert rules({"overrides": {"SluicePushErrors": {"threshold": 0}}})["SluicePushErrors"]["expr"].endswith("> 0")
    assert "More" in rules({"additionalRules": [{"alert": "More", "expr": "vector(1)"}]})
    assert rules({"runbookUrl": "https://x/y"})["SluiceDown"]["annotations"]["runbook_url"] == "https://x/y#sluicedown"


def test_network_policy_touches_its_own_pods_only(charts):
    policy = charts.one("NetworkPolicy", "agent", "--set", "networkPolicy.enabled=true")
    assert policy["spec"]["podSelector"]["matchLabels"] == {
        "app.kubernetes.io/name": "sluice", "app.kubernetes.io/instance": "rel", "app.kubernetes.io/component": "agent"}
    ports = [p["port"] for rule in policy["spec"]["egress"] for p in rule["ports"]]
    assert ports == [53, 53, 80, 8080]
    policy = charts.one("NetworkPolicy", "agent", "--set", "networkPolicy.enabled=true,openshift.scc.enabled=true")
    assert [p["port"] for p in policy["spec"]["egress"][0]["ports"]] == [53, 53, 5353, 5353], "OpenShift's DNS pods listen there"


@pytest.mark.parametrize("url,ports", [("http://loki:3100/loki/api/v1/push", [3100]), ("https://x/loki/api/v1/push", [443]),
                                       ("http://[fd00::1]:3100/p", [3100]), ("http://logs.example.com/p", [80]), ("http://10.0.0.1/p", [80]),
                                       ("http://loki-gateway/p", [80, 8080]), ("http://loki-gateway.logging/p", [80, 8080]),
                                       ("http://loki-gateway.logging.svc:80/p", [80, 8080]), ("http://gw.logging.svc.cluster.local/p", [80, 8080])])
def test_network_policy_follows_lokis_address(charts, url, ports):
    """A policy counts the port of the pod. The default address is that of Loki's gateway, whose Service
    has port 80 and whose pods have 8080: with the policy on, nothing could be sent."""
    policy = charts.one("NetworkPolicy", "agent", "--set", f"networkPolicy.enabled=true,loki.url={url}")
    assert [p["port"] for p in policy["spec"]["egress"][1]["ports"]] == ports


def test_network_policy_lets_the_api_through_when_it_is_used(charts):
    policy = charts.one("NetworkPolicy", "agent", "--set", "networkPolicy.enabled=true,metadata.source=api")
    assert [p["port"] for p in policy["spec"]["egress"][2]["ports"]] == [6443, 443]


def test_helm_test_pod(charts):
    pod = charts.one("Pod", "agent")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    urls = [c["args"][1] for c in pod["spec"]["containers"]]
    assert urls == ["http://rel-sluice-metrics.ns.svc:3101/ready", "http://rel-sluice-metrics.ns.svc:3101/metrics"]
    daemonset = charts.one("DaemonSet", "agent")["spec"]["selector"]["matchLabels"]
    assert not daemonset.items() <= pod["metadata"]["labels"].items(), "the Service would count the test pod"


def test_extra_objects_are_templates(charts, tmp_path):
    objects = charts.with_values("agent", {"extraObjects": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-a"}},
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: '{{ .Release.Name }}-b'\n"]}, tmp_path)
    assert {"rel-a", "rel-b"} <= {o["metadata"]["name"] for o in objects}


def test_values_that_need_an_explanation_get_one(charts, tmp_path):
    path = tmp_path / "v.yaml"
    path.write_text(yaml.safe_dump({"config": {"enableTracing": True}, "podSecurityPolicy": {"a": "b"},
                                    "rbac": {"pspEnabled": False}, "deployment": {"enabled": False},
                                    "serviceAccount": {"automountServiceAccountToken": True},
                                    "promtailImport": {"enabled": True}}))
    notes = run(tool("helm4"), "install", "rel", HELM / "agent", "--dry-run=client", "-f", path).stdout
    for key in ("config.enableTracing", "podSecurityPolicy", "rbac.pspEnabled", "deployment",
                "serviceAccount.automountServiceAccountToken", "no image registry", "Promtail's positions"):
        assert key in notes


def test_labels_of_the_values_stand_once_and_do_not_break_selectors(charts, tmp_path):
    """A key stood twice in a map: once from the chart, once from the values. deploy.sh itself hands
    over labels that a Prometheus selects by, such as app.kubernetes.io/part-of."""
    ours = {"app.kubernetes.io/part-of": "theirs", "app.kubernetes.io/name": "other", "team": "a"}
    values = {"podLabels": ours, "secret": {"labels": ours}, "service": {"labels": ours}, "serviceAccount": {"labels": ours},
              "serviceMonitor": {"enabled": True, "labels": ours, "prometheusRule": {"enabled": True, "additionalLabels": ours}},
              "podMonitor": {"enabled": True, "labels": ours},
              "prometheusRule": {"enabled": True, "labels": ours, "alertLabels": {"severity": "page"}},
              "extraPorts": {"syslog": {"containerPort": 1514, "labels": ours}},
              "podAnnotations": {"kubectl.kubernetes.io/default-container": "two"}}
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    text = charts.text("agent", "-f", str(path))
    for part in text.split("\n---\n"):
        keys = re.findall(r"^ {4}(app\.kubernetes\.io/\S+):", part.split("\nspec:")[0], re.M)
        assert len(keys) == len(set(keys)), part
    for one in charts.objects("agent", "-f", str(path)):
        found = one["metadata"].get("labels") or {}
        if "team" in found:
            assert found["app.kubernetes.io/part-of"] == "theirs" and found["app.kubernetes.io/name"] == "sluice", one["kind"]
    template = charts.one("DaemonSet", "agent", "-f", str(path))["spec"]["template"]["metadata"]
    assert template["labels"]["app.kubernetes.io/name"] == "sluice" and template["labels"]["team"] == "a"
    assert template["annotations"]["kubectl.kubernetes.io/default-container"] == "two"
    rules = [o for o in charts.objects("agent", "-f", str(path)) if o["kind"] == "PrometheusRule" and o["metadata"]["name"] == "rel-sluice"]
    assert {r["labels"]["severity"] for g in rules[0]["spec"]["groups"] for r in g["rules"]} == {"page"}


def state_and_file(objects):
    spec = pod_spec(objects)
    mount = mounts(agent(spec)).get("state")
    prepare = [c for c in spec.get("initContainers", []) if c["name"] == "prepare-state"]
    for one in prepare:
        assert f"--dir={mount['mountPath']}" in one["args"] and mounts(one)["state"] == mount
    return mount and mount["mountPath"], agent_config(objects)["positions"]["filename"]


@pytest.mark.parametrize("sets,mount,name", [
    ("state.mountPath=/somewhere", "/somewhere", "/somewhere/positions.yaml"),
    ("config.positions.filename=/run/promtail/positions.yaml", "/run/promtail", "/run/promtail/positions.yaml"),
    ("state.mountPath=/a,config.positions.filename=/b/c/p.yaml", "/b/c", "/b/c/p.yaml"),
    ("state.mountPath=/a/,config.positions.filename=/a/b/p.yaml", "/a/", "/a/b/p.yaml"),
    ("config.positions.filename=/extra/p.yaml,extraVolumeMounts[0].name=a,extraVolumeMounts[0].mountPath=/extra/", "/var/lib/sluice", "/extra/p.yaml"),
])
def test_the_state_directory_is_where_the_positions_are(charts, sets, mount, name):
    """Values for Promtail's chart name a file in /run/promtail. Nothing was mounted there, the root
    file system is read-only, and no position could be saved."""
    assert state_and_file(charts.objects("agent", "--set", sets)) == (mount, name)


def test_positions_in_the_root_directory_are_refused(charts):
    assert "nothing can be mounted in its place: name a file below /var/lib/sluice" in charts.refused("agent", "--set", "config.positions.filename=/p.yaml")


@pytest.mark.parametrize("path,name,warns", [("/run/promtail", "/run/promtail/positions.yaml", False), ("/var/lib/sluice", "/var/lib/sluice/positions.yaml", False),
                                             ("/elsewhere", "/var/lib/sluice/positions.yaml", True)])
def test_positions_on_volumes_of_ones_own(charts, tmp_path, path, name, warns):
    values = {"defaultVolumes": [{"name": "run", "hostPath": {"path": "/x"}}], "defaultVolumeMounts": [{"name": "run", "mountPath": path}]}
    assert state_and_file(charts.with_values("agent", values, tmp_path)) == (None, name)
    notes = run(tool("helm4"), "install", "rel", HELM / "agent", "--dry-run=client", "-f", tmp_path / "values.yaml").stdout
    assert ("and none of defaultVolumeMounts is there. They cannot be saved" in notes) is warns


@pytest.mark.parametrize("key", ["podSecurityContext", "containerSecurityContext"])
def test_without_a_security_context(charts, key):
    """As OpenShift's own rules want it; the template asked an absent map for its user."""
    spec = pod_spec(charts.objects("agent", "--set", f"{key}=null"))
    assert "securityContext" not in (spec if key.startswith("pod") else agent(spec))


def test_the_whole_configuration_as_one_text(charts, tmp_path):
    text = "server: {log_level: warn}\nclients: [{url: 'http://x/{{ .Release.Name }}'}]\npositions: {filename: /var/lib/sluice/p.yaml}\n"
    for key in ("raw", "file"):
        config = agent_config(charts.with_values("agent", {"config": {key: text}}, tmp_path))
        assert config["clients"] == [{"url": "http://x/rel"}]
    discovers = text + "scrape_configs: [{job_name: a, kubernetes_sd_configs: [{role: pod}]}]\n"
    assert pod_spec(charts.with_values("agent", {"config": {"raw": discovers}}, tmp_path))["automountServiceAccountToken"] is True


def test_role_in_the_agents_own_namespace(charts):
    objects = charts.objects("agent", "--set", "metadata.source=api,rbac.namespaced=true")
    assert {(o["kind"], o["metadata"].get("namespace")) for o in objects if "Role" in o["kind"]} == {("Role", "ns"), ("RoleBinding", "ns")}
    job = agent_config(objects)["scrape_configs"][0]
    assert job["kubernetes_sd_configs"][0]["namespaces"] == {"names": ["ns"]}


def test_more_ports_of_the_service(charts):
    args = ("--set", "networkPolicy.enabled=true,service.extraPorts[0].name=push,service.extraPorts[0].port=80,service.extraPorts[0].targetPort=3500")
    ports = charts.one("Service", "agent", *args)["spec"]["ports"]
    assert ports[1] == {"name": "push", "port": 80, "targetPort": 3500, "protocol": "TCP"}
    assert {"ports": [{"port": 3500, "protocol": "TCP"}]} in charts.one("NetworkPolicy", "agent", *args)["spec"]["ingress"]


def test_names_of_ports_are_legal(charts):
    """Promtail's values name some in capitals, and Kubernetes takes 15 small letters."""
    spec = pod_spec(charts.objects("agent", "--set", "extraPorts.httpPush.containerPort=3500"))
    assert [p["name"] for p in agent(spec)["ports"]] == ["http-metrics", "httppush"]


def test_pod_monitor_with_tls(charts):
    endpoint = charts.one("PodMonitor", "agent", "--set", "podMonitor.enabled=true,podMonitor.scheme=https,podMonitor.tlsConfig.insecureSkipVerify=true")
    assert endpoint["spec"]["podMetricsEndpoints"][0].items() >= {"scheme": "https", "tlsConfig": {"insecureSkipVerify": True}}.items()


def test_every_value_is_in_the_schema_and_documented():
    import json
    values = yaml.load((HELM / "agent/values.yaml").read_text(), Loader=LOADER)
    schema = json.loads((HELM / "agent/values.schema.json").read_text())

    def walk(value, node, path):
        if isinstance(value, dict) and "properties" in node:
            for key, inner in value.items():
                assert key in node["properties"], ".".join(path + [key])
                walk(inner, node["properties"][key], path + [key])
    walk(values, schema, [])
