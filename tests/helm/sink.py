# SPDX-License-Identifier: Apache-2.0
"""A small receiver of Loki's push protocol: decodes snappy and protobuf, keeps entries."""
import http.server
import struct
import threading


def unsnap(data):
    """Snappy's block format."""
    size, at, shift = 0, 0, 0
    while True:
        byte = data[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        kind = tag & 3
        if kind == 0:
            length = tag >> 2
            if length >= 60:
                extra = length - 59
                length = int.from_bytes(data[at:at + extra], "little")
                at += extra
            length += 1
            out += data[at:at + length]
            at += length
            continue
        if kind == 1:
            length, offset = ((tag >> 2) & 7) + 4, ((tag >> 5) << 8) | data[at]
            at += 1
        else:
            wide = 2 if kind == 2 else 4
            length, offset = (tag >> 2) + 1, int.from_bytes(data[at:at + wide], "little")
            at += wide
        for _ in range(length):
            out.append(out[-offset])
    assert len(out) == size
    return bytes(out)


def fields(data):
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 2:
            length = varint()
            yield key >> 3, data[at:at + length]
            at += length
        elif key & 7 == 1:
            yield key >> 3, struct.unpack_from("<Q", data, at)[0]
            at += 8
        else:
            raise ValueError(f"wire type {key & 7}")


def entries(body):
    """(labels, line, structured metadata) of a push request."""
    for number, stream in fields(unsnap(body)):
        if number != 1:
            continue
        labels, found = "", []
        for one, value in fields(stream):
            if one == 1:
                labels = value.decode()
            elif one == 2:
                line, extra = "", {}
                for inner, content in fields(value):
                    if inner == 2:
                        line = content.decode()
                    elif inner == 3:
                        pair = dict(fields(content))
                        extra[pair.get(1, b"").decode()] = pair.get(2, b"").decode()
                found.append((line, extra))
        for line, extra in found:
            yield labels, line, extra


class Sink:
    """Answers 204, or what `status` says; 200 to a GET."""

    def __init__(self):
        sink = self
        self.entries, self.paths, self.headers, self.status = [], [], [], 204
        self.lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with sink.lock:
                    sink.paths.append(self.path)
                    sink.headers.append(dict(self.headers))
                    if sink.status == 204:
                        sink.entries.extend(entries(body))
                self.send_response(sink.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self):
                with sink.lock:
                    sink.paths.append(self.path)
                self.send_response(200 if sink.status == 204 else sink.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def seen(self):
        with self.lock:
            return list(self.entries)
