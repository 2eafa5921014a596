# SPDX-License-Identifier: Apache-2.0
"""A bad night: things break one after the other, and everybody who is asked names the cause.

For each failure five are asked: `agent explain`, the live page in a browser, the metrics,
the log, and the alerts of the chart, which Prometheus' own engine evaluates on what the
agent shows (tests/support/alerts.py): those that belong to the failure fire, and no other
does. Run it with
    python3 -m pytest -q tests/e2e/night.py
"""

from __future__ import annotations

import functools
import html
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "support")]

import alerts  # noqa: E402
import tools  # noqa: E402
from running import AGENT, ROOT, Agent, Pods, Sink, get, wait_for  # noqa: E402

# A scrape is a minute of Prometheus' time; the most patient alert waits for 30.
SCRAPES = 40


class Night:
    """An agent over a pod tree and a sink that can be told to misbehave."""

    def __init__(self, folder: Path, *, stages: str = "[{cri: {}}]", job: str = "", extra: str = "", sink_args: tuple = (),
                 push_url: str = "", root: Path | None = None, prefix: tuple = (), positions: Path | None = None):
        self.folder = folder
        self.pods = Pods(folder / "pods")
        self.sink = Sink(*sink_args)
        self.prefix = prefix
        config = f"""
server: {{http_listen_address: 127.0.0.1, http_listen_port: 0}}
clients: [{{name: main, url: "{push_url or self.sink.push_url}", batchwait: 100ms, backoff_config: {{min_period: 50ms, max_period: 200ms}}}}]
target_config: {{sync_period: 500ms}}
scrape_configs:
- job_name: pods
  pod_logs: {{root: {root or self.pods.root}}}
  pipeline_stages: {stages}
{job}
{extra}
"""
        self.agent = Agent(config, folder / "agent", "-shutdown-timeout=1s")
        self.positions = positions or self.agent.positions

    def __enter__(self):
        if self.prefix:
            self.start_with_prefix()
        else:
            self.agent.start()
        port = wait_for(lambda: re.search(r"msg=serving address=\S+ port=(\d+)", self.agent.log), f"the port; {self.agent.log}")[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    def start_with_prefix(self):
        with open(self.agent.folder / "agent.log", "ab") as log:
            self.agent.process = subprocess.Popen(
                [*self.prefix, str(AGENT), f"--config.file={self.agent.config}", f"--positions.file={self.positions}",
                 "--positions.sync-period=200ms"], stdout=log, stderr=log)

    def __exit__(self, *rest):
        self.agent.__exit__(*rest)
        self.sink.__exit__(*rest)

    # -- who is asked --

    def api(self, path: str) -> dict:
        return json.loads(get(self.url + path))

    def explain(self, pod: str) -> dict:
        """Through the command, as a person at night would."""
        done = subprocess.run([str(AGENT), "explain", f"--addr={self.url}", "--output=json", pod],
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def broken(self, pod: str, link: str, *words: str) -> dict:
        """Waits until explain names this link first, with these words in the verdict."""
        seen = {}

        def check():
            seen.update(self.explain(pod))
            return seen["first_broken"] == link and all(re.search(word, seen["verdict"]) for word in words)

        try:
            wait_for(check, "the verdict")
        except AssertionError as error:
            raise AssertionError(f"explain {pod}: wanted {link} {words}, got {json.dumps(seen, indent=1)}\n{self.agent.log[-3000:]}") from error
        text = subprocess.run([str(AGENT), "explain", f"--addr={self.url}", pod], capture_output=True, text=True, timeout=30)
        assert text.returncode == 1 and "STOP" in text.stdout
        return seen

    def page(self, view: str) -> str:
        """The text of a view of the live page, as a person sees it."""
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        done = subprocess.run([tools.chromium(), "--headless", *sandbox, "--disable-gpu", "--virtual-time-budget=5000",
                               f"--user-data-dir={self.folder}/browser", "--dump-dom", f"{self.url}/#/{view}"],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        body = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", done.stdout)
        return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", body)))

    def page_says(self, pod: str, verdict: tuple, overview: tuple) -> None:
        """Both views in which a person would look: that of the question, and the first one."""
        for view, words in (("why/" + urllib.parse.quote(pod, safe=""), verdict), ("pods", overview)):
            text = self.page(view)
            for word in words:
                assert re.search(word, text), f"{view}: no {word} in {text}"

    def fires(self, expected: dict[str, str], *, count: int = SCRAPES, pause: float = 0.1, step: int = 60) -> None:
        """Exactly these alerts fire while it goes on like this. The values: `, reason="x"`,
        `, path="/x"`, or nothing."""
        scrapes = alerts.Scrapes(step=step)
        began = time.monotonic()
        for number in range(count):
            wait_for(lambda: time.monotonic() >= began + number * pause, "the next scrape", 60)
            scrapes.add(get(self.url + "/metrics"))
        alerts.check_fired(alerts.chart_rules(), scrapes, expected, ", reason, path")

    def troubles(self) -> dict[str, str]:
        return {t["code"]: t["text"] for t in self.api("/api/node")["troubles"]}

    def pod(self, pod: str) -> dict:
        return self.api("/api/pod?id=" + pod)

    def series(self, name: str) -> dict[str, float]:
        found = {}
        for line in get(self.url + "/metrics").splitlines():
            if match := re.match(rf"{name}(\{{.*\}})? (\S+)$", line):
                found[match[1] or ""] = float(match[2])
        return found

    def sum(self, name: str, label: str = "") -> float:
        return sum(value for labels, value in self.series(name).items() if label in labels)

    def logged(self, *words: str) -> bool:
        return any(all(word in line for word in words) for line in self.agent.log.splitlines())


def test_nothing_is_broken(tmp_path):
    with Night(tmp_path) as night:
        night.pods.write(night.pods.file("fine-1"), "one", "two")
        wait_for(lambda: night.sink.stats()["entries"] == 2, "two lines")
        wait_for(lambda: night.explain("fine-1")["first_broken"] in (None, ""), "no broken link")
        told = subprocess.run([str(AGENT), "explain", f"--addr={night.url}", "default/fine-1"], capture_output=True, text=True)
        assert told.returncode == 0 and told.stdout.startswith("default/fine-1: Nothing is broken")
        assert night.troubles() == {}
        pod = wait_for(lambda: (found := night.pod("default/fine-1"))["summary"]["counts"]["lines_sent"] == 2 and found, "counts")
        assert pod["summary"]["counts"]["lines_in"] == 2 and pod["summary"]["last_accepted"]
        assert [stream["lines"] for stream in pod["streams"]] == [2]
        night.page_says("default/fine-1", ("Nothing is broken", 'stream="stdout"'), ("All logs are on their way, nothing is lost",))
        night.fires({})
        assert not night.logged("level=warn") and not night.logged("level=error")


def test_loki_is_down(tmp_path):
    with Night(tmp_path, push_url="http://127.0.0.1:9/loki/api/v1/push") as night:
        night.pods.write(night.pods.file("down-1"), "one")
        night.broken("down-1", "loki", "Loki does not take", "127.0.0.1:9", "connect")
        assert "connect" in night.troubles()["push"]
        assert night.sum("promtail_request_duration_seconds_count", 'status_code="-1"') > 0
        assert night.sum("sluice_push_waiting_bytes") > 0 and night.sum("sluice_lag_bytes") > 0
        assert night.logged("level=warn", "could not be delivered", "127.0.0.1:9")
        night.page_says("down-1", ("Loki does not take", "127.0.0.1:9", "connect"), ("127.0.0.1:9", "connect"))
        night.fires({"SluicePushErrors": "", "SluiceDelayed": ""})


def test_the_path_is_wrong(tmp_path):
    with Night(tmp_path, root=tmp_path / "elsewhere") as night:
        night.pods.write(night.pods.file("lost-1"), "one")
        (tmp_path / "elsewhere").mkdir()
        night.broken("lost-1", "directory", "No directory of a pod", "elsewhere")
        ready = subprocess.run(["curl", "-s", night.url + "/ready"], capture_output=True, text=True).stdout
        assert "Unable to find any logs to tail" in ready
        assert night.sum("promtail_files_active_total") == 0
        assert night.api("/api/node")["ready"] is False
        wait_for(lambda: night.logged("level=warn", "no log file is found", f"{tmp_path}/elsewhere"), f"the log; {night.agent.log}")
        night.page_says("lost-1", ("No directory of a pod", "elsewhere"), ("not ready", "Unable to find any logs to tail"))
        night.fires({"SluiceNothingToRead": ""})


def test_permission_is_missing(tmp_path):
    prefix = ()
    if os.geteuid() == 0:  # as root, but without root's right to read everything
        prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
    with Night(tmp_path, prefix=prefix) as night:
        path = night.pods.file("secret-1")
        hidden = path.with_name("hidden")  # forbidden from its first moment on
        night.pods.write(hidden, "one")
        hidden.chmod(0)
        hidden.rename(path)
        night.pods.write(night.pods.file("open-1"), "one")
        night.broken("secret-1", "opened", "cannot be opened", "[Pp]ermission denied")
        assert night.pod("default/secret-1")["summary"]["trouble"]["code"] == "unreadable"
        wait_for(lambda: night.sum("sluice_unreadable_files") == 1, "the metric")
        assert any(str(path) in labels for labels in night.series("promtail_file_bytes_total"))
        assert not any(str(path) in labels for labels in night.series("promtail_read_bytes_total"))
        assert night.logged("secret-1", "ermission denied")
        night.page_says("secret-1", ("cannot be opened", "[Pp]ermission denied"), ("1 pod in trouble", "[Pp]ermission denied"))
        night.fires({"SluiceFileNotRead": f', path="{path}"'})


def test_a_namespace_is_excluded(tmp_path):
    rule = """
  relabel_configs:
  - {source_labels: [__meta_kubernetes_namespace], regex: internal, action: drop}
"""
    with Night(tmp_path, job=rule) as night:
        night.pods.write(night.pods.file("hidden-1", namespace="internal"), "one")
        night.pods.write(night.pods.file("shown-1"), "one")
        wait_for(lambda: night.sink.stats()["entries"] >= 1, "the other pod")
        night.broken("internal/hidden-1", "files", "relabelling rule")
        assert not any("internal" in labels for labels in night.series("promtail_read_bytes_total"))
        assert night.sink.stats()["entries"] == 1
        wait_for(lambda: night.logged("level=info", "files are excluded", "relabelling rule", "hidden-1"), f"the log; {night.agent.log}")
        night.page_says("internal/hidden-1", ("relabelling rule",), ("1 pod",))
        night.fires({})  # it is what the configuration says


def test_a_stage_drops_everything(tmp_path):
    with Night(tmp_path, stages="[{cri: {}}, {drop: {expression: 'secret', drop_counter_reason: secrets}}]") as night:
        night.pods.write(night.pods.file("mute-1"), "a secret", "another secret")
        night.broken("mute-1", "pipeline", "Every line is dropped by", r"pipeline_stages\[1\]\.drop")
        pod = night.pod("default/mute-1")
        assert pod["summary"]["trouble"]["code"] == "all_dropped"
        assert [(stage["place"], stage["stage"], stage["dropped"], stage["reason"]) for stage in pod["stages"] if stage["dropped"]] \
            == [("scrape_configs[0].pipeline_stages[1]", "drop", 2, "secrets")]
        assert night.sum("logentry_dropped_lines_total", 'reason="secrets"') == 2
        assert night.api("/api/ledger")["dropped"][0]["lines"] == 2
        assert night.sum("sluice_lost_lines_total") == 0
        assert night.sum("sluice_silenced_pods") == 1
        wait_for(lambda: night.logged("level=info", "every line of a pod is dropped", "default/mute-1", "pipeline_stages[1].drop"),
                 f"the log; {night.agent.log}")
        night.page_says("mute-1", ("Every line is dropped by", r"pipeline_stages\[1\]\.drop"), ("Every line of it is dropped",))
        night.fires({"SluicePodsSilenced": ""})


def test_a_limit_of_the_tenant(tmp_path):
    with Night(tmp_path, sink_args=("--behave", '{"as":"ingestion_rate"}')) as night:
        night.pods.write(night.pods.file("busy-1"), "one")
        night.broken("busy-1", "loki", "Loki does not take", "429|rate limit")
        assert re.search("429|rate limit", night.troubles()["push"])
        assert night.sum("promtail_request_duration_seconds_count", 'status_code="429"') > 0
        assert night.sum("promtail_batch_retries_total") > 0
        assert night.logged("level=warn", "429") or night.logged("level=warn", "rate limit")
        night.page_says("busy-1", ("Loki does not take", "429|rate limit"), ("429|rate limit",))
        night.fires({"SluicePushErrors": "", "SluiceRateLimited": "", "SluiceDelayed": ""})
        night.sink.control()
        wait_for(lambda: night.explain("busy-1")["first_broken"] in (None, ""), "it is well again")


def test_a_limit_of_streams(tmp_path):
    with Night(tmp_path, sink_args=("--behave", '{"as":"stream_limit"}')) as night:
        night.pods.write(night.pods.file("many-1"), "one")
        night.broken("many-1", "loki", "Loki does not take", "active stream limit")
        assert "active stream limit" in night.troubles()["push"]
        assert night.sum("promtail_request_duration_seconds_count", 'status_code="429"') > 0
        assert night.logged("level=warn", "active stream limit")
        night.page_says("many-1", ("Loki does not take", "active stream limit"), ("active stream limit",))
        night.fires({"SluicePushErrors": "", "SluiceStreamsLimited": "", "SluiceDelayed": ""})


def test_loki_refuses_for_good(tmp_path):
    with Night(tmp_path, sink_args=("--behave", '{"as":"line_too_long"}')) as night:
        night.pods.write(night.pods.file("long-1"), "one")
        night.broken("long-1", "loki", "refused 1 line", "line_too_long")
        assert night.sum("sluice_lost_lines_total", 'reason="line_too_long"') == 1
        assert night.pod("default/long-1")["summary"]["counts"]["lines_lost"] == 1
        assert [row["reason"] for row in night.api("/api/ledger")["lost"]] == ["line_too_long"]
        ledger = subprocess.run([str(AGENT), "ledger", f"--addr={night.url}"], capture_output=True, text=True).stdout
        assert "line_too_long" in ledger and "1 lines" in ledger
        assert night.logged("level=error", "log lines were lost", "line_too_long")
        night.page_says("long-1", ("refused 1 line", "line_too_long"), ("1 line lost", "line_too_long"))
        night.fires({"SluiceLinesLost": ', reason="line_too_long"'})


@functools.lru_cache(maxsize=None)
def works(*command: str) -> bool:
    return subprocess.run([*command, "true"], capture_output=True).returncode == 0


def unshared(script: str, *, mount_only: bool = False) -> tuple | None:
    """Runs the agent after `script`, in namespaces of its own: of user and mounts, or (as
    root) of mounts only. None: neither is allowed here."""
    for flags in ("-Urm", "-m") if mount_only else ("-Urm",):
        prefix = ("unshare", flags, "sh", "-c", script + ' && exec "$@"', "sh")
        if works(*prefix):
            return prefix
    return None


def without(calls: str) -> tuple:
    """Where no namespace is to be had: the calls of the agent fail as they would."""
    prefix = (sys.executable, str(ROOT / "tests/support/failing_calls.py"), calls)
    if not works(*prefix):
        tools.skip("neither namespaces nor seccomp are allowed here")
    return prefix


def test_the_disk_is_full(tmp_path):
    """Positions on a file system that is full; only the agent sees that file system."""
    (tmp_path / "disk").mkdir()
    mounted = unshared(f"mount -t tmpfs -o size=64k tmpfs {tmp_path}/disk", mount_only=True)
    prefix = mounted or without("fsync=ENOSPC,fdatasync=ENOSPC")
    with Night(tmp_path, prefix=prefix, positions=tmp_path / "disk/positions.yaml") as night:
        path = night.pods.file("full-1")
        night.pods.write(path, "one")
        disk = Path(f"/proc/{night.agent.process.pid}/root{tmp_path}/disk")
        wait_for(lambda: night.sink.stats()["entries"] == 1, "the first line")
        if mounted:
            wait_for(lambda: (disk / "positions.yaml").exists(), "positions")
            with pytest.raises(OSError), open(disk / "filler", "wb", buffering=0) as filler:
                while True:
                    filler.write(b"x" * 1024)
        night.pods.write(path, "two")
        night.broken("full-1", "positions", "cannot be saved", "No space left")
        assert "No space left" in night.troubles()["positions"]
        assert night.sum("sluice_positions_save_failures_total") > 0
        assert night.logged("level=error", "No space left") or night.logged("level=warn", "No space left")
        wait_for(lambda: night.sink.stats()["entries"] == 2 and night.agent.alive(), "lines go on")
        # A failed save is tried again after 1, 2, 4, 8 seconds: 15 minutes of the rule are 12 of these. So
        # before the page, whose browser takes seconds in which the pauses grow.
        night.fires({"SluicePositionsNotSaved": ""}, count=85, pause=0.2, step=15)
        night.page_says("full-1", ("cannot be saved", "No space left"), ("No space left",))
        if mounted:
            (disk / "filler").unlink()
            wait_for(lambda: night.explain("full-1")["first_broken"] in (None, ""), "it is well again", 60)


@pytest.mark.parametrize("what, call", [("instances", "inotify_init1=EMFILE"), ("watches", "inotify_add_watch=ENOSPC")])
def test_inotify_is_exhausted(tmp_path, what, call):
    prefix = unshared(f"echo 0 > /proc/sys/user/max_inotify_{what}") or without(call)
    with Night(tmp_path, prefix=prefix) as night:
        night.pods.write(night.pods.file("slow-1"), "one")
        wait_for(lambda: night.sink.stats()["entries"] == 1, "lines come all the same")
        night.broken("slow-1", "watched", "polled", "max_user_watches")
        assert night.troubles()["polling"]
        assert night.sum("sluice_polling") == 1
        assert night.logged("level=warn", "inotify")
        night.page_says("slow-1", ("polled", "max_user_watches"), ("polled",))
        night.fires({"SluicePolling": ""})


def test_a_file_is_rotated_away_unread(tmp_path):
    with Night(tmp_path) as night:
        path = night.pods.file("gone-1")
        night.pods.write(path, "one")
        wait_for(lambda: night.sink.stats()["entries"] == 1 and str(path) in night.agent.positions.read_text(), "a saved position")
        night.sink.control(status=503)
        night.pods.write(path, "two")
        wait_for(lambda: night.sum("sluice_push_waiting_batches") > 0, "a line that Loki does not take")
        assert night.agent.stop() == 0
        path.unlink()
        night.pods.write(path, "three")
        (night.agent.folder / "agent.log").unlink()
        night.sink.control()
        night.__enter__()
        night.broken("gone-1", "kept", "went away unread", "deleted_while_down")
        assert night.sum("sluice_unread_bytes_lost_total") > 0
        assert night.sum("sluice_lost_bytes_total", "deleted_while_down") > 0
        assert [row["reason"] for row in night.api("/api/ledger")["lost"]] == ["deleted_while_down"]
        assert night.logged("level=error", "lost", "deleted_while_down")
        night.page_says("gone-1", ("went away unread", "deleted_while_down"), ("deleted_while_down",))
        night.fires({"SluiceUnreadBytesLost": ""})
