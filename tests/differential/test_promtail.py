# SPDX-License-Identifier: Apache-2.0
"""The agent against the real Promtail: same configuration, same files, same entries.

All cases of one group run in one process of each program. What is compared: tenant,
labels, line bytes, structured metadata, order within a stream, and timestamps; only
where Promtail's timestamp is the time of reading, ours need merely be one as well.
"""

from __future__ import annotations

import collections
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cases as case_files  # noqa: E402
import side_by_side  # noqa: E402
import tools  # noqa: E402

SLACK_NS = 2_000_000_000
REFUSALS = "refused"

GROUPS = {path.stem: case_files.load(path) for path in sorted(case_files.FOLDER.glob("*.yaml"))}
INVALID = GROUPS.pop(REFUSALS)[1]
VALID = GROUPS.pop("accepted")[1]
CASES = [case for _, found in GROUPS.values() for case in found]


def _merged() -> dict:
    """Groups without a configuration of their own share one process."""
    runs: dict = {"": (None, [])}
    for name, (config, found) in GROUPS.items():
        if config is None:
            runs[""][1].extend(found)
        else:
            runs[name] = (config, found)
    return {name: run for name, run in runs.items() if run[1]}


@pytest.fixture(scope="session")
def promtail() -> Path:
    return tools.require("promtail")


@pytest.fixture(scope="session")
def results(promtail, tmp_path_factory) -> dict:
    """What both programs pushed, by the name of the case."""
    started = []
    try:
        for config, found in _merged().values():
            started.append(side_by_side.Run(promtail, tmp_path_factory.mktemp("run"), found, config))
        deadline = time.monotonic() + side_by_side.DEADLINE_S
        by_case = {}
        for run in started:
            result = run.result(deadline)
            by_case.update({case.name: result for case in run.cases})
        return by_case
    finally:
        for run in started:
            for side in run.sides:
                side.close()


def _read_time(ts: int, result) -> bool:
    return result.began - SLACK_NS <= ts <= result.ended + SLACK_NS


def _shown(entries: list, result) -> list:
    """Entries as plain tuples, times of reading made equal."""
    return [(e.tenant, e.labels, "read time" if _read_time(e.ts, result) else e.ts,
             e.line.encode("utf-8", "surrogateescape"), e.metadata) for e in entries]


def _arranged(shown: list, order: str) -> dict:
    """By stream; within a stream in order, unless no order is promised."""
    streams = collections.defaultdict(list)
    for entry in shown:
        streams[entry[:2]].append(entry[2:])
    return {key: sorted(found, key=repr) if order == "any" else found
            for key, found in streams.items()}


def _text(name: str, shown: list) -> str:
    rows = "\n".join(f"    {e!r}" for e in shown) or "    (nothing)"
    return f"  {name}:\n{rows}"


def _wanted(case, shown: list) -> list:
    """The expected entries of a case that differs on purpose, in the shape of _shown()."""
    wanted = []
    for item in case.expect:
        labels = {"case": case.name, **item.get("labels", {})}
        filename = [dict(e[1]).get("filename") for e in shown][:1]
        if filename and filename[0] and not item.get("no_filename"):
            labels.setdefault("filename", filename[0])
        wanted.append((item.get("tenant", "fake"), tuple(sorted(labels.items())),
                       item.get("ts", "read time"),
                       item["line"].encode("latin-1" if case.raw else "utf-8"),
                       tuple(sorted(item.get("metadata", {}).items()))))
    return wanted


@pytest.mark.parametrize("case", [
    pytest.param(c, id=f"{c.group}-{c.name}", marks=[
        pytest.mark.xfail(reason=c.known, strict=True)] if c.known else [])
    for c in CASES])
def test_same_entries(case, results):
    result = results[case.name]
    theirs = _shown(result.promtail[case.name], result)
    expected = case.expected_entries()
    assert len(theirs) == expected, (
        f"{case.name}: `entries` is not what Promtail sends\n" + _text("Promtail", theirs))
    if case.name in result.refused:
        pytest.fail(f"{case.name}: the agent refuses it:\n{result.refused[case.name]}")
    ours = _shown(result.agent[case.name], result)
    wanted = _wanted(case, ours) if case.differs else theirs
    same = _arranged(ours, case.order) == _arranged(wanted, case.order)
    assert same, f"{case.name}\n" + "\n".join(
        [_text("Promtail", theirs), _text("agent", ours)]
        + ([_text("meant", wanted)] if case.differs else []))
    if case.differs:
        assert _arranged(ours, case.order) != _arranged(theirs, case.order), (
            f"{case.name}: says it differs, but Promtail sends the same")


def test_every_entry_belongs_to_a_case(results):
    names = {case.name for case in CASES}
    for result in {id(r): r for r in results.values()}.values():
        assert set(result.agent) <= names and set(result.promtail) <= names


def test_names_are_unique_and_there_are_enough():
    names = [case.name for case in CASES + INVALID + VALID]
    twice = [name for name, count in collections.Counter(names).items() if count > 1]
    assert not twice
    assert len(names) >= 150


@pytest.mark.parametrize("case", [
    pytest.param(c, id=c.name, marks=[
        pytest.mark.xfail(reason=c.known, strict=True)] if c.known else [])
    for c in INVALID])
def test_both_refuse_at_start(case, promtail, tmp_path):
    """A configuration Promtail does not start with, the agent does not take either."""
    own = case.nodes.get("config")
    text = case_files.configuration([case], tmp_path, tmp_path / "positions.yaml",
                                    "http://127.0.0.1:1/", own)
    status, said = side_by_side.promtail_start(promtail, text, tmp_path / "promtail.yaml")
    refuses = status not in (None, 0)
    assert refuses == (case.promtail == "refuses"), f"Promtail: status {status}\n{said[-2000:]}"
    code, said = side_by_side.check_syntax(text, tmp_path / "agent.yaml")
    assert code not in (0, -6, -11), f"the agent accepts it (status {code})\n{said[-2000:]}"


@pytest.mark.parametrize("case", VALID, ids=lambda c: c.name)
def test_both_take_at_start(case, promtail, tmp_path):
    """An odd configuration that Promtail starts with; what it does there, other cases see."""
    text = case_files.configuration([case], tmp_path, tmp_path / "positions.yaml", "http://127.0.0.1:1/",
                                    case.nodes.get("config"))
    status, said = side_by_side.promtail_start(promtail, text, tmp_path / "promtail.yaml")
    assert status is None, f"Promtail: status {status}\n{said[-2000:]}"
    code, said = side_by_side.check_syntax(text, tmp_path / "agent.yaml")
    assert code == 0, f"the agent refuses it (status {code})\n{said[-2000:]}"
