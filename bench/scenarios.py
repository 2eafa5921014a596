# SPDX-License-Identifier: Apache-2.0
"""The jobs that are measured, and the configurations that do them.

A job is a tree (podgen's words) and a pipeline in Promtail's language; goals stand in
docs/PERFORMANCE.md. The same text configures the agent and Promtail.
"""
import dataclasses
import json

CRI = "- cri: {}"
JSON_LABELS = """- cri: {}
- json:
    expressions:
      level: level
- labels:
    level:"""
REGEX = r"""- cri: {}
- regex:
    expression: '^\S+ \S+ (?P<level>[A-Z]+) +\[(?P<thread>[^\]]+)\]'
- labels:
    level:"""
MULTILINE = r"""- cri: {}
- multiline:
    firstline: '^\d{4}-\d{2}-\d{2} \d{2}:'
    max_wait_time: 3s"""


@dataclasses.dataclass(frozen=True)
class Job:
    name: str
    title: str
    tree: dict
    pipeline: str = CRI
    goal_ratio: float = 0  # CPU over the floor's
    goal_rss_mib: int = 0
    pods: bool = False  # labels come from Kubernetes metadata: `pod_logs`; Promtail: its API
    limits: str = ""  # limits_config, as YAML
    client: str = ""  # more of the client's keys, as YAML lines

    def sized(self, total):
        return {**self.tree, "bytes": total}


JOBS = [
    Job("cri", "cri", {"kind": "mixed", "pods": 20}, CRI, 1.6, 32),
    Job("cri-json-labels", "cri + json + labels", {"kind": "json", "pods": 20}, JSON_LABELS, 2.2, 32),
    Job("cri-regex", "cri + regex + labels", {"kind": "app", "pods": 20}, REGEX, 2.8, 32),
    Job("multiline", "cri + multiline, Java traces", {"kind": "java", "pods": 20}, MULTILINE, 2.0, 32),
    Job("chart", "the Promtail chart's configuration: Kubernetes metadata, cri",
        {"kind": "mixed", "pods": 20}, CRI, 1.7, 32, pods=True),
    Job("files-1000", "cri, 1,000 files, 20 of them busy",
        {"kind": "mixed", "pods": 1000, "active": 20}, CRI, 0, 64),
    Job("files-10000", "cri, 10,000 files, 20 of them busy",
        {"kind": "mixed", "pods": 10000, "active": 20}, CRI, 0, 96),
]
PLAIN = Job("plain", "cri", {})  # where only the pipeline counts
BY_NAME = {job.name: job for job in JOBS}


def indent(text, by):
    return "\n".join(" " * by + line for line in text.splitlines())


def static_targets(tree, most=200):
    """A target a pod, named as the kubelet's tree names it; past `most` pods one glob,
    where the file's name alone tells streams apart."""
    if len(tree.files) > most:
        return [{"targets": ["localhost"], "labels": {"job": "pods", "__path__": f"{tree.path}/*/*/*.log"}}]
    return [{"targets": ["localhost"],
             "labels": {"namespace": each["namespace"], "pod": each["pod"], "container": each["container"],
                        "__path__": each["path"].rsplit("/", 1)[0] + "/*.log"}} for each in tree.files]


# What the chart of Promtail makes of `kubernetes_sd_configs` when nothing is set.
def chart_rules(root):
    meta = "__meta_kubernetes_"
    first = r"^;*([^;]+)(;.*)?$"
    name = meta + "pod_label_app_kubernetes_io_"
    return [
        {"source_labels": [meta + "pod_controller_name"], "regex": "([0-9a-z-.]+?)(-[0-9a-f]{8,10})?",
         "action": "replace", "target_label": "__tmp_controller_name"},
        {"source_labels": [name + "name", meta + "pod_label_app", "__tmp_controller_name", meta + "pod_name"],
         "regex": first, "action": "replace", "target_label": "app"},
        {"source_labels": [name + "instance", meta + "pod_label_instance"], "regex": first, "action": "replace",
         "target_label": "instance"},
        {"source_labels": [name + "component", meta + "pod_label_component"], "regex": first, "action": "replace",
         "target_label": "component"},
        {"source_labels": [meta + "pod_node_name"], "action": "replace", "target_label": "node_name"},
        {"source_labels": [meta + "namespace"], "action": "replace", "target_label": "namespace"},
        {"source_labels": ["namespace", "app"], "separator": "/", "replacement": "$1", "action": "replace",
         "target_label": "job"},
        {"source_labels": [meta + "pod_name"], "action": "replace", "target_label": "pod"},
        {"source_labels": [meta + "pod_container_name"], "action": "replace", "target_label": "container"},
        {"source_labels": [meta + "pod_uid", meta + "pod_container_name"], "separator": "/", "action": "replace",
         "replacement": f"{root}/*$1/*.log", "target_label": "__path__"},
        {"source_labels": [meta + "pod_annotationpresent_kubernetes_io_config_hash",
                           meta + "pod_annotation_kubernetes_io_config_hash", meta + "pod_container_name"],
         "separator": "/", "regex": "true/(.*)", "action": "replace", "replacement": f"{root}/*$1/*.log",
         "target_label": "__path__"},
    ]


def targets_of(tree, job, api_server):
    """The scrape config's targets, as YAML."""
    if not job.pods:
        return f"static_configs: {json.dumps(static_targets(tree))}"
    rules = chart_rules(tree.path)
    if api_server:
        return (f"kubernetes_sd_configs: {json.dumps([{'role': 'pod', 'api_server': api_server}])}\n"
                f"    relabel_configs: {json.dumps(rules)}")
    rules = [rule for rule in rules if rule["target_label"] != "__path__"]
    return f"pod_logs: {json.dumps({'root': str(tree.path)})}\n    relabel_configs: {json.dumps(rules)}"


def promtail_config(tree, sink_url, folder, job, batchwait="1s", api_server=""):
    """For the agent and for Promtail alike. JSON is YAML: no writer is needed for lists."""
    return f"""server:
  http_listen_address: 127.0.0.1
  http_listen_port: 0
  grpc_listen_port: 0
positions:
  filename: {folder}/positions.yaml
clients:
  - url: {sink_url}/loki/api/v1/push
    batchwait: {batchwait}
    batchsize: 1048576
{indent(job.client, 4)}
{f"limits_config: {job.limits}" if job.limits else ""}
scrape_configs:
  - job_name: pods
    {targets_of(tree, job, api_server)}
    pipeline_stages:
{indent(job.pipeline, 6)}
"""
