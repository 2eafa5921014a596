# SPDX-License-Identifier: Apache-2.0
"""bench/outage.py with the real agent: some seconds without Loki that the disk outlasts cost
nothing, and a node that forgets loses exactly what the ledger says."""
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("AGENT_BIN_DIR", ROOT / "build" / "release" / "bin")).parent


def outage(folder, *words):
    saved = folder / "found"
    done = subprocess.run([sys.executable, ROOT / "bench" / "outage.py", f"--build={BUILD}", "--pods=4", "--max-backoff=1s",
                           "--together=2", "--settle=3", f"--save={saved}", *words], capture_output=True, text=True)
    return done, json.loads(saved.with_suffix(".json").read_text()) if done.returncode == 0 else {}


def test_what_the_disk_keeps_arrives_whole(tmp_path):
    done, found = outage(tmp_path, "--seconds=3", "--rate=4MB/s", "--rotate-size=4000000")
    assert done.returncode == 0, done.stderr + done.stdout
    assert found["lost_lines"] == 0 and found["drain"]["lost"] == 0, found


def test_what_the_disk_forgets_is_in_the_ledger(tmp_path):
    done, found = outage(tmp_path, "--seconds=6", "--rate=8MB/s", "--rotate-size=400000", "--keep=2", "--pinned=1MB")
    assert done.returncode == 0, done.stderr + done.stdout
    assert found["lost_lines"] > 0, "the test wants a node that forgets"
