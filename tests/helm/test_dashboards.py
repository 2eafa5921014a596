# SPDX-License-Identifier: Apache-2.0
"""Dashboards: JSON, links, and every query through the parsers of Loki and Prometheus."""
import json
import re
import shutil
import subprocess

import pytest

from conftest import HELM, HERE, TOOLS, json_file, run, tool

PATHS = sorted(HELM.glob("*/dashboards/*.json"))
TYPES = {"${loki_ds}": "loki", "${prom_ds}": "prometheus", "${tempo_ds}": "tempo"}


def expand(text):
    """What Grafana puts in before it sends a query."""
    for name, value in (("__auto", "5m"), ("__rate_interval", "5m"), ("__range", "1h"), ("__interval", "1m")):
        text = text.replace("$" + name, value)
    text = text.replace("$min_duration", "500ms")
    return re.sub(r"\$\{?[a-z_]+\}?", "x", text)


def queries(path):
    board = json_file(path)
    for one in board["panels"]:
        for target in one.get("targets", []):
            kind = TYPES[target["datasource"]["uid"]]
            text = target.get("expr") or target.get("query") or ""
            if text:
                yield {"lang": {"loki": "logql", "prometheus": "promql", "tempo": "traceql"}[kind],
                       "query": expand(text), "where": f"{path.name}: {one['title']}", "raw": text}


def parse(items):
    return subprocess.run([tool("querycheck")], input=json.dumps(items), capture_output=True, text=True, timeout=60)


def test_generated_files_are_fresh():
    run("/usr/bin/python3", HELM / "dashboards.py", "--check")


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.name)
def test_shape(path):
    board = json_file(path)
    assert board["uid"].startswith("sluice-stack-") and len(board["uid"]) <= 40
    assert "__inputs" not in board and board.get("id") is None
    ids = [p["id"] for p in board["panels"]]
    assert len(ids) == len(set(ids))
    sources = {v["name"] for v in board["templating"]["list"] if v["type"] == "datasource"}
    used = set(re.findall(r"\$\{(\w+_ds)\}", json.dumps(board["panels"]) + json.dumps(board["templating"])))
    assert used <= sources
    names = {v["name"] for v in board["templating"]["list"]}
    for text in re.findall(r"\$\{?([a-z_]+)\}?", " ".join(q["raw"] for q in queries(path))):
        assert text in names or text.startswith("__"), text
    for one in board["panels"]:
        place = one["gridPos"]
        assert 0 <= place["x"] and place["x"] + place["w"] <= 24


def test_panels_do_not_overlap():
    for path in PATHS:
        taken = set()
        for one in json_file(path)["panels"]:
            g = one["gridPos"]
            cells = {(x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])}
            assert not cells & taken, f"{path.name}: {one['title']}"
            taken |= cells


def test_links_lead_somewhere():
    uids = {json_file(p)["uid"] for p in PATHS}
    assert len(uids) == len(PATHS) == 5
    for path in PATHS:
        for uid in re.findall(r"/d/([a-z0-9-]+)", path.read_text()):
            assert uid in uids, f"{path.name}: {uid}"
    for uid in re.findall(r"/d/([a-z0-9-]+)", (HELM / "stack/templates/datasources.yaml").read_text()):
        assert uid in uids


def test_titles_of_the_documents():
    titles = {json_file(p)["title"] for p in PATHS}
    assert {"Loki Logs Dashboard", "Tempo Tracing Dashboard", "Log Analysis Dashboard", "Distributed Tracing Overview"} <= titles


def test_queries_parse():
    items = [q for p in PATHS for q in queries(p) if q["lang"] != "traceql"]
    assert len(items) > 60
    done = parse(items)
    assert done.returncode == 0, done.stdout


AGENT = 'namespace="x",pod="x"'
GOOD = [{"series": f"promtail_build_info{{{AGENT}}}", "values": "1+0x120"},
        {"series": f'promtail_request_duration_seconds_count{{{AGENT},status_code="204",host="l"}}', "values": "0+10x120"}]


