"""A real Loki and a real Promtail for tests. Python 3.11, nothing to install.

    with Loki() as loki:
        loki.push({"app": "a"}, [(time.time_ns(), "hello")])
        for entry in loki.query_range('{app="a"}'):
            print(entry.labels, entry.ts_ns, entry.line, entry.structured_metadata)

Loki listens on loopback and keeps everything below one folder. stop(), kill()
and restart() keep that folder and the ports, so that a test can take Loki away
from an agent and give it back.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
import tools  # noqa: E402

CONFIG = tools.ROOT / "tests" / "tools" / "loki-local.yaml"

# Loki stores no line that is older than the schema's first day.
OLDEST_NS = 1_451_606_400 * 10**9  # 2016-01-01

# Nothing here crosses a proxy, whatever the environment says.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ServerError(AssertionError):
    """A server did not start, did not stop or died; carries the end of its log."""


class HttpError(AssertionError):
    """An answer that is not 2xx."""

    def __init__(self, status: int, url: str, body: str) -> None:
        super().__init__(f"{status} from {url}: {body[:2000]}")
        self.status = status
        self.body = body


class Entry(NamedTuple):
    """One stored line."""

    labels: dict[str, str]
    ts_ns: int
    line: str
    structured_metadata: dict[str, str]


def free_ports(count: int) -> list[int]:
    """Ports that are free on loopback now.

    They lie below the range from which the kernel takes the source ports of
    outgoing connections: a port must stay free while its server is down.
    """
    ports: list[int] = []
    for port in random.SystemRandom().sample(range(15_000, 32_000), 400):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise ServerError(f"no {count} free ports on loopback")


def http(
    url: str,
    *,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> bytes:
    """One request; the body of the answer, or HttpError."""
    request = urllib.request.Request(url, data=data, headers=dict(headers or {}))
    try:
        with _opener.open(request, timeout=timeout) as answer:
            body: bytes = answer.read()
            # Loki answers 260 when it dropped a request on purpose; keep it apart.
            if answer.status not in (200, 204):
                raise HttpError(answer.status, url, body.decode("utf-8", "replace"))
            return body
    except urllib.error.HTTPError as error:
        body_text = error.read().decode("utf-8", "replace")
        raise HttpError(error.code, url, body_text) from None


_SAMPLE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+\S+)?$")
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


class Sample(NamedTuple):
    """One line of a text exposition."""

    name: str
    labels: dict[str, str]
    value: float


def parse_metrics(text: str) -> list[Sample]:
    """The samples of a Prometheus text exposition."""
    samples = []
    for row in text.split("\n"):
        if not row.strip() or row.startswith("#"):
            continue
        match = _SAMPLE.match(row)
        if match is None:
            raise ValueError(f"not a sample: {row!r}")
        name, inside, value = match.groups()
        labels = {
            key: _ESCAPE.sub(lambda m: {"n": "\n"}.get(m[1], m[1]), quoted)
            for key, quoted in _LABEL.findall(inside or "")
        }
        samples.append(Sample(name, labels, float(value)))
    return samples


class Metrics(list[Sample]):
    """The samples of one scrape."""

    def sum(self, name: str, **labels: str) -> float:
        """The sum of all samples of that name that have these labels; 0 if none."""
        return sum(s.value for s in self.having(name, **labels))

    def having(self, name: str, **labels: str) -> list[Sample]:
        """The samples of that name that have these labels."""
        return [
            s
            for s in self
            if s.name == name and labels.items() <= s.labels.items()
        ]


class Server:
    """A program with an HTTP port, run in a folder of its own."""

    name = "server"
    ready_path = "/ready"

    def __init__(self, directory: str | os.PathLike[str] | None, keep: bool) -> None:
        self._own_directory = directory is None
        self._keep = keep
        if directory is None:
            self.directory = Path(tempfile.mkdtemp(prefix=f"sluice-{self.name}-"))
        else:
            self.directory = Path(directory).absolute()
            self.directory.mkdir(parents=True, exist_ok=True)
        self.log_path = self.directory / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.http_port = 0
        self.grpc_port = 0

    # What a derived class gives.

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        return dict(os.environ)

    # Life and death.

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self, timeout: float = 60):
        """Starts the program and waits until it is ready."""
        if self.running:
            raise ServerError(f"{self.name} runs already")
        first_time = self.http_port == 0
        for last_try in (False, False, True):
            if first_time:
                self.http_port, self.grpc_port = free_ports(2)
            try:
                self._spawn()
                self.wait_ready(timeout)
                return self
            except ServerError as error:
                self.kill()
                # Somebody was quicker in taking the port.
                stolen = first_time and "address already in use" in str(error)
                if last_try or not stolen:
                    raise
            except BaseException:
                self.kill()
                raise
        raise AssertionError("not reached")

    def _spawn(self) -> None:
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                cwd=self.directory,
            )

    def is_ready(self) -> bool:
        try:
            http(self.url + self.ready_path, timeout=5)
            return True
        except (OSError, HttpError):
            return False

    def wait_ready(self, timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while not self.is_ready():
            if not self.running:
                status = self.process.returncode if self.process else None
                raise ServerError(
                    f"{self.name} ended with status {status} before it was ready\n"
                    + self.log_tail()
                )
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{self.name} is not ready after {timeout} s\n" + self.log_tail()
                )
            time.sleep(0.02)

    def stop(self, timeout: float = 30) -> int:
        """SIGTERM, and SIGKILL if that takes too long. The exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise ServerError(
                    f"{self.name} did not stop in {timeout} s\n" + self.log_tail()
                ) from None
        return self.process.returncode

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()

    def restart(self, *, kill: bool = False, timeout: float = 60) -> None:
        """Down and up again, in the same folder and on the same ports."""
        if kill:
            self.kill()
        else:
            self.stop()
        self.start(timeout)

    def close(self) -> None:
        """Stops the program and removes its folder, unless it was given or is kept."""
        try:
            self.stop(timeout=10)
        except ServerError as error:
            print(error, file=sys.stderr)
        if self._own_directory and not self._keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        try:
            if not self.running:
                self.start()
            return self
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_exception: object) -> None:
        self.close()

    # What every such program has.

    def log(self) -> str:
        try:
            return self.log_path.read_text("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def log_tail(self, lines: int = 25) -> str:
        return "\n".join(self.log().splitlines()[-lines:])

    def metrics(self) -> Metrics:
        """One scrape of /metrics."""
        return Metrics(parse_metrics(http(self.url + "/metrics").decode()))


class Loki(Server):
    """A Loki in one process.

    limits:  Loki's limits by their names in limits_config, e.g.
             {"ingestion_rate_mb": 1}. Only those that loki-local.yaml takes.
    auth:    True for many tenants: every request then needs a tenant.
    directory: where it keeps its data; a temporary folder if not given.
    keep:    leave the temporary folder for a look at it.
    """

    name = "loki"

    def __init__(
        self,
        binary: str | os.PathLike[str] | None = None,
        *,
        limits: Mapping[str, object] | None = None,
        auth: bool = False,
        directory: str | os.PathLike[str] | None = None,
        keep: bool = False,
        config: str | os.PathLike[str] = CONFIG,
    ) -> None:
        self.binary = Path(binary) if binary else tools.require("loki")
        self.config = Path(config).absolute()
        self.auth = auth
        self.page = 20_000  # entries a query asks for at once
        self._limits = dict(limits or {})
        known = set(re.findall(r"\$\{(LOKI_\w+)", self.config.read_text()))
        for limit in self._limits:
            if f"LOKI_{limit.upper()}" not in known:
                raise ValueError(f"{self.config} has no variable for the limit {limit}")
        super().__init__(directory, keep)
        self._overrides_path = self.directory / "overrides.yaml"
        if not self._overrides_path.exists():
            self._overrides_path.write_text("{}")

    @property
    def push_url(self) -> str:
        return self.url + "/loki/api/v1/push"

    def _command(self) -> list[str]:
        return [
            str(self.binary),
            f"-config.file={self.config}",
            "-config.expand-env=true",
        ]

    def _environment(self) -> dict[str, str]:
        # A LOKI_* variable of the caller must not change a test.
        env = {k: v for k, v in os.environ.items() if not k.startswith("LOKI_")}
        env.update(
            LOKI_DATA=str(self.directory / "data"),
            LOKI_PORT=str(self.http_port),
            LOKI_GRPC_PORT=str(self.grpc_port),
            LOKI_AUTH_ENABLED=str(self.auth).lower(),
            LOKI_OVERRIDES=str(self._overrides_path),
        )
        for limit, value in self._limits.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            env[f"LOKI_{limit.upper()}"] = text
        return env

    def set_overrides(
        self, overrides: Mapping[str, Mapping[str, object]], timeout: float = 20
    ) -> None:
        """Sets limits by tenant while Loki runs; waits until it has taken them.

        Without auth there is one tenant, "fake". A limit that is left out goes
        back to its start value; so {} takes everything back.
        """
        before = self._overrides_state()
        text = json.dumps({"overrides": overrides}, indent=1)
        if text == self._overrides_path.read_text():
            return
        fresh = self._overrides_path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self._overrides_path)
        deadline = time.monotonic() + timeout
        while (state := self._overrides_state()) == before:
            if time.monotonic() > deadline:
                raise ServerError(
                    f"Loki did not take the overrides in {timeout} s\n"
                    + self.log_tail()
                )
            time.sleep(0.05)
        if not state.sum("loki_runtime_config_last_reload_successful"):
            raise ServerError("Loki refused the overrides\n" + self.log_tail())

    def _overrides_state(self) -> Metrics:
        text = http(self.url + "/metrics").decode()
        rows = re.findall("^loki_runtime_config_.*", text, re.MULTILINE)
        return Metrics(parse_metrics("\n".join(rows)))

    def _headers(self, tenant: str | None) -> dict[str, str]:
        return {"X-Scope-OrgID": tenant} if tenant is not None else {}

    def _get(self, path: str, tenant: str | None, **parameters: object):
        url = f"{self.url}{path}?{urllib.parse.urlencode(parameters, doseq=True)}"
        headers = self._headers(tenant)
        # Structured metadata comes apart from the labels only when asked for.
        headers["X-Loki-Response-Encoding-Flags"] = "categorize-labels"
        answer = json.loads(http(url, headers=headers, timeout=180))
        if answer.get("status") != "success":
            raise HttpError(200, url, json.dumps(answer))
        return answer["data"]

    def push(
        self,
        labels: Mapping[str, str],
        entries: Iterable[tuple],
        *,
        tenant: str | None = None,
    ) -> None:
        """Pushes lines of one stream: (ts_ns, line) or (ts_ns, line, metadata)."""
        values = [[str(ts), *rest] for ts, *rest in entries]
        body = {"streams": [{"stream": dict(labels), "values": values}]}
        headers = self._headers(tenant) | {"Content-Type": "application/json"}
        http(self.push_url, data=json.dumps(body).encode(), headers=headers)

    def query_range(
        self,
        selector: str,
        start: int = OLDEST_NS,
        end: int | None = None,
        limit: int | None = None,
        tenant: str | None = None,
        *,
        keep_shards: bool = False,
    ) -> list[Entry]:
        """Every entry that the selector finds, oldest first.

        start and end are nanoseconds, start included, end not; without an end,
        a day from now. limit bounds the number of entries, None takes all: the
        pages are fetched one after the other, none is lost or repeated between
        them. Entries of one nanosecond in one stream come as Loki orders them.
        The label __stream_shard__, which Loki itself adds to busy streams, is
        left out unless keep_shards is set.
        """
        if end is None:
            end = time.time_ns() + 86_400 * 10**9
        entries: list[Entry] = []
        for entry in self._pages(selector, start, end, tenant):
            if not keep_shards:
                entry.labels.pop("__stream_shard__", None)
            entries.append(entry)
            if len(entries) == limit:
                break
        return entries

    def _pages(
        self, selector: str, start: int, end: int, tenant: str | None
    ) -> Iterator[Entry]:
        page = self.page
        while start < end:
            found = self._page(selector, start, end, page, tenant)
            if len(found) < page:
                yield from found
                return
            # The page may have ended within the entries of one nanosecond: leave
            # those of its last nanosecond to the next page.
            last = found[-1].ts_ns
            whole = [entry for entry in found if entry.ts_ns < last]
            if whole:
                yield from whole
                start = last
            else:
                # One nanosecond fills the page. Past Loki's limit it says so: 400.
                page *= 2

    def _page(
        self, selector: str, start: int, end: int, page: int, tenant: str | None
    ) -> list[Entry]:
        data = self._get(
            "/loki/api/v1/query_range",
            tenant,
            query=selector,
            start=start,
            end=end,
            limit=page,
            direction="forward",
        )
        found = []
        for stream in data["result"]:
            for ts, line, *rest in stream["values"]:
                metadata = rest[0].get("structuredMetadata", {}) if rest else {}
                found.append(Entry(dict(stream["stream"]), int(ts), line, metadata))
        # Stable: the order within a stream stays as Loki gave it.
        found.sort(key=lambda entry: entry.ts_ns)
        return found

    def count(self, selector: str, tenant: str | None = None) -> int:
        """How many lines the selector finds, counted by Loki."""
        end = time.time_ns() + 86_400 * 10**9
        data = self._get(
            "/loki/api/v1/query",
            tenant,
            query=f"sum(count_over_time({selector}[{(end - OLDEST_NS) // 10**9}s]))",
            time=end,
        )
        return sum(int(sample["value"][1]) for sample in data["result"])

    def wait_count(
        self,
        selector: str,
        count: int,
        timeout: float = 60,
        tenant: str | None = None,
    ) -> int:
        """Waits until at least that many lines are there; the number there is.

        Returns, with a number that is too small, when the time is over: the
        caller's own assertion then says what is missing.
        """
        deadline = time.monotonic() + timeout
        while True:
            there = self.count(selector, tenant)
            if there >= count or time.monotonic() > deadline:
                return there
            time.sleep(0.1)

    def series(
        self,
        selector: str = "",
        start: int = OLDEST_NS,
        end: int | None = None,
        tenant: str | None = None,
    ) -> list[dict[str, str]]:
        """The label sets of the streams that the selector finds."""
        if end is None:
            end = time.time_ns() + 86_400 * 10**9
        parameters: dict[str, object] = {"start": start, "end": end}
        if selector:
            parameters["match[]"] = selector
        return self._get("/loki/api/v1/series", tenant, **parameters)


