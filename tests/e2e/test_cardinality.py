# SPDX-License-Identifier: Apache-2.0
"""The cardinality guard against a real Loki with its default limits: a storm of label
values, the forecast that says so before, and what is kept over a restart."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "support")]

import tools  # noqa: E402
from loki import Loki, free_ports  # noqa: E402
from running import AGENT, Agent, Pods, Sink, cri, get, pod_config, wait_for  # noqa: E402

STAGES = "[{cri: {}}, {json: {expressions: {request_id: , level: }}}, {labels: {request_id: , level: }}]"
PODS = 50
BUDGET = 200
# Of each pod, every one with a value of its own: a million in all.
LINES = int(os.environ.get("STORM_LINES", "20000"))


def storm(pods: Pods, first: int, last: int) -> int:
    """Appends lines `first` to `last` to every pod; each has a request_id of its own."""
    count = 0
    for number in range(PODS):
        path = pods.file(f"storm-{number}", namespace="storm")
        with open(path, "a", encoding="utf-8") as out:
            for i in range(first, last):
                pods.clock += 1_003
                level = "warn" if i % 10 == 0 else "info"
                out.write(cri(f'{{"level":"{level}","request_id":"r-{number:02d}-{i:06d}","n":{i}}}', pods.clock))
                count += 1
    return count


def cardinality(port: int) -> dict:
    try:
        return json.loads(get(f"http://127.0.0.1:{port}/api/cardinality"))
    except OSError:  # not yet
        return {"labels": []}


def label_of(answer: dict, name: str) -> dict:
    return next((label for label in answer["labels"] if label["name"] == name), {})


def serving(text: str, port: int) -> str:
    return text.replace("server: {disable: true}", f"server: {{http_listen_address: 127.0.0.1, http_listen_port: {port}}}")


def test_a_storm_of_values_does_not_flood_loki(tmp_path):
    tools.require("loki")
    [port] = free_ports(1)
    pods = Pods(tmp_path / "pods")
    with Loki() as loki:
        # Loki's default rate is 4 MB/s and 3 MB/s a stream; it says so with 429, which is
        # no refusal: the lines wait.
        client = "    backoff_config: {min_period: 200ms, max_period: 2s}\n"
        text = serving(pod_config(loki.push_url, pods.root, STAGES, client), port)
        agent = Agent(text, tmp_path / "a")
        total = storm(pods, 0, LINES // 2)
        with agent:
            wait_for(lambda: label_of(cardinality(port), "request_id").get("demoted"), "request_id is demoted")
            state = Path(str(agent.positions) + ".labels")
            wait_for(lambda: state.exists() and "request_id" in state.read_text(), "the decision is on disk")
            assert re.search(r'demoted.*label="?request_id"?.*samples=".*r-.*pod="?storm/storm-', agent.log), agent.log[-2000:]
            agent.kill()  # in the middle of it
        total += storm(pods, LINES // 2, LINES)
        with agent:
            wait_for(lambda: loki.count('{namespace="storm"}') >= total, f"{total} lines in Loki", 300)
            answer = cardinality(port)
            metrics = get(f"http://127.0.0.1:{port}/metrics")
            assert agent.stop() == 0
        assert "log lines were lost" not in agent.log, agent.log[-2000:]
        assert agent.log.count("a label has more values than its budget") == 1, "no second decision after the restart"
        label = label_of(answer, "request_id")
        assert label["demoted"] and label["budget"] == BUDGET and label["demoted_lines"] > 0 and label["examples"]
        assert re.search(r'sluice_label_demoted\{label="request_id"\} 1', metrics)
        assert float(re.search(r'sluice_label_distinct_values\{label="request_id"\} (\S+)', metrics).group(1)) > BUDGET
        streams = loki.series('{namespace="storm"}')
        without = {json.dumps({k: v for k, v in one.items() if k != "request_id"}, sort_keys=True) for one in streams}
        assert len(without) == 2 * PODS  # by level
        assert len(streams) <= len(without) + BUDGET, len(streams)
        assert float(re.search(r"^sluice_streams_active (\S+)", metrics, re.MULTILINE).group(1)) <= len(without) + BUDGET
        # Every line is there, and the id of each is a label or structured metadata.
        assert loki.count('{namespace="storm"}') == total
        last = f"r-07-{LINES - 1:06d}"
        found = list(loki.query_range(f'{{namespace="storm"}} | request_id="{last}"', start=time.time_ns() - 3600 * 10**9))
        assert len(found) == 1 and found[0].labels["pod"] == "storm-7" and f'"{last}"' in found[0].line
        by_id = set()
        for number in (0, 31):
            entries = list(loki.query_range(f'{{pod="storm-{number}"}}', start=time.time_ns() - 3600 * 10**9))
            for entry in entries:
                value = entry.structured_metadata.get("request_id") or entry.labels.get("request_id")
                assert value == json.loads(entry.line)["request_id"]
                by_id.add(value)
        assert len(by_id) == 2 * LINES


def run_forecast(config: str, tmp_path: Path, *arguments: str) -> str:
    path = tmp_path / "forecast.yaml"
    path.write_text(config)
    done = subprocess.run([AGENT, f"--config.file={path}", "--dry-run", "--cardinality", *arguments], capture_output=True,
                          text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_forecast_from_yesterdays_files(tmp_path):
    pods = Pods(tmp_path / "pods")
    for name, values in (("quiet-1", 3), ("busy-1", 400), ("busy-2", 250), ("busy-3", 100)):
        pods.write(pods.file(name), *(f'{{"level":"info","request_id":"{name}-{i}"}}' for i in range(values)))
    files = [str(path) for path in sorted(pods.root.glob("*/*/*.log"))]
    config = pod_config("http://127.0.0.1:1/loki/api/v1/push", pods.root, STAGES)
    told = json.loads(run_forecast(config, tmp_path, "--output=json", *files))
    assert told["lines_read"] == 753 and told["streams_without_guard"] == 753
    assert told["streams"] <= 4 + BUDGET
    labels = {label["name"]: label for label in told["labels"]}
    assert labels["request_id"]["values"] == 753 and labels["request_id"]["demoted"]
    assert labels["request_id"]["demoted_lines"] >= 753 - BUDGET
    assert labels["pod"] == {"name": "pod", "values": 4, "guarded": False, "budget": 0, "demoted": False, "demoted_lines": 0}
    assert [(row["pod"], row["label"], row["values"]) for row in told["worst"]] == [
        ("default/busy-1", "request_id", 400), ("default/busy-2", "request_id", 250), ("default/busy-3", "request_id", 100)]
    text = run_forecast(config, tmp_path, *files)
    assert "streams without the guard: 753" in text and "demote it: structured_metadata" in text
    assert "default/busy-1: 400 values of request_id" in text
    generous = config + "limits_config: {cardinality: {max_values_per_label: 1000}}\n"
    assert json.loads(run_forecast(generous, tmp_path, "--output=json", *files))["streams"] == 753
    capped = config + "limits_config: {max_active_streams: 100, cardinality: {max_values_per_label: 1000}}\n"
    told = json.loads(run_forecast(capped, tmp_path, "--output=json", *files))
    assert told["streams_capped"] and told["streams"] <= 100 + 4


def test_a_forecast_is_a_kind_of_dry_run():
    done = subprocess.run([AGENT, "--cardinality"], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2 and "--dry-run --cardinality" in done.stderr


def streams_by_request(sink) -> set:
    return {stream["labels"].get("request_id") for stream in sink.streams(100000)}


def test_the_same_lines_make_the_same_streams_after_a_restart(tmp_path):
    pods = Pods(tmp_path / "pods")
    path = pods.file("api-1")
    line = '{{"level":"info","request_id":"{}"}}'
    with Sink() as sink:
        text = pod_config(sink.push_url, pods.root, STAGES)
        agent = Agent(text, tmp_path / "a")
        pods.write(path, *(line.format(i) for i in range(BUDGET + 50)))
        with agent:
            wait_for(lambda: sink.stats()["entries"] == BUDGET + 50, "the first lines")
            assert agent.stop() == 0
        before = streams_by_request(sink)
        assert None in before and len(before) <= BUDGET + 1
        pods.write(path, *(line.format(i) for i in range(1000, 1020)))
        with agent:
            wait_for(lambda: sink.stats()["entries"] == BUDGET + 70, "the later lines")
            assert agent.stop() == 0
        assert streams_by_request(sink) == before, "no new stream: the label is still demoted"


@pytest.mark.parametrize("damage", ["sluice-labels 9\n", "", "sluice-labels 1\ntime x\n", "\0\1\2"])
def test_a_damaged_state_is_set_aside(damage, tmp_path):
    pods = Pods(tmp_path / "pods")
    pods.write(pods.file("a-1"), '{"level":"info","request_id":"1"}')
    with Sink() as sink:
        agent = Agent(pod_config(sink.push_url, pods.root, STAGES), tmp_path / "a")
        state = Path(str(agent.positions) + ".labels")
        state.write_text(damage)
        with agent:
            wait_for(lambda: sink.stats()["entries"] == 1, "the line")
            assert agent.stop() == 0
    assert "cannot be used" in agent.log
    assert Path(str(state) + ".bad").read_text() == damage and state.read_text().startswith("sluice-labels 1\n")
