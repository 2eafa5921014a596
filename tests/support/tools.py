"""Finds the foreign programs that tests run: Loki, Promtail, logcli.

All the finding is done by scripts/build-tools.sh; this file asks it once for
each program and applies one rule: a program that is not to be had skips the
test, loudly. With CI=true or SLUICE_NO_SKIP=1 it fails the test instead.
"""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
import sys
import unittest
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "build-tools.sh"

_NOT_TO_BE_HAD = 3


class ToolMissing(AssertionError):
    """A program is missing where a skip is not allowed."""


class ToolBroken(AssertionError):
    """A program could be had, but its build failed."""


def skip_is_failure() -> bool:
    """True where every test has to run: in CI, or when asked for."""
    return os.environ.get("CI", "").lower() in ("1", "true") or os.environ.get(
        "SLUICE_NO_SKIP", ""
    ).lower() in ("1", "true")


@functools.lru_cache(maxsize=None)
def find(name: str, build: bool = True) -> Path | None:
    """The path of a program, built if need be; None if it is not to be had.

    A build takes minutes when nothing is cached. Its progress goes to stderr.
    """
    command = [str(SCRIPT)] + ([] if build else ["--find"]) + [name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == _NOT_TO_BE_HAD:
        return None
    if done.returncode != 0:
        raise ToolBroken(
            f"{shlex.join(command)} ended with status {done.returncode}"
        )
    variable = f"{name.upper()}_BIN="
    for word in shlex.split(done.stdout):
        if word.startswith(variable):
            return Path(word[len(variable) :])
    raise ToolBroken(f"{shlex.join(command)} printed no {variable}...")


def require(name: str, build: bool = True) -> Path:
    """Like find(), but skips the running test, or fails it where that is the rule.

    The skip is unittest.SkipTest, which pytest counts as a skip as well.
    """
    path = find(name, build)
    if path is not None:
        return path
    skip(
        f"{name} is not to be had here: no {name.upper()}_BIN, no {name} on the "
        "PATH, none in the cache and no Go to build it with"
    )


def skip(text: str) -> NoReturn:
    """Skips the running test, loudly; fails it where that is the rule."""
    if skip_is_failure():
        raise ToolMissing(text + "; and this run allows no skip")
    print(f"\n*** SKIPPED: {text} ***", file=sys.stderr, flush=True)
    raise unittest.SkipTest(text)


def chromium() -> str:
    """A browser, as tests/browser/run.sh finds it."""
    name = os.environ.get("CHROMIUM", "chromium")
    found = shutil.which(name)
    if found is None:
        skip(f"there is no {name}; scripts/install-deps.sh browser installs it")
    return found
