# SPDX-License-Identifier: Apache-2.0
"""Alerts: promtool checks the rules and runs their unit tests."""
import sys

import pytest
import yaml

from conftest import HERE, ROOT, run, tool

sys.path.insert(0, str(ROOT / "tests/support"))

import alerts as rules_of  # noqa: E402

GROUPS = {
    "agent": ("agent", ["--set", "prometheusRule.enabled=true"]),
    "stack": ("stack", []),
}


@pytest.mark.parametrize("name", GROUPS)
def test_rules(charts, tmp_path, name):
    chart, args = GROUPS[name]
    release = {"agent": "sluice", "stack": "sluice-stack"}[name]
    rules = [o for o in charts.objects(chart, *args, release=release, namespace="monitoring")
             if o["kind"] == "PrometheusRule" and o["metadata"]["name"] == release]
    assert len(rules) == 1
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": rules[0]["spec"]["groups"]}))
    run(tool("promtool"), "check", "rules", tmp_path / "rules.yaml")
    test = yaml.safe_load((HERE / "unit" / f"{name}-alerts.yaml").read_text())
    tested = {one["alertname"] for group in test["tests"] for one in group["alert_rule_test"] if one.get("exp_alerts")}
    alerts = {r["alert"] for g in rules[0]["spec"]["groups"] for r in g["rules"]}
    assert tested == alerts, "an alert without a test that makes it fire"
    test["rule_files"] = ["rules.yaml"]
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    run(tool("promtool"), "test", "rules", tmp_path / "test.yaml", cwd=tmp_path)


def test_rules_that_the_night_evaluates_are_those_of_the_chart(charts):
    """tests/e2e/night.py has no Helm: it fills the rules in itself."""
    rendered = [o for o in charts.objects("agent", "--set", "prometheusRule.enabled=true", release=rules_of.DAEMONSET,
                                          namespace=rules_of.NAMESPACE) if o["kind"] == "PrometheusRule"]
    assert [rule for group in rendered[0]["spec"]["groups"] for rule in group["rules"]] == rules_of.chart_rules()
