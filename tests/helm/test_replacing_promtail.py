# SPDX-License-Identifier: Apache-2.0
"""deploy.sh --replace-promtail from end to end: a real kube-apiserver, the real Helm, kubectl and
Promtail, the image's helper and the agent. There is no kubelet; Node starts what the DaemonSets say,
on one node, and says so in their status. Lines are written all the while: none may be missing.

SLUICE_PROMTAIL_CHART names Promtail's own chart (6.17.1), in the place of the stand-in."""
import json
import os
import signal
import subprocess
import threading
import time
import urllib.request

import pytest
import yaml

from conftest import HELM, ROOT, agent_binary, run
from sink import Sink
from test_agent_binary import free_port
from test_api_server import cluster, namespace  # noqa: F401  (a fixture)
from test_helper import helper  # noqa: F401  (a fixture)

POD = "shop_web-0_11111111-2222-3333-4444-555555555555/nginx"
STAND_IN = """apiVersion: apps/v1
kind: DaemonSet
metadata: {name: "{{ .Release.Name }}", labels: {app.kubernetes.io/name: promtail}}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: promtail}}
  template:
    metadata: {labels: {app.kubernetes.io/name: promtail}}
    spec:
      containers:
        - name: promtail
          image: docker.io/grafana/promtail:3.5.1
          args: [-config.file=/etc/promtail/promtail.yaml]
          volumeMounts: {{ toYaml .Values.defaultVolumeMounts | nindent 12 }}
      volumes: {{ toYaml .Values.defaultVolumes | nindent 8 }}
"""


def promtail_binary():
    if os.environ.get("PROMTAIL_BIN"):
        return os.environ["PROMTAIL_BIN"]
    for line in run(ROOT / "scripts/build-tools.sh", "--find", "promtail", check=False).stdout.splitlines():
        if line.startswith("PROMTAIL_BIN="):
            return line.split("=", 1)[1].strip("'\"")
    pytest.skip("PROMTAIL IS NOT THERE: scripts/build-tools.sh promtail, or set PROMTAIL_BIN")
    return None


class Node(threading.Thread):
    """One node's kubelet and the DaemonSet controller, as far as this test needs them."""

    def __init__(self, cluster, base, helper):  # noqa: F811
        super().__init__(daemon=True)
        self.cluster, self.base, self.helper = cluster, base, helper
        self.running, self.events, self.problem, self.done = {}, [], "", False

    def run(self):
        try:
            while not self.done:
                found = json.loads(self.cluster.kubectl("get", "daemonsets", "-A", "-o", "json"))["items"]
                sets = {one["metadata"]["name"]: one for one in found}
                for name in set(self.running) - set(sets):
                    self.stop(name)
                for name, one in sets.items():
                    self.look_after(name, one)
                time.sleep(0.1)
        except Exception as error:  # pylint: disable=broad-except
            self.problem = repr(error)

    def look_after(self, name, one):
        if name not in self.running:
            self.start_pod(name, one)
        generation = one["metadata"]["generation"]
        if one.get("status", {}).get("observedGeneration") != generation and self.is_ready(name, one):
            self.events.append(f"{name} is ready")
            status = {"observedGeneration": generation, "currentNumberScheduled": 1, "desiredNumberScheduled": 1, "updatedNumberScheduled": 1,
                      "numberReady": 1, "numberAvailable": 1, "numberMisscheduled": 0}
            self.cluster.kubectl("patch", "daemonset", name, "-n", one["metadata"]["namespace"], "--subresource=status", "--type=merge",
                                 "-p", json.dumps({"status": status}))

    def start_pod(self, name, one):
        spec = one["spec"]["template"]["spec"]
        if "promtail" in spec["containers"][0]["image"]:
            self.running[name] = self.promtail  # it was there before its DaemonSet
            return
        host = {volume["name"]: volume["hostPath"]["path"] for volume in spec["volumes"] if "hostPath" in volume}
        for init in spec["initContainers"]:
            words = [str(self.helper), *init["args"]]
            for mount in init["volumeMounts"]:
                words = [word.replace(mount["mountPath"], host[mount["name"]]) for word in words]
            self.events.append(run(*words).stdout)
        volume = next(v for v in spec["volumes"] if v["name"] == "config")
        config = json.loads(self.cluster.kubectl("get", "configmap", volume["configMap"]["name"], "-n", one["metadata"]["namespace"], "-o", "json"))
        (self.base / "config.yaml").write_text(config["data"]["promtail.yaml"])
        container = spec["containers"][0]
        args = [word.replace("/etc/sluice/config/promtail.yaml", str(self.base / "config.yaml")) for word in container["args"]]
        with open(self.base / "agent.log", "w", encoding="utf-8") as log:
            self.running[name] = subprocess.Popen([agent_binary(), *args], stdout=log, stderr=log, env={
                "PATH": os.environ["PATH"], **{e["name"]: "node-1" for e in container["env"]}})

    def is_ready(self, name, one):
        container = one["spec"]["template"]["spec"]["containers"][0]
        if self.running[name] is self.promtail:
            return True
        port = next(p["containerPort"] for p in container["ports"] if p["name"] == "http-metrics")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{container['readinessProbe']['httpGet']['path']}", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self, name):
        self.events.append(f"{name} is stopped")
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        process.wait(30)

    def close(self):
        self.done = True
        self.join(30)
        for name in list(self.running):
            self.stop(name)


