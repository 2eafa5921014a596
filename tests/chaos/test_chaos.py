# SPDX-License-Identifier: Apache-2.0
"""A minute of chaos with fixed seeds; `make soak` for longer, with new ones."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from chaos_node import SCENARIOS  # noqa: E402

SECONDS = float(os.environ.get("CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("CHAOS_SEED", "20260302"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_nothing_is_lost_and_nothing_is_reordered(scenario, tmp_path):
    scenario(tmp_path / "run", SEED, SECONDS * SCENARIOS[scenario])
