#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The yardsticks measure right: sink counts what came, podgen writes what it says.

  yardsticks_test.py BIN_FOLDER
"""
import gzip
import http.client
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time
import unittest

BIN = pathlib.Path(os.environ.get("AGENT_BIN_DIR", pathlib.Path(__file__).resolve().parents[2] / "build/release/bin"))
if __name__ == "__main__" and len(sys.argv) > 1:
    BIN = pathlib.Path(sys.argv.pop(1))
MARK = re.compile(rb"seq=(\d+):(\d+):(\d+)")


class Sink:
    """The program, and one connection to it."""

    def __init__(self, *options):
        self.process = subprocess.Popen([BIN / "sink", "--verify", *options], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def close(self):
        self.connection.close()
        self.process.terminate()
        code = self.process.wait(20)
        self.process.stdout.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, method, path, body=None, headers=None, chunked=False):
        self.connection.request(method, path, body, headers or {}, encode_chunked=chunked)
        answer = self.connection.getresponse()
        return answer.status, answer.read(), answer.headers

    def get(self, path):
        return json.loads(self.ask("GET", path)[1])

    def control(self, steps):
        return self.ask("POST", "/control", json.dumps(steps))[0]

    def push(self, streams, **headers):
        return self.ask("POST", "/loki/api/v1/push", body_of(streams),
                        {"Content-Type": "application/json", **headers})


def body_of(streams):
    """{pod: [line, ...]} as Loki's JSON."""
    return json.dumps({"streams": [{"stream": {"pod": pod}, "values": [["1700000000000000000", line] for line in lines]}
                                   for pod, lines in streams.items()]}).encode()


def marked(writer, *numbers):
    return [f"line seq={writer}:{number}:0" for number in numbers]


