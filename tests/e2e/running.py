# SPDX-License-Identifier: Apache-2.0
"""Runs the agent and the sink for end-to-end tests: free ports, own folders, deadlines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("AGENT_BIN_DIR", ROOT / "build" / "release" / "bin"))
AGENT = Path(os.environ.get("AGENT_BIN", BIN / "agent"))
SINK = BIN / "sink"
PODGEN = BIN / "podgen"


def wait_for(check, what: str, seconds: float = 30.0):
    """Polls until check() is true (its value is returned) or fails with `what`."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def get(url: str, timeout: float = 10.0) -> str:
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read().decode("utf-8", "replace")


def post(url: str, body: str, timeout: float = 10.0) -> str:
    request = urllib.request.Request(url, data=body.encode(), method="POST")
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return answer.read().decode("utf-8", "replace")


class Sink:
    """The receiver of bench/sink on a free port."""

    def __init__(self, *arguments: str):
        self.folder = tempfile.TemporaryDirectory(prefix="sluice-sink-")
        port_file = Path(self.folder.name) / "port"
        self.process = subprocess.Popen(
            [str(SINK), "--port-file", str(port_file), *arguments],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        text = wait_for(lambda: port_file.exists() and port_file.read_text().strip(), "the sink's port")
        self.address = f"http://127.0.0.1:{text}"
        self.push_url = self.address + "/loki/api/v1/push"

    def stats(self) -> dict:
        return json.loads(get(self.address + "/stats"))

    def streams(self, limit: int = 1000) -> list[dict]:
        return json.loads(get(f"{self.address}/streams?limit={limit}"))

    def control(self, **what) -> None:
        post(self.address + "/control", json.dumps(what))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


class Agent:
    """The agent with a configuration text; its folder holds positions and its log."""

    def __init__(self, config: str, folder: Path, *arguments: str, env: dict | None = None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = self.folder / "agent.yaml"
        self.config.write_text(config)
        self.arguments = arguments
        self.env = {**os.environ, **(env or {})}
        self.process: subprocess.Popen | None = None

    @property
    def log(self) -> str:
        path = self.folder / "agent.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def positions(self) -> Path:
        return self.folder / "positions.yaml"

    def start(self) -> "Agent":
        with open(self.folder / "agent.log", "ab") as log:
            self.process = subprocess.Popen(
                [str(AGENT), f"--config.file={self.config}", f"--positions.file={self.positions}",
                 "--positions.sync-period=200ms", *self.arguments],
                stdout=log, stderr=log, env=self.env)
        return self

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, seconds: float = 30.0) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=seconds)
        self.process = None
        return code

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def cri(text: str, when: int, stream: str = "stdout", flag: str = "F") -> str:
    """One CRI line at `when` nanoseconds since 1970."""
    seconds, nanos = divmod(when, 1_000_000_000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{stamp}.{nanos:09d}Z {stream} {flag} {text}\n"


class Pods:
    """A tree shaped like /var/log/pods."""

    def __init__(self, root: Path):
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self.clock = time.time_ns() - 60 * 1_000_000_000

    def file(self, pod: str, container: str = "app", namespace: str = "default", count: int = 0) -> Path:
        folder = self.root / f"{namespace}_{pod}_uid-{pod}" / container
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{count}.log"

    def write(self, path: Path, *lines: str, stream: str = "stdout", flag: str = "F") -> None:
        with open(path, "a", encoding="utf-8", errors="surrogateescape") as out:
            for line in lines:
                self.clock += 1_000_003
                out.write(cri(line, self.clock, stream, flag))


def pod_config(push_url: str, root: Path, stages: str = "[{cri: {}}]", client: str = "", extra: str = "") -> str:
    return f"""
server: {{disable: true}}
clients:
  - url: {push_url}
    batchwait: 200ms
{client}
scrape_configs:
  - job_name: pods
    pod_logs: {{root: {root}}}
    pipeline_stages: {stages}
{extra}
"""