@pytest.mark.parametrize("title,series,samples", [
    # No agent is not the same as an agent that has nothing to complain of.
    ("Lines lost in 1 h", [], []), ("Lines lost in 1 h", GOOD, [0]),
    ("Lines lost in 1 h", [*GOOD, {"series": f'sluice_lost_lines_total{{{AGENT},reason="a"}}', "values": "_x100 7+0x20"}], [7]),
    ("Lines lost in 1 h", [*GOOD, {"series": f'sluice_lost_lines_total{{{AGENT},reason="a"}}', "values": "5+0x60 8+0x60"},
                           {"series": f'sluice_lost_lines_total{{{AGENT},reason="b"}}', "values": "_x100 2+0x20"}], [5]),
    ("Failed pushes", [], []), ("Failed pushes", GOOD, [0]),
    ("Failed pushes", [*GOOD, {"series": f'promtail_request_duration_seconds_count{{{AGENT},status_code="500",host="l"}}', "values": "0+30x120"}], [75])])
def test_numbers_at_the_top_of_the_agents_dashboard(tmp_path, title, series, samples):
    """Counters of what went wrong have no series before it does: the panels said "No data" where all was
    well, and a loss that was its series' first sample was none."""
    expr = next(q["query"] for q in queries(HELM / "agent/dashboards/agent.json") if q["where"].endswith(f": {title}"))
    (tmp_path / "test.yaml").write_text(json.dumps({"evaluation_interval": "1m", "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": [
        {"expr": f"round({expr})", "eval_time": "2h", "exp_samples": [{"labels": "{}", "value": value} for value in samples]}]}]}))
    run(tool("promtool"), "test", "rules", tmp_path / "test.yaml")


def test_the_parser_refuses_what_is_wrong():
    done = parse([{"lang": "logql", "query": '{a="b"} | jsonn', "where": "1"}, {"lang": "promql", "query": "sum(", "where": "2"},
                  {"lang": "logql", "query": 'sum(rate({a="b"} | unwrap x [5m]))', "where": "3"}])
    assert done.returncode == 1 and "3 queries, 2 bad" in done.stdout or "3 bad" in done.stdout


def parse_traceql(items):
    if not shutil.which("node") or not (TOOLS / "traceql/check.mjs").exists():
        pytest.skip("TRACEQL IS NOT CHECKED: node and npm are not there (scripts/install-deps.sh browser)")
    return subprocess.run(["node", str(TOOLS / "traceql/check.mjs")], input=json.dumps(items), capture_output=True, text=True, timeout=60)


def test_traceql():
    """Grafana's own grammar: Tempo's parser is no Go module that can be had without Tempo."""
    items = [q for p in PATHS for q in queries(p) if q["lang"] == "traceql"]
    assert len(items) == 5
    done = parse_traceql(items)
    assert done.returncode == 0, done.stdout


def test_the_traceql_grammar_refuses_what_is_wrong():
    done = parse_traceql([{"query": "{ status == error", "where": "1"}, {"query": "{ a.b } | ratee()", "where": "2"},
                          {"query": "{ status = error } | rate() by (resource.service.name)", "where": "3"}])
    assert done.returncode == 1 and "3 queries, 2 bad" in done.stdout, done.stdout + done.stderr


METRIC = re.compile(r"\b((?:promtail|sluice|loki|tempo|tempodb|traces|kube|kubelet|container|process)_[a-z0-9_]+)\b(?!\s*=)")


def names_in(text):
    text = re.sub(r'"[^"]*"', '""', text)
    return {m for m in METRIC.findall(text)} - {"kube_state_metrics"}


def metrics_of_dashboards_and_alerts(charts):
    found = {}
    for path in PATHS:
        for one in queries(path):
            if one["lang"] == "promql":
                for name in names_in(one["query"]):
                    found.setdefault(name, one["where"])
    for chart in ("agent", "stack"):
        for rule in charts.objects(chart, "--set", "prometheusRule.enabled=true"):
            if rule["kind"] == "PrometheusRule":
                for group in rule["spec"]["groups"]:
                    for one in group["rules"]:
                        for name in names_in(one["expr"]):
                            found.setdefault(name, one["alert"])
    return found


def test_every_metric_has_a_source(charts):
    listed = {line.split()[0] for line in (HERE / "metric-sources.txt").read_text().splitlines() if line and line[0] != "#"}
    for name, where in metrics_of_dashboards_and_alerts(charts).items():
        if not name.startswith(("promtail_", "sluice_", "process_")):
            assert name in listed, f"{name} ({where}) is in no list of metrics"


def test_the_list_of_sources_has_nothing_that_is_not_used(charts):
    listed = {line.split()[0] for line in (HERE / "metric-sources.txt").read_text().splitlines() if line and line[0] != "#"}
    assert listed - {"up"} <= set(metrics_of_dashboards_and_alerts(charts))
