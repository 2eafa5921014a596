# SPDX-License-Identifier: Apache-2.0
"""Random values that the charts' schemas allow: each renders with both Helms, fits the strict schemas of
Kubernetes, keeps what the charts promise, and gives a configuration that the agent takes.

    SLUICE_RANDOM_VALUES=500 SLUICE_RANDOM_SEED=7 tests/helm/run.sh test_random_values.py

The generator walks values.schema.json, so that a new key is tried as soon as it is in the schema. What
a schema leaves open (a probe, an affinity) comes from the lists below, in Kubernetes' own terms.
"""
import json
import os
import random
import re

import pytest
import yaml

from conftest import HELM, HELMS, agent_binary, conforms, run, tool

COUNT = int(os.environ.get("SLUICE_RANDOM_VALUES", "12"))
SEED = int(os.environ.get("SLUICE_RANDOM_SEED", "20261122"))

STRINGS = ["a", "some-name", "x9"]
PROBE = {"httpGet": {"path": "/ready", "port": "http-metrics"}, "periodSeconds": 7}
RESOURCES = [{"requests": {"cpu": "10m"}, "limits": {"memory": "1Gi"}}, {"limits": {"memory": "64Mi", "cpu": 1}}, {}]
SECURITY = [{"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
             "seLinuxOptions": {"type": "spc_t"}}]
