# SPDX-License-Identifier: Apache-2.0
"""Runs Promtail and the agent over the same files, each into a sink of its own."""

from __future__ import annotations

import collections
import dataclasses
import gzip
import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import cases as case_files

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("AGENT_BIN_DIR", ROOT / "build" / "release" / "bin"))
AGENT = Path(os.environ.get("AGENT_BIN", BIN / "agent"))
SINK = Path(os.environ.get("SINK_BIN", BIN / "sink"))

DEADLINE_S = 60.0


@dataclasses.dataclass(frozen=True)
class Entry:
    """What one pushed entry is made of."""

    tenant: str
    labels: tuple
    ts: int
    line: str
    metadata: tuple


@dataclasses.dataclass
class Result:
    """What both programs pushed, by case; what the agent refused to start with."""

    began: int
    ended: int
    promtail: dict
    agent: dict
    refused: dict
    logs: dict


def labels_of(row: dict) -> dict:
    """An entry's labels, also where a name is none that the sink (or Loki) would take."""
    if "labels" in row:
        return row["labels"]
    found = re.findall(r'([^={,\s][^=]*)="((?:[^"\\]|\\.)*)"', row["text"])
    plain = {"n": "\n", "t": "\t", "r": "\r"}
    return {name: re.sub(r"\\(.)", lambda m: plain.get(m[1], m[1]), value) for name, value in found}


def read_dump(path: Path) -> dict:
    """Entries by the label `case`, in the order they came."""
    by_case = collections.defaultdict(list)
    for text in path.read_bytes().decode("utf-8", "surrogateescape").split("\n")[:-1]:
        row = json.loads(text)
        metadata = row.get("metadata") or {}
        pairs = metadata.items() if isinstance(metadata, dict) else (
            (p["name"], p["value"]) if isinstance(p, dict) else tuple(p) for p in metadata)
        labels = labels_of(row)
        by_case[labels.get("case", "")].append(Entry(
            row.get("tenant", ""), tuple(sorted(labels.items())), int(row["ts"]),
            row["line"], tuple(sorted(pairs))))
    return by_case


class Sink:
    """bench/sink on a free port, writing what it stores to a file."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True)
        self.dump = folder / "dump.jsonl"
        port_file = folder / "port"
        self.process = subprocess.Popen(
            [str(SINK), "--port-file", str(port_file), "--dump", str(self.dump)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = poll(lambda: port_file.exists() and port_file.read_text().strip(), 20)
        if not port:
            raise AssertionError("the sink did not come up")
        self.address = f"http://127.0.0.1:{port}"

    def entries(self) -> int:
        with urllib.request.urlopen(self.address + "/stats?brief=1", timeout=10) as answer:
            return json.load(answer)["entries"]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def poll(check, seconds: float):
    """The first true value of check(), or its last value when the time is over."""
    deadline = time.monotonic() + seconds
    while not (value := check()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return value


class Side:
    """One program at work on a group's files."""

    def __init__(self, name: str, command: list, folder: Path, logs: Path, cases: list, config):
        self.name, self.cases = name, cases
        self.sink = Sink(folder / name)
        self.log_path = folder / name / "log"
        self.config = folder / name / "promtail.yaml"
        self.config.write_text(case_files.configuration(
            cases, logs, folder / name / "positions.yaml",
            self.sink.address + "/loki/api/v1/push", config), encoding="utf-8")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([*command, f"-config.file={self.config}"],
                                            stdout=log, stderr=log)

    def finish(self, expected: int, deadline: float) -> None:
        """Waits for the expected entries, then stops the program, which flushes what it holds."""
        try:
            poll(lambda: self.process.poll() is not None or self.sink.entries() >= expected,
                 deadline - time.monotonic())
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended by itself:\n{self.log()[-4000:]}")
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=30)
        finally:
            self.close()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.sink.stop()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")


def check_syntax(text: str, path: Path) -> tuple[int, str]:
    """The agent's verdict on a configuration."""
    path.write_text(text, encoding="utf-8")
    done = subprocess.run([str(AGENT), f"-config.file={path}", "-check-syntax"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def promtail_start(promtail: Path, text: str, path: Path) -> tuple[int | None, str]:
    """Promtail's exit status on a configuration; None if it goes to work."""
    path.write_text(text, encoding="utf-8")
    log_path = path.with_suffix(".log")
    with open(log_path, "wb") as log:
        process = subprocess.Popen([str(promtail), f"-config.file={path}", "-dry-run"],
                                   stdout=log, stderr=log)
    started = "Starting Promtail"
    read = lambda: log_path.read_text(errors="replace")  # noqa: E731
    poll(lambda: process.poll() is not None or started in read(), 30)
    status = process.poll()
    if status is None:
        process.kill()
        process.wait()
    return status, read()


def refused_by_agent(cases: list, folder: Path, config) -> dict:
    """The cases whose configuration the agent does not take, with what it says."""
    def verdict(some):
        return check_syntax(case_files.configuration(
            some, folder, folder / "positions.yaml", "http://127.0.0.1:1/", config),
            folder / "checked.yaml")

    def search(some) -> dict:
        code, text = verdict(some)
        if code == 0:
            return {}
        if len(some) == 1:
            return {some[0].name: text}
        middle = len(some) // 2
        return search(some[:middle]) | search(some[middle:])

    known = [c for c in cases if c.known]
    return search([c for c in cases if not c.known]) | (search(known) if known else {})


class Run:
    """Both programs over one group of cases."""

    def __init__(self, promtail: Path, folder: Path, cases: list, config):
        self.cases = cases
        logs = folder / "logs"
        logs.mkdir(parents=True)
        for case in cases:
            path = case_files.log_path(logs, case)
            path.write_bytes(gzip.compress(case.input()) if case.gzip else case.input())
        self.refused = refused_by_agent(cases, folder, config)
        taken = [c for c in cases if c.name not in self.refused]
        self.began = time.time_ns()
        self.sides = [Side("promtail", [str(promtail)], folder, logs, cases, config),
                      Side("agent", [str(AGENT)], folder, logs, taken, config)]

    def result(self, deadline: float) -> Result:
        try:
            for side in self.sides:
                side.finish(sum(self._count(c, side.name) for c in side.cases), deadline)
        finally:
            for side in self.sides:
                side.close()
        dumps = {s.name: read_dump(s.sink.dump) for s in self.sides}
        return Result(self.began, time.time_ns(), dumps["promtail"], dumps["agent"],
                      self.refused, {s.name: s.log() for s in self.sides})

    @staticmethod
    def _count(case, side: str) -> int:
        if side == "agent" and case.differs:
            return len(case.expect)
        if side == "agent" and case.ours is not None:
            return case.ours
        return case.expected_entries()
