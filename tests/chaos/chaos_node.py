# SPDX-License-Identifier: Apache-2.0
"""One node in trouble: pods that write and rotate like the kubelet's, the real agent that
is killed again and again, and a receiver that fails in every way that Loki can.

Everything is decided by a seed; only the machine's own timing is not. At the end every
pod's account is drawn up: written, arrived, lost, duplicated, reordered.
"""

from __future__ import annotations

import errno
import json
import random
import resource
import signal
import subprocess
import sys
import threading
import time
import urllib.error
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("e2e", "support")]

from loki import free_ports  # noqa: E402
from running import AGENT, PODGEN, Sink, get, post, wait_for  # noqa: E402

BATCH = 256 * 1024
# What is stored reaches the positions file after an answer, a turn of the lane and a save.
SLACK_SECONDS = 1.0
DRAIN_SECONDS = 90.0

CONFIG = """
server: {{http_listen_address: 127.0.0.1, http_listen_port: {port}}}
clients:
  - url: {url}
    batchwait: 100ms
    batchsize: {batch}
    timeout: 3s
    backoff_config: {{min_period: 50ms, max_period: 400ms}}
scrape_configs:
  - job_name: pods
    pod_logs: {{root: {root}}}
    pipeline_stages: [{{cri: {{}}}}]
"""


