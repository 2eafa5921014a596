# SPDX-License-Identifier: Apache-2.0
"""docs/MIGRATING.md, performed: from the real Promtail to Sluice and back, on one
configuration and one positions file. Nothing is read twice, nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import side_by_side  # noqa: E402
import tools  # noqa: E402

CONFIG = """
server: {disable: true}
positions: {filename: %(folder)s/positions.yaml, sync_period: 100ms}
clients: [{url: "%(url)s/loki/api/v1/push", batchwait: 100ms}]
target_config: {sync_period: 500ms}
scrape_configs:
- job_name: app
  static_configs:
  - {targets: [localhost], labels: {job: app, __path__: %(folder)s/logs/*.log}}
  pipeline_stages:
  - regex: {expression: '^(?P<file>\\w+)'}
  - labels: {file: }
"""
FILES = ("one", "two", "zwölf")


@pytest.fixture(scope="module")
def promtail() -> Path:
    return tools.require("promtail")


class Host:
    """A directory of logs, and the sink behind whichever agent runs on it."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "logs").mkdir()
        self.sink = side_by_side.Sink(folder / "sink")
        self.config = folder / "promtail.yaml"
        self.config.write_text(CONFIG % {"folder": folder, "url": self.sink.address}, encoding="utf-8")
        self.written: list = []

    def write(self, count: int, files=FILES) -> None:
        for name in files:
            with open(self.folder / "logs" / f"{name}.log", "a", encoding="utf-8") as log:
                for _ in range(count):
                    line = f"{name} line {len(self.written)} grüße"
                    self.written.append(line)
                    log.write(line + "\n")

    def run(self, program: Path, work=lambda: None) -> None:
        """Starts the program, does some work beside it, waits until all is stored, stops it."""
        process = subprocess.Popen([str(program), f"-config.file={self.config}"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            work()
            assert side_by_side.poll(lambda: self.sink.entries() >= len(self.written), 30), (
                f"{self.sink.entries()} of {len(self.written)} lines")
        finally:
            process.terminate()
            process.wait(timeout=30)

    def stored(self) -> list:
        self.sink.stop()
        return [e.line for found in side_by_side.read_dump(self.sink.dump).values() for e in found]


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path)
    yield made
    made.sink.stop()


def test_to_sluice_and_back(promtail, host):
    host.write(40)
    host.run(promtail)
    host.write(30)  # while nobody runs
    host.run(side_by_side.AGENT, lambda: host.write(20))
    positions = (host.folder / "positions.yaml").read_text(encoding="utf-8")
    host.write(15)
    host.run(promtail, lambda: host.write(0))
    host.run(side_by_side.AGENT)  # there is nothing left to read
    assert sorted(host.stored()) == sorted(host.written), positions


def test_files_that_come_and_go_meanwhile(promtail, host):
    host.write(10)
    host.run(promtail)
    host.write(10, ("new",))
    (host.folder / "logs" / "one.log").unlink()
    host.run(side_by_side.AGENT)
    host.write(5, ("new", "two"))
    host.run(promtail)
    assert sorted(host.stored()) == sorted(host.written)


def test_a_positions_file_that_promtail_never_wrote(promtail, host):
    """Sluice's own first start, then Promtail."""
    host.write(25)
    host.run(side_by_side.AGENT)
    host.write(5)
    host.run(promtail)
    assert sorted(host.stored()) == sorted(host.written)
