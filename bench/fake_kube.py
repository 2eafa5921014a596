# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes API for one node: lists the pods of a generated tree, and keeps watches
open without a word, save for the initial events where a client asks for these instead of
a list. Enough for `kubernetes_sd_configs` with role pod.
"""
import http.server
import json
import threading
import urllib.parse


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


class FakeKube:
    """Serves until the `with` block ends."""

    def __init__(self, tree):
        pods, self.closing = pods_of(tree), threading.Event()
        closing = self.closing

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                query = urllib.parse.parse_qs(url.query)
                if not url.path.endswith("/pods"):
                    return self.answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404})
                if query.get("watch", ["false"])[0] in ("1", "true"):
                    return self.hold(query.get("sendInitialEvents", ["false"])[0] == "true")
                self.answer(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"},
                                  "items": pods})

            def answer(self, status, value):
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def event(self, kind, value):
                line = json.dumps({"type": kind, "object": value}).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))

            def hold(self, initial):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                if initial:
                    for pod in pods:
                        self.event("ADDED", pod)
                    self.event("BOOKMARK", {"kind": "Pod", "apiVersion": "v1", "metadata": {
                        "resourceVersion": "1", "annotations": {"k8s.io/initial-events-end": "true"}}})
                self.wfile.flush()
                closing.wait()
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
