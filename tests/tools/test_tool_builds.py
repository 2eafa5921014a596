# SPDX-License-Identifier: Apache-2.0
"""scripts/build-helm-tools.sh beside another build of its own.

Once a lock covered all tools: the end-to-end tests wanted promtool, which is there in a
second, and waited minutes for a kube-apiserver that the background compiled at leisure.
"""
import fcntl
import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/build-helm-tools.sh"


def asked_for(name: str, tools: Path, programs: Path, timeout: float) -> subprocess.CompletedProcess:
    programs.mkdir(exist_ok=True)
    for program in ("go", "promtool"):
        (programs / program).write_text("#!/bin/sh\n")
        (programs / program).chmod(0o755)
    env = dict(os.environ, SLUICE_TOOLS=str(tools), PATH=f"{programs}:{os.environ['PATH']}")
    return subprocess.run([SCRIPT, name], env=env, timeout=timeout, text=True, capture_output=True)


def test_a_tool_does_not_wait_for_another_one(tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    with open(tools / ".kube-apiserver.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = asked_for("promtool", tools, tmp_path / "bin", timeout=60)
    assert done.returncode == 0, done.stderr
    assert (tools / "promtool").is_symlink()


def test_two_builds_of_one_tool_take_turns(tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    with open(tools / ".promtool.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            asked_for("promtool", tools, tmp_path / "bin", timeout=2)
        except subprocess.TimeoutExpired:
            pass
        else:
            raise AssertionError("it did not wait for the other build")
    assert asked_for("promtool", tools, tmp_path / "bin", timeout=60).returncode == 0
