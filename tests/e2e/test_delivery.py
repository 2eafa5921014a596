# SPDX-License-Identifier: Apache-2.0
"""The program against the sink and against a real Loki: complete, in order, once."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "support")]

import tools  # noqa: E402
from loki import Loki, free_ports  # noqa: E402
from running import AGENT, PODGEN, Agent, Pods, Sink, get, pod_config, wait_for  # noqa: E402

ALL = '{namespace=~".+"}'


@pytest.fixture(scope="module")
def loki():
    """A Loki that is not limited by rates."""
    tools.require("loki")
    limits = {"ingestion_rate_mb": 1000, "ingestion_burst_size_mb": 1000,
              "per_stream_rate_limit": "1GB", "per_stream_rate_limit_burst": "1GB"}
    with Loki(limits=limits) as server:
        yield server


def stored(loki, pod: str) -> list:
    return list(loki.query_range(f'{{pod="{pod}"}}', start=time.time_ns() - 3 * 24 * 3600 * 10**9))


def test_every_line_once_in_order_with_labels_and_times(loki, tmp_path):
    pods = Pods(tmp_path / "pods")
    path = pods.file("order-1")
    pods.write(path, *(f"line {i}" for i in range(500)))
    pods.write(path, "to stderr", stream="stderr")
    config = pod_config(loki.push_url, pods.root)
    with Agent(config, tmp_path / "a", "--node-name=n1") as agent:
        wait_for(lambda: len(stored(loki, "order-1")) >= 501, "501 lines in Loki")
        pods.write(path, *(f"line {i}" for i in range(500, 1000)))
        wait_for(lambda: len(stored(loki, "order-1")) >= 1001, "1001 lines in Loki")
        assert agent.stop() == 0
    entries = stored(loki, "order-1")
    out = [entry for entry in entries if entry.labels["stream"] == "stdout"]
    assert [entry.line for entry in out] == [f"line {i}" for i in range(1000)]
    assert [entry.ts_ns for entry in out] == sorted(entry.ts_ns for entry in out)
    first = path.read_text().split(" ", 1)[0]
    assert time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(out[0].ts_ns // 10**9)) == first[:19]
    assert out[0].ts_ns % 10**9 == int(first[20:29])
    assert out[0].labels == {"namespace": "default", "pod": "order-1", "container": "app", "node_name": "n1",
                             "stream": "stdout"}
    assert [entry.line for entry in entries if entry.labels["stream"] == "stderr"] == ["to stderr"]


def test_structured_metadata_is_found_again(loki, tmp_path):
    pods = Pods(tmp_path / "pods")
    pods.write(pods.file("meta-1"), '{"level":"info","trace_id":"abc"}', '{"level":"warn"}')
    stages = "[{cri: {}}, {json: {expressions: {level: , trace_id: }}}, {labels: {level: }}, " \
             "{structured_metadata: {trace_id: }}]"
    with Agent(pod_config(loki.push_url, pods.root, stages), tmp_path / "a"):
        entries = wait_for(lambda: len(found := stored(loki, "meta-1")) == 2 and found, "2 lines in Loki")
    by_level = {entry.labels["level"]: entry for entry in entries}
    assert by_level["info"].structured_metadata.get("trace_id") == "abc"
    assert "trace_id" not in by_level["warn"].structured_metadata


def test_lines_that_are_not_utf8_do_not_poison_a_batch(loki, tmp_path):
    pods = Pods(tmp_path / "pods")
    path = pods.file("bytes-1")
    pods.write(path, "before", "nul \0 byte", "bad \udcff\udcfe utf-8", "after")
    with Agent(pod_config(loki.push_url, pods.root), tmp_path / "a"):
        entries = wait_for(lambda: len(found := stored(loki, "bytes-1")) == 4 and found, "4 lines in Loki")
    lines = [entry.line for entry in entries]
    assert lines[0] == "before" and lines[3] == "after" and lines[1] == "nul \0 byte"
    assert lines[2].startswith("bad ") and lines[2].endswith(" utf-8")


def test_after_kills_a_query_returns_every_line_once(loki, tmp_path):
    pods = Pods(tmp_path / "pods")
    files = [pods.file(f"kill-{i}") for i in range(3)]
    config = pod_config(loki.push_url, pods.root)
    agent = Agent(config, tmp_path / "a")
    total = 0
    for round_number in range(5):
        agent.start()
        for step in range(20):
            for path in files:
                pods.write(path, *(f"round {round_number} step {step} line {i} {path.parent.parent.name}" for i in range(10)))
            time.sleep(0.02)
        total += 20 * 10 * len(files)
        agent.kill()
    with agent:
        wait_for(lambda: loki.count('{pod=~"kill-.*"}') >= total, f"{total} lines in Loki", 60)
    for path in files:
        pod = path.parent.parent.name.split("_")[1]
        lines = [entry.line for entry in stored(loki, pod)]
        assert lines == [line.split(" F ", 1)[1] for line in path.read_text().splitlines()]


def test_after_kills_amid_rotation_a_query_returns_every_line_once(loki, tmp_path):
    """Files are renamed, packed and removed as the kubelet does it, also while the agent is down."""
    manifest = tmp_path / "written.json"
    root = tmp_path / "pods"
    root.mkdir()
    writers = subprocess.Popen([str(PODGEN), str(root), "--pods=4", "--rate=400KB/s", "--seconds=10", "--sequence",
                                "--rotate-every-ms=1000", "--keep=10", "--kind=mixed", "--seed=3",
                                "--name-prefix=turn-", f"--manifest={manifest}"])
    agent = Agent(pod_config(loki.push_url, root), tmp_path / "a")
    try:
        kills = 0
        while writers.poll() is None:
            agent.start()
            time.sleep(0.8)
            agent.kill()
            kills += 1
            time.sleep(0.05 if kills % 2 else 1.2)
        assert writers.returncode == 0
        packed = [path.name for path in root.rglob("*.gz")]
        written = json.loads(manifest.read_text())["writers"]
        assert kills >= 5 and packed and all(writer["rotations"] >= 5 for writer in written)
        total = sum(writer["lines"] for writer in written)
        with agent:
            wait_for(lambda: loki.count('{pod=~"turn-.*"}') >= total, f"{total} lines in Loki", 60)
            assert agent.stop() == 0
    finally:
        writers.kill()
        writers.wait()
    for writer in written:
        numbers = [int(found.group(1)) for entry in stored(loki, writer["pod"])
                   if (found := re.search(r"seq=\d+:(\d+):", entry.line))]
        assert sorted(numbers) == list(range(writer["lines"])), f"{writer['pod']}: {len(numbers)} of {writer['lines']}"


def test_a_refused_stream_stands_beside_one_that_is_taken(tmp_path):
    tools.require("loki")
    with Loki(limits={"reject_old_samples": True, "reject_old_samples_max_age": "1h"}) as loki:
        pods = Pods(tmp_path / "pods")
        old, fresh = pods.file("old-1"), pods.file("fresh-1")
        now = pods.clock
        pods.clock = now - 2 * 24 * 3600 * 10**9
        pods.write(old, "too old 1", "too old 2")
        pods.clock = now
        pods.write(fresh, *(f"fresh {i}" for i in range(100)))
        with Agent(pod_config(loki.push_url, pods.root), tmp_path / "a") as agent:
            wait_for(lambda: len(stored(loki, "fresh-1")) == 100, "the fresh stream")
            wait_for(lambda: "log lines were lost" in agent.log, "the loss in the log")
            pods.write(fresh, "still going")
            wait_for(lambda: len(stored(loki, "fresh-1")) == 101, "the stream goes on")
            assert "old-1" in agent.log
            assert agent.stop() == 0
        assert stored(loki, "old-1") == []


def test_times_that_loki_or_protobuf_cannot_carry_harm_no_other_line(tmp_path):
    """Whatever a broken clock wrote: each such line is stored or counted, and its neighbours arrive."""
    tools.require("loki")
    strange = ["0001-01-01T00:00:00Z", "1677-01-01T00:00:00.5Z", "1969-12-31T23:59:59.999999999Z", "1970-01-01T00:00:00Z",
               "2262-04-11T23:47:16.854775807Z", "2262-04-12T00:00:00Z", "9999-12-31T23:59:59.999999999Z"]
    port = free_ports(1)[0]
    with Loki(limits={"reject_old_samples": True, "reject_old_samples_max_age": "1w"}) as loki:
        pods = Pods(tmp_path / "pods")
        path = pods.file("clock-1")
        for number, when in enumerate(strange):
            pods.write(path, f"good {number}")
            with open(path, "a", encoding="utf-8") as out:
                out.write(f"{when} stdout F strange {number}\n")
        pods.write(path, "good last")
        config = pod_config(loki.push_url, pods.root).replace(
            "server: {disable: true}", f"server: {{http_listen_address: 127.0.0.1, http_listen_port: {port}}}")
        with Agent(config, tmp_path / "a") as agent:
            good = [f"good {number}" for number in range(len(strange))] + ["good last"]
            wait_for(lambda: len(stored(loki, "clock-1")) >= len(good), "the lines beside")
            rows = wait_for(lambda: json.loads(get(f"http://127.0.0.1:{port}/api/ledger"))["by_pod"], "the ledger")
            lines = [entry.line for entry in stored(loki, "clock-1")]
            assert [line for line in lines if line.startswith("good")] == good
            kept = [line for line in lines if line.startswith("strange")]
            assert sum(row["lines"] for row in rows) + len(kept) == len(strange), (rows, kept)
            pods.write(path, "it goes on")
            wait_for(lambda: stored(loki, "clock-1")[-1].line == "it goes on", "the stream goes on")
            assert agent.stop() == 0


def test_a_rate_limit_delays_and_loses_nothing(tmp_path):
    tools.require("loki")
    with Loki(limits={"ingestion_rate_mb": 1, "ingestion_burst_size_mb": 1}) as loki:
        pods = Pods(tmp_path / "pods")
        path = pods.file("limited-1")
        lines = [f"{i:06d} " + "x" * 1000 for i in range(3000)]
        pods.write(path, *lines)
        client = "    batchsize: 300000\n    backoff_config: {min_period: 100ms, max_period: 1s}\n"
        with Agent(pod_config(loki.push_url, pods.root, client=client), tmp_path / "a"):
            wait_for(lambda: loki.count('{pod="limited-1"}') == 3000, "3000 lines in Loki", 60)
        assert [entry.line for entry in stored(loki, "limited-1")] == lines


def generate(root: Path, pods: int, size: str) -> int:
    """A tree by podgen with marked lines; how many lines the files hold."""
    subprocess.run([PODGEN, str(root), f"--pods={pods}", f"--bytes={size}", "--sequence", "--seed=1",
                    "--partial-at=0", f"--manifest={root}.json"], check=True)
    return sum(int(line.split()[0]) for line in
               subprocess.run(f"wc -l {root}/*/*/*.log | grep -v total", shell=True, capture_output=True, text=True,
                              check=True).stdout.splitlines())


def test_64_mib_arrive_complete_in_a_real_loki(loki, tmp_path):
    lines = generate(tmp_path / "pods", 20, "64MiB")
    client = "    external_labels: {of_test: big}\n"
    selector = '{of_test="big"}'
    with Agent(pod_config(loki.push_url, tmp_path / "pods", client=client), tmp_path / "a") as agent:
        wait_for(lambda: loki.count(selector) >= lines, f"{lines} lines in Loki", 120)
        assert agent.stop() == 0
    assert loki.count(selector) == lines


def test_1_gib_in_20_pods_arrives_complete(tmp_path):
    memory = Path("/dev/shm")
    space = os.statvfs(memory) if memory.is_dir() else None
    big = space is not None and space.f_bavail * space.f_frsize > 3 * 2**30
    root = (memory / f"sluice-{os.getpid()}") if big else tmp_path / "pods"
    try:
        lines = generate(root, 20, "1GiB")
        with Sink("--verify") as sink, Agent(pod_config(sink.push_url, root), tmp_path / "a") as agent:
            wait_for(lambda: sink.stats()["entries"] >= lines, f"{lines} lines in the sink", 120)
            assert agent.stop() == 0
            stats = sink.stats()
        assert stats["entries"] == lines
        assert stats["missing"] == 0 and stats["duplicates"] == 0 and stats["reordered"] == 0
    finally:
        shutil.rmtree(root, ignore_errors=True)
        Path(f"{root}.json").unlink(missing_ok=True)
