# SPDX-License-Identifier: Apache-2.0
"""A dry run of a configuration that asks Kubernetes: it asks nobody, and says what it does not know."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from running import AGENT, wait_for  # noqa: E402

CONFIG = """
server: {disable: true}
clients: [{url: "http://127.0.0.1:1/"}]
positions: {filename: %s/positions.yaml}
scrape_configs:
- job_name: others
  static_configs: [{targets: [localhost], labels: {job: others, __path__: /nowhere/*.log}}]
- job_name: pods
  kubernetes_sd_configs: [{role: pod}]
  pipeline_stages: [{cri: {}}]
  relabel_configs:
  - {source_labels: [__meta_kubernetes_pod_label_app], target_label: app}
  - {source_labels: [__meta_kubernetes_namespace], regex: hidden, action: drop}
  - {source_labels: [__meta_kubernetes_namespace, __meta_kubernetes_pod_name], separator: /, target_label: pod}
  - source_labels: [__meta_kubernetes_pod_uid, __meta_kubernetes_pod_container_name]
    separator: /
    replacement: /var/log/pods/*$1/*.log
    target_label: __path__
"""


def written(folder: Path, pod: str) -> Path:
    path = folder / "pods" / pod / "app" / "0.log"
    path.parent.mkdir(parents=True)
    path.write_text("2024-03-05T10:00:00Z stdout F hello\n")
    return path


def test_named_files_are_the_targets(tmp_path):
    config = tmp_path / "promtail.yaml"
    config.write_text(CONFIG % tmp_path)
    taken, dropped = written(tmp_path, "shop_web_uid"), written(tmp_path, "hidden_web_uid")
    done = subprocess.run([AGENT, f"-config.file={config}", "-dry-run", taken, dropped], capture_output=True, text=True,
                          timeout=60, check=True)
    assert f'{{filename="{taken}", pod="shop/web", stream="stdout"}}\thello' in done.stdout
    assert f"{dropped}: no scrape config takes it (dropped by the relabelling rule at line 13)" in done.stderr
    assert "a dry run asks no cluster" in done.stderr
    assert done.stderr.strip().endswith("not known, and empty here: __meta_kubernetes_pod_label_app")


def test_without_files_it_follows_the_nodes_pods(tmp_path):
    config = tmp_path / "promtail.yaml"
    config.write_text(CONFIG % tmp_path)
    err = tmp_path / "err"
    with open(err, "wb") as log:
        process = subprocess.Popen([AGENT, f"-config.file={config}", "-dry-run"], stdout=subprocess.DEVNULL, stderr=log)
        try:
            wait_for(lambda: "a dry run asks no cluster" in err.read_text(), "the note")
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
