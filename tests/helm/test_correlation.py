# SPDX-License-Identifier: Apache-2.0
"""From traces to logs and back: the agent with the chart's default configuration sends to a
real Loki with the stack's, and the data sources' links are followed as Grafana follows them."""
import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml

from conftest import LOADER, ROOT, agent_binary, json_file, loki_binary
from test_agent_binary import Running
from test_dashboards import PATHS, queries
from test_loki_config import loki_config

sys.path.insert(0, str(ROOT / "tests/support"))
from loki import Loki  # noqa: E402

TRACE, OTHER, SPAN = "0af7651916cd43dd8448eb211c80319c", "4bf92f3577b34da6a3ce929d0e0e4736", "b7ad6b7169203331"
POD = "web-5d8c7f9b6-abcde"
LINES = {
    f"shop_{POD}_11111111-2222-3333-4444-555555555555/nginx": [
        '{"level":"error","trace_id":"%s","span_id":"%s","msg":"as JSON"}' % (TRACE, SPAN),
        'level=info traceID=%s msg="as logfmt"' % TRACE,
        "level=warn trace_id=%s of another trace" % OTHER,
        "no trace at all, says sluice-marker-1"],
    "shop_api-0_21111111-2222-3333-4444-555555555555/api": ['{"level":"info","traceId":"%s","msg":"of another pod"}' % TRACE],
}