RELABEL = {"action": "replace", "source_labels": ["pod"], "target_label": "other"}
METRIC_RELABEL = {"action": "drop", "sourceLabels": ["__name__"], "regex": "go_.*"}
RULE = {"alert": "Own", "expr": "vector(1)", "for": "5m", "labels": {"severity": "info"}}
SELECTOR = [{}, {"matchLabels": {"a": "b"}}, {"matchExpressions": [{"key": "a", "operator": "Exists"}]}]
# Keys (the end of their path) whose schema says less than Kubernetes does.
KNOWN = {
    "image.registry": ["", "registry.example.com", "localhost:5000/team"], "image.repository": ["sluice", "team/sluice"],
    "image.tag": [None, "", "1.2.3"], "image.digest": ["", "sha256:" + "0a" * 32], "imageRegistry": ["", None, "mirror.example.com"],
    "nameOverride": [None, "", "agents"], "fullnameOverride": [None, "", "promtail", "l" * 60], "namespace": [None, "", "other"],
    "loki.url": ["http://loki:3100/loki/api/v1/push", "https://loki.{{ .Release.Namespace }}.example.com/loki/api/v1/push", "http://[::1]:3100/x"],
    "tenantId": ["", "team-a", "{{ .Release.Name }}"], "externalLabels": [{}, {"cluster": "a"}], "headers": [{}, {"X-A": "b"}],
    "listenAddress": ["0.0.0.0", "::", ""], "config.clients": [[], [{"url": "http://a/loki/api/v1/push"}, {"url": "https://b/{{ .Release.Name }}", "name": "b"}]],
    "positions.filename": ["/var/lib/sluice/positions.yaml", "/run/promtail/positions.yaml", "/var/lib/sluice/deep/p.yaml"],
    "targetConfig": [{}, {"sync_period": "5s"}],
    "config.limits": [{}, {"max_line_size": "256KB", "max_line_size_truncate": True}, {"max_active_streams": 100}],
    "multiline.firstline": ["", "^\\d{4}-\\d{2}"], "config.pipelines": [{}, {"java": [{"cri": {}}]}],
    "pipelineStages": [[{"cri": {}}], [{"docker": {}}], []], "extraPipelineStages": [[], [{"static_labels": {"a": "b"}}], [{"drop": {"expression": "healthz"}}]],
    "snippets.common": [[RELABEL], []], "extraRelabelConfigs": [[], [RELABEL]], "extraLimitsConfig": ["", "readline_rate_enabled: true\nreadline_rate: 100\nreadline_burst: 200\n"],
    "extraServerConfigs": ["", "graceful_shutdown_timeout: 5s\n"], "snippets.scrapeConfigs": ['{{ include "sluice.scrapeConfigs" . }}'],
    "extraScrapeConfigs": ["", "- job_name: n\n  static_configs: [{targets: [localhost], labels: {job: n, __path__: /var/log/syslog}}]\n"],
    "config.raw": ["", "clients: [{url: http://x/p}]\npositions: {filename: /var/lib/sluice/p.yaml}\n"], "config.file": ["", "clients: [{url: http://x/p}]\n"],
    "existingConfigMap": ["", "", "given"], "existingSecret": ["", "", "{{ .Release.Name }}-own"],
    "auth.existingSecret": ["auth"], "tls.existingSecret": ["", "tls"], "hostPath": ["/var/log/pods", "/data/x"], "mountPath": ["/var/lib/sluice", "/state/"],
    "filename": ["positions.yaml"], "resources": RESOURCES, "defaultVolumes": [[], [{"name": "pods", "hostPath": {"path": "/var/log/pods"}}]],
    "defaultVolumeMounts": [[]], "extraVolumes": [[], [{"name": "e", "emptyDir": {}}]], "extraVolumeMounts": [[], [{"name": "config", "mountPath": "/again"}]],
    "extraArgs": [[], ["-log.level=warn"]], "extraEnv": [[], [{"name": "A", "value": "b"}]], "extraEnvFrom": [[], [{"secretRef": {"name": "s", "optional": True}}]],
    "recommenders": [[], [{"name": "r"}]], "controlledResources": [[], ["cpu", "memory"]], "maxAllowed": [{}, {"memory": "1Gi"}], "minAllowed": [{}, {"cpu": "10m"}],
    "updatePolicy": [{}, {"updateMode": "Off"}], "rollingUpdate": [{"maxUnavailable": 1}, {"maxUnavailable": 0, "maxSurge": "10%"}],
    "affinity": [{}, {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "podAffinityTerm": {"topologyKey": "a", "labelSelector": {"matchLabels": {"a": "b"}}}}]}}],
    "tolerations": [[], [{"operator": "Exists"}], [{"key": "a", "value": "b", "effect": "NoSchedule"}]], "dnsConfig": [{}, {"options": [{"name": "ndots", "value": "2"}]}],
    "hostAliases": [[], [{"ip": "127.0.0.1", "hostnames": ["a"]}]], "podSecurityContext": [{}, {"runAsUser": 0}, {"runAsUser": 7, "runAsGroup": 0, "fsGroup": 1}],
    "containerSecurityContext": SECURITY, "startupProbe": [None, {}, PROBE], "readinessProbe": [{}, PROBE], "livenessProbe": [{}, PROBE],
    "lifecycle": [{}, {"preStop": {"httpGet": {"path": "/ready", "port": 1}}}], "httpPathPrefix": ["", "/sluice", "/a/b"], "initContainer": [[], [{"name": "i", "image": "b:1"}]],
    "extraContainers": [{}, {"side": {"image": "b:1"}}], "extraRules": [[], [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}]],
    "rbac.namespaces": [[], ["a", "b"]], "serviceAccount.imagePullSecrets": [[], [{"name": "p"}]], "serviceAccount.name": [None, "account"], "targetLabels": [[], ["a"]],
    "namespaceSelector": [{}], "podSelector": [{}, {"matchLabels": {"a": "b"}}], "relabelings": [[], [METRIC_RELABEL]], "metricRelabelings": [[], [METRIC_RELABEL]],
    "tlsConfig": [None, {"insecureSkipVerify": True}], "rules": [[RULE]], "additionalRules": [[], [RULE]], "cidrs": [[], ["10.0.0.0/8", "fd00::/8"]],
    "extraEgress": [[], [{"ports": [{"port": 9000}]}]], "extraObjects": [[], [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-o"}}]],
    "severity": ["info"], "priorityClassName": [None, "system-node-critical"], "runtimeClassName": [None, "runc"], "clusterIP": [None, "None"], "nodePort": [None, 31000],
    "externalIPs": [[], ["10.0.0.1"]], "loadBalancerIP": [None], "loadBalancerSourceRanges": [None, ["10.0.0.0/8"]], "externalTrafficPolicy": [None],
    "ingress.hosts": [["a.example.com"]], "ingress.path": ["/", "/a"], "ingress.paths": ["/"], "ingress.tls": [[], [{"hosts": ["a.example.com"], "secretName": "t"}]],
    "labels": [{}, {"release": "prometheus"}, {"app.kubernetes.io/part-of": "theirs"}], "annotations": [{}, {"a": "b"}],
    "podLabels": [{}, {"app.kubernetes.io/part-of": "theirs", "a": "b"}], "podAnnotations": [{}, {"a": "{{ .Release.Name }}"}],
    "alertLabels": [{}, {"severity": "page"}], "additionalLabels": [{}, {"a": "b"}], "nodeSelector": [{}, {"kubernetes.io/os": "linux"}],
    "usernameKey": ["user"], "passwordKey": ["password"], "tokenKey": ["token"], "terminationGracePeriodSeconds": [30, 60], "shutdownTimeout": ["25s", "1m"],
    "memoryLimit": ["", "64MiB", "100MB"], "seLinuxType": ["spc_t"], "label": ["grafana_dashboard", "dash"], "labelValue": ["1", "yes"], "runbookUrl": ["", "https://example.com/r"],
    "replicaCount": [1], "autoscaling": [{"enabled": False}], "strategy": [{"type": "RollingUpdate"}], "podSecurityPolicy": [{}],
    "extraPorts": [{}, {"syslog": {"containerPort": 1514}}, {"httpPush": {"containerPort": 3500, "service": {"port": 80}, "ingress": {"hosts": ["a.example.com"]}}}],
    # helm/stack and helm/otel
    "stack.loki": [{}, {"gateway": {"enabled": True}}], "stack.tempo": [{}, {"enabled": False}], "stack.sluice": [{}, {"metadata": {"source": "api"}}, {"enabled": False}],
    "datasources.loki.url": ["", "http://loki.other:3100"], "datasources.tempo.url": ["", "https://tempo.other"], "folder": ["Logs & Traces", "a: b #c"],
    "ingress.tempo.host": ["t.example.com"], "parentRefs": [[{"name": "g"}]], "hostnames": [["t.example.com"]], "storageClass.name": ["gp3", "fast"],
    "provisioner": ["ebs.csi.aws.com"], "parameters": [{"type": "gp3"}], "clientNamespaces": [SELECTOR[1:], []], "traceNamespaces": [[{}], SELECTOR],
    "ingressSources": [[], [{"ipBlock": {"cidr": "10.0.0.0/16"}}], [{"namespaceSelector": {"matchLabels": {"a": "b"}}, "podSelector": {}}]],
    "authAnnotations": [{}, {"alb.ingress.kubernetes.io/auth-type": "oidc"}], "tempo.tls": [[], [{"hosts": ["t.example.com"], "secretName": "t"}]],
    "endpoint": ["", "tempo.other:4317"], "collector.image": ["", "otel/collector:1"], "collector.config": [{}, {"exporters": {"debug": {}}}],
    "languages.*": [{}, {"env": [{"name": "A", "value": "b"}]}], "samplerArgument": ["0.01", "1"],
}


class Generator:
    def __init__(self, chart, seed):
        self.random = random.Random(seed)
        self.chart = chart
        self.schema = json.loads((HELM / chart / "values.schema.json").read_text())
        # One set of values turns most things on, the next few.
        self.likely = self.random.choice([0.1, 0.3, 0.6])

    def known(self, path):
        for start in range(len(path)):
            for key in (".".join(path[start:]), ".".join(path[start:-1] + ["*"])):
                if key in KNOWN:
                    return KNOWN[key]
        return KNOWN.get(".".join([self.chart] + path))

    def make(self, node, path):
        node = self.resolve(node)
        choices = self.known(path)
        if choices:
            return self.random.choice(choices)
        if "enum" in node:
            return self.random.choice(node["enum"])
        if "const" in node:
            return node["const"]
        if "anyOf" in node:
            return self.make(self.random.choice(node["anyOf"]), path)
        kind = node.get("type")
        kind = self.random.choice(kind) if isinstance(kind, list) else kind
        if kind == "object":
            return {key: self.make(value, path + [key]) for key, value in node.get("properties", {}).items()
                    if key in node.get("required", []) or self.random.random() < self.likely}
        if kind == "array":
            return [self.make(node["items"], path) for _ in range(self.random.choice([0, 1]))]
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind in ("integer", "number"):
            return self.random.randint(node.get("minimum", 0), min(node.get("maximum", 5000), 30000))
        if kind == "null":
            return None
        if kind == "string":
            wanted = [s for s in ["30s", "/data", "30%", "name", *STRINGS] if re.search(node.get("pattern", ""), s)]
            assert wanted, f"{'.'.join(path)}: no string fits {node['pattern']}; put some into KNOWN"
            return self.random.choice(wanted)
        raise AssertionError(f"{'.'.join(path)}: {node}")

    def resolve(self, node):
        while "$ref" in node:
            node = self.schema["definitions"][node["$ref"].rsplit("/", 1)[1]]
        return node


class Strict(yaml.SafeLoader):
    """A key that stands twice in one map is an error."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"twice in one map: {sorted(k for k in keys if keys.count(k) > 1)}"
        return super().construct_mapping(node, deep)


Strict.add_constructor("tag:yaml.org,2002:map", Strict.construct_mapping)

NETWORK_REFUSAL = "networkPolicy.enabled keeps everybody away"


def without_contradictions(chart, path, values):
    """What does not fit together (two configurations, an Ingress without a login) is refused by the
    schema with the key's name, and left out then."""
    while True:
        path.write_text(yaml.safe_dump(values))
        done = run(tool("helm4"), "template", "rel", chart, "-f", path, check=False)
        if "values don't meet the specifications" not in done.stderr:
            return
        named = {where.split("/")[1] for where in re.findall(r"- at '(/[^']+)'", done.stderr)} & set(values)
        # A rule for the whole names no key.
        named = named or {"existingConfigMap", "existingSecret", "config"} & set(values)
        assert named, done.stderr
        for key in named:
            del values[key]


def rendered(charts, chart, values, tmp_path):
    """The objects, or None where the chart refuses a combination with a sentence of its own."""
    path = tmp_path / "values.yaml"
    without_contradictions(charts.paths[chart], path, values)
    texts = []
    for helm in HELMS:
        done = run(tool(helm), "template", "rel", charts.paths[chart], "--namespace", "ns", "-f", path,
                   "--api-versions", "security.openshift.io/v1", check=False)
        if done.returncode != 0 and NETWORK_REFUSAL in done.stderr:
            return None
        assert done.returncode == 0, done.stderr
        texts.append(done.stdout)
    objects, others = ([o for o in yaml.load_all(text, Loader=Strict) if o] for text in texts)

    def order(one):
        return one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]
    assert sorted(objects, key=order) == sorted(others, key=order)
    path = tmp_path / "rendered.yaml"
    path.write_text(texts[0])
    done = conforms(path)
    assert done.returncode == 0, done.stdout
    names = [order(o) for o in objects]
    assert len(names) == len(set(names)), names
    for _, _, name in names:
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?", name), name
    return objects


