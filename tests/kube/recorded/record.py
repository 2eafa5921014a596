#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what a real kube-apiserver answers, for tests/kube/recorded_answers_test.cc.

    tests/helm/run.sh --with-apiserver        builds the server, once
    python3 tests/kube/recorded/record.py     writes the *.http beside this file

Each file is one answer as it came: status line, the headers that matter, an empty line,
the body with its chunks joined. The pods are made here; everything that the server adds
(managed fields, defaults, conditions, times, versions) is its own. Run it again for a
new version of Kubernetes, and read the difference.
"""
import json
import pathlib
import ssl
import sys
import tempfile
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "helm"), str(HERE.parents[1] / "support")]

import test_api_server as real  # noqa: E402  (needs the path above)

PODS = "/api/v1/pods"
NODE = "?fieldSelector=spec.nodeName%3Dworker-1"


class Recorder:
    def __init__(self, cluster):
        self.cluster = cluster
        self.context = ssl.create_default_context()
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE

    def get(self, path, token="admin-token"):
        request = urllib.request.Request(f"https://127.0.0.1:{self.cluster.port}{path}",
                                         headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})
        try:
            return urllib.request.urlopen(request, timeout=120, context=self.context)
        except urllib.error.HTTPError as error:
            return error

    def keep(self, name, path, token="admin-token"):
        with self.get(path, token) as answer:
            return self.write(name, answer.status, answer.headers["Content-Type"], answer.read())

    @staticmethod
    def write(name, status, kind, body):
        (HERE / f"{name}.http").write_bytes(b"HTTP/1.1 %d\r\nContent-Type: %s\r\n\r\n" % (status, kind.encode()) + body)
        return body

    def compact(self, revision):
        """Makes etcd forget history, as a server does every five minutes."""
        url = f"http://127.0.0.1:{self.cluster.etcd_port}/v3/kv/compaction"
        urllib.request.urlopen(urllib.request.Request(url, json.dumps({"revision": str(revision)}).encode()), timeout=10).read()


def pod(name, node="worker-1", labels=None, owner=None, ports=(), init=(), annotations=None):
    metadata = {"name": name, "namespace": "shop", "labels": labels or {}, "annotations": annotations or {}}
    if owner:
        metadata["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": owner[0], "name": owner[1], "controller": True,
                                        "uid": "6f9d1c1e-3f55-4b5e-9f1c-0d2c6b7a8e90"}]
    spec = {"nodeName": node, "tolerations": [{"operator": "Exists"}], "containers": [
        {"name": "app", "image": "registry.example/shop/app:1.4.2",
         "ports": [{"name": n, "containerPort": p} for n, p in ports],
         "env": [{"name": "JAVA_OPTS", "value": '-Xmx512m -Dlog={"a":[1,2]} "\\u2028"'}]},
        {"name": "proxy", "image": "registry.example/mesh/proxy:0.9"}]}
    if init:
        spec["initContainers"] = [{"name": one, "image": "registry.example/init:1"} for one in init]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def running(cluster, name, ip):
    started = {"running": {"startedAt": "2026-03-02T10:00:09Z"}}
    status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "192.168.7.11",
              "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-03-02T10:00:09Z"}],
              "containerStatuses": [{"name": one, "ready": True, "restartCount": 2, "image": f"registry.example/{one}:1",
                                     "imageID": "", "containerID": "containerd://" + one * 8, "state": started}
                                    for one in ("app", "proxy")]}
    cluster.kubectl("patch", "pod", "-n", "shop", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def record(cluster):
    recorder = Recorder(cluster)
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    cluster.apply(
        pod("cart-7d9f8b6c5-x2x7v", labels={"app.kubernetes.io/name": "cart", "app.kubernetes.io/instance": "eu", "pod-template-hash": "7d9f8b6c5"},
            owner=("ReplicaSet", "cart-7d9f8b6c5"), ports=(("http", 8080), ("metrics", 9090)), init=("migrate",),
            annotations={"prometheus.io/scrape": "true", "note": "två rader\nmed åäö och \u2028"}),
        pod("db-0", labels={"app": "db", "empty": ""}, owner=("StatefulSet", "db")),
        pod("etcd-worker-1", labels={"component": "etcd", "tier": "control-plane"},
            annotations={"kubernetes.io/config.mirror": "a0c1b2d3e4f5a6b7c8d9e0f1a2b3c4d5", "kubernetes.io/config.hash": "a0c1b2d3e4f5a6b7c8d9e0f1a2b3c4d5"}),
        pod("far-1", node="worker-2"))
    running(cluster, "cart-7d9f8b6c5-x2x7v", "10.244.1.17")
    running(cluster, "etcd-worker-1", "fd00:10:244::7")

    recorder.keep("list", PODS + NODE + "&resourceVersion=0")
    page = json.loads(recorder.keep("list-page-1", PODS + NODE + "&limit=2"))
    recorder.keep("list-page-2", PODS + NODE + "&limit=2&continue=" + page["metadata"]["continue"])
    recorder.keep("unauthorized", PODS, token="wrong")
    recorder.keep("forbidden", PODS, token="nobody-token")

    # What a watch says: from the list on, changes of this node's pods, and a bookmark at its end.
    version = page["metadata"]["resourceVersion"]
    watch = recorder.get(f"{PODS}{NODE}&watch=1&allowWatchBookmarks=true&timeoutSeconds=75&resourceVersion={version}")
    running(cluster, "db-0", "10.244.1.18")
    cluster.kubectl("label", "pod", "-n", "shop", "cart-7d9f8b6c5-x2x7v", "--overwrite", "app.kubernetes.io/instance=us")
    cluster.apply(pod("late-1", labels={"app": "late"}))
    cluster.kubectl("delete", "pod", "-n", "shop", "db-0", "--force", "--grace-period=0")
    cluster.kubectl("label", "pod", "-n", "shop", "far-1", "seen=no")
    recorder.write("watch", watch.status, watch.headers["Content-Type"], watch.read())

    # History that is gone: for a watch, and for the next page of a list.
    again = json.loads(recorder.get(PODS + NODE + "&limit=2").read())
    recorder.compact(recorder_revision(recorder))
    cluster.restart_server()  # whose caches know nothing older than itself
    recorder.keep("watch-gone", f"{PODS}{NODE}&watch=1&timeoutSeconds=5&resourceVersion=1")
    recorder.keep("list-page-gone", PODS + NODE + "&limit=2&continue=" + again["metadata"]["continue"])


def recorder_revision(recorder):
    for number in range(5):
        recorder.cluster.kubectl("label", "pod", "-n", "shop", "far-1", "--overwrite", f"turn=t{number}")
    return json.loads(recorder.get(PODS + "?limit=1").read())["metadata"]["resourceVersion"]


def main():
    with tempfile.TemporaryDirectory() as base:
        cluster = real.Cluster(pathlib.Path(base))
        try:
            record(cluster)
        finally:
            cluster.close()
    for path in sorted(HERE.glob("*.http")):
        print(f"{path.name}: {path.stat().st_size} bytes, {path.read_bytes().splitlines()[0].decode()}")


main()
