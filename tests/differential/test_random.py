# SPDX-License-Identifier: Apache-2.0
"""Random configurations over random lines through both programs: a small part, from fixed
seeds, of what random_run.py compares by the thousand."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import random_cases  # noqa: E402
import random_run  # noqa: E402
import tools  # noqa: E402

SEEDS = range(1, 101)


@pytest.fixture(scope="module")
def promtail() -> Path:
    return tools.require("promtail")


def test_random_configurations(promtail, tmp_path):
    comparison = random_run.Comparison(promtail, tmp_path)
    comparison.batch([random_cases.make(seed) for seed in SEEDS])
    assert comparison.compared > len(SEEDS) / 2
    assert not comparison.verdicts, "\n".join(f"seed {v.case.name[1:]}: {v.what}\n{v.text}" for v in comparison.verdicts)


def test_seeds_make_the_same_cases_again():
    first, again = (random_run.Comparison(Path("promtail"), Path("/x")).text([random_cases.make(s) for s in SEEDS])
                    for _ in range(2))
    assert first == again
    used = set(re.findall(r'^ +- "(\w+)":', first, re.M))
    assert set(random_cases.stages.STAGES) - used == set()
