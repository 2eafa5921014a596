# SPDX-License-Identifier: Apache-2.0
"""The configuration that the chart renders, in the agent itself."""
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest
import yaml

from conftest import HELM, agent_binary, agent_config, run
from sink import Sink
from test_dashboards import metrics_of_dashboards_and_alerts

TRACE = "0af7651916cd43dd8448eb211c80319c"
LINES = {
    "shop_web-5d8c7f9b6-abcde_11111111-2222-3333-4444-555555555555/nginx": [
        '{"level":"info","trace_id":"%s","span_id":"b7ad6b7169203331"}' % TRACE, "plain line"],
    "kube-system_etcd-node1_0123456789abcdef0123456789abcdef/etcd": ["static pod"],
}


@pytest.mark.parametrize("values", ["default", "full", "promtail", "root"])
def test_check_syntax(charts, tmp_path, values):
    agent = agent_binary()
    config = agent_config(charts.objects("agent", "-f", str(HELM / f"agent/ci/{values}-values.yaml")))
    for client in config["clients"]:  # the files of the Secrets
        for group in ("basic_auth", "tls_config"):
            for key in list(client.get(group) or {}):
                if key.endswith("_file"):
                    path = tmp_path / os.path.basename(client[group][key])
                    path.write_text("x")
                    client[group][key] = str(path)
        client.pop("tls_config", None)  # certificates that are none would rightly be refused
        if "bearer_token_file" in client:
            (tmp_path / "token").write_text("x")
            client["bearer_token_file"] = str(tmp_path / "token")
    path = tmp_path / "promtail.yaml"
    path.write_text(yaml.safe_dump(config))
    run(agent, "-check-syntax", f"-config.file={path}")


