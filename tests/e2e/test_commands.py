# SPDX-License-Identifier: Apache-2.0
"""The program's commands: those that ask a running agent, and those that need none."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from running import AGENT, ROOT, Agent, Pods, Sink, pod_config, wait_for  # noqa: E402

EXAMPLES = ROOT / "config/examples"


def agent(*words: object, code: int = 0, **more) -> str:
    done = subprocess.run([str(AGENT), *map(str, words)], capture_output=True, text=True, timeout=60, **more)
    assert done.returncode == code, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


# -- those that ask a running agent --


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands")
    pods = Pods(folder / "pods")
    with Sink() as sink:
        config = pod_config(sink.push_url, pods.root, "[{cri: {}}, {drop: {expression: noise}}]").replace(
            "server: {disable: true}", "server: {http_listen_address: 127.0.0.1, http_listen_port: 0, http_path_prefix: /sluice}")
        with Agent(config, folder / "a") as daemon:
            port = wait_for(lambda: re.search(r"msg=serving address=\S+ port=(\d+)", daemon.log), "the port")[1]
            pods.write(pods.file("web-1", namespace="shop"), "hello", "noise")
            wait_for(lambda: sink.stats()["entries"] == 1, "a line")
            yield f"--addr=127.0.0.1:{port}/sluice", pods


def test_explain(running):
    address, _ = running
    text = wait_for(lambda: (out := agent("explain", address, "web-1")).startswith("shop/web-1: Nothing is broken") and out, "the verdict")
    assert [line.split()[:2] for line in text.splitlines() if line.startswith("  ok")] == \
        [["ok", name] for name in ("directory", "files", "opened", "read", "pipeline", "loki", "accepted")]
    assert "1 left the pipeline and 1 were dropped, the last by scrape_configs[0].pipeline_stages[1].drop" in text
    assert re.search(r"^Streams of the last hour:\n +LINES +BYTES +LAST +LABELS\n +1 +\d+ +\S+Z +\{.*pod=\"web-1\", stream=\"stdout\"\}$", text, re.M), text
    missing = agent("explain", address, "wob-1", code=1)
    assert missing.startswith("wob-1: No directory of a pod") and "STOP" in missing
    assert "shop/web-1" in agent("explain", address, "web", code=1)  # a like name
    assert json.loads(agent("explain", address, "--output=json", "shop/web-1"))["pod"] == "shop/web-1"
    agent("explain", address, code=2)


def test_targets(running):
    address, pods = running
    text = agent("targets", address)
    assert re.search(r"^pods +ready +\S+/shop_web-1_uid-web-1/app/0\.log: \d+ +\{.*pod=\"web-1\"", text, re.M)
    assert json.loads(agent("targets", address, "--output=json"))["targets"][0]["job"] == "pods"


def test_ledger(running):
    address, _ = running
    assert "0 lines and 0 bytes lost, 1 lines dropped on purpose" in agent("ledger", address)
    assert json.loads(agent("ledger", address, "--output=json"))["dropped"][0]["lines"] == 1


def test_tail(running):
    address, pods = running
    path = pods.file("web-1", namespace="shop")
    tail = subprocess.Popen([str(AGENT), "tail", address, "--pod=shop/web-1", "--label=container=app", "--grep=^live [0-9]+$",
                             "--lines=2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        def finished():  # lines that came before it watched are not shown
            pods.write(path, "something else", "live 1")
            return tail.poll() is not None
        wait_for(finished, "two lines")
        out, err = tail.communicate(timeout=10)
        assert tail.returncode == 0, err
        assert re.fullmatch(r'(\S+Z \{.*pod="web-1".*\} live 1\n){2}', out), out
    finally:
        tail.kill()
    assert "not a regular expression" in agent("tail", address, "--grep=(", code=1)


def test_an_agent_that_is_not_there_is_a_sentence():
    assert "no agent answers at 127.0.0.1:9" in agent("explain", "--addr=127.0.0.1:9", "x", code=1)
    assert "plain HTTP" in agent("ledger", "--addr=https://127.0.0.1:9", code=1)


# -- unit tests of pipelines --


def test_the_documented_examples_pass():
    files = sorted((EXAMPLES / "tests").glob("*.yaml"))
    assert len(files) == 5
    documented = (ROOT / "docs/TESTING-PIPELINES.md").read_text()
    for path in files:
        assert path.name in documented
    text = agent("test", *files)
    assert re.search(r"^[0-9]+ passed, 0 failed$", text, re.M) and text.count("  ok    ") >= 5


def test_the_output_in_the_documentation_is_true():
    shown = re.search(r"```console\n\$ agent (test \S+)\n(.*?)```", (ROOT / "docs/TESTING-PIPELINES.md").read_text(), re.S)
    assert agent(*shown[1].split(), cwd=ROOT) == shown[2]


FAILING = """# a comment that must stay
config: pipeline.yaml
tests:
  - name: wrong level   # and this one
    lines: ['{"level":"info"}', '{"level":"debug"}']
    expect:
      - labels: {level: warn}
        line: '{"level":"info"}'
      - dropped_by: limit

  - name: nothing said yet
    lines: ['{"level":"error"}']
