# SPDX-License-Identifier: Apache-2.0
"""Loki is away: what that costs, and how it goes on afterwards. The disk's end and two
agents on one positions file."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "support")]

from loki import Loki, free_ports  # noqa: E402
from running import AGENT, PODGEN, Agent, Pods, Sink, get, pod_config, post, wait_for  # noqa: E402

MIB = 1024 * 1024
BUDGET_MIB = 16
# An answer that never comes, and nothing stored.
HANGS = {"status": 500, "delay_ms": 600_000}


def rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def metric(port: int, name: str) -> float:
    """The sum of a metric's samples; of an agent that does not listen yet, none."""
    try:
        text = get(f"http://127.0.0.1:{port}/metrics")
    except urllib.error.URLError:
        return 0.0
    found = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name]
    return sum(float(value) for value in found)


def with_server(config: str, port: int) -> str:
    return config.replace("server: {disable: true}",
                          f"server: {{http_listen_address: 127.0.0.1, http_listen_port: {port}}}")


def test_a_loki_that_is_back_is_found_long_before_the_backoff_ends(tmp_path):
    pods = Pods(tmp_path / "pods")
    path = pods.file("found-1")
    pods.write(path, "while nobody was there")
    with Loki() as loki:
        loki.stop()
        config = pod_config(loki.push_url, pods.root, client="    backoff_config: {min_period: 10m, max_period: 20m}\n")
        with Agent(config, tmp_path / "a") as agent:
            wait_for(lambda: "could not be delivered" in agent.log, "a push fails")
            loki.start()
            wait_for(lambda: loki.count('{pod="found-1"}') == 1, "the line in Loki", 90)
            assert "answers again" in agent.log


def test_an_outage_costs_neither_memory_nor_cpu_and_what_waited_drains_fairly(tmp_path):
    port = free_ports(1)[0]
    pods = Pods(tmp_path / "pods")
    manifest = tmp_path / "written.json"
    client = "    timeout: 2s\n    backoff_config: {min_period: 100ms, max_period: 500ms}\n"
    with Sink("--verify") as sink:
        sink.control(**HANGS)
        config = with_server(pod_config(sink.push_url, pods.root, client=client), port)
        writers = subprocess.Popen([str(PODGEN), str(pods.root), "--pods=20", "--rate=10MB/s", "--seconds=14", "--sequence",
                                    "--rotate-every-ms=2000", "--keep=3", f"--manifest={manifest}"])
        try:
            with Agent(config, tmp_path / "a", f"-memory-limit={BUDGET_MIB}MiB") as agent:
                wait_for(lambda: metric(port, "sluice_budget_waits_total") > 0, "the budget is used up", 20)
                pid = agent.process.pid
                began, used, most = time.monotonic(), cpu_seconds(pid), 0
                while time.monotonic() - began < 4:
                    most = max(most, rss(pid))
                    time.sleep(0.05)
                share = (cpu_seconds(pid) - used) / (time.monotonic() - began)
                print(f"\nLoki away: {most / MIB:.1f} MiB of memory, {share:.3f} of a core", flush=True)
                assert most < (BUDGET_MIB + 32) * MIB
                assert share < 0.08
                assert metric(port, "sluice_read_bytes_total") < 200 * MIB  # it waits, and does not read on
                assert writers.wait(timeout=60) == 0
                fresh = pods.file("fresh-1")
                pods.write(fresh, *(f"seq=77:{i}:0" for i in range(100)))
                written = json.loads(manifest.read_text())["lines"] + 100

                # Every answer takes a while, so that what comes first can be told.
                sink.control(delay_ms=20)

                def fresh_lines() -> int:
                    return sum(writer["lines"] for writer in sink.stats()["writers"] if writer["writer"] == 77)

                wait_for(lambda: fresh_lines() == 100, "the new pod's lines", 60)
                at_fresh = sink.stats()["marks"]
                wait_for(lambda: sink.stats()["marks"] >= written, f"{written} lines", 120)
                stats = sink.stats()
                print(f"the new pod was served after {at_fresh} of {written} lines", flush=True)
                assert at_fresh < written * 0.9, "the new pod had to wait for the backlog"
                assert stats["missing"] == 0 and stats["reordered"] == 0 and stats["duplicates"] == 0
                assert metric(port, "sluice_lost_lines_total") == 0
                assert most < (BUDGET_MIB + 32) * MIB
                assert agent.stop() == 0
        finally:
            writers.kill()
            writers.wait()


