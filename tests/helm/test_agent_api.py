# SPDX-License-Identifier: Apache-2.0
"""The agent with a real kube-apiserver: the chart's rights and rules, real pods' metadata.

There is no kubelet: pods are bound to a node by hand, and their log files are ours.
"""
import os
import re
import signal
import subprocess
import time

import pytest
import yaml

from conftest import HELM, agent_binary, agent_config
from sink import Sink
from test_api_server import cluster, namespace  # noqa: F401  (a fixture)

ACCOUNT = "system:serviceaccount:logs:sluice"


def make_pod(api, ns, name, labels, node="node-1"):
    api.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": ns, "labels": labels,
                                                              "annotations": {"prometheus.io/scrape": "true"}},
               "spec": {"nodeName": node, "containers": [{"name": "web", "image": "registry.example/web:1",
                                                        "ports": [{"containerPort": 80}, {"containerPort": 443}]}]}})
    api.kubectl("patch", "pod", "-n", ns, name, "--subresource=status", "--type=merge", "-p",
                '{"status":{"phase":"Running","podIP":"10.1.2.3","podIPs":[{"ip":"10.1.2.3"}],"hostIP":"192.168.0.4"}}')
    return api.kubectl("get", "pod", "-n", ns, name, "-o", "jsonpath={.metadata.uid}")


class Running:
    """The agent with what the chart renders for metadata.source=api, as its service account."""

    def __init__(self, api, charts, base):
        self.api, self.sink, self.base, self.pods = api, Sink(), base, base / "pods"
        self.pods.mkdir()
        self.token = base / "token"
        self.renew_token()
        self.kubeconfig = base / "kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{api.port}",
                                                    "certificate-authority": str(api.base / "certs/apiserver.crt")}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {"tokenFile": "token"}}]}))
        text = yaml.safe_dump(agent_config(charts.objects("agent", "--set", "metadata.source=api")))
        config = yaml.safe_load(text.replace("/var/log/pods", str(self.pods)))
        config["server"] = {"disable": True}
        config["clients"] = [{"url": self.sink.url + "/loki/api/v1/push", "batchwait": "100ms"}]
        config["positions"] = {"filename": str(base / "positions.yaml"), "sync_period": "100ms"}
        for job in config["scrape_configs"]:
            for entry in job.get("kubernetes_sd_configs", []):
                entry["kubeconfig_file"] = str(self.kubeconfig)
        file = base / "promtail.yaml"
        file.write_text(yaml.safe_dump(config))
        self.log = base / "agent.log"
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([agent_binary(), f"-config.file={file}", "-node-name=node-1"], stdout=log, stderr=log,
                                            env={"PATH": os.environ["PATH"]})

    def renew_token(self):
        new = self.base / "token.new"
        new.write_text(self.api.kubectl("create", "token", "-n", "logs", "sluice").strip())
        new.rename(self.token)

    def write(self, ns, name, uid, line):
        directory = self.pods / f"{ns}_{name}_{uid}/web"
        directory.mkdir(parents=True, exist_ok=True)
        with open(directory / "0.log", "a", encoding="utf-8") as out:
            out.write(f"2026-01-02T03:04:05.{time.time_ns() % 10**9:09d}Z stdout F {line}\n")

    def labels_of(self, line, seconds=40):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            for labels, seen, _ in self.sink.seen():
                if seen == line:
                    return dict(re.findall(r'(\w+)="([^"]*)"', labels))
            time.sleep(0.05)
        pytest.fail(f"{line} did not come\n" + self.log.read_text())

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(40)
        self.sink.close()


@pytest.fixture(scope="module")
def agent(cluster, charts, tmp_path_factory):  # noqa: F811
    agent_binary()
    for one in ("logs", "shop"):
        namespace(cluster, one)
    cluster.helm("helm4", "install", "sluice", HELM / "agent", "-n", "logs", "--set", "metadata.source=api")
    one = Running(cluster, charts, tmp_path_factory.mktemp("agent"))
    yield one
    one.close()


def test_the_charts_rights_are_enough_and_no_more(cluster, agent):  # noqa: F811
    for verb, what, yes in (("list", "pods", True), ("watch", "pods", True), ("delete", "pods", False),
                            ("get", "secrets", False), ("list", "nodes", False), ("create", "pods/exec", False)):
        done = cluster.kubectl("auth", "can-i", verb, what, "--as", ACCOUNT, "-A", check=False)
        assert done.strip() == ("yes" if yes else "no"), (verb, what)


def test_metadata_of_real_pods(cluster, agent):  # noqa: F811
    uid = make_pod(cluster, "shop", "cart-1", {"app.kubernetes.io/name": "cart", "app.kubernetes.io/instance": "eu"})
    other = make_pod(cluster, "shop", "far-1", {"app": "far"}, node="node-2")
    agent.write("shop", "cart-1", uid, "from the cart")
    agent.write("shop", "far-1", other, "from another node")
    labels = agent.labels_of("from the cart")
    assert labels["job"] == "shop/cart" and labels["instance"] == "eu" and labels["node_name"] == "node-1"
    assert labels["namespace"] == "shop" and labels["pod"] == "cart-1" and labels["container"] == "web"
    cluster.kubectl("label", "pod", "-n", "shop", "cart-1", "--overwrite", "app.kubernetes.io/instance=us")
    deadline = time.monotonic() + 30
    number = 0
    while labels["instance"] != "us":
        assert time.monotonic() < deadline, labels
        number += 1
        agent.write("shop", "cart-1", uid, f"line {number}")
        labels = agent.labels_of(f"line {number}")
    assert "from another node" not in [line for _, line, _ in agent.sink.seen()]


def test_a_deleted_pod_and_one_of_the_same_name(cluster, agent):  # noqa: F811
    first = make_pod(cluster, "shop", "db-0", {"app": "db", "instance": "one"})
    agent.write("shop", "db-0", first, "of the first")
    assert agent.labels_of("of the first")["instance"] == "one"
    cluster.kubectl("delete", "pod", "-n", "shop", "db-0", "--force", "--grace-period=0")
    agent.write("shop", "db-0", first, "last words")
    second = make_pod(cluster, "shop", "db-0", {"app": "db", "instance": "two"})
    agent.write("shop", "db-0", second, "of the second")
    assert agent.labels_of("of the second")["instance"] == "two"
    assert agent.labels_of("last words")["instance"] == "one"


def test_a_new_token(cluster, agent):  # noqa: F811
    agent.renew_token()
    uid = make_pod(cluster, "shop", "late-1", {"app": "late"})
    agent.write("shop", "late-1", uid, "after the change")
    assert agent.labels_of("after the change")["app"] == "late"
