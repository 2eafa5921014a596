# SPDX-License-Identifier: Apache-2.0
"""Random whole configurations: jobs, targets, globs, file_sd, relabelling, limits and
several clients, each client's entries compared with the real Promtail's.

    python3 random_hosts.py --from 1 --count 200      compares 200 of them, prints what differs
    python3 random_hosts.py --show 7                  prints one
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import random_cases  # noqa: E402
import random_inputs as inputs  # noqa: E402
import random_run  # noqa: E402
import random_stages as stages  # noqa: E402
import side_by_side  # noqa: E402

FILES = ["a.log", "b.log", "app-1.log", "app-2.log", "sub/a.log", "sub/deep/x.log", "x.txt", "c.log.1", ".h.log", "é.log", "sp ace.log"]
PATHS = ["*.log", "**/*.log", "*", "a.log", "{a,b}.log", "app-[0-9].log", "sub/**", "**/{a,x}.log", "*.{log,txt}", "sub/*/x.log", "[a-b].log", "**"]
EXCLUDED = [None, None, None, "*.txt", "**/a.log", "b.log", "sub/**", "app-*.log", "{a,b}.log", ".*"]
FLAGS = ["flag=yes", 'flag="a,b"', "flag=1,app=flag", "zone=z"]
QUIET_S = 2.0
MOST_S = 60.0


def sometimes(rng, made: dict, key: str, chance: float, value) -> None:
    if rng.random() < chance:
        made[key] = value


def client(rng, index: int, many: bool) -> dict:
    made = {"url": f"URL{index}", "batchwait": rng.choice(["50ms", "100ms", "200ms"])}
    sometimes(rng, made, "name", 0.5 if many else 0, f"n{index}")
    sometimes(rng, made, "tenant_id", 0.3, rng.choice(["t1", "other", "1"]))
    sometimes(rng, made, "batchsize", 0.2, rng.choice([1, 100, 1000]))
    sometimes(rng, made, "backoff_config", 0.15, {"min_period": "100ms", "max_period": "1s", "max_retries": 3})
    sometimes(rng, made, "headers", 0.1, {"X-A": "b"})
    names = rng.sample(["cluster", "app", "job", "zone", "level", "env"], rng.randint(1, 3))
    sometimes(rng, made, "external_labels", 0.4, {name: rng.choice(["v", "", "é", 'q"q', "x y"]) for name in names})
    return made


def limits(rng) -> dict:
    made: dict = {}
    sometimes(rng, made, "max_line_size", 0.3, rng.choice([10, "20", "64b", "1kb", 0]))
    sometimes(rng, made, "max_line_size_truncate", 0.3, rng.random() < 0.6)
    if rng.random() < 0.2:
        made.update(readline_rate_enabled=True, readline_rate=50000.5, readline_burst=100000, readline_rate_drop=rng.random() < 0.5)
    return made


def group(rng, job: str, folder: str) -> dict:
    """A target group over its own folder."""
    labels = {"job": job, "__path__": f"FOLDER/logs/{folder}/{rng.choice(PATHS)}"}
    for name, values, chance in (("app", ["web", "cache", "é", "", "WEB"], 0.35), ("env", ["prod", "a b", "web"], 0.35), ("kind", ["k1", "cache"], 0.35),
                                 ("__hidden", ["h"], 0.35), ("__address__", ["addr:80"], 0.2), ("filename", ["mine"], 0.1)):
        sometimes(rng, labels, name, chance, rng.choice(values))
    excluded = rng.choice(EXCLUDED)
    if excluded:
        labels["__path_exclude__"] = f"FOLDER/logs/{folder}/{excluded}"
    if rng.random() < 0.15:
        labels["__real"] = labels.pop("__path__")
    return {"targets": rng.choice([["localhost"], ["localhost"], ["h1"], ["a:1"]]), "labels": labels}


def rules(rng, groups: list) -> list:
    made = []
    if any("__real" in each["labels"] for each in groups):
        made.append({"source_labels": ["__real"], "regex": "(.+)", "target_label": "__path__"})
    if rng.random() < 0.5:
        for rule in (stages.relabel_rule(rng) for _ in range(rng.randint(1, 4))):
            if "source_labels" in rule:  # the two programs have different folders
                rule["source_labels"] = [name.replace("__path__", "env") for name in rule["source_labels"]]
            made.append(rule)
    if rng.random() < 0.15:
        made.append({"source_labels": ["__meta_filepath", "__address__"], "separator": "|", "regex": ".*/([^/]*)", "target_label": "from"})
    if rng.random() < 0.1:
        made.append({"source_labels": ["job"], "target_label": "__tenant_id__", "replacement": "of-$1"})
    return made


class Setting:
    """A configuration, the files that it reads, its flags. URLn and FOLDER stand for what a run has."""

    def __init__(self, seed: int):
        rng = random.Random(f"host {seed}")
        self.clients = rng.choice([1, 1, 2, 3])
        self.files: dict = {}
        self.words = [f"-client.external-labels={rng.choice(FLAGS)}"] if rng.random() < 0.25 else []
        self.ordered = True
        made: dict = {"server": {"disable": True}, "positions": {"filename": "FOLDER/positions.yaml", "sync_period": "200ms"},
                      "target_config": {"sync_period": "400ms"}}
        clients = [client(rng, i, self.clients > 1) for i in range(self.clients)]
        if rng.random() < (0.25 if self.clients > 1 else 0.1):
            made["client"] = clients.pop()
        if clients:
            made["clients"] = clients
        sometimes(rng, made, "global", 0.2, {"file_watch_config": {"min_poll_frequency": "100ms", "max_poll_frequency": "300ms"}})
        sometimes(rng, made, "options", 0.2, {})
        sometimes(rng, made, "tracing", 0.15, {"enabled": False})
        limited = limits(rng)
        if limited:
            made["limits_config"] = limited
        made["scrape_configs"] = [self._job(rng, f"j{i}") for i in range(rng.randint(1, 4))]
        self.text = yaml.serialize(random_cases.node(_scalars(made)), allow_unicode=True, width=10**6)

    def _job(self, rng, name: str) -> dict:
        kind = rng.choice(random_cases.KINDS)
        groups = []
        for i in range(rng.randint(1, 3)):
            for file in rng.sample(FILES, rng.randint(1, 5)):
                self.files[f"logs/{name}/t{i}/{file}"] = b"".join(row + b"\n" for row in inputs.lines(rng, kind, [])[:8])
            groups.append(group(rng, name, f"{name}/t{i}"))
        job: dict = {"job_name": name}
        made = rules(rng, groups)
        if rng.random() < 0.25:
            file = f"sd-{name}.{rng.choice(['yaml', 'yml', 'json'])}"
            job["file_sd_configs"] = [{"files": ["FOLDER/" + file], "refresh_interval": "1s"}]
            self.files[file] = json.dumps(groups).encode()
        else:
            job["static_configs"] = groups
        if made:
            job["relabel_configs"] = made
        chain = random_cases.without_formats(stages.pipeline(rng, 0, kind))
        chain = random_cases.without(chain, {"limit", "sampling", "multiline"})
        if random_cases.partial_match(chain):
            self.ordered = False
            chain = random_cases.without_ordered(chain)
        if chain and rng.random() < 0.75:
            job["pipeline_stages"] = chain
        return job


def _scalars(value):
    """Numbers and truth as YAML spells them."""
    if isinstance(value, dict):
        return {key: _scalars(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_scalars(each) for each in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return stages.Plain(str(value))
    return value


class Running:
    """One program at work on a setting."""

    def __init__(self, program: Path, folder: Path, setting: Setting):
        self.folder, self.setting, self.began = folder, setting, time.time_ns()
        folder.mkdir(parents=True)
        self.sinks = [side_by_side.Sink(folder / f"sink{i}") for i in range(setting.clients)]
        for name, content in setting.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.replace(b"FOLDER", str(folder).encode()) if name.startswith("sd-") else content)
        text = setting.text.replace("FOLDER", str(folder))
        for i, sink in enumerate(self.sinks):
            text = text.replace(f"URL{i}", sink.address + "/loki/api/v1/push")
        (folder / "promtail.yaml").write_text(text, encoding="utf-8")
        self.log = folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([str(program), f"-config.file={folder / 'promtail.yaml'}", *setting.words], stdout=log, stderr=log)

    def entries(self) -> int:
        return -1 if self.process.poll() is not None else sum(sink.entries() for sink in self.sinks)

    def stop(self) -> None:
        """`ended`: its exit status, if it ended by itself."""
        self.ended = self.process.poll()
        self.process.terminate()
        try:
            self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for sink in self.sinks:
            sink.stop()
        self.until = time.time_ns()

    def found(self) -> list:
        """By client and stream; times of reading made equal, the folder's name taken out."""
        return [self._streams(side_by_side.read_dump(sink.dump)) for sink in self.sinks]

    def _streams(self, dump: dict) -> dict:
        here, streams = str(self.folder), {}
        for e in (e for entries in dump.values() for e in entries):
            now = self.began - random_run.SLACK_NS <= e.ts <= self.until + random_run.SLACK_NS
            labels = tuple(sorted((random_run.repaired(name), value.replace(here, "")[:500]) for name, value in e.labels))
            streams.setdefault((e.tenant, labels), []).append(("now" if now else e.ts, e.line.replace(here, ""), e.metadata))
        for (_, labels), rows in streams.items():
            # Several files may be one stream, and are read in any order.
            if not self.setting.ordered or dict(labels).get("filename", "mine") == "mine":
                rows.sort(key=repr)
        return streams


