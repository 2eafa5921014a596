# SPDX-License-Identifier: Apache-2.0
"""What the benchmark scripts share: trees, the sink, measured processes, the machine.

A measurement is only handed out when the sink holds every line once and in order
(`Sink.expect`). CPU time is a process's whole life, user and system, from wait4: the
same for the agent, its peers and the floor. Standard library only.
"""
import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"


class Refused(Exception):
    """There is no number: something is missing, or lines are."""


def note(text):
    print(text, file=sys.stderr, flush=True)


# ---- programs ------------------------------------------------------------------


class Programs:
    """The agent and the yardsticks of one build folder."""

    def __init__(self, build, agent=None):
        self.bin = pathlib.Path(build).resolve() / "bin"
        self.sink, self.podgen, self.floor, self.lane = (self.bin / name for name in ("sink", "podgen", "floor", "lane"))
        self.agent = pathlib.Path(agent).resolve() if agent else self.bin / "agent"
        for program in (self.sink, self.podgen, self.floor):
            if not program.exists():
                raise Refused(f"{program} is not built: cmake --preset release && "
                              "ninja -C build/release agent sink podgen floor lane")


def scratch_root(need_bytes):
    """Memory where there is room for it: a benchmark of a disk is another one."""
    shm = pathlib.Path("/dev/shm")
    if shm.is_dir() and shutil.disk_usage(shm).free > need_bytes * 3 // 2 and \
            available_memory() > need_bytes * 2 + (1 << 30):
        return shm
    return pathlib.Path(tempfile.gettempdir())


def available_memory():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def scratch(need_bytes=0, prefix="sluice-bench-"):
    with tempfile.TemporaryDirectory(prefix=prefix, dir=scratch_root(need_bytes)) as folder:
        yield pathlib.Path(folder)


# ---- trees -----------------------------------------------------------------------


@dataclasses.dataclass
class Tree:
    path: pathlib.Path
    manifest: dict

    @property
    def lines(self):
        return self.manifest["lines"]

    @property
    def bytes(self):
        return self.manifest["bytes"]

    @property
    def files(self):
        return self.manifest["writers"]


def make_tree(programs, folder, **options):
    """podgen's options with _ for -; True for a flag."""
    manifest = folder / "manifest.json"
    tree = folder / "pods"
    words = [f"--{key.replace('_', '-')}={'true' if value is True else value}" for key, value in options.items()]
    subprocess.run([programs.podgen, tree, "--sequence", f"--manifest={manifest}", *words], check=True)
    return Tree(tree, json.loads(manifest.read_text()))


# ---- the sink --------------------------------------------------------------------


