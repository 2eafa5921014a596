# SPDX-License-Identifier: Apache-2.0
"""The metrics stage: both programs must show the same series on /metrics."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import side_by_side  # noqa: E402
import tools  # noqa: E402

CONFIG = """
server: {http_listen_address: 127.0.0.1, http_listen_port: %(port)d,
         grpc_listen_address: 127.0.0.1, grpc_listen_port: 0}
clients: [{url: "http://127.0.0.1:1/"}]
positions: {filename: %(folder)s/positions.yaml}
scrape_configs:
- job_name: m
  static_configs: [{targets: [localhost], labels: {app: a, __path__: %(logs)s/*.log}}]
  pipeline_stages:
  - json: {expressions: {num: "n", s: , b: , d: , z: }}
  - labels: {s: }
  - metrics:
      lines: {type: Counter, description: "all \\"lines\\"", config: {match_all: true, action: inc}}
      bytes: {type: counter, prefix: my_, config: {match_all: true, action: add, count_entry_bytes: true}}
      sum: {type: Counter, source: num, config: {action: add}}
      five: {type: Counter, source: num, config: {action: inc, value: "5"}}
      last: {type: Gauge, source: num, config: {action: set}}
      up: {type: gauge, source: num, config: {action: add}}
      down: {type: gauge, source: num, config: {action: sub}}
      more: {type: gauge, source: b, config: {action: inc}}
      less: {type: gauge, source: b, config: {action: dec, value: "true"}}
      flag: {type: gauge, source: b, config: {action: set}}
      seconds: {type: Histogram, source: d, config: {buckets: [0.1, 1, 10]}}
      spread: {type: histogram, source: num}
      null: {type: counter, source: z, config: {action: inc}}
      never: {type: counter, config: {match_all: true, action: add}}
  - match:
      selector: '{s="x"}'
      stages:
      - metrics: {inner: {type: Counter, source: num, config: {action: inc}}}
      - drop: {expression: ".", drop_counter_reason: wanted}
"""
LINES = """{"n":5,"s":"x","b":true,"d":"1.5s"}
{"n":"7.5","s":"y","b":false,"d":0.05}
{"n":null,"s":"x","b":"true","d":"100ms","z":null}
plain
{"n":"abc","s":"q\\"uo\\\\te\\n","d":"5"}
{"n":1e3,"z":"","d":"-3"}
{"n":"0x10","s":"x","d":"2m"}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def series(program: Path, folder: Path, logs: Path) -> list:
    """Samples of the metrics stage after the last line was counted."""
    folder.mkdir()
    port = free_port()
    config = folder / "promtail.yaml"
    config.write_text((CONFIG % {"port": port, "folder": folder, "logs": logs}).replace("null:", '"null":'),
                      encoding="utf-8")
    process = subprocess.Popen([str(program), f"-config.file={config}"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wanted = re.compile(r"(promtail_custom_|my_|logentry_dropped_lines_total|# TYPE (promtail_custom_|my_))")

    def scrape():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                rows = [r for r in answer.read().decode().splitlines() if wanted.match(r)]
        except (urllib.error.URLError, ConnectionError):
            return None
        counted = sum(float(r.rsplit(" ", 1)[1]) for r in rows if r.startswith("promtail_custom_lines"))
        dropped = [r for r in rows if 'reason="wanted"' in r and float(r.rsplit(" ", 1)[1]) == 3]
        return rows if counted == 7 and dropped else None

    try:
        rows = side_by_side.poll(scrape, 30)
        assert rows, f"{program.name} did not count every line"
        return sorted(rows)
    finally:
        process.kill()
        process.wait()


def test_same_series(tmp_path):
    promtail = tools.require("promtail")
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log").write_text(LINES, encoding="utf-8")
    theirs = series(promtail, tmp_path / "promtail", logs)
    ours = series(side_by_side.AGENT, tmp_path / "agent", logs)
    # Promtail shows no value where it dropped nothing for other reasons.
    assert len(theirs) > 80
    assert ours == theirs


