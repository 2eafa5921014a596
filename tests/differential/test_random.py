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
import random_hosts  # noqa: E402
import random_run  # noqa: E402
import tools  # noqa: E402

SEEDS = range(1, 101)
HOSTS = range(1, 25)


@pytest.fixture(scope="module")
def promtail() -> Path:
    return tools.require("promtail")


def test_random_configurations(promtail, tmp_path):
    comparison = random_run.Comparison(promtail, tmp_path)
    comparison.batch([random_cases.make(seed) for seed in SEEDS])
    assert comparison.compared > len(SEEDS) / 2
    assert not comparison.verdicts, "\n".join(f"seed {v.case.name[1:]}: {v.what}\n{v.text}" for v in comparison.verdicts)


def test_random_hosts(promtail):
    """Several jobs, targets and clients: what each client gets."""
    different = random_hosts.confirmed(promtail, list(HOSTS))
    assert not different, "\n".join(f"seed {seed}:\n{text}" for seed, text in different.items())


def test_seeds_make_the_same_hosts_again():
    texts, again = ([random_hosts.Setting(seed).text for seed in HOSTS] for _ in range(2))
    assert texts == again
    for part in ("file_sd_configs", "relabel_configs", "external_labels", "__path_exclude__", "max_line_size", '"client"', "tenant_id"):
        assert any(part in text for text in texts), part
    nameless = [text for text in texts if "URL1" in text and '"name"' not in text]
    assert nameless  # clients told apart by nothing but their order


def test_seeds_make_the_same_cases_again():
    first, again = (random_run.Comparison(Path("promtail"), Path("/x")).text([random_cases.make(s) for s in SEEDS])
                    for _ in range(2))
    assert first == again
    used = set(re.findall(r'^ +- "(\w+)":', first, re.M))
    assert set(random_cases.stages.STAGES) - used == set()