def make_tree(folder, *options):
    done = subprocess.run([BIN / "podgen", folder, *options], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def log_files(folder):
    return sorted(path for path in pathlib.Path(folder).rglob("*.log*") if path.is_file())


class SinkCounts(unittest.TestCase):
    def test_whole_and_in_order(self):
        with Sink() as sink:
            for part in (range(0, 50), range(50, 100)):
                self.assertEqual(sink.push({"a": marked(1, *part), "b": marked(2, *part)})[0], 204)
            stats = sink.get("/stats")
            self.assertEqual((stats["marks"], stats["entries"], stats["streams"]), (200, 200, 2))
            self.assertEqual((stats["missing"], stats["duplicates"], stats["reordered"]), (0, 0, 0))

    def test_tells_a_gap_a_double_and_a_swap_apart(self):
        rows = [  # numbers in one stream -> missing, duplicates, reordered
            ([0, 1, 2], (0, 0, 0)), ([0, 2], (1, 0, 0)), ([1, 2], (1, 0, 0)), ([0, 1, 1], (0, 1, 0)),
            ([0, 2, 1], (0, 0, 1)), ([0, 1, 2, 0, 1, 2, 3], (0, 3, 0)), ([3, 2, 1, 0], (0, 0, 3)),
        ]
        for numbers, expected in rows:
            with self.subTest(numbers=numbers), Sink() as sink:
                sink.push({"a": marked(7, *numbers)})
                stats = sink.get("/stats")
                self.assertEqual((stats["missing"], stats["duplicates"], stats["reordered"]), expected)
                self.assertEqual(stats["writers"][0]["writer"], 7)

    def test_a_repeat_that_loki_would_not_hide_is_different(self):
        rows = [({"a": "x"}, "5", 0), ({"a": "y"}, "5", 1), ({"a": "x"}, "6", 1), ({"a": "x", "b": "x"}, "5", 1)]
        for labels, time_text, different in rows:
            with self.subTest(labels=labels, time=time_text), Sink() as sink:
                for stream, when in (({"a": "x"}, "5"), (labels, time_text)):
                    body = {"streams": [{"stream": stream, "values": [[when, "m seq=1:0:0"]]}]}
                    sink.ask("POST", "/loki/api/v1/push", json.dumps(body).encode(), {"Content-Type": "application/json"})
                stats = sink.get("/stats")
                self.assertEqual((stats["duplicates"], stats["different"]), (1, different))
                self.assertEqual(stats["duplicate_bytes"], 11)

    def test_order_is_asked_for_within_a_stream_only(self):
        with Sink() as sink:
            sink.push({"info": marked(1, 1, 3)})
            sink.push({"error": marked(1, 0, 2)})
            self.assertEqual(sink.get("/stats")["reordered"], 0)
            self.assertEqual(sink.get("/stats")["missing"], 0)

    def test_reads_every_mark_of_a_joined_entry_and_none_that_only_looks_so(self):
        with Sink() as sink:
            sink.push({"a": ["\n".join(marked(1, 0, 1, 2)), "icmp_seq=3 ttl=64", "seq=1:x", "seq=1:2"]})
            stats = sink.get("/stats")
            self.assertEqual((stats["marks"], stats["unmarked"]), (3, 3))

    def test_shows_labels_lines_and_metadata(self):
        body = {"streams": [{"stream": {"pod": 'q"\\é', "x": "1"}, "values": [["5", "last", {"k": "v"}]]}]}
        with Sink() as sink:
            sink.ask("POST", "/loki/api/v1/push", json.dumps(body).encode(), {"Content-Type": "application/json"})
            stream = sink.get("/streams?limit=9")[0]
            self.assertEqual(stream["labels"], {"pod": 'q"\\é', "x": "1"})
            self.assertEqual(stream["last"], [{"ts": "5", "line": "last", "metadata": {"k": "v"}}])

    def test_takes_gzip_and_chunks(self):
        with Sink() as sink:
            headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
            body = gzip.compress(body_of({"a": marked(1, 0)}))
            self.assertEqual(sink.ask("POST", "/loki/api/v1/push", body, headers)[0], 204)
            whole = body_of({"a": marked(1, 1)})
            pieces = iter([whole[:7], whole[7:30], whole[30:]])
            self.assertEqual(sink.ask("POST", "/loki/api/v1/push", pieces,
                                      {"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
                                      chunked=True)[0], 204)
            self.assertEqual(sink.get("/stats")["marks"], 2)

    def test_survives_garbage(self):
        seed = random.randrange(1 << 30)
        dice = random.Random(seed)
        with self.subTest(seed=seed), Sink() as sink:
            for size in [0, 1, 2, 3, 17, 400] * 40:
                path = dice.choice(["/loki/api/v1/push", "/otlp/v1/logs", "/control"])
                kind = dice.choice(["application/json", "application/x-protobuf"])
                status = sink.ask("POST", path, dice.randbytes(size), {"Content-Type": kind})[0]
                self.assertIn(status, (200, 204, 400))
            self.assertEqual(sink.get("/stats")["entries"], 0)
            self.assertEqual(sink.close(), 0)

    def test_wait_answers_when_the_lines_are_there_or_the_time_is_over(self):
        with Sink() as sink:
            self.assertEqual(sink.get("/wait?marks=1&timeout_ms=10")["marks"], 0)
            other = http.client.HTTPConnection("127.0.0.1", sink.port, timeout=20)
            other.request("GET", "/wait?marks=3&timeout_ms=20000")
            sink.push({"a": marked(1, 0, 1, 2)})
            self.assertEqual(json.loads(other.getresponse().read())["marks"], 3)
            other.close()


class SinkMisbehaves(unittest.TestCase):
    def test_steps_follow_one_another_and_end(self):
        with Sink() as sink:
            sink.control([{"status": 500, "count": 2}, {"status": 429, "count": 1, "retry_after": 7, "body": "slow"}])
            self.assertEqual(sink.push({"a": marked(1, 0)})[0], 500)
            self.assertEqual(sink.push({"a": marked(1, 0)})[0], 500)
            status, body, headers = sink.push({"a": marked(1, 0)})
            self.assertEqual((status, body, headers["Retry-After"]), (429, b"slow\n", "7"))
            self.assertEqual(sink.get("/stats")["entries"], 0)
            self.assertEqual(sink.push({"a": marked(1, 0)})[0], 204)
            self.assertEqual(sink.get("/stats")["answers"], {"204": 1, "429": 1, "500": 2})

    def test_stores_what_loki_would(self):
        rows = [  # as -> status, entries stored of stream a and b
            ("ingestion_rate", 429, {}), ("too_large", 413, {}), ("stream_rate", 429, {"a": 2}),
            ("too_far_behind", 400, {"a": 2}), ("line_too_long", 400, {"a": 2}), ("too_old", 400, {"a": 2}),
            ("too_new", 400, {"a": 2}), ("label_names", 400, {"a": 2}),
        ]
        for word, expected, stored in rows:
            with self.subTest(word), Sink() as sink:
                sink.control({"as": word, "match": 'pod="b"', "count": 1})
                status, body, _ = sink.push({"a": marked(1, 0, 1), "b": marked(2, 0)})
                self.assertEqual(status, expected)
                self.assertGreater(len(body), 20)
                found = {stream["labels"]["pod"]: stream["entries"] for stream in sink.get("/streams")}
                self.assertEqual(found, stored)

    def test_what_cannot_be_split_is_never_too_large(self):
        with Sink() as sink:
            sink.control({"as": "too_large", "count": 1})
            self.assertEqual(sink.push({"a": marked(1, 0)})[0], 204)
            self.assertEqual(sink.push({"a": marked(1, 1, 2)})[0], 413)
            self.assertEqual(sink.push({"a": marked(1, 1)})[0], 204)

    def test_stream_limit_refuses_new_streams_only(self):
        with Sink() as sink:
            sink.push({"old": marked(1, 0)})
            sink.control({"as": "stream_limit"})
            self.assertEqual(sink.push({"old": marked(1, 1), "new": marked(2, 0)})[0], 429)
            self.assertEqual(sink.push({"old": marked(1, 2)})[0], 204)
            self.assertEqual([stream["entries"] for stream in sink.get("/streams")], [3])

    def test_drops_the_answer_after_storing_and_closes_before(self):
        for step, stored in (({"drop_answer": True}, 1), ({"close": True}, 0)):
            with self.subTest(step), Sink() as sink:
                sink.control({**step, "count": 1})
                with self.assertRaises((http.client.HTTPException, ConnectionError)):
                    sink.push({"a": marked(1, 0)})
                sink.connection.close()
                self.assertEqual(sink.get("/stats")["entries"], stored)

    def test_goes_away_and_comes_back_with_all_it_had(self):
        with Sink() as sink:
            sink.push({"a": marked(1, 0)})
            sink.ask("POST", "/down?ms=100")
            sink.connection.close()
            with self.assertRaises(ConnectionError):
                while True:  # until it has gone
                    sink.get("/stats")
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                sink.connection.close()
                try:
                    self.assertEqual(sink.get("/stats")["entries"], 1)
                    break
                except ConnectionError:
                    continue
            self.assertLess(time.monotonic(), deadline)

    def test_limits_and_delays(self):
        with Sink("--max-body=200", "--delay-ms=60") as sink:
            self.assertEqual(sink.push({"a": ["x" * 300]})[0], 413)
            began = time.monotonic()
            self.assertEqual(sink.push({"a": ["x"]})[0], 204)
            self.assertGreater(time.monotonic() - began, 0.055)

    def test_refuses_steps_that_it_does_not_understand(self):
        with Sink() as sink:
            sink.control({"status": 503})
            for wrong in ([{"statsu": 1}], {"as": "whatever"}, {"status": "x"}, 5):
                self.assertEqual(sink.control(wrong), 400)
            self.assertEqual(sink.push({"a": ["x"]})[0], 503)  # the old step still holds


class PodgenWrites(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sluice-yard-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_the_same_seed_gives_the_same_bytes(self):
        for name in ("a", "b"):
            make_tree(self.folder / name, "--pods=4", "--bytes=300k", "--sequence", "--start=1700000000", "--seed=5")
        first, second = ([(path.relative_to(self.folder / name), path.read_bytes())
                          for path in log_files(self.folder / name)] for name in ("a", "b"))
        self.assertEqual(len(first), 4)
        self.assertEqual(first, second)

    def test_the_manifest_tells_the_truth_for_every_kind(self):
        for kind in ("mixed", "nginx", "app", "klog", "ssh", "json", "java", "fixed"):
            with self.subTest(kind):
                manifest = make_tree(self.folder / kind, "--pods=4", "--bytes=200k", "--sequence", f"--kind={kind}")
                text = b"".join(path.read_bytes() for path in log_files(self.folder / kind))
                self.assertEqual(len(text), manifest["bytes"])
                self.assertEqual(text.count(b"\n"), manifest["lines"])
                self.assertEqual(len(set(MARK.findall(text))), manifest["lines"])
                head = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z std(out|err) F ")
                self.assertEqual([line for line in text.splitlines() if not head.match(line)], [])

    def test_json_lines_stay_json_and_docker_lines_too(self):
        make_tree(self.folder, "--pods=1", "--lines=50", "--kind=json", "--format=docker", "--sequence")
        for line in log_files(self.folder)[0].read_text().splitlines():
            self.assertIn("seq=0:", json.loads(json.loads(line)["log"])["mark"])

    def test_long_lines_come_in_partials(self):
        manifest = make_tree(self.folder, "--pods=1", "--lines=5", "--kind=long", "--stderr=0")
        pieces = [line.split(b" ", 3) for line in log_files(self.folder)[0].read_bytes().splitlines()]
        self.assertTrue(all(len(piece[3]) == 16384 for piece in pieces if piece[2] == b"P"))
        self.assertEqual(sum(piece[2] == b"F" for piece in pieces), 5)
        self.assertEqual(sum(len(piece[3]) for piece in pieces), manifest["line_bytes"])

    def test_rotation_loses_nothing_while_generations_are_kept(self):
        manifest = make_tree(self.folder, "--pods=2", "--rate=3MB/s", "--seconds=2.5", "--rotate-every-ms=1000",
                             "--keep=9", "--sequence")
        text = b""
        for path in log_files(self.folder):
            text += gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        self.assertGreaterEqual(manifest["rotations"], 2)
        self.assertTrue(any(path.suffix == ".gz" for path in log_files(self.folder)))
        self.assertEqual(len(set(MARK.findall(text))), manifest["lines"])
        self.assertGreater(int(MARK.findall(text)[0][2]), 0)  # live lines carry their time


class FloorReads(unittest.TestCase):
    def test_all_of_it_and_the_bare_loop_delivers_it(self):
        with tempfile.TemporaryDirectory(prefix="sluice-yard-") as folder, Sink() as sink:
            manifest = make_tree(folder, "--pods=7", "--bytes=3MiB", "--sequence")
            said = json.loads(subprocess.run([BIN / "floor", f"--send=http://127.0.0.1:{sink.port}", folder],
                                             stdout=subprocess.PIPE, check=True).stdout)
            self.assertEqual((said["bytes"], said["lines"], said["not_cri"]),
                             (manifest["bytes"], manifest["lines"], 0))
            stats = sink.get("/stats")
            self.assertEqual((stats["marks"], stats["missing"], stats["duplicates"], stats["reordered"]),
                             (manifest["lines"], 0, 0, 0))
            self.assertEqual(sum(each["lines"] for each in stats["writers"]), manifest["lines"])


if __name__ == "__main__":
    unittest.main()
