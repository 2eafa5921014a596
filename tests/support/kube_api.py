# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes API server for tests: pods only, with what real ones do to their clients.

Lists in pages, watches with resourceVersions and bookmarks, 410 Gone after compact(),
streams that break in the middle of an event, a time of no answers, a wrong token. The
forms are those of a v1.30 server. Objects are plain dictionaries; pod() makes one.
"""

from __future__ import annotations

import http.server
import json
import socket
import threading
import urllib.parse


def pod(name, uid, namespace="shop", node="node-1", labels=None, annotations=None, containers=("app",), init=(),
        ports=(8080,), owner=("ReplicaSet", None), ip="10.244.0.7", phase="Running"):
    """A pod as the API gives it. `ports` are those of every container."""
    kind, owner_name = owner
    owner_name = owner_name or name.rsplit("-", 1)[0]
    made = {"kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": "0",
                         "creationTimestamp": "2026-03-02T10:00:00Z", "labels": dict(labels or {}),
                         "annotations": dict(annotations or {}),
                         "ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": owner_name, "uid": uid + "-o",
                                              "controller": True, "blockOwnerDeletion": True}]},
            "spec": {"nodeName": node, "restartPolicy": "Always",
                     "containers": [{"name": one, "image": f"registry.example/{one}:1",
                                     "ports": [{"name": f"p{port}", "containerPort": port, "protocol": "TCP"} for port in ports]}
                                    for one in containers]},
            "status": {"phase": phase, "hostIP": "192.168.0.4", "conditions": [{"type": "Ready", "status": "True"}],
                       "containerStatuses": [{"name": one, "ready": True, "restartCount": 0, "image": "", "imageID": "",
                                              "containerID": "containerd://" + one} for one in containers]}}
    if ip:
        made["status"]["podIP"], made["status"]["podIPs"] = ip, [{"ip": ip}]
    if init:
        made["spec"]["initContainers"] = [{"name": one, "image": f"registry.example/{one}:1"} for one in init]
    if kind is None:
        del made["metadata"]["ownerReferences"]
    return made


class KubeApi:
    """Serves until the `with` block ends. All methods may be called by any thread."""

    def __init__(self, pods=(), token: str | None = None):
        self.changed = threading.Condition()
        self.version = 100
        self.compacted = 0     # watches from below this version are told 410
        self.pods = {}         # by uid
        self.events = []       # (version, type, object)
        self.requests = []     # paths with their queries
        self.refused = 0       # requests with a wrong token
        self.token = token
        self.answering = True
        self.closing = False
        self.epoch = 0         # watches of an older one end
        self.truncate = 0      # so many watches break in the middle of their next event
        for one in pods:
            self.add(one)
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                api.serve(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    # -- what happens in the cluster --

    def _event(self, kind, obj):
        with self.changed:
            self.version += 1
            obj["metadata"]["resourceVersion"] = str(self.version)
            self.events.append((self.version, kind, json.loads(json.dumps(obj))))
            self.changed.notify_all()

    def add(self, obj):
        with self.changed:
            kind = "MODIFIED" if obj["metadata"]["uid"] in self.pods else "ADDED"
            self.pods[obj["metadata"]["uid"]] = obj
        self._event(kind, obj)

    def delete(self, uid):
        with self.changed:
            obj = self.pods.pop(uid)
        self._event("DELETED", obj)

    def bookmark(self):
        with self.changed:
            self.version += 1
            self.events.append((self.version, "BOOKMARK", {"kind": "Pod", "apiVersion": "v1", "metadata": {
                "resourceVersion": str(self.version), "creationTimestamp": None}, "spec": {"containers": None}, "status": {}}))
            self.changed.notify_all()

    def compact(self):
        """Forgets history: whoever watches from before is told 410 Gone."""
        with self.changed:
            self.version += 1
            self.compacted = self.version

    def drop_watches(self):
        with self.changed:
            self.epoch += 1
            self.changed.notify_all()

    def answer(self, yes: bool):
        with self.changed:
            self.answering = yes
            self.epoch += 1
            self.changed.notify_all()

    def seen(self, text: str) -> int:
        with self.changed:
            return sum(text in each for each in self.requests)

    # -- HTTP --

    def serve(self, handler):
        with self.changed:
            self.requests.append(handler.path)
            answering = self.answering
        if not answering:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        if self.token is not None and handler.headers.get("Authorization") != "Bearer " + self.token:
            self.refused += 1
            self.reply(handler, 401, self.status(401, "Unauthorized", "Unauthorized"))
            return
        url = urllib.parse.urlsplit(handler.path)
        query = {name: values[0] for name, values in urllib.parse.parse_qs(url.query).items()}
        parts = url.path.strip("/").split("/")
        namespace = parts[3] if len(parts) == 5 and parts[2] == "namespaces" else None
        if not url.path.endswith("/pods"):
            self.reply(handler, 404, self.status(404, "NotFound", "the server could not find the requested resource"))
        elif query.get("sendInitialEvents") == "true":
            self.reply(handler, 422, self.status(422, "Invalid", "sendInitialEvents is forbidden for watch unless the feature is on"))
        elif query.get("watch") in ("1", "true"):
            self.watch(handler, query, namespace)
        else:
            self.list(handler, query, namespace)

    @staticmethod
    def status(code, reason, message):
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                "reason": reason, "code": code}

    @staticmethod
    def reply(handler, status, value):
        body = json.dumps(value).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    @staticmethod
    def selected(obj, query, namespace):
        wanted = [one.split("=", 1) for one in query.get("fieldSelector", "").split(",") if one]
        node = dict(wanted).get("spec.nodeName")
        return (namespace in (None, obj["metadata"]["namespace"])) and (node is None or obj["spec"]["nodeName"] == node)

    def list(self, handler, query, namespace):
        with self.changed:
            found = [one for one in self.pods.values() if self.selected(one, query, namespace)]
            version = self.version
        start = int(query.get("continue") or 0)
        limit = int(query.get("limit") or len(found) or 1)
        metadata = {"resourceVersion": str(version)}
        if start + limit < len(found):
            metadata.update({"continue": str(start + limit), "remainingItemCount": len(found) - start - limit})
        # Items of a list have neither kind nor version.
        page = [{key: one[key] for key in ("metadata", "spec", "status")} for one in found[start:start + limit]]
        self.reply(handler, 200, {"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": page})

    def watch(self, handler, query, namespace):
        at = int(query.get("resourceVersion") or 0)
        with self.changed:
            epoch = self.epoch
            gone = at < self.compacted
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.flush()
        if gone:
            self.chunk(handler, {"type": "ERROR", "object": self.status(410, "Expired", f"too old resource version: {at}")})
            handler.wfile.write(b"0\r\n\r\n")
            return
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.closing or self.epoch != epoch or self.version > at, timeout=1)
                if self.closing or self.epoch != epoch:
                    break
                due = [event for event in self.events if event[0] > at]
                broken = bool(due) and self.truncate > 0
                self.truncate -= 1 if broken else 0
            for version, kind, obj in due:
                if kind != "BOOKMARK" and not self.selected(obj, query, namespace):
                    continue
                if broken:
                    text = json.dumps({"type": kind, "object": obj}).encode()
                    handler.wfile.write(b"%x\r\n%s" % (len(text), text[:len(text) // 2]))
                    handler.close_connection = True
                    handler.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.chunk(handler, {"type": kind, "object": obj})
                at = version
            at = max([at] + [event[0] for event in due])
        handler.close_connection = True

    @staticmethod
    def chunk(handler, value):
        line = json.dumps(value).encode() + b"\n"
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        handler.wfile.flush()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        with self.changed:
            self.closing = True
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