def agent_promises(objects):
    """What holds whatever the values say."""
    for one in objects:
        if one["kind"] == "DaemonSet":
            spec = one["spec"]["template"]["spec"]
            labels = one["spec"]["template"]["metadata"]["labels"]
            assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()
            names = [v["name"] for v in spec["volumes"]]
            assert len(names) == len(set(names)), names
            for container in spec["containers"] + spec.get("initContainers", []):
                for mount in container.get("volumeMounts", []):
                    assert mount["name"] in names, mount
                ports = [p["name"] for p in container.get("ports", [])]
                assert len(ports) == len(set(ports)) and all(len(p) <= 15 for p in ports)
                assert not container.get("securityContext", {}).get("privileged")
        if one["kind"] == "NetworkPolicy":
            assert one["spec"]["podSelector"]["matchLabels"], "a policy for every pod of the namespace"
        for rule in one.get("rules") or []:
            assert "secrets" not in rule["resources"]
    services = [o for o in objects if o["kind"] == "Service"]
    for monitor in (o for o in objects if o["kind"] == "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        assert any(wanted.items() <= s["metadata"]["labels"].items() for s in services)


def agent_takes(objects, tmp_path):
    for one in objects:
        text = (one.get("data") or one.get("stringData") or {}).get("promtail.yaml")
        if text is None:
            continue
        # The files of Secrets and the directory of the positions are not here.
        config = yaml.load(text, Loader=Strict)
        (tmp_path / "secret").write_text("x")
        for client in config["clients"]:
            client.pop("tls_config", None)
            for place in (client, client.get("basic_auth") or {}):
                for key in list(place):
                    if key.endswith("_file"):
                        place[key] = str(tmp_path / "secret")
        path = tmp_path / "promtail.yaml"
        path.write_text(yaml.safe_dump(config))
        run(agent_binary(), "-check-syntax", f"-config.file={path}")


@pytest.mark.parametrize("number", range(COUNT))
@pytest.mark.parametrize("chart", ["agent", "stack", "otel"])
def test_random_values(charts, tmp_path, chart, number):
    generator = Generator(chart, f"{SEED}/{chart}/{number}")
    values = generator.make(generator.schema, [])
    values.pop("global", None)
    objects = rendered(charts, chart, values, tmp_path)
    print(f"SLUICE_RANDOM_SEED={SEED}, values:\n{yaml.safe_dump(values)}")
    if objects is not None:
        agent_promises(objects)
        agent_takes(objects, tmp_path)


@pytest.mark.parametrize("chart", ["agent", "stack", "otel"])
def test_the_generator_reaches_every_key(chart):
    """A key that is never tried would be a test that cannot fail."""
    schema = Generator(chart, 0)
    reached = set()

    def keys(value, path):
        for key, inner in value.items() if isinstance(value, dict) else ():
            reached.add(".".join(path + [key]))
            keys(inner, path + [key])

    def wanted(node, path):
        node = schema.resolve(node)
        for key, inner in node.get("properties", {}).items():
            yield ".".join(path + [key])
            if not schema.known(path + [key]):
                yield from wanted(inner, path + [key])
    for number in range(400):
        generator = Generator(chart, number)
        keys(generator.make(generator.schema, []), [])
    assert not [key for key in wanted(schema.schema, []) if key not in reached]
