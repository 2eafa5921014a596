# SPDX-License-Identifier: Apache-2.0
"""Evaluates alert rules, with Prometheus' own engine, on what a running agent shows.

Rules wait for minutes and look back over minutes; a test has seconds. So time is
stretched: every scrape is taken for `step` seconds (a minute) of Prometheus' time. Rates
keep their proportions, and `for: 15m` asks that something holds for fifteen scrapes.

promtool (scripts/build-helm-tools.sh) gets the scrapes as a unit test of the rules and
says which alerts fire at the end.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "monitoring"
DAEMONSET = "sluice"


@functools.lru_cache(maxsize=None)
def promtool() -> str:
    tools = Path(os.environ.get("SLUICE_TOOLS") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice/tools")
    path = tools / "promtool"
    if not path.exists():
        subprocess.run([ROOT / "scripts/build-helm-tools.sh", "promtool"], check=True, stdout=subprocess.DEVNULL)
    return str(path)


def chart_rules(alerts: str | None = None) -> list[dict]:
    """The rules of the chart's PrometheusRule with its default values.

    tests/helm/test_alerts.py compares them with what Helm renders.
    """
    text = alerts or (ROOT / "helm/agent/files/alerts.yaml").read_text()
    text = text.replace("@SELECTOR@", f'namespace="{NAMESPACE}",container="sluice"')
    text = text.replace("@DAEMONSET@", f'namespace="{NAMESPACE}",daemonset="{DAEMONSET}"')
    return [{
        "alert": one["alert"],
        "expr": one["expr"].replace("@THRESHOLD@", f"{one.get('threshold', 0):g}"),
        "for": one["for"],
        "labels": {"severity": one["severity"]},
        "annotations": {"summary": one["summary"], "description": one["description"]},
    } for one in yaml.safe_load(text)]


SERIES = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
# Gauges that hold a moment of the clock.
MOMENT = re.compile(r"_timestamp_seconds$|_start_time_seconds$")


class Scrapes:
    """What was seen, scrape by scrape. `labels`: what Prometheus adds to every series."""

    def __init__(self, labels: dict[str, str] | None = None, step: int = 60):
        self.step = step
        self.labels = labels or {"namespace": NAMESPACE, "container": "sluice", "pod": "sluice-a"}
        self.series: dict[str, dict[int, str]] = {}
        self.times: list[float] = []

    def _put(self, name: str, labels: str, value: str) -> None:
        own = ",".join(f'{key}="{text}"' for key, text in self.labels.items())
        inner = ",".join(part for part in (labels, own) if part)
        self.series.setdefault(f"{name}{{{inner}}}", {})[len(self.times) - 1] = value

    def add(self, text: str) -> None:
        """One answer of /metrics."""
        self.times.append(time.time())
        self._put("up", "", "1")
        for line in text.splitlines():
            if line.startswith("#") or not (found := SERIES.match(line)):
                continue
            name, labels, value = found.groups()
            if MOMENT.search(name):
                value = repr(self._stretched(float(value)))
            self._put(name, labels or "", value)

    def _stretched(self, moment: float) -> float:
        """A moment of the real clock in the stretched time; long ago stays long ago."""
        if moment >= self.times[-1]:
            return (len(self.times) - 1) * self.step
        for number in range(len(self.times) - 1, -1, -1):
            if moment >= self.times[number]:
                return number * self.step
        return -(self.times[0] - moment)

    @property
    def end(self) -> int:
        """When the last scrape was, in seconds."""
        return (len(self.times) - 1) * self.step

    def input_series(self) -> list[dict]:
        out = []
        for series, values in sorted(self.series.items()):
            words, shown = [], False
            for number in range(len(self.times)):
                if number in values:
                    words.append({"+Inf": "Inf", "-Inf": "-Inf"}.get(values[number], values[number]))
                else:
                    words.append("stale" if shown else "_")
                shown = number in values
            out.append({"series": series, "values": " ".join(words)})
        return out


def run_promtool(rules: list[dict], scrapes: Scrapes, tests: list[dict]) -> None:
    """`tests`: promtool's promql_expr_test. AssertionError with its words if one fails."""
    with tempfile.TemporaryDirectory(prefix="sluice-rules-") as folder:
        Path(folder, "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
        done = subprocess.run([promtool(), "check", "rules", "rules.yaml"], cwd=folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        Path(folder, "test.yaml").write_text(yaml.safe_dump({
            "rule_files": ["rules.yaml"], "evaluation_interval": f"{scrapes.step}s",
            "tests": [{"interval": f"{scrapes.step}s", "input_series": scrapes.input_series(), "promql_expr_test": tests}]}))
        done = subprocess.run([promtool(), "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr


def check_fired(rules: list[dict], scrapes: Scrapes, expected: dict[str, str], by: str = "") -> None:
    """Exactly these alerts have fired by the last scrape, whether they still do or not.

    `by`: more labels to compare, ", reason"; the values of `expected` are those labels,
    ', reason="x"'."""
    run_promtool(rules, scrapes, [{
        "expr": f'count by (alertname{by}) (max_over_time(ALERTS{{alertstate="firing"}}[{scrapes.end + scrapes.step}s]))',
        "eval_time": f"{scrapes.end}s",
        "exp_samples": [{"labels": f'{{alertname="{name}"{labels}}}', "value": 1} for name, labels in sorted(expected.items())],
    }])