class Writer(threading.Thread):
    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.count, self.done = path, 0, False
        path.parent.mkdir(parents=True)

    def line(self):
        with open(self.path, "a", encoding="utf-8") as log:
            log.write(f"2026-01-02T03:04:05.{self.count:09d}Z stdout F line {self.count}\n")
        self.count += 1

    def run(self):
        while not self.done:
            self.line()
            time.sleep(0.02)


def until(what, seconds=30):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def lines(sink):
    return {line for _, line, _ in sink.seen()}


def test_replace_promtail(cluster, helper, tmp_path):  # noqa: F811
    # Short, and without Promtail's name: the script finds its directory by that.
    base, was = tmp_path / "node", tmp_path / "node/run/promtail"
    was.mkdir(parents=True)
    writer = Writer(base / "pods" / POD / "0.log")
    for _ in range(200):
        writer.line()
    old, new, node = Sink(), Sink(), Node(cluster, base, helper)
    (base / "old.yaml").write_text(yaml.safe_dump({
        "server": {"disable": True}, "positions": {"filename": f"{was}/positions.yaml", "sync_period": "100ms"},
        "clients": [{"url": old.url + "/loki/api/v1/push", "batchwait": "100ms"}],
        "scrape_configs": [{"job_name": "pods", "pipeline_stages": [{"cri": {}}], "static_configs": [
            {"targets": ["localhost"], "labels": {"job": "pods", "__path__": f"{base}/pods/*/*/*.log"}}]}]}))
    with open(base / "promtail.log", "w", encoding="utf-8") as log:
        node.promtail = subprocess.Popen([promtail_binary(), f"-config.file={base / 'old.yaml'}"], stdout=log, stderr=log)
    try:
        read = str(os.stat(writer.path).st_size)
        until(lambda: (was / "positions.yaml").exists() and read in (was / "positions.yaml").read_text() and len(lines(old)) == 200)
        chart = os.environ.get("SLUICE_PROMTAIL_CHART")
        if not chart:
            chart = tmp_path / "chart"
            (chart / "templates").mkdir(parents=True)
            (chart / "Chart.yaml").write_text("{apiVersion: v2, name: promtail, version: 6.17.1}\n")
            (chart / "templates/daemonset.yaml").write_text(STAND_IN)
        values = tmp_path / "values.yaml"
        values.write_text(yaml.safe_dump({
            "defaultVolumes": [{"name": "run", "hostPath": {"path": str(was)}}, {"name": "pods", "hostPath": {"path": "/var/log/pods"}}],
            "defaultVolumeMounts": [{"name": "run", "mountPath": "/run/promtail"}, {"name": "pods", "mountPath": "/var/log/pods", "readOnly": True}]}))
        namespace(cluster, "logging")
        cluster.helm("helm4", "install", "promtail", chart, "-n", "logging", "-f", values)
        node.start()
        until(lambda: "promtail is ready" in node.events or node.problem)

        writer.start()
        sets = [f"loki.url={new.url}/loki/api/v1/push", "loki.batchwait=100ms", f"config.serverPort={free_port()}", "config.listenAddress=127.0.0.1",
                f"logs.pods.hostPath={base}/pods", f"state.hostPath={base}/state", f"state.mountPath={base}/state"]
        (base / "state").mkdir()
        command = ["bash", str(HELM / "deploy.sh"), "--mode", "agent-only", "--yes", *(word for one in sets for word in ("--set", one))]
        environment = {**cluster.environment(), "SLUICE_MARKER_SECONDS": "0", "SLUICE_POLL_SECONDS": "0.1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
        assert done.returncode == 3 and "Promtail (logging/promtail) is still running" in done.stdout, done.stdout + done.stderr
        assert not (base / "config.yaml").exists()
        done = subprocess.run([*command, "--replace-promtail"], capture_output=True, text=True, env=environment, timeout=180, check=False)
        assert done.returncode == 0, done.stdout + done.stderr + node.problem
        assert f"its positions are in {was}" in done.stdout
        until(lambda: "promtail is stopped" in node.events)
        writer.done = True
        writer.join()
        everything = {f"line {i}" for i in range(writer.count)}
        until(lambda: everything <= lines(old) | lines(new))
        assert f"line {writer.count - 1}" in lines(new) - lines(old)
        assert not lines(new) & {f"line {i}" for i in range(200)}, "Promtail had read them, and said so in its positions"
        assert not node.problem
        assert node.events.index("sluice is ready") < node.events.index("promtail is stopped"), node.events
        assert "imported" in "".join(node.events)
        assert cluster.helm("helm4", "list", "-n", "logging", "--short").stdout.strip() == ""
    finally:
        writer.done = True
        if node.is_alive():
            node.close()
        if node.promtail.poll() is None:
            node.promtail.kill()
            node.promtail.wait()
        old.close()
        new.close()
