# SPDX-License-Identifier: Apache-2.0
"""What goes wrong from outside: a message, a count, never lost data, never a crash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "support")]

from loki import free_ports  # noqa: E402
from running import AGENT, ROOT, Agent, Pods, Sink, pod_config, wait_for  # noqa: E402


def run(*arguments: str, stdin: bytes = b"", cwd=None) -> subprocess.CompletedProcess:
    return subprocess.run([str(AGENT), *arguments], input=stdin, capture_output=True, timeout=30, cwd=cwd,
                          env={**os.environ, "TZ": "UTC"})  # a dry run prints local times


def lines_of(sink: Sink, pod: str) -> int:
    return sum(row["entries"] for row in sink.streams() if pod in str(row["labels"]))


def test_every_problem_of_a_configuration_at_once_and_nothing_is_read(tmp_path):
    config = tmp_path / "bad.yaml"
    config.write_text("""clients:
  - ulr: http://127.0.0.1:1/loki/api/v1/push
positions:
  filename: [a]
scrape_configs:
  - job_name: a
    pipeline_stages:
      - regex: {expression: '('}
      - jsn: {}
    static_configs:
      - labels: {__path__: /x}
  - job_name: b
    journal: {}
""")
    done = run(f"--config.file={config}", f"--positions.file={tmp_path}/p.yaml")
    assert done.returncode == 1
    text = done.stderr.decode()
    for place, words in (("bad.yaml:2:", "did you mean `url`"), ("bad.yaml:4:", "filename"),
                         ("bad.yaml:8:", "("), ("bad.yaml:9:", "did you mean \"json\""), ("bad.yaml:13:", "journal")):
        assert any(place in line and words in line for line in text.splitlines()), (place, words, text)
    assert not (tmp_path / "p.yaml").exists()


@pytest.mark.parametrize("arguments, words", [
    (["--no-such-flag"], "no-such-flag"),
    (["--client.timeout=5"], "5"),
    (["--output=xml"], "text or json"),
    (["file-without-dry-run"], "--dry-run"),
])
def test_a_wrong_command_line_ends_with_2(arguments, words):
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr.decode()


def test_help_and_version():
    done = run("--help")
    assert done.returncode == 2 and len(done.stdout.splitlines()) <= 40
    done = run("-version")
    assert done.returncode == 0 and done.stdout.startswith(b"agent, version ")


def test_no_client_is_an_error(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("scrape_configs: []\n")
    done = subprocess.run([str(AGENT), f"--config.file={config}"], capture_output=True, timeout=30,
                          env={key: value for key, value in os.environ.items() if key != "LOKI_URL"})
    assert done.returncode == 1
    assert b"at least one client config must be provided" in done.stderr


def test_a_file_that_is_no_cri_ships_as_it_is(tmp_path):
    pods = Pods(tmp_path / "pods")
    path = pods.file("plain-1")
    path.write_text("no runtime wrote this\n")
    pods.write(path, "this one is")
    with Sink() as sink, Agent(pod_config(sink.push_url, pods.root), tmp_path / "a"):
        wait_for(lambda: lines_of(sink, "plain-1") == 2, "both lines")


@pytest.mark.parametrize("truncate, kept", [("false", 1), ("true", 2)])
def test_a_line_of_3_mib_is_dropped_or_cut_as_configured(tmp_path, truncate, kept):
    pods = Pods(tmp_path / "pods")
    path = pods.file("long-1")
    pods.write(path, "x" * (3 * 2**20), "short")
    extra = f"limits_config: {{max_line_size: 256kb, max_line_size_truncate: {truncate}}}"
    with Sink() as sink, Agent(pod_config(sink.push_url, pods.root, extra=extra), tmp_path / "a") as agent:
        wait_for(lambda: lines_of(sink, "long-1") == kept, f"{kept} lines")
        assert agent.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give up root")
def test_an_unreadable_file_is_reported_once_and_read_later(tmp_path):
    pods = Pods(tmp_path / "pods")
    path = pods.file("secret-1")
    pods.write(path, "hidden")
    path.chmod(0)
    folder = tmp_path / "a"
    folder.mkdir()
    os.chmod(tmp_path, 0o755)
    for parent in (tmp_path.parent, tmp_path.parent.parent):
        os.chmod(parent, 0o755)
    os.chown(folder, 65534, 65534)
    program = tmp_path / "agent"  # this source tree may lie where nobody else may look
    shutil.copy(AGENT, program)
    with Sink() as sink:
        agent = Agent(pod_config(sink.push_url, pods.root), folder, "--target.sync-period=500ms")
        with open(folder / "agent.log", "ab") as log:
            agent.process = subprocess.Popen(
                [str(program), f"--config.file={agent.config}", f"--positions.file={agent.positions}", *agent.arguments],
                stdout=log, stderr=log, user=65534, group=65534, extra_groups=[])
        try:
            wait_for(lambda: str(path) in agent.log, "a warning with the path")
            path.chmod(0o644)
            wait_for(lambda: lines_of(sink, "secret-1") == 1, "the line, once the file is readable")
            assert sum(str(path) in line and "level=warn" in line for line in agent.log.splitlines()) == 1
        finally:
            agent.kill()


def test_a_torn_positions_file_is_set_aside(tmp_path):
    pods = Pods(tmp_path / "pods")
    pods.write(pods.file("torn-1"), "line")
    with Sink() as sink:
        agent = Agent(pod_config(sink.push_url, pods.root), tmp_path / "a")
        agent.positions.write_text("positions:\n  /x: \"12")
        with agent:
            wait_for(lambda: lines_of(sink, "torn-1") == 1, "the line")
            assert agent.stop() == 0
        assert list(agent.folder.glob("positions.yaml.bad-*")), "the broken file is kept beside"
        assert "positions" in agent.log


def test_a_second_agent_on_one_positions_file_is_refused(tmp_path):
    pods = Pods(tmp_path / "pods")
    pods.write(pods.file("two-1"), "line")
    with Sink() as sink, Agent(pod_config(sink.push_url, pods.root), tmp_path / "a") as first:
        wait_for(lambda: lines_of(sink, "two-1") == 1, "the line")
        done = run(f"--config.file={first.config}", f"--positions.file={first.positions}")
        assert done.returncode == 1
        assert str(first.positions) in done.stderr.decode()
        assert first.alive()


def test_while_loki_is_away_reading_pauses_and_nothing_is_dropped(tmp_path):
    """The budget is small, the backlog larger: memory stays bounded, all lines arrive."""
    pods = Pods(tmp_path / "pods")
    paths = [pods.file(f"away-{i}") for i in range(4)]
    noise = os.urandom(1 << 20).hex()
    for path in paths:
        pods.write(path, *(f"{i:05d} " + noise[(i * 997) % 1000000:][:900] for i in range(8000)))
    port, = free_ports(1)
    config = pod_config(f"http://127.0.0.1:{port}/loki/api/v1/push", pods.root,
                        client="    backoff_config: {min_period: 100ms, max_period: 500ms}\n")
    with Agent(config, tmp_path / "a", "--memory-limit=8MB") as agent:
        status = Path(f"/proc/{agent.process.pid}/status")
        wait_for(lambda: "pushing" in agent.log or "push" in agent.log, "a word about the missing Loki")
        # The CPU stands still once the budget is used up.
        stat = Path(f"/proc/{agent.process.pid}/stat")

        def cpu() -> int:
            fields = stat.read_text().rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])

        wait_for(lambda: (before := cpu()) is not None and not wait_a_moment() and cpu() - before <= 2,
                 "the agent to wait quietly")
        resident = int(next(line for line in status.read_text().splitlines() if line.startswith("VmRSS")).split()[1])
        assert resident < (8 + 32) * 1024, f"{resident} KiB resident"
        with Sink("--port", str(port)) as sink:
            wait_for(lambda: sum(lines_of(sink, f"away-{i}") for i in range(4)) == 32000, "32000 lines", 60)
            assert agent.stop() == 0


def wait_a_moment() -> None:
    """A fifth of a second for the kernel's CPU accounting; nothing depends on its length."""
    import select
    select.select([], [], [], 0.2)


