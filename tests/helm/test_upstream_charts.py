# SPDX-License-Identifier: Apache-2.0
"""helm/stack and helm/values/platform with the real charts of Loki, Tempo, kube-prometheus-stack,
cert-manager and the OpenTelemetry operator, in exactly the versions that helm/lib.sh names.

They can only be fetched with a network that reaches their registries (tests/helm/pull-charts.sh),
and are never committed. Looked for: a directory NAME-VERSION or NAME, or NAME-VERSION.tgz, in
$SLUICE_UPSTREAM_CHARTS, in ~/.cache/sluice/charts, and in helm/stack/charts, where deploy.sh puts
Loki's and Tempo's. A chart that is not there skips its tests, which say so.
"""
import copy
import functools
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

import pytest
import yaml

from conftest import (HELM, HELMS, HERE, LOADER, ROOT, TOOLS, conforms, copy_of_stack, dependencies, load_all, run, tool)
from test_loki_config import loki_config, verify
from fake_cluster import Fake

VALUES = HELM / "values"
LIB = (HELM / "lib.sh").read_text()
PLATFORM = {"kube-prometheus-stack": ("KPS_VERSION", "monitoring"), "cert-manager": ("CERT_MANAGER_VERSION", "cert-manager"),
            "opentelemetry-operator": ("OPERATOR_VERSION", "monitoring")}
MODES = {"hybrid": ["hybrid"], "full": ["full"], "eks": ["hybrid", "eks"], "kind": ["hybrid", "kind"]}


def version_of(name):
    return dependencies().get(name) or re.search(rf"{PLATFORM[name][0]}=(\S+)", LIB).group(1)


def places():
    given = os.environ.get("SLUICE_UPSTREAM_CHARTS")
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "sluice/charts"
    return [pathlib.Path(given)] if given else [cache, HELM / "stack/charts"]


def found(name):
    version = version_of(name)
    for place in places():
        for path in (place / f"{name}-{version}.tgz", place / f"{name}-{version}", place / name):
            if path.is_file() or (path / "Chart.yaml").exists():
                return path
    return None