class Stack:
    def __init__(self, charts, base):
        config = loki_config(charts)
        config["common"]["path_prefix"] = str(base / "loki")
        config["common"]["storage"]["filesystem"] = {"chunks_directory": str(base / "loki/chunks"), "rules_directory": str(base / "loki/rules")}
        config["compactor"]["working_directory"] = str(base / "loki/compactor")
        config["server"] = {"http_listen_address": "127.0.0.1", "http_listen_port": "${LOKI_PORT}",
                            "grpc_listen_address": "127.0.0.1", "grpc_listen_port": "${LOKI_GRPC_PORT}"}
        # Where it listens, and ready at once; nothing of what the stack decides.
        config["common"]["instance_addr"] = "127.0.0.1"
        config["frontend_worker"] = {"frontend_address": "127.0.0.1:${LOKI_GRPC_PORT}"}
        config["ingester"].update(lifecycler={"min_ready_duration": "0s", "join_after": "0s", "observe_period": "0s", "final_sleep": "0s"},
                                  wal={"dir": str(base / "loki/wal")})
        (base / "loki.yaml").write_text(yaml.safe_dump(config).replace("'${", "${").replace("}'", "}"))
        self.loki = Loki(loki_binary(), config=base / "loki.yaml", directory=base / "run")
        self.loki.start()
        second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        self.agent = Running(charts, base, all_lines=LINES, second=second, push_url=self.loki.push_url)
        self.sources = yaml.load(charts.one("ConfigMap", "stack", name="rel-datasources")["data"]["rel-datasources.yaml"].replace("$$", "$"),
                                 Loader=LOADER)["datasources"]

    def ask(self, query, **more):
        text = urllib.parse.urlencode({"query": query, "limit": 100, **more})
        request = urllib.request.Request(f"{self.loki.url}/loki/api/v1/query_range?{text}",
                                         headers={"X-Loki-Response-Encoding-Flags": "categorize-labels"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            pytest.fail(f"{query}\n{error.read().decode()}")

    def lines(self, query):
        return {value[1]: (stream["stream"], value[2]) for stream in self.ask(query) for value in stream["values"]}

    def until(self, query, count):
        deadline = time.monotonic() + 30
        while len(found := self.lines(query)) < count:
            assert time.monotonic() < deadline and self.agent.process.poll() is None, f"{found}\n{self.agent.log.read_text()}"
            time.sleep(0.1)
        return found

    def close(self):
        self.agent.close()
        self.loki.close()


@pytest.fixture(scope="module")
def stack(charts, tmp_path_factory):
    agent_binary(), loki_binary()
    one = Stack(charts, tmp_path_factory.mktemp("correlation"))
    try:
        one.until('{namespace="shop"}', sum(map(len, LINES.values())))
        yield one
    finally:
        one.close()


def test_lines_of_a_trace_are_found_by_structured_metadata(stack):
    """JSON and logfmt, with the default configuration, and without a stream for each trace."""
    found = stack.lines('{namespace="shop"} | trace_id="%s"' % TRACE)
    assert sorted(re.search(r'msg["=:]+([^"]+)', line).group(1) for line in found) == ["as JSON", "as logfmt", "of another pod"]
    for stream, _ in found.values():
        assert "trace_id" not in stream and "span_id" not in stream, "a trace id must be no label"
    as_json = next(extra for line, (_, extra) in found.items() if "as JSON" in line)
    assert as_json["structuredMetadata"]["trace_id"] == TRACE and as_json["structuredMetadata"]["span_id"] == SPAN
    assert "trace_id" not in str(stack.lines('{namespace="shop"} |= "no trace at all"'))


def test_from_a_line_to_its_trace(stack):
    """The derived field of a label looks at the names of labels and structured metadata, that of the line at its text."""
    by_label, in_line = [f for f in stack.sources[0]["jsonData"]["derivedFields"] if f.get("datasourceUid") == "tempo"]
    for line, (stream, extra) in stack.lines('{namespace="shop"}').items():
        ids = [value for key, value in {**stream, **extra.get("structuredMetadata", {})}.items() if re.search(by_label["matcherRegex"], key)]
        wanted = re.findall(r"[0-9a-f]{32}", line)
        assert ids == wanted, line
        assert re.findall(in_line["matcherRegex"], line) == wanted


@pytest.mark.parametrize("attributes,wanted", [
    # What the collector's k8s_attributes add. service.name is the Deployment's, as the operator sets it.
    ({"k8s.namespace.name": "shop", "k8s.pod.name": POD, "service.name": "web"}, {"as JSON", "as logfmt"}),
    ({"k8s.namespace.name": "shop", "service.name": "web"}, {"as JSON", "as logfmt", "of another pod"}),
])
def test_from_a_span_to_its_logs(stack, attributes, wanted):
    """Grafana joins every tag that the span has. service.name was among them, and Loki's
    service_name is the container's name here: the link led to nothing."""
    link = stack.sources[1]["jsonData"]["tracesToLogsV2"]
    tags = ", ".join(f'{t["value"]}="{attributes[t["key"]]}"' for t in link["tags"] if t["key"] in attributes)
    assert link["filterByTraceID"] is True
    found = stack.lines('{%s} |= "%s"' % (tags, TRACE))
    assert {re.search(r'msg["=:]+([^"]+)', line).group(1) for line in found} == wanted


def test_levels_are_found(stack):
    """The dashboards count by detected_level."""
    assert len(stack.lines('{namespace="shop"} | detected_level="error"')) == 1


def test_the_marker_of_deploy_sh_is_found(stack):
    assert len(stack.lines('{namespace="shop"} |= "sluice-marker-1"')) == 1


def test_every_log_query_of_the_dashboards_runs(stack):
    """The grammar takes them; so does the engine, with values for the variables."""
    asked = 0
    for path in PATHS:
        names = {v["name"]: v.get("type") for v in json_file(path)["templating"]["list"]}
        for one in queries(path):
            if one["lang"] != "logql":
                continue
            text = one["raw"]
            for name, value in (("__auto", "5m"), ("__range", "1h"), ("__interval", "1m"), ("trace_id", TRACE), ("search", "")):
                text = re.sub(rf"\$\{{?{name}\}}?", value, text)
            text = re.sub(r"\$\{?([a-z_]+)\}?", lambda m: ".+" if m.group(1) in names else m.group(0), text)
            assert "$" not in text, one["where"]
            stack.ask(text, step="60")
            asked += 1
    assert asked > 12
