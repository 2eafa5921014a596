# SPDX-License-Identifier: Apache-2.0
"""Fair shares: a pod that writes 100 times more than its neighbours does not delay them,
and budgets by namespace slow or drop what they are for."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from running import PODGEN, Agent, Pods, Sink, pod_config, wait_for  # noqa: E402

NEIGHBOURS = 50
LINES_PER_SECOND = 20  # of each neighbour


def delays(tmp_path, name: str, hot: bool) -> dict:
    """The neighbours' time from written to stored, by the sink's clock."""
    root = tmp_path / name / "pods"
    # Writer 0 is the hot one; without it, one more neighbour that is not counted.
    share = NEIGHBOURS + (100 if hot else 1)
    generator = [PODGEN, str(root), f"--pods={NEIGHBOURS + 1}", f"--hot={100 if hot else 1}", "--kind=fixed", "--sequence",
                 f"--lines-per-second={LINES_PER_SECOND * share}", "--seconds=6", f"--manifest={root.parent}.json"]
    with Sink("--verify") as sink, Agent(pod_config(sink.push_url, root), tmp_path / name / "a") as agent:
        subprocess.run(generator, check=True, timeout=120)
        expected = sum(sum(1 for _ in open(path, "rb")) for path in root.glob("*/*/*.log"))
        wait_for(lambda: sink.stats()["entries"] >= expected, f"{expected} lines", 60)
        assert agent.stop() == 0
        stats = sink.stats()
    assert stats["missing"] == 0 and stats["reordered"] == 0
    others = stats["latency_of_others_ms"]
    assert others["count"] > NEIGHBOURS * LINES_PER_SECOND * 6 * 0.8
    if hot:
        assert stats["latency_ms"]["count"] > 2.5 * others["count"], "one pod writes much more than all others"
    return others


def test_a_pod_that_writes_100_times_more_delays_nobody(tmp_path):
    alone = delays(tmp_path, "alone", hot=False)
    beside = delays(tmp_path, "beside", hot=True)
    print(f"p99 of {NEIGHBOURS} neighbours: {alone['p99']:.0f} ms alone, {beside['p99']:.0f} ms beside the hot pod")
    assert beside["p99"] - alone["p99"] < 100


def test_a_backlog_of_one_pod_delays_nobody(tmp_path):
    pods = Pods(tmp_path / "pods")
    backlog = pods.file("hoarder-1")
    pods.write(backlog, *(f"{i:08d} " + "x" * 1000 for i in range(60_000)))
    quick = [pods.file(f"quick-{i}") for i in range(10)]
    with Sink() as sink, Agent(pod_config(sink.push_url, pods.root), tmp_path / "a"):
        wait_for(lambda: sink.stats()["entries"] > 0, "the backlog is under way")
        for path in quick:
            pods.write(path, "hello")
        wait_for(lambda: {s["labels"]["pod"] for s in sink.streams()} >= {f"quick-{i}" for i in range(10)}, "every neighbour")
        wait_for(lambda: sink.stats()["entries"] == 60_010, "all of it", 120)


def test_a_namespace_over_its_budget_is_slowed_and_loses_nothing(tmp_path):
    pods = Pods(tmp_path / "pods")
    lines = [f"{i:05d} " + "x" * 200 for i in range(2000)]
    pods.write(pods.file("slow-1", namespace="noisy"), *lines)
    pods.write(pods.file("free-1", namespace="calm"), *lines)
    extra = "limits_config: {namespaces: {noisy: {bytes_per_second: 100KB, action: slow}}}\n"
    with Sink() as sink, Agent(pod_config(sink.push_url, pods.root, extra=extra), tmp_path / "a"):
        began = time.monotonic()
        counts = {}

        def calm_first():
            counts.update({s["labels"]["namespace"]: s["entries"] for s in sink.streams()})
            return counts.get("calm") == 2000

        wait_for(calm_first, "the namespace without a budget")
        wait_for(lambda: sink.stats()["entries"] == 4000, "the other, later", 60)
        took = time.monotonic() - began
    # 500 KB in reads of 256 KiB at 100 KB/s with a burst of one second: a read overdraws it.
    assert took > 1.2, took


def test_a_namespace_that_drops_says_what_it_dropped(tmp_path):
    pods = Pods(tmp_path / "pods")
    lines = [f"{i:05d} " + "x" * 200 for i in range(2000)]
    pods.write(pods.file("loud-1", namespace="noisy"), *lines)
    pods.write(pods.file("free-1", namespace="calm"), *lines)
    extra = "limits_config: {namespaces: {noisy: {bytes_per_second: 20KB, action: drop}}}\n"
    with Sink() as sink, Agent(pod_config(sink.push_url, pods.root, extra=extra), tmp_path / "a") as agent:
        wait_for(lambda: any(s["labels"]["namespace"] == "calm" and s["entries"] == 2000 for s in sink.streams()), "the calm one")
        wait_for(lambda: any(s["labels"]["namespace"] == "noisy" for s in sink.streams()), "a part of the noisy one")
        assert agent.stop() == 0
        noisy = sum(s["entries"] for s in sink.streams() if s["labels"]["namespace"] == "noisy")
    assert 50 < noisy < 1000, noisy