"""
PIPELINE = """
clients: [{url: http://127.0.0.1:9/loki/api/v1/push}]
scrape_configs:
- job_name: one
  static_configs: [{labels: {__path__: /var/log/x/*.log}}]
  pipeline_stages: [{json: {expressions: {level: }}}, {labels: {level: }}, {drop: {source: level, value: debug}}]
"""


def test_a_difference_is_shown_and_update_writes_it(tmp_path):
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    path = tmp_path / "t.yaml"
    path.write_text(FAILING)
    text = agent("test", path, code=1)
    assert "FAIL  wrong level" in text and f"{path}:4" in text
    assert '- {level="warn"}\n        + {level="info"}' in text
    assert "- limit\n        + scrape_configs[0].pipeline_stages[2].drop" in text
    assert "- nothing\n        + entry" in text and "0 passed, 2 failed" in text
    assert "2 updated" in agent("test", "--update", path)
    assert "2 passed, 0 failed" in agent("test", path)
    updated = path.read_text()
    assert updated.startswith("# a comment that must stay\n") and "# and this one" in updated
    assert "dropped_by: scrape_configs[0].pipeline_stages[2].drop" in updated
    # And it is a fixed point.
    agent("test", "--update", path)
    assert path.read_text() == updated


@pytest.mark.parametrize("text, complaint", [
    ("tests: [{name: x, lines: [a], expct: []}]", "expct"),
    ("tests: [{name: x, lines: [a]}]", "pipeline_stages"),
    ("tests: [{name: x, pipeline_stages: [{jsonn: {}}], lines: [a]}]", "jsonn"),
    ("config: nowhere.yaml\ntests: [{name: x, lines: [a]}]", "nowhere.yaml"),
    ("config: pipeline.yaml\ntests: [{name: x, job: two, lines: [a]}]", '"two"'),
    ("tests: [{name: x, pipeline_stages: [], now: yesterday, lines: [a]}]", "yesterday"),
])
def test_a_wrong_test_file_is_refused_by_name(tmp_path, text, complaint):
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    path = tmp_path / "t.yaml"
    path.write_text(text)
    assert complaint in agent("test", path, code=1)


# -- check --

SUSPICIOUS = """
clients: [{url: http://127.0.0.1:9/loki/api/v1/push}]
wal: {enabled: true}
scrape_configs:
- job_name: one
  pod_logs: {}
  relabel_configs:
  - {source_labels: [__meta_kubernetes_pod_uid], target_label: uid}
  pipeline_stages:
  - cri: {}
  - regex: {expression: '^(?P<time>\\S+) (?P<stream>stdout|stderr) (?P<rest>.*)$'}
  - regex: {expression: 'error$ (?P<code>\\d+)'}
  - labels: {trace_id: , level: }
  - drop: {expression: '.*'}
  - output: {source: rest}
"""


def test_check_names_what_is_suspicious(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(SUSPICIOUS)
    text = agent("check", f"--config.file={path}")
    for words in ("wal.enabled", 'label "uid"', 'label "trace_id"', "pipeline_stages[1].regex.expression: can never match",
                  "pipeline_stages[2].regex.expression: can never match", "pipeline_stages[5].output: no line comes here"):
        assert words in text, words
    assert 'label "level"' not in text and "0 errors, 6 warnings" in text
    agent("check", "--strict", f"--config.file={path}", code=1)
    problems = json.loads(agent("check", "--output=json", f"--config.file={path}"))
    assert problems["ok"] is True and {p["severity"] for p in problems["problems"]} == {"warning"}
    path.write_text(SUSPICIOUS.replace("'.*'", "'('"))
    assert "1 error" in agent("check", f"--config.file={path}", code=1)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.name)
def test_check_is_silent_about_the_examples(path):
    assert "0 errors, 0 warnings" in agent("check", f"--config.file={path}")


# -- replay --


def test_replay_and_what_a_change_does(tmp_path):
    pods = Pods(tmp_path / "node")
    path = pods.file("web-1", namespace="shop")
    pods.write(path, '{"level":"info"}', '{"level":"error"}', "noise")
    (tmp_path / "node" / "readme").write_text("no log")
    base = """
clients: [{url: http://127.0.0.1:9/loki/api/v1/push}]
scrape_configs:
- job_name: pods
  pod_logs: {}
  pipeline_stages: [{cri: {}}%s]
"""
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text(base % "")
    two.write_text(base % ", {json: {expressions: {level: }}}, {labels: {level: }}, {drop: {expression: noise, drop_counter_reason: noise}}")
    words = (f"--config.file={one}", f"--from-node-files={pods.root}", "--node-name=n1")
    text = agent("replay", *words)
    assert "1 files, 3 lines read, 3 entries in 1 streams" in text
    assert '{container="app", namespace="shop", node_name="n1", pod="web-1", stream="stdout"}' in text
    assert "readme: no target's __path__ covers it" in text
    numbers = json.loads(agent("replay", *words, "--output=json"))
    assert (numbers["entries"], numbers["labels"]["pod"]) == (3, 1)
    diff = agent("replay", *words, f"--diff={two}")
    assert "streams: 1 -> 2, 1 gone, 2 new; entries: 3 -> 2" in diff
    assert "1 lines that only the first sends" in diff and "2 lines that go to another stream" in diff
    assert "another text" not in diff and "another timestamp" not in diff
    both = json.loads(agent("replay", *words, f"--diff={two}", "--output=json"))
    assert both["difference"] == {"streams_gone": 1, "streams_new": 2, "only_first": 1, "only_second": 0, "relabelled": 2,
                                  "changed": 0, "moved": 0}
    assert both["second"]["dropped"] == {"scrape_configs[0].pipeline_stages[3].drop (noise)": 1}
    assert "same" not in agent("replay", *words, f"--diff={one}") and "0 gone, 0 new" in agent("replay", *words, f"--diff={one}")


def test_dry_run_and_replay_show_labels_behind_the_guard(tmp_path):
    """Both used to show the labels that the pipeline sets, and not what would be sent."""
    pods = Pods(tmp_path / "node")
    path = pods.file("busy-1")
    pods.write(path, *(f'{{"id":"r{i}"}}' for i in range(30)))
    config = tmp_path / "c.yaml"
    config.write_text("""
clients: [{url: http://127.0.0.1:9/loki/api/v1/push}]
limits_config: {cardinality: {max_values_per_label: 10}}
scrape_configs:
- job_name: pods
  pod_logs: {}
  pipeline_stages: [{cri: {}}, {json: {expressions: {id: }}}, {labels: {id: }}]
""")
    words = ("--dry-run", f"--config.file={config}", "--node-name=n1", path)
    lines = agent(*words).splitlines()
    assert 'id="r0"' in lines[0] and 'id="r29"' not in lines[29] and lines[29].endswith("\tid=r29"), lines[29]
    said = next(line for line in lines if "demoted" in line)
    assert re.fullmatch(r"label id is demoted \(structured_metadata\): (about )?\d+ values, its budget is 10; (19|20) lines without it as a label", said)
    [summary] = [json.loads(line)["summary"] for line in agent(*words, "--output=json").splitlines() if line.startswith('{"summary"')]
    assert summary["demoted"]["id"] in (19, 20) and summary["streams"] == 31 - summary["demoted"]["id"]
    replay = ("replay", f"--config.file={config}", f"--from-node-files={pods.root}", "--node-name=n1")
    assert said in agent(*replay).splitlines()
    numbers = json.loads(agent(*replay, "--output=json").splitlines()[0])  # what follows is the guard's line in the log
    assert numbers["demoted"] == summary["demoted"] and len(numbers["streams"]) == summary["streams"]


def test_a_stage_that_slows_lines_down_does_not_end_a_dry_run(tmp_path):
    """It used to: what came after the burst was not shown."""
    pods = Pods(tmp_path / "node")
    path = pods.file("busy-1")
    pods.write(path, *(f"line {i} " + "x" * 400 for i in range(3000)))  # several buffers
    config = tmp_path / "c.yaml"
    config.write_text("""
clients: [{url: http://127.0.0.1:9/loki/api/v1/push}]
scrape_configs:
- job_name: pods
  pod_logs: {}
  pipeline_stages: [{cri: {}}, {limit: {rate: 10, burst: 10}}]
""")
    assert "3000 lines read, 3000 entries" in agent("--dry-run", f"--config.file={config}", path)
    assert "1 files, 3000 lines read, 3000 entries" in agent("replay", f"--config.file={config}", f"--from-node-files={pods.root}")


def test_dry_run_and_replay_know_the_targets_of_file_sd(tmp_path):
    node = tmp_path / "node"
    node.mkdir()
    (node / "web.log").write_text("one\ntwo\n")
    (node / "other.log").write_text("three\n")
    (tmp_path / "targets.yaml").write_text("- targets: [localhost]\n  labels: {app: web, __path__: /srv/logs/web*.log}\n")
    config = tmp_path / "c.yaml"
    config.write_text(f"""
clients: [{{url: http://127.0.0.1:9/loki/api/v1/push}}]
scrape_configs:
- job_name: found
  file_sd_configs: [{{files: [{tmp_path}/targets.yaml]}}]
""")
    text = agent("replay", f"--config.file={config}", f"--from-node-files={node}")
    assert "1 files, 2 lines read, 2 entries in 1 streams" in text
    assert '{app="web", filename="/srv/logs/web.log"}' in text
    assert "other.log: no target's __path__ covers it" in text
    (tmp_path / "targets.yaml").write_text(f"- targets: [localhost]\n  labels: {{app: web, __path__: {node}/web*.log}}\n")
    assert f'{{app="web", filename="{node}/web.log"}}' in agent("--dry-run", f"--config.file={config}", node / "web.log")


# -- help and completion --


def test_help_fits_a_screen():
    done = subprocess.run([str(AGENT), "--help"], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100
    for command in ("explain", "tail", "targets", "ledger", "test", "check", "replay"):
        assert f"agent {command}" in done.stdout
        assert "-" in agent(command, "--help")


@pytest.mark.parametrize("shell, check", [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])])
def test_completions(tmp_path, shell, check):
    text = agent("completion", shell)
    for word in ("explain", "replay", "from-node-files", "client.url"):
        assert word in text
    if shutil.which(check[0]):
        path = tmp_path / "completion"
        path.write_text(text)
        done = subprocess.run([*check, str(path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_bash_completes(tmp_path):
    path = tmp_path / "completion"
    path.write_text(agent("completion", "bash"))

    def complete(*words: str) -> list[str]:
        script = f'. {path}; COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}; _agent 2>/dev/null; printf "%s\\n" "${{COMPREPLY[@]}}"'
        return subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout.split()

    assert complete("agent", "ex") == ["explain"]
    assert complete("agent", "replay", "--from") == ["--from-node-files="]
    assert complete("agent", "--config.f") == ["--config.file="]
    assert complete("agent", "completion", "z") == ["zsh"]
