# SPDX-License-Identifier: Apache-2.0
"""A configuration that changes while pods write: every line once and in order."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
import urllib.error
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from running import Agent, Pods, Sink, get, post, wait_for  # noqa: E402


class Writer(threading.Thread):
    """A pod that writes numbered lines until it is told to stop."""

    def __init__(self, pods: Pods, path: Path):
        super().__init__(daemon=True)
        self.pods, self.path, self.count, self.leave = pods, path, 0, threading.Event()

    def run(self):
        while not self.leave.is_set():
            self.pods.write(self.path, *(f"line {i}" for i in range(self.count, self.count + 20)))
            self.count += 20
            self.leave.wait(0.005)

    def stop(self) -> int:
        self.leave.set()
        self.join()
        return self.count


def config(push_url: str, root: Path, *, stages: str = "[{cri: {}}]", jobs: str = "", client: str = "", port: int = 0,
           server: str = "") -> str:
    return f"""
server: {{http_listen_address: 127.0.0.1, http_listen_port: {port}{server}}}
clients: [{{name: main, url: "{push_url}", batchwait: 100ms{client}}}]
scrape_configs:
- job_name: pods
  pod_logs: {{root: {root}}}
  pipeline_stages: {stages}
{jobs}
"""


def address(agent: Agent) -> str:
    """Of the HTTP server, from the log."""
    found = wait_for(lambda: re.search(r"msg=serving address=\S+ port=(\d+)", agent.log), "the port in the log")
    return f"http://127.0.0.1:{found[1]}"


def metric(agent: Agent, name: str) -> float:
    for line in get(address(agent) + "/metrics").splitlines():
        if line.split(" ")[0].split("{")[0] == name:
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def reloaded(agent: Agent) -> float:
    return metric(agent, "promtail_config_reload_success_total")


class Dumped:
    """A sink that keeps every line, and its lines by pod, in the order of arrival."""

    def __init__(self, folder: Path, name: str = "sink", *arguments: str):
        self.path = folder / f"{name}.jsonl"
        self.sink = Sink("--dump", str(self.path), *arguments)
        self.url = self.sink.push_url

    def entries(self) -> list[dict]:
        text = self.path.read_text() if self.path.exists() else ""
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def lines(self, pod: str) -> list[str]:
        return [entry["line"] for entry in self.entries() if entry["labels"].get("pod") == pod]

    def __enter__(self):
        self.sink.__enter__()
        return self

    def __exit__(self, *rest):
        self.sink.__exit__(*rest)


def expected(count: int) -> list[str]:
    return [f"line {i}" for i in range(count)]


def rewrite(agent: Agent, text: str) -> None:
    """As an editor saves: a new file under the old name."""
    fresh = agent.config.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, agent.config)


def test_a_pod_that_writes_across_reloads_is_carried_once_and_in_order(tmp_path):
    pods = Pods(tmp_path / "pods")
    with Dumped(tmp_path) as sink:
        plain = config(sink.url, pods.root)
        with Agent(plain, tmp_path / "a", "-config.watch=false") as agent:
            writer = Writer(pods, pods.file("busy-1"))
            writer.start()
            wait_for(lambda: len(sink.lines("busy-1")) > 100, "the first lines")
            texts = [
                config(sink.url, pods.root, stages="[{cri: {}}, {static_labels: {step: one}}]"),
                config(sink.url, pods.root, stages="[{cri: {}}, {static_labels: {step: two}}]", client=", timeout: 7s"),
                config(sink.url, pods.root, stages="[{cri: {}}, {static_labels: {step: three}}]",
                       jobs=f"- job_name: more\n  static_configs: [{{labels: {{__path__: {tmp_path}/none/*.log}}}}]"),
                plain,
            ]
            for number, text in enumerate(texts):
                before = writer.count
                rewrite(agent, text)
                agent.process.send_signal(signal.SIGHUP)
                wait_for(lambda: reloaded(agent) > number, f"reload {number}")
                wait_for(lambda: writer.count > before + 200, "lines after the reload")
            count = writer.stop()
            wait_for(lambda: len(sink.lines("busy-1")) >= count, f"{count} lines, {agent.log[-2000:]}")
            assert agent.stop() == 0
        assert sink.lines("busy-1") == expected(count)
        steps = [entry["labels"].get("step") for entry in sink.entries()]
        assert [step for i, step in enumerate(steps) if i == 0 or steps[i - 1] != step] == [None, "one", "two", "three", None]


def test_clients_that_change_take_over_what_could_not_be_delivered(tmp_path):
    pods = Pods(tmp_path / "pods")
    path = pods.file("moved-1")
    pods.write(path, *expected(50))
    with Dumped(tmp_path) as sink:
        dead = "http://127.0.0.1:9/loki/api/v1/push"
        with Agent(config(dead, pods.root), tmp_path / "a", "-config.watch=false") as agent:
            wait_for(lambda: metric(agent, "sluice_push_waiting_batches") > 0, "a batch that waits")
            rewrite(agent, config(sink.url, pods.root))
            agent.process.send_signal(signal.SIGHUP)
            pods.write(path, *(f"line {i}" for i in range(50, 80)))
            wait_for(lambda: len(sink.lines("moved-1")) >= 80, f"80 lines at the new address; {agent.log[-1500:]}")
            assert agent.stop() == 0
        assert sink.lines("moved-1") == expected(80)


@pytest.mark.parametrize("method", ["post", "signal", "watch"])
def test_a_bad_configuration_is_reported_and_the_old_one_goes_on(tmp_path, method):
    pods = Pods(tmp_path / "pods")
    path = pods.file("steady-1")
    pods.write(path, "line 0")
    with Dumped(tmp_path) as sink:
        good = config(sink.url, pods.root, server=", enable_runtime_reload: true")
        with Agent(good, tmp_path / "a", f"-config.watch={'true' if method == 'watch' else 'false'}") as agent:
            wait_for(lambda: sink.lines("steady-1"), "the first line")
            rewrite(agent, good.replace("cri: {}", "regex: {expression: '('}"))
            if method == "post":
                with pytest.raises(urllib.error.HTTPError) as refused:
                    post(address(agent) + "/reload", "")
                body = refused.value.read().decode()
                assert refused.value.code == 500 and body.startswith("failed to reload config: ")
                assert "pipeline_stages[0].regex.expression" in body
            elif method == "signal":
                agent.process.send_signal(signal.SIGHUP)
            wait_for(lambda: metric(agent, "promtail_config_reload_fail_total") == 1, "the refusal is counted")
            assert metric(agent, "sluice_config_good") == 0
            node = json.loads(get(address(agent) + "/api/node"))
            assert "pipeline_stages[0].regex.expression" in node["reload_error"]
            assert [t["code"] for t in node["troubles"] if t["code"] == "reload"] == ["reload"]
            assert "the new configuration is refused; the old one goes on" in agent.log
            pods.write(path, "line 1")
            wait_for(lambda: len(sink.lines("steady-1")) == 2, "the old configuration goes on")
            rewrite(agent, good + "# good again\n")
            if method == "post":
                assert post(address(agent) + "/reload", "") == ""
            elif method == "signal":
                agent.process.send_signal(signal.SIGHUP)
            wait_for(lambda: reloaded(agent) == 1, "the good one is taken")
            assert json.loads(get(address(agent) + "/api/node"))["reload_error"] == ""
            assert metric(agent, "sluice_config_good") == 1


def test_reload_is_forbidden_unless_it_is_allowed(tmp_path):
    pods = Pods(tmp_path / "pods")
    with Dumped(tmp_path) as sink, Agent(config(sink.url, pods.root), tmp_path / "a") as agent:
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(address(agent) + "/reload", "")
        assert refused.value.code in (403, 404)
        assert reloaded(agent) == 0


def test_the_swap_of_a_config_map_is_noticed(tmp_path):
    """Kubernetes: FILE -> ..data/FILE, ..data -> ..TIME; an update renames a new ..data link."""
    pods = Pods(tmp_path / "pods")
    path = pods.file("mapped-1")
    pods.write(path, "line 0")
    volume = tmp_path / "volume"
    with Dumped(tmp_path) as sink:
        def put(generation: str, text: str):
            (volume / f"..{generation}").mkdir(parents=True)
            (volume / f"..{generation}" / "promtail.yaml").write_text(text)
            (volume / "..data_tmp").symlink_to(f"..{generation}")
            os.replace(volume / "..data_tmp", volume / "..data")

        put("one", config(sink.url, pods.root))
        (volume / "promtail.yaml").symlink_to("..data/promtail.yaml")
        agent = Agent("", tmp_path / "a")
        agent.config = volume / "promtail.yaml"
        with agent:
            wait_for(lambda: sink.lines("mapped-1"), "the first line")
            put("two", config(sink.url, pods.root, stages="[{cri: {}}, {static_labels: {generation: two}}]"))
            wait_for(lambda: reloaded(agent) == 1, "the swap is noticed")
            pods.write(path, "line 1")
            wait_for(lambda: len(sink.lines("mapped-1")) == 2, "the second line")
        assert sink.lines("mapped-1") == expected(2)
        assert [entry["labels"].get("generation") for entry in sink.entries()] == [None, "two"]


def test_a_job_that_comes_and_one_that_goes(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    one, two = logs / "one.log", logs / "two.log"
    one.write_text("line 0\n")
    two.write_text("line 0\n")

    def jobs(*names: str) -> str:
        return "scrape_configs:\n" + "".join(
            f"- job_name: {name}\n  static_configs: [{{labels: {{pod: {name}, __path__: {logs}/{name}.log}}}}]\n" for name in names)

    with Dumped(tmp_path) as sink:
        head = f"""
