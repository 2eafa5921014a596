# SPDX-License-Identifier: Apache-2.0
"""Promtail's own mixin on Sluice: Prometheus parses its rules and evaluates its alerts and
the queries of its dashboard on the series of a running agent."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import yaml

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "support")]

import alerts  # noqa: E402
from running import Agent, Pods, Sink, get, pod_config, wait_for  # noqa: E402

MIXIN = yaml.safe_load((Path(__file__).resolve().parent / "promtail_mixin.yaml").read_text())
LABELS = {"cluster": "c", "namespace": "monitoring", "job": "monitoring/promtail", "instance": "n1:3101"}
SCRAPES = 40  # of 30 s: its alerts wait for 15 minutes, its rates look back over one


class Watched:
    """An agent whose pod writes a line with every scrape."""

    def __init__(self, folder: Path, sink: Sink):
        self.pods = Pods(folder / "pods")
        self.path = self.pods.file("web-1")
        text = pod_config(sink.push_url, self.pods.root, client="    backoff_config: {min_period: 50ms, max_period: 50ms}\n")
        text = text.replace("server: {disable: true}", "server: {http_listen_address: 127.0.0.1, http_listen_port: 0}")
        self.agent = Agent(text.replace("batchwait: 200ms", "batchwait: 10ms"), folder / "a")

    def __enter__(self):
        self.agent.__enter__()
        port = wait_for(lambda: re.search(r"msg=serving address=\S+ port=(\d+)", self.agent.log), "the port")[1]
        self.url = f"http://127.0.0.1:{port}/metrics"
        return self

    def __exit__(self, *rest):
        self.agent.__exit__(*rest)

    def scrapes(self) -> alerts.Scrapes:
        out = alerts.Scrapes(LABELS, step=30)
        began = time.monotonic()
        for number in range(SCRAPES):
            self.pods.write(self.path, f"line {number}")
            wait_for(lambda: time.monotonic() >= began + 0.15 * number, "the next scrape")
            out.add(get(self.url))
        return out


def test_queries_find_their_series_and_no_alert_fires(tmp_path):
    with Sink() as sink, Watched(tmp_path, sink) as watched:
        watched.pods.write(watched.path, "first")
        wait_for(lambda: sink.stats()["entries"] >= 1, "a line")
        seen = watched.scrapes()
    rules = MIXIN["rules"] + MIXIN["alerts"]
    queries = MIXIN["dashboard"] + MIXIN["variables"] + [rule["record"] for rule in MIXIN["rules"]]
    alerts.run_promtool(rules, seen, [
        {"expr": f"count({query}) > bool 0", "eval_time": f"{seen.end}s", "exp_samples": [{"labels": "{}", "value": 1}]}
        for query in queries])
    # Rates and quantiles are numbers, not merely there.
    alerts.run_promtool(rules, seen, [
        {"expr": f"{query} > bool 0", "eval_time": f"{seen.end}s", "exp_samples": [{"labels": labels, "value": 1}]}
        for query, labels in ((MIXIN["dashboard"][2], "{}"), (MIXIN["dashboard"][3], "{}"), (MIXIN["dashboard"][4], '{status="2xx"}'),
                              (MIXIN["dashboard"][5], '{job="monitoring/promtail"}'))])
    alerts.check_fired(MIXIN["rules"] + MIXIN["alerts"], seen, {})


def test_its_alerts_fire_when_loki_fails_and_when_a_file_is_not_read(tmp_path):
    with Sink() as sink, Watched(tmp_path, sink) as watched:
        bad = watched.pods.file("bad-1")
        bad.symlink_to(bad.parent / "nowhere")
        watched.pods.write(watched.path, "first")
        wait_for(lambda: sink.stats()["entries"] >= 1 and "sluice_unreadable_files 1" in get(watched.url), "a line, and a file that is not read")
        sink.control(status=503)
        seen = watched.scrapes()
        alerts.check_fired(MIXIN["rules"] + MIXIN["alerts"], seen,
                           {"PromtailRequestsErrors": "", "PromtailFileMissing": f', path="{bad}"'}, ", path")
