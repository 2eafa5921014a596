# SPDX-License-Identifier: Apache-2.0
"""docs/METRICS.md says what a running agent shows, and what others ask for is there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from running import ROOT, Agent, Pods, Sink, get, pod_config, wait_for  # noqa: E402

SERVER = "server: {http_listen_address: 127.0.0.1, http_listen_port: 0%s}"
STAGES = """
      - cri: {}
      - json: {expressions: {level: , user: }}
      - labels: {level: }
      - metrics: {lines: {type: Counter, description: lines, config: {match_all: true, action: inc}}}
      - drop: {source: level, value: debug}
      - limit: {rate: 1000, burst: 1000, drop: true, by_label_name: level}
"""


def documented() -> dict[str, tuple[str, frozenset[str], str]]:
    rows = {}
    for line in (ROOT / "docs/METRICS.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 5 or not cells[0].startswith("`"):
            continue
        labels = frozenset(label.strip() for label in cells[2].split(",") if label.strip())
        name = cells[0].strip("`")
        assert name not in rows, f"{name} stands twice in the table"
        rows[name] = (cells[1], labels, cells[3])
    return rows


def parse(text: str) -> dict[str, tuple[str, set[frozenset[str]]]]:
    """Families: type, and the sets of label names of their series."""
    families: dict[str, tuple[str, set[frozenset[str]]]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            families[name] = (kind, set())
        elif line and not line.startswith("#"):
            assert line.startswith(name)
            labels = frozenset(re.findall(r'[{,](\w+)="', line.rsplit(" ", 1)[0])) - {"le"}
            families[name][1].add(labels)
    return families


class Watched:
    def __init__(self, sink: Sink, folder: Path, server: str = ""):
        self.pods = Pods(folder / "pods")
        config = pod_config(sink.push_url, self.pods.root, STAGES).replace("server: {disable: true}", SERVER % server)
        self.agent = Agent(config, folder / "a")

    def __enter__(self):
        self.agent.__enter__()
        port = wait_for(lambda: re.search(r"msg=serving address=\S+ port=(\d+)", self.agent.log), "the port in the log")[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *rest):
        self.agent.__exit__(*rest)

    def metrics(self) -> str:
        return get(self.url + "/metrics")

    def value(self, series: str) -> float | None:
        for line in self.metrics().splitlines():
            if line.startswith(series + " "):
                return float(line.rsplit(" ", 1)[1])
        return None


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """The metrics of an agent to which much has happened."""
    folder = tmp_path_factory.mktemp("metrics")
    with Sink("--behave", '[{"status":503,"count":1},{"as":"line_too_long","count":1}]') as sink, Watched(sink, folder) as watched:
        path = watched.pods.file("web-1", namespace="shop")
        watched.pods.write(path, '{"level":"info"}', '{"level":"debug"}', "no json", '{"level":"info"}')
        wait_for(lambda: sink.stats()["requests"] >= 2, "two pushes")
        watched.pods.write(path, '{"level":"warn"}')
        wait_for(lambda: (watched.value('promtail_request_duration_seconds_count{host="%s",status_code="204"}'
                                        % sink.address.removeprefix("http://")) or 0) >= 1, "a push that is taken")
        yield watched.metrics()


def test_every_family_is_documented_as_it_is(text):
    table = documented()
    wrong = []
    for name, (kind, label_sets) in parse(text).items():
        if name.startswith("promtail_custom_"):
            continue
        if name not in table:
            wrong.append(f"{name} is not in docs/METRICS.md")
            continue
        said, labels, _ = table[name]
        if said != kind:
            wrong.append(f"{name} is a {kind}, the table says {said}")
        wrong += [f"{name} has the labels {sorted(found)}, the table says {sorted(labels)}" for found in label_sets if found != labels]
    assert not wrong, "\n".join(wrong)


def test_everything_documented_from_the_start_is_there(text):
    families = parse(text)
    missing = [name for name, (_, _, when) in documented().items()
               if when in ("start", "a file", "a push", "a request") and not families.get(name, ("", set()))[1]]
    assert not missing


def test_what_happened_is_counted(text):
    families = parse(text)
    for name in ("sluice_push_resent_entries_total", "sluice_push_refused_entries_total", "sluice_label_distinct_values",
                 "sluice_stage_failures_total", "promtail_custom_lines"):
        assert name in families, name
    assert re.search(r'^sluice_lost_lines_total{reason="line_too_long"} [1-9]', text, re.M)
    assert re.search(r'^logentry_dropped_lines_total{reason="drop_stage"} 1$', text, re.M)
    assert re.search(r'^sluice_read_lines_total 5$', text, re.M)


def test_series_of_our_dashboard_and_alerts(text):
    asked = set()
    for path in ("helm/agent/dashboards/agent.json", "helm/agent/files/alerts.yaml"):
        asked |= set(re.findall(r"\b((?:promtail|sluice|process|logentry)_[a-z_]+)", (ROOT / path).read_text()))
    shown = set(re.findall(r"^([a-z_]+)[{ ]", text, re.M))
    assert asked - shown == set()


def test_one_series_per_namespace_not_per_file(text):
    paths = set(re.findall(r'^promtail_read_bytes_total{path="([^"]+)"}', text, re.M))
    assert len(paths) == 1 and paths.pop().endswith("/pods/shop_*")


def test_backlog_of_a_namespace_and_series_per_path_on_request(tmp_path):
    with Sink() as sink:
        with Watched(sink, tmp_path / "sums") as watched:
            path = watched.pods.file("web-1", namespace="shop")
            watched.pods.write(path, "one", "two")
            group = f'{{path="{watched.pods.root}/shop_*"}}'
            size = path.stat().st_size
            wait_for(lambda: watched.value("promtail_read_bytes_total" + group) == size, "all is read")
            assert watched.value("promtail_file_bytes_total" + group) == size
            assert watched.value("promtail_read_lines_total" + group) == 2
            # Sums go on growing when the file is rotated.
            path.rename(path.with_name("0.log.20260101-000000"))
            watched.pods.write(path, "three")
            total = size + path.stat().st_size
            wait_for(lambda: watched.value("promtail_read_bytes_total" + group) == total, "what came after the rotation")
            wait_for(lambda: watched.value("sluice_lag_bytes") == 0, "nothing lags")
        with Watched(sink, tmp_path / "paths", ", per_path_metrics: true") as watched:
            path = watched.pods.file("web-1", namespace="shop")
            watched.pods.write(path, "one", "two")
            wait_for(lambda: watched.value(f'promtail_read_bytes_total{{path="{path}"}}') == path.stat().st_size, "read")
            assert watched.value(f'promtail_file_bytes_total{{path="{path}"}}') == path.stat().st_size


def test_a_file_that_cannot_be_read_is_what_promtails_alert_looks_for(tmp_path):
    with Sink() as sink, Watched(sink, tmp_path) as watched:
        # A link that leads nowhere cannot be read by root either.
        path = watched.pods.file("bad-1")
        path.symlink_to(path.parent / "nowhere")
        watched.pods.write(watched.pods.file("good-1"), "one")
        wait_for(lambda: watched.value("sluice_unreadable_files") == 1, "it is known as unreadable")
        assert watched.value(f'promtail_file_bytes_total{{path="{path}"}}') is not None
        assert watched.value(f'promtail_read_bytes_total{{path="{path}"}}') is None
