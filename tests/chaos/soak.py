#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Chaos for as long as one says, a minute a round, each round with a new seed.

  soak.py [SECONDS] [SEED]

The first failure ends it, and leaves the run's folder with the agent's log behind.
"""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from chaos_node import SCENARIOS  # noqa: E402

ROUND_SECONDS = 60.0


def main(seconds: float, seed: int) -> int:
    began = time.monotonic()
    rounds = 0
    while rounds == 0 or time.monotonic() - began < seconds:
        for scenario, share in SCENARIOS.items():
            folder = Path(tempfile.mkdtemp(prefix="sluice-soak-"))
            print(f"== {scenario.__name__}, seed {seed}, {time.monotonic() - began:.0f} s", flush=True)
            try:
                scenario(folder / "run", seed, ROUND_SECONDS * share)
            except BaseException:
                print(f"failed; everything is in {folder}; again: soak.py 1 {seed}", file=sys.stderr, flush=True)
                raise
            shutil.rmtree(folder)
        rounds += 1
        seed += 1
    print(f"{rounds} rounds in {time.monotonic() - began:.0f} s: nothing lost, nothing reordered")
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 600.0,
                  int(sys.argv[2]) if len(sys.argv) > 2 else secrets.randbelow(2**31)))
