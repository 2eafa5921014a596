# SPDX-License-Identifier: Apache-2.0
"""Metadata of the API: the agent and a server that does what real ones do to clients."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "support")]

import tools  # noqa: E402
from kube_api import KubeApi, pod  # noqa: E402
from loki import Promtail, free_ports  # noqa: E402
from running import Agent, Pods, Sink, get, wait_for  # noqa: E402

# What the chart of Promtail 6.17.1 renders by default; ROOT is /var/log/pods there.
CHART_RULES = r"""
      - {source_labels: [__meta_kubernetes_pod_controller_name], regex: '([0-9a-z-.]+?)(-[0-9a-f]{8,10})?', action: replace, target_label: __tmp_controller_name}
      - {source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_name, __meta_kubernetes_pod_label_app, __tmp_controller_name, __meta_kubernetes_pod_name], regex: '^;*([^;]+)(;.*)?$', action: replace, target_label: app}
      - {source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_instance, __meta_kubernetes_pod_label_instance], regex: '^;*([^;]+)(;.*)?$', action: replace, target_label: instance}
      - {source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_component, __meta_kubernetes_pod_label_component], regex: '^;*([^;]+)(;.*)?$', action: replace, target_label: component}
      - {action: replace, source_labels: [__meta_kubernetes_pod_node_name], target_label: node_name}
      - {action: replace, source_labels: [__meta_kubernetes_namespace], target_label: namespace}
      - {action: replace, replacement: $1, separator: /, source_labels: [namespace, app], target_label: job}
      - {action: replace, source_labels: [__meta_kubernetes_pod_name], target_label: pod}
      - {action: replace, source_labels: [__meta_kubernetes_pod_container_name], target_label: container}
      - {action: replace, replacement: ROOT/*$1/*.log, separator: /, source_labels: [__meta_kubernetes_pod_uid, __meta_kubernetes_pod_container_name], target_label: __path__}
      - {action: replace, regex: true/(.*), replacement: ROOT/*$1/*.log, separator: /, source_labels: [__meta_kubernetes_pod_annotationpresent_kubernetes_io_config_hash, __meta_kubernetes_pod_annotation_kubernetes_io_config_hash, __meta_kubernetes_pod_container_name], target_label: __path__}
"""


def config(push_url, kube_url, root, rules=CHART_RULES, extra_sd="", source="", stages="[{cri: {}}]", more="", port=0):
    server = f"{{http_listen_address: 127.0.0.1, http_listen_port: {port}}}" if port else "{disable: true}"
    return f"""
server: {server}
clients:
  - url: {push_url}
    batchwait: 200ms
scrape_configs:
  - job_name: kubernetes-pods
    {source}
    kubernetes_sd_configs:
      - {{role: pod, api_server: '{kube_url}' {extra_sd}}}
    pipeline_stages: {stages}
    relabel_configs: {rules.replace("ROOT", str(root))}
{more}
"""


def directory(pods: Pods, namespace, name, uid, container="app") -> Path:
    folder = pods.root / f"{namespace}_{name}_{uid}" / container
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "0.log"


def label_sets(sink) -> set:
    return {json.dumps(stream["labels"], sort_keys=True) for stream in sink.streams()}


def stream_of(sink, **labels) -> dict | None:
    for stream in sink.streams():
        if labels.items() <= stream["labels"].items():
            return stream
    return None


def entries(sink) -> int:
    return sink.stats()["entries"]


def metric(port, name) -> float:
    try:
        text = get(f"http://127.0.0.1:{port}/metrics")
    except OSError:  # not yet
        return float("nan")
    found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else float("nan")


@pytest.fixture
def pods(tmp_path):
    return Pods(tmp_path / "pods")


def test_the_charts_rules_give_promtails_labels(pods, tmp_path, monkeypatch):
    tools.require("promtail")
    monkeypatch.setenv("HOSTNAME", "node-1")  # Promtail's name for its node
    static_hash = "8d0ac1fa6a4d5e7e0f4c3b2a19876543"
    cluster = [
        pod("cart-7d9f8b6c5-x2x7v", "u-1", labels={"app.kubernetes.io/name": "cart", "app.kubernetes.io/instance": "shop-eu",
                                                 "app.kubernetes.io/component": "api"}, ports=(8080, 9090), init=("migrate",)),
        pod("legacy-0", "u-2", namespace="ops", labels={"app": "legacy", "instance": "old"}, owner=("StatefulSet", "legacy")),
        pod("nightly-28391040-abcde", "u-3", labels={}, ports=(), owner=("Job", "nightly-28391040")),
        pod("bare", "u-4", labels={}, owner=(None, None), containers=("app", "sidecar")),
        pod("etcd-node-1", "u-5", namespace="kube-system", owner=("Node", "node-1"), labels={"component": "etcd"},
            annotations={"kubernetes.io/config.hash": static_hash}),
        pod("elsewhere-1", "u-6", node="node-2"),
        pod("pending-1", "u-7", ip="", phase="Pending"),
    ]
    for namespace, name, uid, container in [
            ("shop", "cart-7d9f8b6c5-x2x7v", "u-1", "app"), ("shop", "cart-7d9f8b6c5-x2x7v", "u-1", "migrate"),
            ("ops", "legacy-0", "u-2", "app"), ("shop", "nightly-28391040-abcde", "u-3", "app"), ("shop", "bare", "u-4", "app"),
            ("shop", "bare", "u-4", "sidecar"), ("kube-system", "etcd-node-1", static_hash, "app"), ("shop", "pending-1", "u-7", "app")]:
        pods.write(directory(pods, namespace, name, uid, container), f"hello from {name}/{container}")
    with KubeApi(cluster) as api, Sink() as theirs, Sink() as ours:
        text = config(theirs.push_url, api.url, pods.root).replace("server: {disable: true}\n", "")
        with Promtail(text, arguments=["-target.sync-period=1s"]):
            wait_for(lambda: entries(theirs) >= 7, "7 lines of Promtail", 60)
        with Agent(config(ours.push_url, api.url, pods.root), tmp_path / "a", "--node-name=node-1"):
            wait_for(lambda: entries(ours) >= 7, "7 lines of the agent")
        assert label_sets(ours) == label_sets(theirs)
        assert entries(ours) == 7
        cart = stream_of(ours, pod="cart-7d9f8b6c5-x2x7v", container="app")["labels"]
        assert cart["job"] == "shop/cart" and cart["instance"] == "shop-eu" and cart["component"] == "api"
        assert stream_of(ours, pod="nightly-28391040-abcde")["labels"]["app"] == "nightly"


def test_new_changed_and_deleted_pods_over_410_and_broken_streams(pods, tmp_path):
    with KubeApi([pod("first-1", "u-1")]) as api, Sink("--keep-lines=100") as sink:
        pods.write(directory(pods, "shop", "first-1", "u-1"), "first")
        with Agent(config(sink.push_url, api.url, pods.root), tmp_path / "a", "--node-name=node-1"):
            wait_for(lambda: stream_of(sink, app="first"), "the first pod")
            assert api.seen("fieldSelector=spec.nodeName%3Dnode-1") == len(api.requests)
            api.truncate = 1
            api.add(pod("second-1", "u-2"))
            pods.write(directory(pods, "shop", "second-1", "u-2"), "second")
            wait_for(lambda: stream_of(sink, app="second"), "a pod whose event was cut in the middle")
            api.bookmark()
            lists = api.seen("&limit=")
            api.drop_watches()
            wait_for(lambda: api.seen("watch=1") >= 3, "the watch goes on")
            api.add(pod("third-1", "u-3"))
            pods.write(directory(pods, "shop", "third-1", "u-3"), "third")
            wait_for(lambda: stream_of(sink, app="third"), "a pod after a bookmark")
            assert api.seen("&limit=") == lists, "no list was needed"
            api.compact()
            api.drop_watches()
            api.add(pod("fourth-1", "u-4"))
            pods.write(directory(pods, "shop", "fourth-1", "u-4"), "fourth")
            wait_for(lambda: stream_of(sink, app="fourth"), "a pod after 410 Gone")
            assert api.seen("&limit=") > lists
            api.add(pod("first-1", "u-1", labels={"app": "renamed"}))
            wait_for(lambda: (pods.write(directory(pods, "shop", "first-1", "u-1"), "later"), stream_of(sink, app="renamed"))[1],
                     "new labels of a pod that is there")
            assert stream_of(sink, app="first")["last"][0]["line"] == "first"
            lines = directory(pods, "shop", "first-1", "u-1").read_text().count("\n")
            wait_for(lambda: entries(sink) >= lines + 3, "every line")
        assert entries(sink) == lines + 3, "once"


def test_positions_do_not_depend_on_labels(pods, tmp_path):
    path = directory(pods, "shop", "web-1", "u-1")
    with KubeApi([pod("web-1", "u-1")]) as api, Sink() as sink:
        text = config(sink.push_url, api.url, pods.root)
        pods.write(path, *(f"line {i}" for i in range(100)))
        with Agent(text, tmp_path / "a", "--node-name=node-1") as agent:
            wait_for(lambda: entries(sink) == 100, "100 lines")
            assert agent.stop() == 0
        api.add(pod("web-1", "u-1", labels={"app": "other"}))
        pods.write(path, "one more")
        with Agent(text, tmp_path / "a", "--node-name=node-1") as agent:
            wait_for(lambda: stream_of(sink, app="other"), "the new labels")
            assert agent.stop() == 0
        assert entries(sink) == 101


def test_without_the_api_labels_of_the_path_go_on_and_a_metric_says_so(pods, tmp_path):
    [port] = free_ports(1)
    path = directory(pods, "shop", "cart-7d9f8b6c5-x2x7v", "u-1")
    pods.write(path, *(f"line {i}" for i in range(10)))
    with KubeApi([pod("cart-7d9f8b6c5-x2x7v", "u-1", labels={"app": "cart"})]) as api, Sink() as sink:
        api.answer(False)
        text = config(sink.push_url, api.url, pods.root, extra_sd=", metadata_wait: 1s", port=port)
        with Agent(text, tmp_path / "a", "--node-name=node-1", f"--pods-root={pods.root}") as agent:
            wait_for(lambda: entries(sink) == 10, "lines without the API")
            labels = sink.streams()[0]["labels"]
            assert labels["namespace"] == "shop" and labels["container"] == "app" and labels["node_name"] == "node-1"
            assert labels["app"] == "cart-7d9f8b6c5-x2x7v", "as the rules say where there are no labels of the pod"
            assert metric(port, "sluice_kubernetes_up") == 0
            assert metric(port, "sluice_kubernetes_path_labelled_containers") == 1
            assert metric(port, "sluice_kubernetes_failures_total") >= 1
            assert "Kubernetes does not answer" in agent.log
            api.answer(True)
            wait_for(lambda: metric(port, "sluice_kubernetes_up") == 1, "the API is up", 60)
            pods.write(path, "line 10")
            wait_for(lambda: stream_of(sink, app="cart"), "the pod's own labels")
            assert metric(port, "sluice_kubernetes_path_labelled_containers") == 0
            assert agent.stop() == 0
        assert entries(sink) == 11


def test_a_deleted_pods_metadata_stays_until_its_lines_are_delivered(pods, tmp_path):
    path = directory(pods, "shop", "job-1", "u-1")
    with KubeApi([pod("job-1", "u-1", labels={"app": "job"})]) as api, Sink() as sink:
        pods.write(path, "begin")
        client = "backoff_config: {min_period: 100ms, max_period: 200ms}"
        text = config(sink.push_url, api.url, pods.root).replace("batchwait: 200ms", "batchwait: 200ms\n    " + client)
        with Agent(text, tmp_path / "a", "--node-name=node-1"):
            wait_for(lambda: entries(sink) == 1, "the first line")
            sink.control(status=503, count=1000000)
            pods.write(path, *(f"last words {i}" for i in range(50)))
            api.delete("u-1")
            wait_for(lambda: sink.stats()["requests"] >= 4, "refused pushes")
            path.unlink()
            path.parent.rmdir()
            path.parent.parent.rmdir()
            sink.control()
            wait_for(lambda: entries(sink) == 51, "the last words")
        assert all(stream["labels"]["app"] == "job" for stream in sink.streams())


def test_pod_logs_with_metadata_beside_it(pods, tmp_path):
    rules = """
      - {source_labels: [__meta_kubernetes_pod_label_team], target_label: team}
"""
    late = directory(pods, "shop", "late-1", "u-2")
    pods.write(directory(pods, "shop", "web-1", "u-1", "nginx"), "hello")
    pods.write(late, "nobody knows me yet")
    cluster = [pod("web-1", "u-1", labels={"team": "a"}, containers=("nginx",), ports=(80, 443), ip="")]
    with KubeApi(cluster) as api, Sink() as sink:
        text = config(sink.push_url, api.url, pods.root, rules=rules, source=f"pod_logs: {{root: {pods.root}}}",
                      extra_sd=", metadata_wait: 2s")
        with Agent(text, tmp_path / "a", "--node-name=node-1"):
            wait_for(lambda: entries(sink) == 1, "the pod that the API knows (it has no IP, and is no target of Promtail)")
            assert sink.streams()[0]["labels"] == {"namespace": "shop", "pod": "web-1", "container": "nginx",
                                                   "node_name": "node-1", "team": "a", "stream": "stdout"}
            wait_for(lambda: entries(sink) == 2, "the other, when the wait is over")
            assert "team" not in stream_of(sink, pod="late-1")["labels"]
            api.add(pod("late-1", "u-2", labels={"team": "b"}))
            wait_for(lambda: (pods.write(late, "again"), stream_of(sink, pod="late-1", team="b"))[1], "metadata that came late")


def test_annotations_of_pods(pods, tmp_path):
    cluster = [
        pod("secret-1", "u-1", annotations={"sluice.io/exclude": "true"}),
        pod("java-1", "u-2", annotations={"sluice.io/multiline-firstline": r"^\d{4}-"}),
        pod("json-1", "u-3", annotations={"sluice.io/pipeline": "json"}),
        pod("wrong-1", "u-4", annotations={"sluice.io/exclude": "perhaps", "sluice.io/pipeline": "jason",
                                           "sluice.io/multiline-firstline": "("}),
        pod("plain-1", "u-5"),
    ]
    for number, name in enumerate(("secret-1", "java-1", "json-1", "wrong-1", "plain-1"), 1):
        path = directory(pods, "shop", name, f"u-{number}")
        pods.write(path, '2026-01-01 {"level":"info"}', "\tat Main.java:1", "2026-01-01 end")
    more = """
pipelines:
  json:
    - cri: {}
    - regex: {expression: '(?P<body>{.*})'}
    - json: {source: body, expressions: {level: }}
    - labels: {level: }
"""
    with KubeApi(cluster) as api, Sink("--keep-lines=10") as sink:
        text = config(sink.push_url, api.url, pods.root, extra_sd=", annotations: true", more=more)
        with Agent(text, tmp_path / "a", "--node-name=node-1") as agent:
            wait_for(lambda: entries(sink) >= 3 + 3 + 3 + 2, "lines of four pods")
            lines = {stream["labels"]["pod"]: [entry["line"] for entry in stream["last"]] for stream in sink.streams()
                     if "level" not in stream["labels"]}
            assert "secret-1" not in lines
            assert lines["java-1"] == ['2026-01-01 {"level":"info"}\n\tat Main.java:1', "2026-01-01 end"]
            assert len(lines["wrong-1"]) == 3 and len(lines["plain-1"]) == 3
            assert stream_of(sink, pod="json-1", level="info")["entries"] == 1
            assert stream_of(sink, pod="plain-1", level="info") is None
            log = agent.log
            for part in ("neither true nor false", "there is no pipeline", "did you mean", "no regular expression"):
                assert part in log, log
            assert log.count("an annotation has no effect") == 3


def test_a_rotated_token_is_used_from_then_on(pods, tmp_path):
    token = tmp_path / "token"
    token.write_text("first")
    with KubeApi([pod("web-1", "u-1")], token="first") as api, Sink() as sink:
        pods.write(directory(pods, "shop", "web-1", "u-1"), "one")
        text = config(sink.push_url, api.url, pods.root, extra_sd=f", authorization: {{credentials_file: {token}}}")
        with Agent(text, tmp_path / "a", "--node-name=node-1"):
            wait_for(lambda: entries(sink) == 1, "the first line")
            api.token = "second"
            api.drop_watches()
            wait_for(lambda: api.refused > 0, "the old token is refused")
            token.write_text("second")
            api.add(pod("new-1", "u-2"))
            pods.write(directory(pods, "shop", "new-1", "u-2"), "two")
            wait_for(lambda: stream_of(sink, app="new"), "a pod by the new token", 60)


def test_a_list_of_5000_pods(pods, tmp_path):
    [port] = free_ports(1)
    cluster = [pod(f"web-{i}", f"u-{i:05d}", labels={"app": "web", "pod-template-hash": "7d9f8b6c5"}) for i in range(5000)]
    pods.write(directory(pods, "shop", "web-4999", "u-04999"), "the last of them")
    keep = "      - {action: keep, source_labels: [__meta_kubernetes_pod_name], regex: 'web-49..'}"
    with KubeApi(cluster) as api, Sink() as sink:
        text = config(sink.push_url, api.url, pods.root, rules="\n" + keep + CHART_RULES, port=port)
        with Agent(text, tmp_path / "a", "--node-name=node-1"):
            wait_for(lambda: stream_of(sink, pod="web-4999"), "a line of the last pod", 60)
            assert metric(port, "sluice_kubernetes_pods") == 5000
        assert api.seen("&continue=") == 9, "ten pages of 500"


def test_not_in_a_cluster_is_said_before_anything_is_read(pods, tmp_path):
    text = config("http://127.0.0.1:1/loki/api/v1/push", "", pods.root).replace(", api_server: ''", "")
    with Agent(text, tmp_path / "a", env={"KUBERNETES_SERVICE_HOST": ""}) as agent:
        assert agent.process.wait(timeout=20) == 1
        assert "scrape_configs[0].kubernetes_sd_configs" in agent.log and "api_server or kubeconfig_file" in agent.log


def test_a_reload_changes_rules_without_losing_targets(pods, tmp_path):
    path = directory(pods, "shop", "web-1", "u-1")
    rule = "\n      - {source_labels: [__meta_kubernetes_pod_label_team], target_label: team}"
    with KubeApi([pod("web-1", "u-1", labels={"team": "a", "app": "web"})]) as api, Sink() as sink:
        pods.write(path, "before")
        text = config(sink.push_url, api.url, pods.root)
        with Agent(text, tmp_path / "a", "--node-name=node-1") as agent:
            wait_for(lambda: stream_of(sink, app="web"), "the first line")
            agent.config.write_text(config(sink.push_url, api.url, pods.root, rules=CHART_RULES.rstrip() + rule))
            agent.process.send_signal(signal.SIGHUP)
            wait_for(lambda: (pods.write(path, "later"), stream_of(sink, team="a"))[1], "the new rule's label")
            # Another entry: its watcher takes over when it has read a list.
            agent.config.write_text(config(sink.push_url, api.url, pods.root, extra_sd=", attach_metadata: {job: true}"))
            agent.process.send_signal(signal.SIGHUP)
            before = api.seen("&limit=")
            wait_for(lambda: api.seen("&limit=") > before, "a new list")
            pods.write(path, "last")
            lines = path.read_text().count("\n")
            wait_for(lambda: entries(sink) >= lines, "every line")
            assert agent.stop() == 0
        assert entries(sink) == lines, "once"