class Sink:
    def __init__(self, programs, *options):
        self.process = subprocess.Popen([programs.sink, "--verify", *options], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise Refused("the sink did not start")
        self.port = int(line)
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def get(self, path, timeout=600):
        with urllib.request.urlopen(self.url + path, timeout=timeout) as answer:
            return json.load(answer)

    def post(self, path, value):
        request = urllib.request.Request(self.url + path, json.dumps(value).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def stats(self):
        return self.get("/stats?brief=1")

    def wait(self, marks, seconds, alive=None):
        """Until so many distinct marked lines have come, or Refused."""
        deadline = time.monotonic() + seconds
        while True:
            left = max(0.0, deadline - time.monotonic())
            stats = self.get(f"/wait?marks={marks}&timeout_ms={int(min(left, 1.0) * 1000)}")
            if stats["marks"] >= marks:
                return stats
            if alive is not None and not alive():
                raise Refused(f"the program ended after {stats['marks']} of {marks} lines")
            if left == 0:
                raise Refused(f"only {stats['marks']} of {marks} lines came within {seconds:g} s")

    def expect(self, marks, seconds, alive=None):
        """As wait, and then nothing may be doubled, reordered or unmarked."""
        stats = self.wait(marks, seconds, alive)
        bad = {key: stats[key] for key in ("missing", "duplicates", "reordered", "unmarked", "malformed") if stats[key]}
        if bad or stats["marks"] != marks:
            raise Refused(f"the sink has {stats['marks']} of {marks} lines and {bad}: no number for that")
        return stats


# ---- measured processes ------------------------------------------------------------


@dataclasses.dataclass
class Usage:
    cpu: float
    user: float
    system: float
    rss: int  # bytes, the peak
    switches: int  # voluntary, of all threads


def tasks(pid):
    with contextlib.suppress(OSError):
        return [pathlib.Path(f"/proc/{pid}/task/{task}") for task in os.listdir(f"/proc/{pid}/task")]
    return []


def status_value(folder, key):
    with contextlib.suppress(OSError):
        for line in (folder / "status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
    return 0


class Process:
    """A program whose life is measured."""

    def __init__(self, argv, log, cwd=None, env=None):
        self.log = pathlib.Path(log)
        self.started = time.time()
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out, cwd=cwd, env={**os.environ, **(env or {})})
        self.pid = self.process.pid
        self.usage = None

    def alive(self):
        if self.usage is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._note(status, usage)
        return self.usage is None

    def cpu_now(self):
        """Nanosecond-exact, of the threads alive."""
        total = 0
        for task in tasks(self.pid):
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def switches_now(self):
        return sum(status_value(task, "voluntary_ctxt_switches") for task in tasks(self.pid))

    def threads_now(self):
        return len(tasks(self.pid))

    def rss_now(self):
        return status_value(pathlib.Path(f"/proc/{self.pid}"), "VmRSS") * 1024

    def peak_rss_now(self):
        return status_value(pathlib.Path(f"/proc/{self.pid}"), "VmHWM") * 1024

    def _note(self, status, usage):
        self.process.returncode = os.waitstatus_to_exitcode(status)
        # ru_maxrss knows the parent's size before exec; VmHWM does not, but is gone by now.
        rss = self.hwm if getattr(self, "hwm", 0) else usage.ru_maxrss * 1024
        self.usage = Usage(usage.ru_utime + usage.ru_stime, usage.ru_utime, usage.ru_stime, rss, usage.ru_nvcsw)

    def stop(self, seconds=15):
        """SIGTERM, then SIGKILL; the usage of the whole life."""
        if self.usage is None:
            self.hwm = self.peak_rss_now()
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            deadline = time.monotonic() + seconds
            while self.alive() and time.monotonic() < deadline:
                time.sleep(0.005)
            if self.alive():
                os.kill(self.pid, signal.SIGKILL)
                self._note(*os.wait4(self.pid, 0)[1:])
        return self.usage

    def finish(self, seconds):
        """Waits for its own end; the usage of the whole life."""
        deadline = time.monotonic() + seconds
        while self.alive() and time.monotonic() < deadline:
            time.sleep(0.002)
        return self.stop()

    def tail(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def window(process, seconds):
    """What a program costs in so many seconds."""
    before, switches, began = process.cpu_now(), process.switches_now(), time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    return {"seconds": passed, "cpu": process.cpu_now() - before, "rss": process.rss_now(), "peak": process.peak_rss_now(),
            "wakeups_per_s": (process.switches_now() - switches) / passed, "threads": process.threads_now()}


@contextlib.contextmanager
def live_writer(programs, folder, **options):
    """podgen goes on writing; its manifest is in `folder` when it has ended."""
    words = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
    writer = subprocess.Popen([programs.podgen, folder / "pods", "--sequence", f"--manifest={folder / 'live.json'}", *words])
    try:
        yield writer
    finally:
        writer.terminate()
        writer.wait()


def run_floor(programs, tree, *options):
    """The floor over a tree, its CPU measured as the agent's is."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([programs.floor, *options, tree.path], stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise Refused("the floor failed")
        out.seek(0)
        said = json.load(out)
    if said["lines"] != tree.manifest["lines"] and said["not_cri"] == 0 and said["bytes"] != tree.bytes:
        raise Refused(f"the floor read {said['bytes']} of {tree.bytes} bytes")
    said["cpu"] = usage.ru_utime + usage.ru_stime
    return said


# ---- the machine and the numbers ---------------------------------------------------


def output_of(*argv):
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(argv, capture_output=True, text=True, timeout=20, cwd=ROOT).stdout.strip()
    return ""


def machine():
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", cpuinfo)
    system = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text())
    return {"cpu": model[1] if model else platform.machine(), "cores": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "kernel": platform.release(), "system": system[1] if system else "",
            "load_1m": os.getloadavg()[0]}


def build_facts(programs):
    cache = programs.bin.parent / "CMakeCache.txt"
    text = cache.read_text() if cache.exists() else ""
    value = lambda key: (re.search(rf"^{key}:[A-Z]+=(.*)$", text, re.M) or [None, ""])[1]
    kind = value("CMAKE_BUILD_TYPE")
    # What the program says it was built from: the tree may have moved on since.
    built = re.search(r"revision: ([0-9a-f]+)", output_of(str(programs.agent), "-version"))
    return {"commit": built[1] if built else "unknown",
            "compiler": output_of(value("CMAKE_CXX_COMPILER") or "c++", "--version").split("\n")[0],
            "flags": value(f"CMAKE_CXX_FLAGS_{kind.upper()}") if kind else "",
            "lto": value("CMAKE_INTERPROCEDURAL_OPTIMIZATION") == "ON"}


def facts(programs):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return {"date": now, "machine": machine(), "build": build_facts(programs)}


def save(name, value):
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")
    note(f"wrote {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}")


def median(values):
    values = list(values)
    return statistics.median(values) if values else float("nan")


def spread(values):
    values = sorted(values)
    return (values[0], values[-1]) if values else (float("nan"),) * 2


def table(rows, head):
    """Rows of texts as a Markdown table."""
    cells = [head, *rows]
    widths = [max(len(str(row[i])) for row in cells) for i in range(len(head))]
    lines = ["| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def mib(number):
    return f"{number / 2**20:.1f} MiB"