def test_what_the_pinned_budget_gives_up_is_counted_exactly_and_marked(tmp_path):
    port = free_ports(1)[0]
    pods = Pods(tmp_path / "pods")
    path = pods.file("gone-1")
    lines = 60_000
    pods.write(path, *(f"{i:06d} " + "x" * 100 for i in range(lines)))
    size = path.stat().st_size
    client = "    timeout: 2s\n    backoff_config: {min_period: 100ms, max_period: 500ms}\n"
    extra = "limits_config: {pinned_bytes: 100KiB, loss_marker: true}\n"
    with Sink("--keep-lines=1") as sink:
        sink.control(**HANGS)
        config = with_server(pod_config(sink.push_url, pods.root, client=client, extra=extra), port)
        with Agent(config, tmp_path / "a", "-memory-limit=1MiB") as agent:
            wait_for(lambda: metric(port, "sluice_budget_waits_total") > 0, "the budget is used up")
            path.unlink()
            wait_for(lambda: metric(port, "sluice_lost_bytes_total") > 0, "the loss")
            sink.control()
            lost = int(metric(port, "sluice_lost_bytes_total"))
            arrived = size - lost  # bytes of the file

            def streams() -> dict[str, dict]:
                return {stream["labels"].get("stream", "none"): stream for stream in sink.streams()}

            wait_for(lambda: "none" in streams() and "stdout" in streams() and
                     streams()["stdout"]["entries"] * (size // lines) >= arrived - size // lines, "what had been read")
            assert streams()["stdout"]["entries"] * (size // lines) == arrived
            marker = streams()["none"]
            assert marker["labels"] == {"namespace": "default", "pod": "gone-1", "container": "app",
                                        "node_name": marker["labels"]["node_name"], "sluice_marker": "loss"}
            assert marker["entries"] == 1
            assert marker["last"][0]["line"] == \
                f"sluice: {lost} bytes of {path} were lost before they were read (pinned_budget)"
            rows = json.loads(get(f"http://127.0.0.1:{port}/api/ledger"))["by_pod"]
            assert [(row["id"], row["reason"], row["bytes"]) for row in rows] == [("default/gone-1", "pinned_budget", lost)]
            assert agent.stop() == 0


def test_lines_that_loki_refuses_for_good_are_marked_and_markers_never(tmp_path):
    pods = Pods(tmp_path / "pods")
    pods.write(pods.file("bad-1"), *(f"line {i}" for i in range(7)))
    pods.write(pods.file("good-1"), "hello")
    port = free_ports(1)[0]
    with Sink("--keep-lines=10") as sink:
        sink.control(**{"as": "too_far_behind", "match": 'pod="bad-1", stream='})  # a marker has no stream
        config = with_server(pod_config(sink.push_url, pods.root, extra="limits_config: {loss_marker: true}\n"), port)
        with Agent(config, tmp_path / "a") as agent:
            def markers() -> list[dict]:
                return [stream for stream in sink.streams() if "sluice_marker" in stream["labels"]]

            wait_for(lambda: len(markers()) == 1 and sink.stats()["entries"] == 2, "the good line and a marker")
            sink.control(**{"as": "too_far_behind", "match": 'pod="silent-1"'})
            pods.write(pods.file("silent-1"), "nobody will see this")
            wait_for(lambda: metric(port, "sluice_lost_lines_total") >= 9, "a marker that is refused")
            assert agent.stop() == 0
        marker, = markers()
        assert marker["labels"]["pod"] == "bad-1" and marker["labels"]["sluice_marker"] == "loss"
        assert marker["entries"] == 1
        said = marker["last"][0]["line"]
        assert said.startswith("sluice: 7 lines (42 bytes) of {") and said.endswith(" were refused for good (too_far_behind)"), said
        # 7 lines, the silent pod's, and its marker: none about that.
        assert sink.stats()["entries"] == 2


def test_a_batch_of_several_pods_that_is_given_up_whole_is_marked_in_each(tmp_path):
    pods = Pods(tmp_path / "pods")
    for number in range(3):
        pods.write(pods.file(f"lost-{number}"), *["gone"] * (number + 1))
    port = free_ports(1)[0]
    client = "    backoff_config: {min_period: 20ms, max_period: 50ms, max_retries: 2}\n"
    with Sink("--keep-lines=10") as sink:
        sink.control(status=500, count=2)
        config = with_server(pod_config(sink.push_url, pods.root, client=client,
                                        extra="limits_config: {loss_marker: true}\n"), port)
        with Agent(config, tmp_path / "a") as agent:
            wait_for(lambda: sink.stats()["entries"] == 3, "three markers")
            rows = json.loads(get(f"http://127.0.0.1:{port}/api/ledger"))["by_pod"]
            assert metric(port, "sluice_lost_lines_total") == 6
            assert agent.stop() == 0
        assert sorted((row["id"].split("/")[-1], row["reason"], row["lines"], row["bytes"]) for row in rows) == [
            (f"lost-{number}", "max_retries", number + 1, 4 * (number + 1)) for number in range(3)]
        said = {stream["labels"]["pod"]: stream["last"][0]["line"] for stream in sink.streams()}
        assert len(said) == 3 and all(stream["labels"]["sluice_marker"] == "loss" for stream in sink.streams())
        assert said["lost-2"].startswith("sluice: 3 lines (12 bytes) of {")
        assert said["lost-2"].endswith(" were refused for good (max_retries)"), said


def test_shutdown_while_every_answer_is_slow_is_bounded_and_loses_nothing(tmp_path):
    """SIGTERM amid a backlog that would take minutes: every answer takes a second, and the batches are small.
    What is stored without having been answered in time is sent again, identical."""
    pods = Pods(tmp_path / "pods")
    manifest = tmp_path / "written.json"
    port = free_ports(1)[0]
    with Sink("--verify") as sink:
        sink.control(delay_ms=1000)
        config = with_server(pod_config(sink.push_url, pods.root, client="    batchsize: 65536\n"), port)
        agent = Agent(config, tmp_path / "a", "-shutdown-timeout=3s")
        writers = subprocess.Popen([str(PODGEN), str(pods.root), "--pods=4", "--rate=4MB/s", "--seconds=9", "--sequence",
                                    "--rotate-every-ms=1500", "--keep=8", f"--manifest={manifest}"])
        try:
            agent.start()
            wait_for(lambda: metric(port, "sluice_read_bytes_total") > 4 * MIB, "a backlog")
            began = time.monotonic()
            assert agent.stop() == 0
            took = time.monotonic() - began
            left = sink.stats()
            print(f"\nleft after {took:.1f} s with {left['marks']} lines stored", flush=True)
            assert 2.5 < took < 5, "it uses its time, and no more"
            assert left["marks"] > 0
            sink.control()
            with agent:
                assert writers.wait(timeout=60) == 0
                written = json.loads(manifest.read_text())["lines"]
                assert left["marks"] < written / 2, "there was nothing left to do"
                wait_for(lambda: sink.stats()["marks"] >= written, f"{written} lines", 60)
                stats = sink.stats()
                assert stats["missing"] == 0 and stats["reordered"] == 0
                assert all(writer["different"] == 0 for writer in stats["writers"])
                # One request was under way, and answered too late.
                assert sum(writer["duplicate_bytes"] for writer in stats["writers"]) <= 2 * 65536
                assert metric(port, "sluice_lost_lines_total") == 0
                assert agent.stop() == 0
        finally:
            writers.kill()
            writers.wait()


def test_shutdown_is_bounded_though_loki_hangs_and_loses_nothing(tmp_path):
    pods = Pods(tmp_path / "pods")
    path = pods.file("slow-1")
    pods.write(path, *(f"seq=1:{i}:0" for i in range(1000)))
    with Sink("--verify") as sink:
        sink.control(**HANGS)
        agent = Agent(pod_config(sink.push_url, pods.root), tmp_path / "a", "-shutdown-timeout=1s")
        agent.start()
        wait_for(lambda: sink.stats()["requests"] > 0, "a push that hangs")
        began = time.monotonic()
        assert agent.stop() == 0
        assert time.monotonic() - began < 5
        post(sink.address + "/control", "{}")
        with agent:
            wait_for(lambda: sink.stats()["marks"] == 1000, "all lines after the restart")
            assert agent.stop() == 0
        stats = sink.stats()
        assert stats["duplicates"] == 0 and stats["missing"] == 0


def test_shutdown_waits_for_a_slow_loki_that_answers_in_time(tmp_path):
    pods = Pods(tmp_path / "pods")
    pods.write(pods.file("slow-2"), *(f"seq=1:{i}:0" for i in range(1000)))
    with Sink("--verify", "--delay-ms=1000") as sink:
        agent = Agent(pod_config(sink.push_url, pods.root), tmp_path / "a", "-shutdown-timeout=20s")
        agent.start()
        wait_for(lambda: sink.stats()["requests"] > 0, "a push")
        assert agent.stop() == 0
        with agent:  # what was answered is known
            pods.write(pods.file("slow-2"), "seq=1:1000:0")
            wait_for(lambda: sink.stats()["marks"] == 1001, "the last line")
            assert agent.stop() == 0
        assert sink.stats()["duplicates"] == 0


def test_a_second_agent_on_the_same_positions_is_refused(tmp_path):
    pods = Pods(tmp_path / "pods")
    pods.write(pods.file("two-1"), "hello")
    with Sink() as sink, Agent(pod_config(sink.push_url, pods.root), tmp_path / "a") as first:
        wait_for(lambda: sink.stats()["entries"] == 1, "the line")
        second = subprocess.run([str(AGENT), f"--config.file={first.config}", f"--positions.file={first.positions}"],
                                capture_output=True, text=True, timeout=30, check=False)
        assert second.returncode == 1
        assert "another agent is using the positions file" in second.stdout + second.stderr
        pods.write(pods.file("two-1"), "the first goes on")
        wait_for(lambda: sink.stats()["entries"] == 2, "the second line")
        assert first.alive()


def test_an_excluded_pod_is_never_opened_and_explain_says_why(tmp_path):
    port = free_ports(1)[0]
    pods = Pods(tmp_path / "pods")
    secret = pods.file("dns-1", namespace="kube-system")
    pods.write(secret, "secret")
    pods.write(pods.file("web-1"), "hello")
    with Sink() as sink:
        config = with_server(pod_config(sink.push_url, pods.root), port)
        rule = "    relabel_configs:\n      - {source_labels: [__meta_kubernetes_namespace], regex: kube-.*, action: drop}\n"
        config = config.replace("    pipeline_stages:", rule + "    pipeline_stages:")
        line = config.splitlines().index(next(text for text in config.splitlines() if "action: drop" in text)) + 1
        with Agent(config, tmp_path / "a") as agent:
            wait_for(lambda: sink.stats()["entries"] == 1, "the line")
            pods.write(secret, "more")
            pods.write(pods.file("web-1"), "again")
            wait_for(lambda: sink.stats()["entries"] == 2, "the second line")
            opened = {os.readlink(link) for link in Path(f"/proc/{agent.process.pid}/fd").iterdir() if link.is_symlink()}
            assert str(pods.file("web-1")) in opened and str(secret) not in opened
            said = json.loads(get(f"http://127.0.0.1:{port}/api/explain?pod=kube-system/dns-1"))
            first_broken = next((link for link in said["links"] if link["state"] == "broken"), None)
            assert first_broken is not None, said
            assert f"excludes {secret}" in said["verdict"]
            assert f"dropped by the relabelling rule at line {line}" in said["verdict"]
            assert agent.stop() == 0


def test_open_connections_do_not_hold_up_the_shutdown(tmp_path):
    """Prometheus keeps its connection, somebody watches the page, somebody is half through a request: each
    of them held the program back for the half minute that a pod is given."""
    pods = Pods(tmp_path / "pods")
    pods.write(pods.file("quiet-1"), "hello")
    port = free_ports(1)[0]
    host = b" HTTP/1.1\r\nHost: localhost\r\n"
    with Sink() as sink:
        agent = Agent(with_server(pod_config(sink.push_url, pods.root), port), tmp_path / "a", "-shutdown-timeout=2s")
        with agent:
            wait_for(lambda: metric(port, "promtail_sent_entries_total") == 1, "the line")
            open_ones = []
            for sent in (b"", b"GET /ready" + host + b"\r\n", b"GET /api/tail" + host + b"\r\n", b"GET /met",
                         b"POST /reload" + host + b"Content-Length: 100\r\n\r\nhalf"):
                open_ones.append(socket.create_connection(("127.0.0.1", port), timeout=10))
                open_ones[-1].sendall(sent)
            assert open_ones[1].recv(4096).startswith(b"HTTP/1.1 200")
            assert open_ones[2].recv(4096).startswith(b"HTTP/1.1 200")
            began = time.monotonic()
            assert agent.stop() == 0
            assert time.monotonic() - began < 5
