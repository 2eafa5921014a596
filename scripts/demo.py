#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`make demo`: pods that log, rotate and crash, carried to a Loki by the agent.

Everything lives in a temporary folder; nothing else on the machine is touched. A Loki
that is already there is used (LOKI_BIN, the PATH, or the cache of
scripts/build-tools.sh); else the project's own receiver, bench/sink.
"""

from __future__ import annotations

import collections
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "e2e")]

import tools  # noqa: E402
from loki import Loki  # noqa: E402
from running import AGENT, Agent, Pods, Sink, wait_for  # noqa: E402

SECONDS = 6
CONFIG = """
server: {{disable: true}}
clients:
  - url: {url}
    batchwait: 500ms
scrape_configs:
  - job_name: pods
    pod_logs: {{root: {root}}}
    pipeline_stages:
      - cri: {{}}
      - match:
          selector: '{{container="java"}}'
          stages:
            - multiline: {{firstline: '^\\d{{4}}-', max_wait_time: 1s}}
      - match:
          selector: '{{container="web"}}'
          stages:
            - json: {{expressions: {{level: , trace_id: }}}}
            - labels: {{level: }}
            - structured_metadata: {{trace_id: }}
"""

TRACE = """2026-03-02 10:00:01,500 ERROR Order {n} failed
java.lang.IllegalStateException: no stock left
\tat shop.Stock.take(Stock.java:42)
\tat shop.Order.place(Order.java:17)"""


class Writer(threading.Thread):
    """One container that logs until it is told to stop."""

    def __init__(self, pods: Pods, path: Path, lines, pause: float):
        super().__init__(daemon=True)
        self.pods, self.path, self.lines, self.pause = pods, path, lines, pause
        self.written = 0  # entries that Loki must have
        self.leave = threading.Event()
        self.lock = threading.Lock()

    def run(self):
        number = 0
        while not self.leave.wait(self.pause):
            with self.lock:
                for line in self.lines(number):
                    self.pods.write(self.path, line)
                self.written += 1
            number += 1

    def rotate(self):
        """As the kubelet does it: rename, then the runtime opens a new file."""
        with self.lock:
            self.path.rename(self.path.with_name(self.path.name + ".20260302-100003"))
            self.path.touch()


def web(n):
    level = "error" if n % 10 == 9 else "info"
    return [json.dumps({"level": level, "msg": f"request {n}", "trace_id": f"{n:032x}"})]


def java(n):
    return TRACE.format(n=n).split("\n") if n % 3 == 0 else [f"2026-03-02 10:00:02,000 INFO Order {n} placed"]


def worker(n):
    return [f"job {n} done in {n % 7} ms"]


def receiver():
    """A real Loki if one is there, else the sink."""
    try:
        found = tools.find("loki", build=False)
    except AssertionError as trouble:
        print(trouble, file=sys.stderr)
        found = None
    if found is not None:
        print(f"receiver: Loki ({found})")
        return Loki()
    print("receiver: bench/sink (no Loki found; scripts/build-tools.sh builds one)")
    return Sink("--keep-lines=3")


def arrived(target) -> list[tuple[dict, int, list[str]]]:
    """Streams with their labels, counts and a few lines."""
    streams = collections.defaultdict(list)
    if isinstance(target, Loki):
        for entry in target.query_range('{namespace=~".+"}'):
            streams[tuple(sorted(entry.labels.items()))].append(entry.line)
        return [(dict(key), len(lines), lines[:2]) for key, lines in sorted(streams.items())]
    rows = target.streams()
    return [(row["labels"], row["entries"], [line["line"] for line in row["last"]][:2]) for row in rows]


def show(streams) -> None:
    for labels, count, lines in streams:
        text = labels if isinstance(labels, str) else "{" + ", ".join(f'{k}="{v}"' for k, v in sorted(labels.items())) + "}"
        print(f"\n{text}\n  {count} entries")
        for line in lines:
            print("  | " + line.replace("\n", "\n  |   "))


def main() -> int:
    if not AGENT.exists():
        sys.exit(f"{AGENT} is not built; run make release first")
    version = subprocess.run([AGENT, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    with tempfile.TemporaryDirectory(prefix="sluice-demo-") as folder, receiver() as target:
        pods = Pods(Path(folder) / "pods")
        writers = [
            Writer(pods, pods.file("shop-7c5d8f", "web"), web, 0.01),
            Writer(pods, pods.file("orders-0", "java"), java, 0.02),
            Writer(pods, pods.file("mailer-abc", "worker", namespace="jobs"), worker, 0.005),
        ]
        config = CONFIG.format(url=target.push_url, root=pods.root)
        print(f"agent:    {version}\npods:     {len(writers)} below {pods.root}, writing for {SECONDS} s")
        with Agent(config, Path(folder) / "agent", "--node-name=demo-node") as agent:
            for writer in writers:
                writer.start()
            time.sleep(SECONDS / 3)
            print("rotating  jobs/mailer-abc (rename, new file)")
            writers[2].rotate()
            time.sleep(SECONDS / 3)
            print("killing   the agent (kill -9) and starting it again")
            agent.kill()
            time.sleep(0.3)
            agent.start()
            time.sleep(SECONDS / 3)
            for writer in writers:
                writer.leave.set()
                writer.join()
            written = sum(writer.written for writer in writers)
            wait_for(lambda: sum(count for _, count, _ in arrived(target)) >= written,
                     f"{written} entries at the receiver", 30)
            agent.stop()
        streams = arrived(target)
        show(streams)
        total = sum(count for _, count, _ in streams)
        lost = max(0, written - total)
        print(f"\n{written} entries written, {total} stored in {len(streams)} streams, {lost} lost.")
        return 0 if lost == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