@functools.lru_cache(maxsize=None)
def unpacked(name, base):
    """A copy of the chart, with nothing in place of charts of its own that are switched off."""
    path, version = found(name), version_of(name)
    if path is None:
        pytest.skip(f"optional: the chart {name} {version} is not there (tests/helm/pull-charts.sh, or SLUICE_UPSTREAM_CHARTS)")
    target = base / name
    if path.is_file():
        with tarfile.open(path) as archive:
            archive.extractall(base, filter="data")
    else:
        shutil.copytree(path, target)
    data = yaml.load((target / "Chart.yaml").read_text(), Loader=LOADER)
    if data["version"] != "v0.0.0":  # cert-manager's sources get theirs when they are packed
        assert data["version"].lstrip("v") == version.lstrip("v"), f"{path} is of version {data['version']}, and {version} is wanted"
    data["version"] = version
    (target / "Chart.yaml").write_text(yaml.safe_dump(data))
    there = {yaml.load(p.read_text(), Loader=LOADER)["name"] for p in target.glob("charts/*/Chart.yaml")}
    packed = {p.name for p in target.glob("charts/*.tgz")}
    for one in data.get("dependencies", []):
        if one["name"] not in there and not any(p.startswith(one["name"] + "-") for p in packed):
            stub = target / "charts" / one["name"]
            stub.mkdir(parents=True)
            (stub / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": one["name"], "version": one["version"].replace("*", "0")}))
    return target


class Real:
    """The umbrella with the real charts of Loki and Tempo."""

    def __init__(self, base):
        charts = {name: unpacked(name, base / "charts") for name in dependencies()}
        self.path = copy_of_stack(base)
        for name, path in charts.items():
            shutil.copytree(path, self.path / "charts" / name)

    @functools.lru_cache(maxsize=None)
    def text(self, mode="hybrid", helm="helm4", sets=()):
        files = [a for name in MODES[mode] for a in ("-f", VALUES / f"{name}.yaml")]
        return run(tool(helm), "template", "sluice-stack", self.path, "-n", "monitoring", *files,
                   *(a for one in sets for a in ("--set", one)), "--api-versions", "monitoring.coreos.com/v1").stdout

    def objects(self, *args, **more):
        return load_all(self.text(*args, **more))

    def one(self, kind, name, *args, **more):
        return next(o for o in self.objects(*args, **more) if (o["kind"], o["metadata"]["name"]) == (kind, name))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("upstream")


@pytest.fixture(scope="module")
def real(base):
    return Real(base)


@functools.lru_cache(maxsize=None)
def platform(name, base, sets=()):
    return run(tool("helm4"), "template", name, unpacked(name, base / "charts"), "-n", PLATFORM[name][1],
               "-f", VALUES / f"platform/{name}.yaml", *(a for one in sets for a in ("--set", one)),
               "--api-versions", "monitoring.coreos.com/v1").stdout


def without_nulls(node):
    if isinstance(node, dict):
        return {k: without_nulls(v) for k, v in node.items() if v is not None}
    return [without_nulls(v) for v in node] if isinstance(node, list) else node


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_renders_with_both_helms_and_fits_the_schemas(real, tmp_path, mode):
    by_helm = [sorted(real.objects(mode, helm=helm), key=lambda o: (o["kind"], o["metadata"]["name"])) for helm in HELMS]
    assert by_helm[0] == by_helm[1]
    path = tmp_path / "rendered.yaml"
    path.write_text(yaml.safe_dump_all(without_nulls(by_helm[0])))  # "annotations: null" is for the API as if absent
    done = conforms(path)
    assert done.returncode == 0, done.stdout


# ---- names and labels -------------------------------------------------------------

def part_of(wanted, got, where=""):
    """Every field of `wanted` stands in `got`; an entry of a list stands anywhere in it."""
    if isinstance(wanted, dict):
        assert isinstance(got, dict), where
        if not wanted:
            assert not got, f"{where}: {got}"
        for key, value in wanted.items():
            assert key in got, f"{where}.{key}"
            part_of(value, got[key], f"{where}.{key}")
    elif isinstance(wanted, list):
        for number, value in enumerate(wanted):
            errors = []
            for one in got:
                try:
                    part_of(value, one, f"{where}[{number}]")
                    break
                except AssertionError as error:
                    errors.append(str(error))
            else:
                raise AssertionError(f"{where}[{number}] {value}: {errors}")
    else:
        assert wanted == got, f"{where}: {got}"


def documents(text):
    """(template, name as it is written, object) of each."""
    for part in re.split(r"^---\s*$", text, flags=re.M):
        one = yaml.load(part, Loader=LOADER)
        source = re.search(r"^# Source: (\S+)", part, re.M)
        if one and source:
            yield source.group(1), re.search(r"^  name: (.*?)\s*$", part, re.M).group(1), one


def compare(summary, text):
    rendered = {(template, o["kind"], o["metadata"]["name"]): (name, o) for template, name, o in documents(text)}
    count = 0
    for template, name, wanted in documents((HERE / "upstream" / summary).read_text()):
        key = (template, wanted["kind"], wanted["metadata"]["name"])
        assert key in rendered, f"{key} is not among {[k for k in rendered if k[1] == wanted['kind']]}"
        written, got = rendered[key]
        assert written == name, f"{key}: {written}"
        part_of(wanted, got, "/".join(key))
        count += 1
    assert count


def test_the_summary_of_loki_and_tempo_is_right(real):
    compare("stack.yaml", real.text())


@pytest.mark.parametrize("name", PLATFORM)
def test_the_summary_of_the_platform_is_right(base, name):
    compare(f"{name}.yaml", platform(name, base))


def test_data_sources_lead_to_services_that_are_there(real):
    ports = {o["metadata"]["name"]: [p["port"] for p in o["spec"]["ports"]] for o in real.objects() if o["kind"] == "Service"}
    sources = yaml.load(real.one("ConfigMap", "sluice-stack-datasources")["data"]["sluice-stack-datasources.yaml"], Loader=LOADER)
    for source in sources["datasources"]:
        name, port = re.fullmatch(r"http://([a-z-]+)\.monitoring\.svc\.cluster\.local:(\d+)", source["url"]).groups()
        assert int(port) in ports[name]
    agent = real.one("ConfigMap", "sluice")["data"]["promtail.yaml"]
    assert "http://loki.monitoring.svc.cluster.local:3100/loki/api/v1/push" in agent and 3100 in ports["loki"]


def test_span_metrics_go_to_the_prometheus_of_the_platform(real, base):
    ports = {o["metadata"]["name"]: [p["port"] for p in o["spec"]["ports"]]
             for o in load_all(platform("kube-prometheus-stack", base)) if o["kind"] == "Service"}
    tempo = yaml.load(real.one("ConfigMap", "tempo", "full")["data"]["tempo.yaml"], Loader=LOADER)
    name, port = re.fullmatch(r"http://([a-z-]+)\.monitoring\.svc:(\d+)/api/v1/write",
                              tempo["metrics_generator"]["storage"]["remote_write"][0]["url"]).groups()
    assert int(port) in ports[name]


def test_network_policies_select_the_pods(real):
    def selects(selector, labels):
        return all(labels.get(k) == v for k, v in selector.get("matchLabels", {}).items()) and all(
            labels.get(e["key"]) not in e["values"] for e in selector.get("matchExpressions", []) if e["operator"] == "NotIn")
    objects = real.objects("eks", sets=("networkPolicy.enabled=true",))
    pods = {o["metadata"]["name"]: o["spec"]["template"]["metadata"]["labels"] for o in objects if o["kind"] in ("StatefulSet", "Deployment")}
    policies = {o["metadata"]["name"]: o["spec"]["podSelector"] for o in objects if o["kind"] == "NetworkPolicy"}
    for app in ("loki", "tempo"):
        assert [name for name, labels in pods.items() if selects(policies[f"sluice-stack-{app}"], labels)] == [app]
    assert "loki-gateway" in pods, "the gateway has Loki's labels, and a load balancer must reach it"


def test_nothing_belongs_to_the_whole_cluster(real):
    """So that a second Loki in another namespace is in nobody's way, and no such right is needed."""
    assert not [o["metadata"]["name"] for o in real.objects() if o["kind"].startswith("Cluster")]


@pytest.mark.parametrize("mode", MODES)
def test_volumes_outlive_the_release(real, mode):
    """cleanup.sh keeps them unless it is told otherwise; it finds them by the selector's labels, which
    the controller copies to the claims."""
    sets = [o for o in real.objects(mode) if o["kind"] == "StatefulSet"]
    assert {o["metadata"]["name"] for o in sets} == {"loki", "tempo"}
    for one in sets:
        assert (one["spec"].get("persistentVolumeClaimRetentionPolicy") or {}).get("whenDeleted", "Retain") == "Retain"
        labels = one["spec"]["selector"]["matchLabels"]
        assert labels["app.kubernetes.io/instance"] == "sluice-stack" and labels["app.kubernetes.io/name"] == one["metadata"]["name"]
        assert [c["metadata"]["name"] for c in one["spec"]["volumeClaimTemplates"]] == ["storage"]


def test_no_memory_for_what_is_switched_off(real):
    """Loki's chart alone would ask for 11 GiB of caches."""
    assert sorted(o["metadata"]["name"] for o in real.objects() if o["kind"] in ("StatefulSet", "Deployment", "DaemonSet")) == ["loki", "sluice", "tempo"]


# ---- configurations ---------------------------------------------------------------

def real_loki_config(real, mode="hybrid"):
    return yaml.load(real.one("ConfigMap", "loki", mode)["data"]["config.yaml"], Loader=LOADER)


@pytest.mark.parametrize("mode", MODES)
def test_loki_takes_its_configuration(real, tmp_path, mode):
    done = verify(real_loki_config(real, mode), tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_configuration_of_the_other_tests_is_the_real_one(real, charts):
    """What test_loki_config puts together from the stub's values, without the ring of a single process."""
    wanted = loki_config(charts)
    del wanted["common"]["ring"]
    part_of(wanted, real_loki_config(real))


def test_tempo_gets_what_was_asked_for(real):
    tempo = yaml.load(real.one("ConfigMap", "tempo")["data"]["tempo.yaml"], Loader=LOADER)
    assert tempo["compactor"]["compaction"]["block_retention"] == "72h"
    assert tempo["usage_report"]["reporting_enabled"] is False
    receivers = tempo["distributor"]["receivers"]
    assert set(receivers["otlp"]["protocols"]) == {"grpc", "http"}
    assert set(receivers["jaeger"]["protocols"]) == {"grpc", "thrift_http", "thrift_compact", "thrift_binary"}
    assert "metrics_generator" not in tempo
    full = yaml.load(real.one("ConfigMap", "tempo", "full")["data"]["tempo.yaml"], Loader=LOADER)
    assert full["overrides"]["defaults"]["metrics_generator"]["processors"] == ["service-graphs", "span-metrics"]
    assert full["metrics_generator"]["storage"]["path"].startswith("/var/tempo/"), "on the volume, not in /tmp"


def test_grafana_links_exemplars_to_tempo(base):
    sources = next(o for o in load_all(platform("kube-prometheus-stack", base))
                   if o["kind"] == "ConfigMap" and "datasource.yaml" in (o.get("data") or {}))
    prometheus = yaml.load(sources["data"]["datasource.yaml"], Loader=LOADER)["datasources"][0]
    assert prometheus["uid"] == "prometheus" and prometheus["isDefault"] is True
    assert prometheus["jsonData"]["exemplarTraceIdDestinations"] == [
        {"datasourceUid": "tempo", "name": "traceID", "urlDisplayLabel": "View trace"}]


def test_the_collector_fits_the_operators_own_definition(charts, base, tmp_path):
    spec = importlib.util.spec_from_file_location("make_schemas", ROOT / "tests/tools/helm/schemas/make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    kinds = set()
    for crd in load_all(platform("opentelemetry-operator", base)):
        if crd["kind"] == "CustomResourceDefinition":
            for version in crd["spec"]["versions"]:
                kind, api = crd["spec"]["names"]["kind"], f'{crd["spec"]["group"]}/{version["name"]}'
                (tmp_path / make.file_name(kind, api)).write_text(json.dumps(make.strict(version["schema"]["openAPIV3Schema"])))
                kinds.add(kind)
    assert {"OpenTelemetryCollector", "Instrumentation"} <= kinds
    path = tmp_path / "rendered.yaml"
    path.write_text(charts.text("otel", "--set", "collector.monitorLabels.release=prometheus"))
    location = ("-schema-location", f"{tmp_path}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json",
                "-schema-location", f"{TOOLS}/schemas/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json")
    done = run(tool("kubeconform"), "-summary", "-strict", *location, path, check=False)
    assert done.returncode == 0, done.stdout
    path.write_text(charts.text("otel").replace("samplerr:", "").replace("propagators:", "propagatorz:"))
    assert run(tool("kubeconform"), "-strict", *location, path, check=False).returncode != 0


# ---- values that are ignored ---------------------------------------------------------

# Read only when something beside them is switched on.
SLEEPING = re.compile(r"crds\.enabled|loki\.storage\.type")


def leaves(node, path=()):
    if isinstance(node, (dict, list)) and node:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(value, path + (key,))
    else:
        yield path, node


def another(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return "77" + value if value[:1].isdigit() else value + "x"
    return {"a": "b"} if value == {} else ["a"]


def merged(*files):
    out = {}
    for path in files:
        def into(target, source):
            for key, value in source.items():
                if isinstance(value, dict) and isinstance(target.get(key), dict):
                    into(target[key], value)
                else:
                    target[key] = copy.deepcopy(value)
        into(out, yaml.load(path.read_text(), Loader=LOADER) or {})
    return out


@pytest.mark.parametrize("name", ["loki", "tempo", *PLATFORM])
def test_every_value_changes_something(base, tmp_path, name):
    """These charts swallow a key that they do not know. So each value of ours is changed, and what
    they make must change too, or be refused."""
    if name in PLATFORM:
        values = merged(VALUES / f"platform/{name}.yaml")
        for ingress in (values.get(one, {}).get("ingress") for one in ("prometheus", "grafana")):
            if ingress:
                ingress["enabled"] = True
    else:
        values = merged(HELM / "stack/values.yaml", VALUES / "full.yaml", VALUES / "eks.yaml")[name]
        del values["enabled"]
    chart = unpacked(name, base / "charts")

    def render(one):
        path = tmp_path / "values.yaml"
        path.write_text(yaml.safe_dump(one))
        done = run(tool("helm4"), "template", "r", chart, "-n", "n", "-f", path, "--api-versions", "monitoring.coreos.com/v1", check=False)
        return re.sub(r"checksum/.*", "", done.stdout) if done.returncode == 0 else None
    before = render(values)
    assert before
    asleep = []
    for path, value in leaves(values):
        changed = copy.deepcopy(values)
        place = changed
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = another(value)
        if render(changed) == before:
            asleep.append(".".join(map(str, path)))
    assert not [one for one in asleep if not SLEEPING.match(one)], asleep


# ---- deploy.sh --------------------------------------------------------------------

@pytest.mark.parametrize("mode", ["hybrid", "full"])
def test_deploy_sh_reads_the_real_charts(real, charts, tmp_path, mode):
    fake = Fake(tmp_path, charts, stack_text=real.text(mode))
    fake.rule("kubectl", "get mutatingwebhookconfiguration*", "Q0E=")
    fake.marker_arrives()
    done = fake.run("deploy.sh", "--yes", "--mode", mode)
    assert done.returncode == 0, done.stdout + done.stderr
    for text in ("volumes: Loki 30Gi, Tempo 20Gi", "StatefulSet/loki", "StatefulSet/tempo", "every node has a ready agent",
                 "Loki is ready", "Tempo is ready", "a line that a pod wrote was found in Loki"):
        assert text in done.stdout, text
    assert "image: sluice:0.1.0" in (fake.base / "stdin").read_text()


def test_deploy_sh_finds_the_agent_beside_lokis_canary(real, charts, tmp_path):
    fake = Fake(tmp_path, charts, stack_text=real.text(sets=("loki.lokiCanary.enabled=true",)))
    assert "name: loki-canary" in fake.rendered["stack"]
    fake.marker_arrives()
    assert fake.run("deploy.sh", "--yes").returncode == 0
    assert any("rollout status daemonset/sluice " in c for c in fake.calls())


def test_deploy_sh_asks_for_what_eks_needs(real, charts, tmp_path):
    """The Secret of Loki's gateway, the ingress class and the host, out of the real chart's objects."""
    fake = Fake(tmp_path, charts, stack_text=real.text("eks"))
    fake.rule("kubectl", "get storageclass gp3 -o *", "")
    fake.rule("kubectl", "get ingress --all*", "loki.bluesunnywings.com other/web web\n")
    done = fake.run("deploy.sh", "--yes", "--values", str(VALUES / "eks.yaml"))
    assert done.returncode == 3 and not fake.mutations()
    for text in ("are not in namespace monitoring: loki-gateway-auth", "OK    ingress class alb",
                 "The host loki.bluesunnywings.com is taken by Ingress other/web"):
        assert text in done.stdout, text


def test_pull_charts_says_what_is_missing(tmp_path):
    """With a Helm that reaches nothing."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/helm4").write_text('#!/bin/sh\necho "Error: no route to host" >&2\nexit 1\n')
    (tmp_path / "tools/helm4").chmod(0o755)
    done = subprocess.run([HERE / "pull-charts.sh", tmp_path / "charts"], capture_output=True, text=True, timeout=60, check=False,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "SLUICE_TOOLS": str(tmp_path / "tools")})
    assert done.returncode == 1
    for name in (*dependencies(), *PLATFORM):
        assert f"{name} {version_of(name)} could not be fetched" in done.stderr
