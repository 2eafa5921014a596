# SPDX-License-Identifier: Apache-2.0
"""docs/MIGRATING.md, the chart's part: its commands as they stand there, on the values of
Promtail's chart, and what they render in the agent itself. Two agents on one node, the
import and the way back through positions are in test_agent_binary.py and
tests/differential/test_migration.py."""
import re
import shlex

import yaml

from conftest import HELM, ROOT, agent_binary, agent_config, run

PAGE = ROOT / "docs/MIGRATING.md"
POD = "shop_web-5d8c7f9b6-abcde_11111111-2222-3333-4444-555555555555/nginx"


def commands():
    """The shell commands of the page, continued lines joined."""
    blocks = re.findall(r"^ *```sh\n(.*?)```", PAGE.read_text(), re.S | re.M)
    return [shlex.split(line) for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def rendered(charts, values=HELM / "agent/ci/promtail-values.yaml"):
    """What `helm upgrade --install` of the page installs, with values written for Promtail's chart."""
    install = next(words for words in commands() if words[:3] == ["helm", "upgrade", "--install"])
    release, chart, words = install[3], install[4], install[5:]
    assert (ROOT / chart).samefile(HELM / "agent")
    words[words.index("-f") + 1] = str(values)
    namespace = words.index("-n")
    assert words[namespace + 1] == "monitoring"
    del words[namespace:namespace + 2]
    return charts.objects("agent", *words, release=release, namespace="monitoring")


def host_paths(spec):
    return {v["name"]: v["hostPath"]["path"] for v in spec["volumes"] if "hostPath" in v}


def test_the_import_that_the_page_promises(charts, tmp_path):
    values = yaml.safe_load((HELM / "agent/ci/promtail-values.yaml").read_text())
    for key in ("defaultVolumes", "defaultVolumeMounts"):
        del values[key]
    values["config"].pop("positions")
    plain = tmp_path / "values.yaml"
    plain.write_text(yaml.safe_dump(values))
    daemonset = next(o for o in rendered(charts, plain) if o["kind"] == "DaemonSet")
    wait = next(words for words in commands() if words[:1] == ["kubectl"])
    assert f"daemonset/{daemonset['metadata']['name']}" in wait
    spec = daemonset["spec"]["template"]["spec"]
    assert any("--import=/run/promtail-import/positions.yaml" in c.get("args", []) for c in spec["initContainers"])
    back = next(words for words in commands() if words[:1] == ["cp"])
    assert {path.rsplit("/", 1)[0] for path in back[1:]} <= set(host_paths(spec).values()), back


def test_values_with_volumes_of_their_own_go_on_in_place(charts):
    objects = rendered(charts)
    spec = next(o for o in objects if o["kind"] == "DaemonSet")["spec"]["template"]["spec"]
    folder = agent_config(objects)["positions"]["filename"].rsplit("/", 1)[0]
    mount = next(m for m in spec["containers"][0]["volumeMounts"] if m["mountPath"] == folder)
    assert not mount.get("readOnly") and host_paths(spec)[mount["name"]] == "/run/promtail"
    assert "initContainers" not in spec


def test_the_dry_run_of_the_page_on_the_charts_configuration(charts, tmp_path):
    """Promtail's own scrape configuration asks Kubernetes; a dry run does with what paths tell."""
    config = agent_config(rendered(charts))
    assert config["scrape_configs"][0]["kubernetes_sd_configs"]
    path = tmp_path / "promtail.yaml"
    path.write_text(yaml.safe_dump(config))
    log = tmp_path / "pods" / POD / "0.log"
    log.parent.mkdir(parents=True)
    log.write_text("2026-01-02T03:04:05Z stdout F hello\n")
    done = run(agent_binary(), f"-config.file={path}", "-dry-run", "--node-name=n1", str(log))
    line = done.stdout.splitlines()[0]
    assert line.endswith(f"\thello\tfilename={log}"), done.stdout  # the chart moves it to structured metadata
    for label in ('app="web-5d8c7f9b6-abcde"', 'namespace="shop"', 'pod="web-5d8c7f9b6-abcde"', 'container="nginx"',
                  'job="shop/web-5d8c7f9b6-abcde"', 'node_name="n1"', 'stream="stdout"'):
        assert label in line, line
    assert "a dry run asks no cluster" in done.stderr
    assert "__meta_kubernetes_pod_label_app_kubernetes_io_name" in done.stderr