server: {{http_listen_address: 127.0.0.1, http_listen_port: 0}}
clients: [{{url: "{sink.url}", batchwait: 100ms}}]
"""
        with Agent(head + jobs("one"), tmp_path / "a", "-config.watch=false") as agent:
            wait_for(lambda: sink.lines("one"), "the first job")
            rewrite(agent, head + jobs("two", "one"))
            agent.process.send_signal(signal.SIGHUP)
            wait_for(lambda: sink.lines("two"), "the second job")
            rewrite(agent, head + jobs("two"))
            agent.process.send_signal(signal.SIGHUP)
            wait_for(lambda: reloaded(agent) == 2, "the reload that takes the first one away")
            for path in (one, two):
                with path.open("a") as out:
                    out.write("line 1\n")
            wait_for(lambda: len(sink.lines("two")) == 2, "the second job goes on")
            targets = json.loads(get(address(agent) + "/api/targets"))["targets"]
            assert wait_for(lambda: {t["job"] for t in json.loads(get(address(agent) + "/api/targets"))["targets"]} == {"two"},
                            f"only the second job is shown: {targets}", 20)
            # What came just then may still be read; what comes from now on is not.
            with one.open("a") as out:
                out.write("line 2\n")
            with two.open("a") as out:
                out.write("line 2\n")
            wait_for(lambda: len(sink.lines("two")) == 3, "the second job goes on")
            assert sink.lines("one") in (expected(1), expected(2)) and sink.lines("two") == expected(3)
            # It comes back, and goes on where it was.
            rewrite(agent, head + jobs("one", "two"))
            agent.process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(sink.lines("one")) == 3, "the first job again")
            assert sink.lines("one") == expected(3)


def test_the_server_block_is_followed_and_where_it_listens_is_refused(tmp_path):
    pods = Pods(tmp_path / "pods")
    with Sink() as sink:
        server = ", enable_runtime_reload: true"
        with Agent(config(sink.push_url, pods.root, server=server), tmp_path / "a", "-config.watch=false") as agent:
            path = pods.file("shown-1")
            pods.write(path, "line 0")
            url = address(agent)
            wait_for(lambda: sink.stats()["entries"] == 1, "a line")
            assert json.loads(get(url + "/api/node"))["server"]["live_tail"] == "loopback"
            assert f'path="{path}"' not in get(url + "/metrics")
            rewrite(agent, config(sink.push_url, pods.root, server=server + ", live_tail: off, per_path_metrics: true, log_level: debug"))
            post(url + "/reload", "")
            assert reloaded(agent) == 1
            assert wait_for(lambda: json.loads(get(url + "/api/node"))["server"]["live_tail"] == "off", "the tail is closed")
            wait_for(lambda: f'promtail_read_bytes_total{{path="{path}"}}' in get(url + "/metrics"), "a series per path")
            assert "needs a restart" not in agent.log

            rewrite(agent, config(sink.push_url, pods.root, port=1, server=server))
            with pytest.raises(urllib.error.HTTPError) as refused:
                post(url + "/reload", "")
            sentence = 'server.http_listen_port cannot change while the agent runs (from "0" to "1"): restart the agent'
            assert sentence in refused.value.read().decode()
            assert sentence in json.loads(get(url + "/api/node"))["reload_error"]
            assert metric(agent, "sluice_config_good") == 0
            assert re.search(r"^  http_listen_port: 0$", get(url + "/config"), re.M), "what is shown is what is in use"
            assert sentence.replace('"', '\\"') in agent.log
            pods.write(path, "line 1")
            wait_for(lambda: sink.stats()["entries"] == 2, "the old configuration goes on")


def test_a_loss_is_announced_as_the_new_configuration_says(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    with Dumped(tmp_path) as sink:
        def text(marker: str) -> str:
            return f"""
