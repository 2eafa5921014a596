#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands in for the agent where the benchmarks themselves are tested: reads the
configuration they write, ships CRI files as JSON, and errs as TINY_AGENT says
(lose, double, swap, die).
"""
import glob
import json
import os
import re
import signal
import sys
import time
import urllib.request

config = open(sys.argv[1].split("=", 1)[1], encoding="utf-8").read()
url = re.search(r"url: (\S+)", config)[1]
targets = json.loads(re.search(r"static_configs: (.*)", config)[1])
error = os.environ.get("TINY_AGENT", "")
offsets = {}


def push(labels, lines):
    body = json.dumps({"streams": [{"stream": labels, "values": [["1", line] for line in lines]}]}).encode()
    urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"})).close()


def wrong(lines):
    """What the error makes of the lines of one push."""
    if error == "lose":
        return lines[1:]
    if error == "double":
        return lines + lines[:1]
    if error == "swap":
        return lines[1:2] + lines[:1] + lines[2:]
    return lines


def ship(path, labels):
    with open(path, "rb") as file:
        file.seek(offsets.get(path, 0))
        data = file.read()
    data = data[:data.rfind(b"\n") + 1]
    offsets[path] = offsets.get(path, 0) + len(data)
    streams = {}
    for line in data.decode().splitlines():
        _, stream, _, text = line.split(" ", 3)
        streams.setdefault(stream, []).append(text)
    for stream, lines in streams.items():
        push({**labels, "filename": path, "stream": stream}, wrong(lines))


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True:
    for target in targets:
        labels = dict(target["labels"])
        for path in glob.glob(labels.pop("__path__")):
            ship(path, labels)
            if error == "die":
                sys.exit(3)
    time.sleep(0.01)