def compare(promtail: Path, seeds: list, quiet: float = QUIET_S) -> dict:
    """What differs, by seed."""
    root = Path(tempfile.mkdtemp(prefix="hosts-"))
    settings = {seed: Setting(seed) for seed in seeds}
    programs = (("promtail", promtail), ("agent", side_by_side.AGENT))
    runs = {(seed, name): Running(program, root / f"{seed}-{name:_>8}", settings[seed]) for seed in seeds for name, program in programs}
    began = changed = time.monotonic()
    seen: list = []
    while time.monotonic() - began < MOST_S and time.monotonic() - changed < quiet:
        counts = [run.entries() for run in runs.values()]
        if counts != seen:
            seen, changed = counts, time.monotonic()
        time.sleep(0.1)
    for run in runs.values():
        run.stop()
    different = {}
    for seed in seeds:
        theirs, ours = runs[seed, "promtail"], runs[seed, "agent"]
        if theirs.ended is not None or ours.ended is not None:
            said, own = (run.log.read_text(errors="replace") for run in (theirs, ours))
            if "panic: " not in said and not random_run.STRICTER.search(own) and (theirs.ended is None) != (ours.ended is None):
                different[seed] = f"ended: {theirs.ended} / {ours.ended}\n{said[-600:]}\n{own[-600:]}"
            continue
        both = list(zip(theirs.found(), ours.found()))
        if any(a != b for a, b in both):
            different[seed] = "\n".join(f"client {i}\n{random_run.difference(a, b)}" for i, (a, b) in enumerate(both) if a != b)
    shutil.rmtree(root, ignore_errors=True)
    return different


def confirmed(promtail: Path, seeds: list) -> dict:
    """What differs twice, the second time with more patience."""
    again = list(compare(promtail, seeds))
    return compare(promtail, again, 2 * QUIET_S) if again else {}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--promtail", type=Path)
    parser.add_argument("--show", type=int)
    given = parser.parse_args()
    if given.show is not None:
        print(Setting(given.show).text)
        return 0
    if given.promtail is None:
        import tools
        given.promtail = tools.require("promtail")
    random_run.limit_memory()
    differ = 0
    end = given.first + given.count
    for at in range(given.first, end, given.batch):
        found = confirmed(given.promtail, list(range(at, min(end, at + given.batch))))
        for seed, text in found.items():
            print(f"=== {seed}\n{text}", flush=True)
        differ += len(found)
        print(f"--- up to {min(end, at + given.batch) - 1}: {differ} differ", flush=True)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