server: {{http_listen_address: 127.0.0.1, http_listen_port: 0}}
clients: [{{url: "{sink.url}", batchwait: 100ms, backoff_config: {{min_period: 50ms, max_period: 100ms}}}}]
limits_config: {{loss_marker: {marker}}}
scrape_configs:
- job_name: logs
  static_configs: [{{labels: {{__path__: {logs}/*.log}}}}]
"""

        def markers() -> list[str]:
            return [entry["line"] for entry in sink.entries() if entry["line"].startswith("sluice: ")]

        with Agent(text("false"), tmp_path / "a", "-config.watch=false", "-memory-limit=1MiB") as agent:
            def cut_unread(path: Path) -> None:
                """The writer cuts off more than the agent takes while Loki is silent."""
                sink.sink.control(status=503)
                lost = metric(agent, "sluice_unread_bytes_lost_total")
                path.write_text("".join(os.urandom(100).hex() + "\n" for _ in range(40_000)))
                wait_for(lambda: metric(agent, "sluice_push_waiting_bytes") > 0, "lines wait")
                os.truncate(path, 0)
                wait_for(lambda: metric(agent, "sluice_unread_bytes_lost_total") > lost, "unread bytes are lost")
                sink.sink.control()
                wait_for(lambda: metric(agent, "sluice_push_waiting_bytes") == 0, "the rest is sent")

            cut_unread(logs / "one.log")
            assert markers() == []
            rewrite(agent, text("true"))
            agent.process.send_signal(signal.SIGHUP)
            wait_for(lambda: reloaded(agent) == 1, "the reload")
            cut_unread(logs / "two.log")
            [marker] = wait_for(markers, "the marker")
            assert f"bytes of {logs}/two.log were lost before they were read (truncated_unread)" in marker


def test_a_changed_password_file_is_used_without_a_reload(tmp_path):
    """http/ reads the files of secrets at every request."""
    from http.server import BaseHTTPRequestHandler, HTTPServer

    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(self.headers.get("Authorization", ""))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        pods = Pods(tmp_path / "pods")
        path = pods.file("secret-1")
        token = tmp_path / "token"
        token.write_text("first")
        text = config(f"http://127.0.0.1:{server.server_port}/loki/api/v1/push", pods.root,
                      client=f", bearer_token_file: {token}")
        with Agent(text, tmp_path / "a"):
            pods.write(path, "line 0")
            wait_for(lambda: seen, "the first push")
            token.write_text("second")
            pods.write(path, "line 1")
            wait_for(lambda: len(seen) > 1, "the second push")
        assert (seen[0], seen[-1]) == ("Bearer first", "Bearer second")
    finally:
        server.shutdown()
        server.server_close()