class Promtail(Server):
    """A Promtail, run with a configuration given as text.

    Its port is chosen here and given as a flag, which beats the configuration.
    So does positions.yaml in its folder, unless the text has a positions block.
    """

    name = "promtail"
    # /ready stays 500 until a target has a file; /metrics is there at once.
    ready_path = "/metrics"

    def __init__(
        self,
        config: str,
        binary: str | os.PathLike[str] | None = None,
        *,
        arguments: Iterable[str] = (),
        directory: str | os.PathLike[str] | None = None,
        keep: bool = False,
    ) -> None:
        self.binary = Path(binary) if binary else tools.require("promtail")
        self._config = config
        self._arguments = list(arguments)
        super().__init__(directory, keep)
        self.config_path = self.directory / "promtail.yaml"
        self.config_path.write_text(config)
        self.positions_path = self.directory / "positions.yaml"

    def _command(self) -> list[str]:
        command = [
            str(self.binary),
            f"-config.file={self.config_path}",
            "-server.http-listen-address=127.0.0.1",
            f"-server.http-listen-port={self.http_port}",
            "-server.grpc-listen-address=127.0.0.1",
            f"-server.grpc-listen-port={self.grpc_port}",
        ]
        if not re.search(r"^positions:", self._config, re.MULTILINE):
            command.append(f"-positions.file={self.positions_path}")
        return command + self._arguments