def test_shutdown_is_bounded_while_loki_does_not_answer(tmp_path):
    pods = Pods(tmp_path / "pods")
    pods.write(pods.file("slow-1"), "line")
    with Sink("--delay-ms=60000") as sink:
        with Agent(pod_config(sink.push_url, pods.root), tmp_path / "a", "--shutdown-timeout=1s") as agent:
            # Not connections: each look at the counts is one as well.
            wait_for(lambda: sink.stats()["requests"] >= 1, "a push that is not answered")
            assert agent.stop(seconds=10) == 0
    with Sink() as sink, Agent(pod_config(sink.push_url, pods.root), tmp_path / "a"):
        wait_for(lambda: lines_of(sink, "slow-1") == 1, "the line, by the next start")


def test_standard_input_and_the_formats(tmp_path):
    done = run("--dry-run", "-", "--output=json", stdin=b"one\ntwo without newline")
    assert done.returncode == 0, done.stderr
    rows = done.stdout.decode().splitlines()
    assert '"line":"one"' in rows[0] and '"line":"two without newline"' in rows[1]
    assert '"summary"' in rows[-1]
    done = run("--dry-run", str(tmp_path / "missing.log"))
    assert done.returncode == 1 and b"missing.log" in done.stderr


def examples() -> list[tuple[str, str]]:
    """Commands and what they print, as config/examples/README.md says."""
    text = (ROOT / "config" / "examples" / "README.md").read_text()
    blocks = text.split("```console\n")[1:]
    return [tuple(block.split("```", 1)[0].split("\n", 1)) for block in blocks]


@pytest.mark.parametrize("command, expected", examples())
def test_the_samples_print_what_their_documentation_says(command, expected):
    words = command.removeprefix("$ agent ").split()
    done = run(*words, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().replace(str(ROOT), "/sluice") == expected


def test_every_sample_configuration_is_valid():
    for path in sorted((ROOT / "config" / "examples").glob("*.yaml")):
        done = run(f"--config.file={path}", "--check-syntax")
        assert done.returncode == 0, (path, done.stderr)
