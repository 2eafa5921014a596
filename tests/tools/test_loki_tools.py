"""The harness itself: a Loki and a Promtail that start, take, give back, stop.

    python3 -m unittest -v tests/tools/test_loki_tools.py

pytest runs it as well.
"""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import loki as harness  # noqa: E402
import tools  # noqa: E402

SECOND = 10**9


def now() -> int:
    return time.time_ns()


class LokiTest(unittest.TestCase):
    """One Loki for all tests here; each test has a stream of its own."""

    @classmethod
    def setUpClass(cls):
        cls.loki = cls.enterClassContext(harness.Loki())

    def test_gives_back_what_it_took(self):
        ts = now()
        self.loki.push({"app": "back", "pod": "a-1"}, [(ts, "one")])
        self.loki.push({"app": "back", "pod": "a-1"}, [(ts + 1, "ž\t2", {"id": "7"})])
        labels = {"app": "back", "pod": "a-1"}
        self.assertEqual(
            self.loki.query_range('{app="back"}'),
            [(labels, ts, "one", {}), (labels, ts + 1, "ž\t2", {"id": "7"})],
        )
        self.assertEqual(self.loki.series('{app="back"}'), [labels])
        self.assertEqual(self.loki.count('{app="back"}'), 2)
        self.assertGreaterEqual(
            self.loki.metrics().sum("loki_distributor_lines_received_total"), 2
        )

    def test_adds_no_label_and_no_metadata(self):
        self.loki.push({"app": "bare"}, [(now(), "level=error something failed")])
        [entry] = self.loki.query_range('{app="bare"}')
        self.assertEqual(entry.labels, {"app": "bare"})
        self.assertEqual(entry.structured_metadata, {})

    def test_pages_without_loss_or_repeat(self):
        # Runs of equal timestamps across the ends of pages, in two streams.
        ts = now()
        lines = [(ts + i // 5, f"{i:04}") for i in range(1000)]
        self.loki.push({"app": "pages", "s": "a"}, lines)
        self.loki.push({"app": "pages", "s": "b"}, lines)
        with mock.patch.object(self.loki, "page", 7):
            found = self.loki.query_range('{app="pages"}')
        for stream in "a", "b":
            mine = [(e.ts_ns, e.line) for e in found if e.labels["s"] == stream]
            self.assertEqual(sorted(mine), lines)
        self.assertEqual(len(self.loki.query_range('{app="pages"}', limit=13)), 13)

    def test_old_lines_are_found(self):
        # The example of the CRI log format, everybody's fixture.
        ts = 1475712006 * SECOND
        self.loki.push({"app": "old"}, [(ts, "2016")])
        self.assertEqual(self.loki.query_range('{app="old"}'), [({"app": "old"}, ts, "2016", {})])

    def test_survives_kill_and_stop(self):
        ts = now()
        port = self.loki.http_port
        self.loki.push({"app": "lives"}, [(ts, "a")])
        self.loki.restart(kill=True)
        self.loki.push({"app": "lives"}, [(ts + 1, "b")])
        self.loki.restart()
        self.assertEqual(self.loki.http_port, port)
        self.assertEqual([e.line for e in self.loki.query_range('{app="lives"}')], ["a", "b"])

    def test_refuses_one_line_and_stores_the_rest(self):
        self.loki.set_overrides({"fake": {"max_line_size": "10B"}})
        ts = now()
        with self.assertRaises(harness.HttpError) as caught:
            self.loki.push({"app": "some"}, [(ts, "x" * 11), (ts + 1, "short")])
        self.assertEqual(caught.exception.status, 400)
        self.assertIn("max entry size", caught.exception.body)
        self.assertEqual([e.line for e in self.loki.query_range('{app="some"}')], ["short"])
        self.loki.set_overrides({})
        self.loki.push({"app": "some"}, [(ts, "x" * 11)])
        self.assertEqual(self.loki.count('{app="some"}'), 2)


class TenantTest(unittest.TestCase):
    def test_tenants_and_a_rate_limit(self):
        limits = {"ingestion_rate_mb": 0.001, "ingestion_burst_size_mb": 0.001}
        with harness.Loki(auth=True, limits=limits) as loki:
            with self.assertRaises(harness.HttpError) as caught:
                loki.push({"a": "b"}, [(now(), "x")])
            self.assertEqual(caught.exception.status, 401)
            with self.assertRaises(harness.HttpError) as caught:
                loki.push({"a": "b"}, [(now(), "x" * 2000)], tenant="t")
            self.assertEqual(caught.exception.status, 429)
            loki.push({"a": "b"}, [(now(), "x")], tenant="t")
            self.assertEqual(loki.count('{a="b"}', tenant="t"), 1)
            self.assertEqual(loki.query_range('{a="b"}', tenant="u"), [])

    def test_unknown_limit_is_refused(self):
        with self.assertRaisesRegex(ValueError, "max_linesize"):
            harness.Loki(binary="/bin/true", limits={"max_linesize": 1})


class PromtailTest(unittest.TestCase):
    def test_ships_a_file(self):
        with harness.Loki() as loki:
            path = loki.directory / "app.log"
            path.write_text("".join(f"line {i}\n" for i in range(100)))
            config = f"""
clients:
  - url: {loki.push_url}
    batchwait: 100ms
scrape_configs:
  - job_name: files
    static_configs:
      - targets: [localhost]
        labels: {{job: files, __path__: "{path}"}}
"""
            with harness.Promtail(config) as promtail:
                loki.wait_count('{job="files"}', 100)
                sent = promtail.metrics().sum("promtail_sent_entries_total")
                self.assertEqual(sent, 100)
                promtail.stop()
                self.assertIn(str(path), promtail.positions_path.read_text())
            found = loki.query_range('{job="files"}')
            self.assertEqual([e.line for e in found], [f"line {i}" for i in range(100)])
            self.assertEqual(found[0].labels, {"job": "files", "filename": str(path)})


class DeadTest(unittest.TestCase):
    def test_a_program_that_dies_says_why(self):
        with self.assertRaisesRegex(harness.ServerError, "status 1"):
            harness.Loki(binary="/bin/false").__enter__()


class FindTest(unittest.TestCase):
    """Finding a program, in an environment that has nothing."""

    def run_script(self, *arguments, **environment):
        bare = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment}
        return subprocess.run(
            ["bash", str(tools.SCRIPT), *arguments],
            env=bare,
            capture_output=True,
            text=True,
            check=False,
        )

    def setUp(self):
        self.cache = tempfile.TemporaryDirectory()
        self.addCleanup(self.cache.cleanup)

    def test_absent_is_status_3_and_one_sentence(self):
        done = self.run_script("--find", "loki", SLUICE_TOOLS=self.cache.name)
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertIn("NOT TO BE HAD: loki", done.stderr)

    def test_a_given_program_is_taken(self):
        done = self.run_script("loki", LOKI_BIN="/bin/true", SLUICE_TOOLS=self.cache.name)
        self.assertEqual((done.returncode, done.stdout), (0, "LOKI_BIN=/bin/true\n"))

    def test_a_given_program_that_is_none_is_wrong_use(self):
        done = self.run_script("loki", LOKI_BIN="/etc/passwd", SLUICE_TOOLS=self.cache.name)
        self.assertEqual(done.returncode, 2)

    def test_a_go_that_is_too_old_is_none(self):
        go = Path(self.cache.name, "go")
        go.write_text('#!/bin/sh\ncase $2 in GOVERSION) echo go1.19.8 ;; *) echo local ;; esac\n')
        go.chmod(0o755)
        path = f"{self.cache.name}:/usr/bin:/bin"
        done = self.run_script("all", PATH=path, SLUICE_TOOLS=self.cache.name)
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("Go 1.26.5 or newer is needed", done.stderr)
        self.assertIn("NOT TO BE HAD: loki promtail logcli", done.stderr)

    def test_another_loki_on_the_path_is_passed_over(self):
        def put(name, version):
            program = Path(self.cache.name, name)
            program.write_text(f"#!/bin/sh\necho '{version}'\n")
            program.chmod(0o755)

        path = f"{self.cache.name}:/usr/bin:/bin"
        put("loki", "loki 2.4.7, linkage analysis")
        done = self.run_script("--find", "loki", PATH=path, SLUICE_TOOLS=self.cache.name)
        self.assertEqual(done.returncode, 3)
        put("loki", "loki, version 3.6.15 (branch: x, revision: y)")
        done = self.run_script("--find", "loki", PATH=path, SLUICE_TOOLS=self.cache.name)
        self.assertEqual(done.stdout, f"LOKI_BIN={self.cache.name}/loki\n")

    def test_absent_is_a_skip_or_a_failure(self):
        loud = []

        def required(**environment):
            with mock.patch.dict(os.environ, environment), mock.patch.object(
                tools, "find", return_value=None
            ), contextlib.redirect_stderr(io.StringIO()) as said:
                try:
                    tools.require("loki")
                finally:
                    loud.append(said.getvalue())

        with self.assertRaises(unittest.SkipTest):
            required(CI="", SLUICE_NO_SKIP="")
        self.assertIn("SKIPPED: loki", loud[0])
        with self.assertRaises(tools.ToolMissing):
            required(CI="true", SLUICE_NO_SKIP="")
        with self.assertRaises(tools.ToolMissing):
            required(CI="", SLUICE_NO_SKIP="1")


if __name__ == "__main__":
    unittest.main()