def test_a_wrong_configuration_is_refused(charts, tmp_path):
    agent = agent_binary()
    config = agent_config(charts.objects("agent"))
    config["scrape_configs"][0]["pipeline_stages"].append({"jsonn": {}})
    path = tmp_path / "promtail.yaml"
    path.write_text(yaml.safe_dump(config))
    done = run(agent, "-check-syntax", f"-config.file={path}", check=False)
    assert done.returncode != 0 and "jsonn" in done.stdout + done.stderr


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Running:
    """The agent as the DaemonSet starts it, over a pod tree of our own."""

    def __init__(self, charts, base, values=(), positions=None, *, all_lines=None, second="2026-01-02T03:04:05", push_url=None):
        self.sink, self.port = Sink(), free_port()
        self.pods = base / "pods"
        for name, lines in (all_lines or LINES).items():
            directory = self.pods / name
            directory.mkdir(parents=True)
            (directory / "0.log").write_text("".join(
                f"{second}.{i:09d}Z stdout F {line}\n" for i, line in enumerate(lines)))
        (base / "state").mkdir()
        if positions:
            (base / "state/positions.yaml").write_text(yaml.safe_dump({"positions": positions}))
        objects = charts.objects("agent", *values)
        self.config = agent_config(objects)
        self.config["server"].update(http_listen_port=self.port, http_listen_address="127.0.0.1")
        self.config["clients"][0].update(url=push_url or self.sink.url + "/loki/api/v1/push", batchwait="100ms")
        self.config["positions"] = {"filename": str(base / "state/positions.yaml"), "sync_period": "100ms"}
        for job in self.config["scrape_configs"]:
            if "pod_logs" in job:
                job["pod_logs"]["root"] = str(self.pods)
        self.file = base / "promtail.yaml"
        self.write()
        container = next(o for o in objects if o["kind"] == "DaemonSet")["spec"]["template"]["spec"]["containers"][0]
        args = [a.replace("/etc/sluice/config/promtail.yaml", str(self.file)) for a in container["args"]]
        self.probes = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
        env = {"PATH": os.environ["PATH"], **{e["name"]: "node-1" for e in container["env"]}}
        self.log = base / "agent.log"
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([agent_binary(), *args], env=env, stdout=log, stderr=log)

    def write(self):
        temporary = self.file.with_suffix(".new")
        temporary.write_text(yaml.safe_dump(self.config))
        temporary.rename(self.file)

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def until(self, what, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if what():
                return
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        pytest.fail("waited in vain\n" + self.log.read_text())

    def metric(self, name):
        values = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", self.get("/metrics")[1], re.M)
        return sum(map(float, values)) if values else None

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(40)
        self.sink.close()


@pytest.fixture(scope="module")
def agent(charts, tmp_path_factory):
    agent_binary()
    # A pipeline that makes a label, so that there is something for the guard to show.
    stages = '[{"json": {"expressions": {"level": ""}}}, {"labels": {"level": ""}}]'
    one = Running(charts, tmp_path_factory.mktemp("agent"), ("--set-json", f"config.snippets.extraPipelineStages={stages}"))
    yield one
    one.close()


def test_lines_arrive_with_the_promised_labels(agent):
    wanted = sum(map(len, LINES.values()))
    agent.until(lambda: len(agent.sink.seen()) >= wanted)
    got = {line: (labels, extra) for labels, line, extra in agent.sink.seen()}
    assert len(got) == wanted
    labels, extra = got["plain line"]
    parsed = dict(re.findall(r'(\w+)="([^"]*)"', labels))
    assert parsed == {"namespace": "shop", "pod": "web-5d8c7f9b6-abcde", "container": "nginx", "stream": "stdout", "node_name": "node-1"}
    assert "trace_id" not in extra
    _, extra = got[LINES["shop_web-5d8c7f9b6-abcde_11111111-2222-3333-4444-555555555555/nginx"][0]]
    assert extra["trace_id"] == TRACE and extra["span_id"] == "b7ad6b7169203331"
    assert 'namespace="kube-system"' in got["static pod"][0]


def test_probes(agent):
    for name, path in agent.probes.items():
        agent.until(lambda: agent.get(path)[0] == 200)
        assert agent.get(path)[0] == 200, name


def test_readiness_does_not_fail_because_loki_is_down(agent):
    agent.until(lambda: agent.get("/ready")[0] == 200)
    agent.sink.status = 503
    try:
        with open(next(agent.pods.glob("shop_*/nginx/0.log")), "a", encoding="utf-8") as log:
            log.write("2026-01-02T03:04:06.000000000Z stdout F while Loki is down\n")
        agent.until(lambda: (agent.metric("promtail_batch_retries_total") or 0) > 0)
        for path in agent.probes.values():
            assert agent.get(path)[0] == 200
    finally:
        agent.sink.status = 204
    agent.until(lambda: "while Loki is down" in [line for _, line, _ in agent.sink.seen()])


def test_every_metric_of_dashboards_and_alerts_exists(charts, agent):
    agent.until(lambda: (agent.metric("promtail_sent_entries_total") or 0) > 0)
    text = agent.get("/metrics")[1]
    there = set(re.findall(r"^(\w+)(?:\{| )", text, re.M)) | set(re.findall(r"^# TYPE (\w+)", text, re.M))
    missing = {name: where for name, where in metrics_of_dashboards_and_alerts(charts).items()
               if name.startswith(("promtail_", "sluice_", "process_")) and name not in there
               and re.sub("_(bucket|count|sum)$", "", name) not in there}
    assert not missing


def test_a_changed_file_is_taken_without_a_restart(agent):
    """reload.mode: watch, the default."""
    agent.until(lambda: agent.metric("promtail_config_reload_success_total") is not None)
    before = agent.metric("promtail_config_reload_success_total")
    agent.config["clients"][0]["external_labels"] = {"cluster": "reloaded"}
    agent.write()
    agent.until(lambda: agent.metric("promtail_config_reload_success_total") > before, 30)


def test_it_leaves_in_time(charts, tmp_path):
    agent_binary()
    one = Running(charts, tmp_path)
    try:
        one.until(lambda: one.sink.seen())
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(25) == 0
    finally:
        one.close()


def test_promtails_positions_are_taken_over(charts, tmp_path):
    """What the init container copies is what the agent understands."""
    agent_binary()
    name, lines = next(iter(LINES.items()))
    read = len("2026-01-02T03:04:05.000000000Z stdout F " + lines[0] + "\n")
    one = Running(charts, tmp_path, positions={str(tmp_path / "pods" / name / "0.log"): str(read)})
    try:
        one.until(lambda: {"static pod", "plain line"} <= {line for _, line, _ in one.sink.seen()})
        assert lines[0] not in [line for _, line, _ in one.sink.seen()]
    finally:
        one.close()
