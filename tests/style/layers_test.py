#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on an include that cmake/layers.txt does not allow, and on files over size.

A room includes lower rooms only; ROOM/internal/ belongs to its room; third-party
headers enter a room only if its line names their library.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINE = re.compile(r"^(\d+) +([a-z]+) *: *(.*)$")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
# Header prefix -> the library's word in layers.txt.
LIBRARIES = [
    ("fmt/", "fmt"), ("spdlog/", "spdlog"), ("re2/", "re2"), ("simdjson", "simdjson"),
    ("absl/", "absl"), ("prometheus/", "prometheus"), ("yaml-cpp/", "yaml-cpp"),
    ("boost/", "boost"), ("curl/", "curl"), ("zlib.h", "zlib"), ("snappy", "snappy"),
    ("google/protobuf/", "protobuf"), ("push.pb.h", "protobuf"), ("maxminddb.h", "maxminddb"),
    ("openssl/", "openssl"), ("iconv.h", "iconv"), ("bzlib.h", "bzip2"), ("systemd/", "systemd"),
]
HARD = {".h": 300, ".cc": 500}


def read_table(path):
    rooms = {}
    for line in path.read_text().splitlines():
        match = LINE.match(line)
        if match:
            rooms[match[2]] = (int(match[1]), set(match[3].split()))
    return rooms


def check(root, rooms):
    problems = []
    for path in sorted((root / "agent").rglob("*")):
        if path.suffix not in (".h", ".cc", ".inc"):
            continue
        place = path.relative_to(root)
        lines = path.read_text(errors="replace").splitlines()
        if path.suffix in HARD and len(lines) > HARD[path.suffix]:
            problems.append(f"{place}: {len(lines)} lines; at most {HARD[path.suffix]} (split along an idea)")
        if len(place.parts) < 3:
            continue  # agent/main.cc
        room = place.parts[1]
        if room not in rooms:
            problems.append(f"{place}: room '{room}' is not in cmake/layers.txt")
            continue
        level, libraries = rooms[room]
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            where, header = f"{place}:{number}", match[2]
            if header.startswith("agent/"):
                other = header.split("/")[1]
                if other not in rooms:
                    problems.append(f"{where}: no room '{other}'")
                elif other != room and rooms[other][0] >= level:
                    problems.append(f"{where}: {room} (level {level}) must not include "
                                    f"{other} (level {rooms[other][0]})")
                elif other != room and "/internal/" in header:
                    problems.append(f"{where}: {header} is private to {other}")
                continue
            for prefix, library in LIBRARIES:
                if header.startswith(prefix) and library not in libraries:
                    problems.append(f"{where}: {room} must not use {library} (see cmake/layers.txt)")
    return problems


def main():
    rooms = read_table(ROOT / "cmake" / "layers.txt")
    if len(rooms) < 10:
        sys.exit("cmake/layers.txt: fewer rooms than expected; is the format still right?")
    problems = check(ROOT, rooms)
    for problem in problems:
        print(problem)
    print(f"{len(rooms)} rooms, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
