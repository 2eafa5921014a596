#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The benchmark scripts: they refuse a number where lines are missing, and judge right.

  scripts_test.py BUILD_FOLDER
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
BUILD = ROOT / "build" / "release"
if __name__ == "__main__" and len(sys.argv) > 1:
    BUILD = pathlib.Path(sys.argv.pop(1))

import compare  # noqa: E402
import flame  # noqa: E402
import harness  # noqa: E402
import instructions  # noqa: E402
import report  # noqa: E402
import scenarios  # noqa: E402
import svg  # noqa: E402


def e2e(*words, error=""):
    return subprocess.run([sys.executable, ROOT / "bench" / "e2e.py", "--quick", f"--build={BUILD}",
                           f"--agent={ROOT / 'tests' / 'bench' / 'tiny_agent.py'}", "--size=1", "--timeout=6", *words],
                          capture_output=True, text=True, env={**os.environ, "TINY_AGENT": error})


class EndToEnd(unittest.TestCase):
    def test_a_run_that_is_whole_gives_a_number(self):
        done = e2e("cri", "multiline")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("| agent "), 2)

    def test_a_run_that_is_not_gives_none(self):
        for error, word in (("lose", "lines came within"), ("double", "duplicates"), ("swap", "reordered"),
                            ("die", "the program ended")):
            with self.subTest(error):
                done = e2e("cri", error=error)
                self.assertEqual(done.returncode, 1)
                self.assertIn("NO NUMBER for cri", done.stderr)
                self.assertIn(word, done.stderr)
                self.assertNotIn("agent ", done.stdout)

    def test_the_live_points_see_every_line(self):
        done = e2e("latency")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("batchwait 100ms", done.stdout)


class Judgement(unittest.TestCase):
    def test_a_verdict_needs_ranges_that_do_not_overlap(self):
        rows = [([10, 11, 12], [13, 14, 15], 14 / 11 - 1), ([10, 11, 12], [7, 8, 9], 8 / 11 - 1),
                ([10, 11, 12], [12, 13, 14], 0), ([10, 11, 30], [13, 14, 15], 0)]
        for base, head, expected in rows:
            with self.subTest(base=base, head=head):
                self.assertAlmostEqual(compare.verdict(base, head)[0], expected)

    def test_a_budget_has_a_tolerance_for_instructions_and_none_for_allocations(self):
        budget = {"instructions": 1000, "allocations": 0.002}
        rows = [(1029, 0.002, 0), (1031, 0.002, 1), (900, 0.009, 0), (1000, 1.0, 1), (2000, 0.011, 2)]
        for count, allocations, wrong in rows:
            with self.subTest(count=count, allocations=allocations):
                found = {"instructions": count, "allocations": allocations}
                self.assertEqual(len(instructions.check(found, budget, 0.03)), wrong)
        self.assertEqual(len(instructions.check({"instructions": 1, "allocations": 1.0}, None, 0.03)), 1, "without a budget, too")
        self.assertEqual(instructions.check({"instructions": 1, "allocations": 1.0}, None, 0.03, 1.5), [])

    def test_every_stage_is_in_a_job_or_has_a_reason(self):
        listed = set(re.findall(r"^AGENT_STAGE\((\w+)\)", (harness.ROOT / "agent/stage/stages.inc").read_text(), re.M))
        jobs = instructions.jobs
        self.assertGreater(len(listed), 20)
        self.assertEqual(listed - jobs.stages_with_a_job() - set(jobs.WITHOUT_A_JOB), set())
        self.assertEqual(set(jobs.WITHOUT_A_JOB) & jobs.stages_with_a_job(), set())

    def test_a_stage_alone_is_measured_against_the_floor_and_regex_against_re2(self):
        for found, met in (({"share_of_floor": 0.7}, True), ({"share_of_floor": 0.6}, False)):
            self.assertIs(instructions.goals_of("json", found)[1], met)
        for over, met in ((1.1, True), (1.3, False)):
            self.assertIs(instructions.goals_of("regex", {"share_of_floor": 1, "over_re2": over})[1], met)

    def test_every_job_has_a_base_that_exists(self):
        jobs = instructions.jobs
        for name in jobs.JOBS:
            base = jobs.base_of(name)
            self.assertTrue(base is None or jobs.JOBS[base][0] == jobs.JOBS[name][0], name)


class Documents(unittest.TestCase):
    def test_a_block_is_rewritten_and_the_rest_is_left(self):
        text = "before\n<!-- bench:stages -->\nold\n<!-- /bench -->\nafter\n"
        fresh = report.render(text)
        self.assertNotIn("old", fresh)
        self.assertTrue(fresh.startswith("before\n<!-- bench:stages -->\n") and fresh.endswith("<!-- /bench -->\nafter\n"))
        self.assertEqual(report.render(fresh), fresh)

    def test_an_unknown_block_is_an_error(self):
        with self.assertRaises(SystemExit):
            report.render("<!-- bench:nothing -->\n<!-- /bench -->")

    def test_without_results_a_block_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            kept, harness.RESULTS = harness.RESULTS, pathlib.Path(folder)
            try:
                for block in ("jobs", "points", "peers", "scaling", "readme", "sizing", "profile", "stage-speed"):
                    self.assertEqual(report.render(f"<!-- bench:{block} -->\n<!-- /bench -->"),
                                     f"<!-- bench:{block} -->\n{report.MISSING}<!-- /bench -->")
            finally:
                harness.RESULTS = kept

    def test_a_flame_graph_is_as_wide_as_its_samples(self):
        text = ("lane-0\n    1a inner<int>::Run(int, std::vector<a>)\n    2b outer(unsigned long)\n\n"
                "lane-0\n    3c other\n    2b outer(unsigned long)\n\nnet\n    4d a < b\n\n")
        stacks = list(flame.stacks_of(text))
        self.assertEqual(stacks, [["lane-0", "outer", "inner::Run"], ["lane-0", "outer", "other"], ["net", "a < b"]])
        root = xml.etree.ElementTree.fromstring(flame.draw(flame.tree_of(stacks), "a & b"))
        widths = {group.find("{*}title").text: float(group.find("{*}rect").get("width")) for group in root.findall("{*}g")}
        self.assertAlmostEqual(widths["outer: 66.7%"], flame.WIDTH * 2 / 3, delta=0.1)
        self.assertAlmostEqual(widths["inner::Run: 33.3%"], flame.WIDTH / 3, delta=0.1)

    def test_pictures_are_well_formed(self):
        for log in (False, True):
            text = svg.chart("a < b & c", "x", "y", {"one": [(1, 5), (10, 7), (1000, 9)], "two": [(1, 1), (1000, 0.5)]},
                             log_x=log, log_y=log)
            root = xml.etree.ElementTree.fromstring(text)
            self.assertEqual(len(root.findall("{*}polyline")), 2)
            self.assertEqual(len(root.findall("{*}circle")), 5)


class Configurations(unittest.TestCase):
    def test_many_pods_share_one_glob(self):
        tree = lambda count: harness.Tree(pathlib.Path("/t"), {"writers": [
            {"namespace": "n", "pod": f"p-{i}", "container": "c", "path": f"/t/n_p-{i}_u/c/0.log"} for i in range(count)]})
        self.assertEqual(len(scenarios.static_targets(tree(20))), 20)
        self.assertEqual(len(scenarios.static_targets(tree(500))), 1)


if __name__ == "__main__":
    unittest.main()