class Node:
    """The writers, the agent and the sink of one run."""

    def __init__(self, folder: Path, seed: int, positions: Path | None = None, server_port: int = 0):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.seed = seed
        self.dice = random.Random(seed)
        self.root = self.folder / "pods"
        self.root.mkdir()
        self.positions = positions or self.folder / "positions.yaml"
        self.sink = Sink("--verify", f"--seed={seed}")
        self.config = self.folder / "agent.yaml"
        disabled = "server: {disable: true}"
        text = CONFIG.format(port=server_port, url=self.sink.push_url, batch=BATCH, root=self.root)
        if server_port == 0:
            text = "\n".join([disabled, *text.splitlines()[2:]]) + "\n"
        self.config.write_text(text)
        self.agent: subprocess.Popen | None = None
        self.writers: list[subprocess.Popen] = []
        self.manifests: list[Path] = []
        self.began = time.monotonic()
        # -- what may be sent twice --
        self.allowed_bytes = 0
        self.kills = 0
        self.downs = 0
        self.stored: list[tuple[float, int]] = [(time.time(), 0)]
        self.sampling = True
        self.sampler = threading.Thread(target=self._sample, daemon=True)
        self.sampler.start()
        self.events: list[str] = []

    # -- the writers --

    def write(self, seconds: float, pods: int = 8, rate: str = "2MB/s", rotate_ms: int = 1000, keep: int = 8,
              restart_ms: int = 0, kind: str = "mixed", prefix: str = "", stderr: float = 0.1) -> None:
        number = len(self.writers)
        manifest = self.folder / f"written-{number}.json"
        self.manifests.append(manifest)
        self.writers.append(subprocess.Popen(
            [str(PODGEN), str(self.root), f"--pods={pods}", f"--rate={rate}", f"--seconds={seconds:g}", "--sequence",
             f"--rotate-every-ms={rotate_ms}", f"--keep={keep}", f"--restart-every-ms={restart_ms}", f"--kind={kind}",
             f"--seed={self.seed + number}", f"--first-writer={number * 1000}", f"--name-prefix={prefix}",
             f"--stderr={stderr:g}", f"--manifest={manifest}"]))

    def writing(self) -> bool:
        return any(writer.poll() is None for writer in self.writers)

    # -- the agent --

    def start(self) -> None:
        # Through a pipe: a limit on the size of files must not hit the log.
        self.agent = subprocess.Popen(
            [str(AGENT), f"--config.file={self.config}", f"--positions.file={self.positions}",
             "--positions.sync-period=200ms", "--node-name=chaos"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, restore_signals=False)
        threading.Thread(target=self._keep_log, args=(self.agent.stdout,), daemon=True).start()
        self.note("start")

    def start_first(self) -> None:
        """Before the writers: a file that was rotated before the very first start is history,
        which on a busy machine happened to writers that began a moment earlier."""
        self.start()
        wait_for(self.positions.exists, "the first start is on record", 60)

    def _keep_log(self, pipe) -> None:
        with open(self.folder / "agent.log", "ab", buffering=0) as log:
            for line in pipe:
                log.write(line)

    def kill(self) -> None:
        self.must_live()
        self.agent.kill()
        killed = time.time()
        self.agent.wait()
        self.agent = None
        self.kills += 1
        saved = self.positions.stat().st_mtime if self.positions.exists() else 0.0
        stored = self._stored_now()
        self.allowed_bytes += stored - self._stored_at(saved - SLACK_SECONDS)
        self.note(f"kill, {killed - saved:.2f} s after the last save")

    def must_live(self) -> None:
        code = self.agent.poll()
        assert code is None, f"the agent ended by itself with {code}; seed {self.seed}\n{self.tail_of_log()}"

    def stop(self) -> None:
        self.must_live()
        self.agent.send_signal(signal.SIGTERM)
        code = self.agent.wait(timeout=35)
        self.agent = None
        assert code == 0, f"the agent ended with {code}; seed {self.seed}\n{self.tail_of_log()}"

    def log(self) -> str:
        path = self.folder / "agent.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def tail_of_log(self) -> str:
        return "\n".join(self.log().splitlines()[-40:])

    # -- the sink --

    def sink_does(self, *steps: dict) -> None:
        self.allowed_bytes += sum(2 * BATCH * step["count"] for step in steps if step.get("store"))
        self._retrying(lambda: post(self.sink.address + "/control", json.dumps(list(steps))))
        self.note("sink: " + (json.dumps(list(steps)) if steps else "well"))

    def sink_down(self, ms: int) -> None:
        self._retrying(lambda: post(f"{self.sink.address}/down?ms={ms}", ""))
        self.downs += 1
        self.note(f"sink: down for {ms} ms")

    def _retrying(self, call):
        deadline = time.monotonic() + 20
        while True:
            try:
                return call()
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert time.monotonic() < deadline, "the sink does not come back"
                time.sleep(0.02)

    def stats(self, brief: bool = True) -> dict:
        return json.loads(self._retrying(lambda: get(self.sink.address + "/stats" + ("?brief=1" if brief else ""))))

    def _sample(self) -> None:
        while self.sampling:
            try:
                now = time.time()
                self.stored.append((now, json.loads(get(self.sink.address + "/stats?brief=1"))["line_bytes"]))
            except (urllib.error.URLError, ConnectionError, TimeoutError, KeyError, ValueError):
                pass
            time.sleep(0.05)

    def _stored_now(self) -> int:
        return self.stats()["line_bytes"]

    def _stored_at(self, when: float) -> int:
        return max((total for moment, total in list(self.stored) if moment <= when), default=0)

    # -- time --

    def note(self, text: str) -> None:
        self.events.append(f"{time.monotonic() - self.began:7.2f}  {text}")

    def wait(self, low: float, high: float) -> bool:
        """A random while; False once the writers have ended."""
        deadline = time.monotonic() + self.dice.uniform(low, high)
        while time.monotonic() < deadline and self.writing():
            time.sleep(0.01)
        return self.writing()

    # -- the verdict --

    def written(self) -> dict[int, dict]:
        found = {}
        for manifest in self.manifests:
            for writer in json.loads(manifest.read_text())["writers"]:
                found[writer["writer"]] = writer
        return found

    def drain(self) -> None:
        """Waits until all that was written has arrived, or nothing has moved for long."""
        for writer in self.writers:
            assert writer.wait(timeout=60) == 0, "podgen failed"
        total = sum(writer["lines"] for writer in self.written().values())
        deadline = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < deadline and self.stats()["marks"] < total:
            self.must_live()
            time.sleep(0.05)

    def account(self) -> list[dict]:
        arrived = {writer["writer"]: writer for writer in self.stats(brief=False)["writers"]}
        rows = []
        for number, writer in sorted(self.written().items()):
            got = arrived.get(number, {})
            rows.append({
                "pod": writer["pod"], "written": writer["lines"], "rotations": writer["rotations"],
                "arrived": got.get("lines", 0), "lost": writer["lines"] - got.get("lines", 0),
                "duplicated": got.get("duplicates", 0), "different": got.get("different", 0),
                "reordered": got.get("reordered", 0), "duplicate_bytes": got.get("duplicate_bytes", 0)})
        return rows

    def allowed(self) -> int:
        """Bytes that may have come twice: stored but not saved at a kill, or not answered."""
        silent = self.stats()["answers"].get("none", 0)
        return self.allowed_bytes + (silent + self.downs) * 2 * BATCH

    def table(self, rows: list[dict]) -> str:
        names = ["pod", "written", "rotations", "arrived", "lost", "duplicated", "different", "reordered"]
        lines = ["  ".join(f"{name:>10}" for name in names)]
        lines += ["  ".join(f"{str(row[name])[-10:]:>10}" for name in names) for row in rows]
        return "\n".join(lines)

    def verdict(self, duplicates_allowed: bool) -> list[dict]:
        rows = self.account()
        sums = {name: sum(row[name] for row in rows)
                for name in ("written", "arrived", "lost", "duplicated", "different", "reordered", "duplicate_bytes")}
        allowed = self.allowed() if duplicates_allowed else 0
        said = (f"seed {self.seed}: {sums}, {self.kills} kills, {self.stats()['answers']} answers, "
                f"at most {allowed} bytes twice")
        print(f"\n{said}\n{self.table(rows)}", flush=True)
        losses = [line for line in self.log().splitlines() if "lost" in line or "released before" in line]
        whole = "\n".join([said, self.table(rows), *self.events, "what the agent says of losses:", *losses, self.tail_of_log()])
        assert sums["written"] > 0 and sum(row["rotations"] for row in rows) > 0, whole
        assert sums["lost"] == 0 and sums["reordered"] == 0, whole
        assert sums["different"] == 0, "a repeat that Loki would not hide\n" + whole
        assert sums["duplicate_bytes"] <= allowed, whole
        return rows

    def __enter__(self) -> "Node":
        return self

    def __exit__(self, *_) -> None:
        self.sampling = False
        self.sampler.join()
        for process in [*self.writers, *([self.agent] if self.agent else [])]:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.sink.__exit__()


# -- what goes wrong --

def kill_and_restart(node: Node) -> None:
    node.kill()
    time.sleep(node.dice.choice([0.0, 0.0, 0.1, 0.4, 0.9]))
    node.start()


REFUSALS = [
    {"status": 500, "count": 4},
    {"status": 503, "count": 2, "retry_after": 1},
    {"status": 429, "count": 3},
    {"as": "ingestion_rate", "count": 3, "retry_after": 1},
    {"status": 400, "count": 3, "body": "a gateway is not well"},
    {"status": 502, "count": 2, "delay_ms": 300},
    {"close": True, "count": 3},
    {"as": "too_large", "count": 2},
    {"status": 500, "chance": 0.5, "count": 6},
]
LOST_ANSWERS = [
    {"drop_answer": True, "count": 3},
    {"drop_answer": True, "chance": 0.3, "count": 5},
    {"status": 500, "store": True, "count": 2},
]


def trouble_the_sink(node: Node, lose_answers: bool) -> None:
    if node.dice.random() < 0.25:
        # Between two requests: an answer on its way would be lost.
        if not lose_answers:
            node.sink_does({"close": True})
            time.sleep(0.1)
            node.sink_down(node.dice.randrange(100, 1200))
            node.sink_does()
        else:
            node.sink_down(node.dice.randrange(100, 1200))
        return
    node.sink_does(node.dice.choice(REFUSALS + (LOST_ANSWERS if lose_answers else [])))


# -- the scenarios: each writes for `seconds` --

def kills(folder: Path, seed: int, seconds: float) -> None:
    """The agent is killed and started again; Loki is well."""
    with Node(folder, seed) as node:
        node.start_first()
        node.write(seconds, kind="mixed", restart_ms=900)
        while node.wait(0.3, 1.8):
            kill_and_restart(node)
        node.drain()
        node.verdict(duplicates_allowed=True)
        node.stop()


def failing_loki(folder: Path, seed: int, seconds: float) -> None:
    """Loki refuses, hangs up and goes away, but never stores without saying so."""
    with Node(folder, seed) as node:
        node.start_first()
        node.write(seconds, kind="mixed", restart_ms=700)
        while node.wait(0.2, 1.2):
            trouble_the_sink(node, lose_answers=False)
        node.sink_does()
        node.drain()
        node.verdict(duplicates_allowed=False)
        node.stop()


def everything(folder: Path, seed: int, seconds: float) -> None:
    """Kills, refusals, lost answers and a Loki that is not there, all at once."""
    with Node(folder, seed) as node:
        node.start_first()
        node.write(seconds, kind="mixed", keep=12, restart_ms=1300)
        node.write(seconds, pods=2, kind="long", rate="500KB/s", keep=12, prefix="long-")
        while node.wait(0.1, 0.9):
            if node.dice.random() < 0.4:
                kill_and_restart(node)
            else:
                trouble_the_sink(node, lose_answers=True)
        node.sink_does()
        node.drain()
        node.verdict(duplicates_allowed=True)
        node.stop()


class SmallDisk:
    """A folder on a disk of 64 KiB; where nothing may be mounted, a limit on the agent's
    files does the same with another errno, and that is said loudly."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", "size=64k", "sluice-chaos", str(self.folder)]
        self.mounted = subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
        if not self.mounted:
            print("\n*** no disk can be mounted here: a limit on file sizes stands in for the full disk ***",
                  file=sys.stderr, flush=True)

    def fill(self, node: Node) -> None:
        node.note("the disk is full")
        if not self.mounted:
            resource.prlimit(node.agent.pid, resource.RLIMIT_FSIZE, (16, resource.RLIM_INFINITY))
            return
        with open(self.folder / "ballast", "wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(b"x" * 4096)
            except OSError as error:
                assert error.errno == errno.ENOSPC

    def free(self, node: Node) -> None:
        node.note("the disk has space again")
        if self.mounted:
            (self.folder / "ballast").unlink(missing_ok=True)
        elif node.agent is not None:
            resource.prlimit(node.agent.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def __enter__(self) -> "SmallDisk":
        return self

    def __exit__(self, *_) -> None:
        if self.mounted:
            subprocess.run(["umount", str(self.folder)], check=True)


def full_disk(folder: Path, seed: int, seconds: float) -> None:
    """There is no space for positions now and then, and the agent is killed meanwhile."""
    with SmallDisk(Path(folder) / "disk") as disk, \
            Node(Path(folder) / "node", seed, positions=Path(folder) / "disk" / "positions.yaml") as node:
        node.start_first()
        node.write(seconds, pods=4, keep=20)
        node.wait(1.0, 1.5)
        fillings = 0
        while node.writing():
            disk.fill(node)
            fillings += 1
            node.wait(0.6, 1.2)
            arrived = node.stats()["marks"]
            if fillings % 2 == 1:
                kill_and_restart(node)
                if not disk.mounted:
                    disk.fill(node)
            node.wait(0.4, 0.8)
            if node.writing():
                wait_for(lambda: node.stats()["marks"] > arrived, "lines, though positions cannot be saved", 20)
            disk.free(node)
            node.wait(0.6, 1.2)
        disk.free(node)
        assert "cannot write the positions file" in node.log(), node.tail_of_log()
        node.drain()
        node.verdict(duplicates_allowed=True)
        wait_for(lambda: "can be written again" in node.log(), "the disk is found to be well", 20)
        node.stop()


def refused_pod(folder: Path, seed: int, seconds: float) -> None:
    """Loki refuses one pod for good: the ledger has every line of it, and of no other."""
    port = free_ports(1)[0]
    with Node(folder, seed, server_port=port) as node:
        node.sink_does({"as": "too_far_behind", "match": 'pod="bad-'})
        node.start_first()
        node.write(seconds, pods=4)
        # One stream: of several in a request, Loki speaks of the last only.
        node.write(seconds, pods=1, rate="200KB/s", prefix="bad-", stderr=0)
        for writer in node.writers:
            assert writer.wait(timeout=seconds + 60) == 0
        written = node.written()
        good = sum(writer["lines"] for writer in written.values() if not writer["pod"].startswith("bad-"))
        bad = [writer for writer in written.values() if writer["pod"].startswith("bad-")]
        wait_for(lambda: node.stats()["marks"] >= good, "the good pods' lines", DRAIN_SECONDS)

        def rows() -> list[dict]:
            return json.loads(get(f"http://127.0.0.1:{port}/api/ledger"))["by_pod"]

        wait_for(lambda: sum(row["lines"] for row in rows()) >= bad[0]["lines"], "the refused lines in the ledger", 30)
        assert [(row["id"].split("/")[-1], row["reason"], row["lines"], row["bytes"]) for row in rows()] == [
            (bad[0]["pod"], "too_far_behind", bad[0]["lines"], bad[0]["line_bytes"])]
        text = get(f"http://127.0.0.1:{port}/metrics")
        assert f'sluice_lost_lines_total{{reason="too_far_behind"}} {bad[0]["lines"]}\n' in text, text
        assert node.stats()["marks"] == good and node.stats()["duplicates"] == 0
        print(f"\nseed {seed}: {good} arrived, {bad[0]['lines']} refused and counted", flush=True)
        node.stop()


# Shares of the time.
SCENARIOS = {kills: 0.25, failing_loki: 0.25, everything: 0.25, full_disk: 0.17, refused_pod: 0.08}
