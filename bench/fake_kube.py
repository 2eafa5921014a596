# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes API for one node, with the pods of a generated tree. Enough for
`kubernetes_sd_configs` with role pod.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/support"))

from kube_api import KubeApi  # noqa: E402


def pods_of(tree):
    """Pod objects for a tree's manifest, one for each pod directory."""
    found = {}
    for each in tree.files:
        uid = each["path"].split("/")[-3].rsplit("_", 1)[1]
        app = each["pod"].rsplit("-", 2)[0]
        pod = found.setdefault(uid, {
            "kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": each["pod"], "namespace": each["namespace"], "uid": uid, "resourceVersion": "1",
                         "labels": {"app.kubernetes.io/name": app, "app.kubernetes.io/instance": f"{app}-1",
                                    "pod-template-hash": each["pod"].split("-")[-2]},
                         "annotations": {"checksum/config": uid[:8]},
                         "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": True,
                                              "name": each["pod"].rsplit("-", 1)[0], "uid": uid}]},
            "spec": {"nodeName": "node-1", "containers": []},
            "status": {"phase": "Running", "podIP": "10.0.0.9", "hostIP": "10.0.0.1", "containerStatuses": [],
                       "conditions": [{"type": "Ready", "status": "True"}]}})
        pod["spec"]["containers"].append({"name": each["container"], "image": f"registry.example/{app}:1",
                                          "ports": [{"containerPort": 8080, "protocol": "TCP"}]})
        pod["status"]["containerStatuses"].append({"name": each["container"], "containerID": f"containerd://{uid}",
                                                   "ready": True, "image": "", "imageID": "", "restartCount": 0})
    return list(found.values())


def fake_kube(tree):
    """Serves until its `with` block ends; `url` is where."""
    return KubeApi(pods_of(tree))
