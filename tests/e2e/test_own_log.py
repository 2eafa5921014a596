# SPDX-License-Identifier: Apache-2.0
"""The agent's own log: its form, what it keeps to itself, and that it does not feed itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from running import AGENT, Agent, Pods, Sink, pod_config, wait_for  # noqa: E402

STAGES = "[{cri: {}}, {json: {expressions: {level: }}}, {labels: {level: }}, {timestamp: {source: level, format: RFC3339}}]"
FIELD = re.compile(r'[a-z_]+=(?:"(?:[^"\\]|\\.)*"|[^\s"]+)')


def run_with(tmp_path: Path, *flags: str, push_url: str | None = None) -> str:
    """The log of an agent to which good and bad things happen."""
    pods = Pods(tmp_path / "pods")
    with Sink("--behave", '[{"status":503,"count":2},{"as":"line_too_long","count":1}]') as sink:
        with Agent(pod_config(push_url or sink.push_url, pods.root, STAGES), tmp_path / "a", *flags) as agent:
            for i in range(50):
                pods.write(pods.file("talk-1"), f"PRIVATE-{i} not json", '{"level":"warn","msg":"PRIVATE"}')
            wait_for(lambda: sink.stats()["requests"] >= 3, "pushes")
            pods.write(pods.file("talk-1"), "PRIVATE again")
            wait_for(lambda: sink.stats()["requests"] >= 4, "another push")
            assert agent.stop() == 0
        return agent.log


def test_logfmt_with_time_level_and_message(tmp_path):
    log = run_with(tmp_path)
    lines = log.splitlines()
    assert lines
    for line in lines:
        assert FIELD.sub("", line).strip() == "", line
        assert re.match(r"ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=(info|warn|error) msg=", line), line


def test_json(tmp_path):
    for line in run_with(tmp_path, "-log.format=json").splitlines():
        entry = json.loads(line)
        assert {"ts", "level", "msg"} <= set(entry) and all(isinstance(value, str) for value in entry.values())


def test_no_line_of_a_pod_is_in_it(tmp_path):
    log = run_with(tmp_path)
    assert "could not be delivered" in log and "lost" in log, "bad things were said"
    assert "PRIVATE" not in log


def test_levels(tmp_path):
    errors = run_with(tmp_path / "e", "-log.level=error")
    assert "level=error" in errors and not re.search("level=(debug|info|warn)", errors)
    assert "level=debug" in run_with(tmp_path / "d", "-log.level=debug")
    wrong = subprocess.run([str(AGENT), "-log.level=loud", "-client.url=http://127.0.0.1:9"], capture_output=True, text=True, timeout=30)
    assert wrong.returncode == 2 and '-log.level is "loud"' in wrong.stderr


def test_a_kind_of_message_is_limited_and_says_what_it_left_out(tmp_path):
    """200 files that cannot be read are not 200 lines."""
    pods = Pods(tmp_path / "pods")
    for i in range(200):
        path = pods.file(f"p-{i}")
        path.symlink_to(path.parent / "nowhere")
    with Sink() as sink, Agent(pod_config(sink.push_url, pods.root), tmp_path / "a") as agent:
        pods.write(pods.file("good"), "one")
        wait_for(lambda: sink.stats()["entries"] == 1, "a line of the good one")
        kinds: dict[str, int] = {}
        for line in agent.log.splitlines():
            kind = re.search(r'msg=("[^"]*"|\S+)', line)[1]
            kinds[kind] = kinds.get(kind, 0) + 1
        assert max(kinds.values()) <= 10, kinds


def test_its_own_pods_log_does_not_feed_itself(tmp_path):
    """What it says, even at debug, is a log line that it reads and sends, and so on."""
    pods = Pods(tmp_path / "pods")
    own = pods.file("sluice-abc", container="sluice", namespace="monitoring")
    with Sink() as sink:
        config = tmp_path / "c.yaml"
        config.write_text(pod_config(sink.push_url, pods.root))
        process = subprocess.Popen([str(AGENT), f"-config.file={config}", f"-positions.file={tmp_path}/positions.yaml",
                                    "-positions.sync-period=100ms", "-log.level=debug"], stderr=subprocess.PIPE, text=True)

        def runtime():  # what containerd does with the standard error of a container
            for line in process.stderr:
                pods.write(own, line.rstrip("\n"), stream="stderr")

        thread = threading.Thread(target=runtime, daemon=True)
        thread.start()
        try:
            wait_for(lambda: sink.stats()["entries"] > 0, "its own first lines")
            # Long enough for a loop to show: each round of batchwait would multiply.
            before, since = sink.stats()["entries"], time.monotonic()
            wait_for(lambda: time.monotonic() - since > 5, "five seconds")
            rate = (sink.stats()["entries"] - before) / (time.monotonic() - since)
            assert rate < 20, f"{rate} lines a second about itself"
        finally:
            process.terminate()
            assert process.wait(timeout=30) == 0
            thread.join(timeout=10)
