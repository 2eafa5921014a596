# SPDX-License-Identifier: Apache-2.0
"""Where lines come from and where they go, beside the real Promtail: globs, discovery that
changes, rotation, packed files, several clients, limits, geoip, the environment."""

from __future__ import annotations

import bz2
import collections
import gzip
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import mmdb  # noqa: E402
import side_by_side  # noqa: E402
import tools  # noqa: E402

HEAD = """
server: {disable: true}
positions: {filename: %(folder)s/positions.yaml, sync_period: 100ms}
clients: [{url: "%(url)s", batchwait: 100ms}]
target_config: {sync_period: 300ms}
"""


@pytest.fixture(scope="module")
def promtail() -> Path:
    return tools.require("promtail")


@pytest.fixture
def programs(promtail) -> dict:
    return {"promtail": promtail, "agent": side_by_side.AGENT}


class Host:
    """One program on a folder of its own, with a sink of its own."""

    def __init__(self, program: Path, folder: Path, config: str, *words: str, sinks: int = 1, env=None):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.sinks = [side_by_side.Sink(folder / f"sink{i}") for i in range(sinks)]
        urls = {f"url{i or ''}": s.address + "/loki/api/v1/push" for i, s in enumerate(self.sinks)}
        path = folder / "promtail.yaml"
        path.write_text(config % {"folder": folder, **urls}, encoding="utf-8")
        self.log = folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([str(program), f"-config.file={path}", *words], stdout=log, stderr=log,
                                            env={**os.environ, **(env or {})})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for sink in self.sinks:
            sink.stop()

    def wait(self, entries: int, sink: int = 0) -> None:
        found = side_by_side.poll(lambda: self.process.poll() is not None
                                  or self.sinks[sink].entries() >= entries, 40)
        assert found and self.process.poll() is None, (
            f"{self.sinks[sink].entries()} of {entries} entries\n{self.log.read_text()[-3000:]}")

    def lines(self, wanted: int, sink: int = 0) -> list:
        """Ends the program; its entries, the folder's name taken out."""
        self.wait(wanted, sink)
        self.process.terminate()
        self.process.wait(timeout=30)
        self.sinks[sink].stop()
        here = str(self.folder)
        return sorted(((e.tenant, tuple((k, v.replace(here, "")) for k, v in e.labels), e.line)
                       for found in side_by_side.read_dump(self.sinks[sink].dump).values() for e in found))


def append(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as log:
        log.write(text)


FILES = ["a.log", "b.log", "a.txt", ".hidden.log", "a-1.log", "a[1].log", "sp ace.log", "é.log", "{x}.log", "sub/a.log", "sub/deep/a.log",
         "sub/deep/er/b.log", ".dot/a.log", "a*b.log", "A.log", "q?.log", "10.log", "ab.log", "abc.log", "sub/a.txt"]
GLOBS = ["a.log", "*.log", "*", "?.log", "[ab].log", "[^ab].log", "[!ab].log", "[a-c].log", "{a,b}.log", "{a,sub/a}.log", "**/*.log", "**",
         "**/a.log", "sub/**", "sub/**/*.log", "*/a.log", "*/*/a.log", "a\\\\[1\\\\].log", "a[[]1].log", "*.{log,txt}", "sub/deep/../a.log", "./*.log",
         "sub//*.log", "é.log", "[é].log", "?*.log", "a**.log", "**.log", "{*}.log", "{a,b", "[a", "sub", "sub/", "a\\\\*b.log", "*a*", "[0-9]*.log",
         "{[ab],A}.log", "{a{,b},10}.log", "*[0-9].log", "[[:digit:]]*.log", "sub/*/", "**/deep/**", "***.log", "{**/,}b.log", "[]a].log",
         "[a-].log", "[\\\\[]*", "{a,,b}.log", "{}.log", "{,a}b.log"]
MATCHES = 382  # of all of these
EXCLUDES = ["*.txt", "**/a.log", "[a-c]*.log", "sub/**", "**", "a.log", "{a,b}.log", "nothing", "*/a.log", ".*", "[a"]


def test_globs(programs, tmp_path):
    """What a __path__ and an __path_exclude__ match, by file."""
    jobs = [(glob, None) for glob in GLOBS] + [("**", exclude) for exclude in EXCLUDES]
    config = HEAD + "scrape_configs:\n"
    for i, (glob, exclude) in enumerate(jobs):
        more = f', __path_exclude__: "%(folder)s/logs/g{i}/{exclude}"' if exclude else ""
        config += (f'- job_name: g{i}\n  static_configs:\n  - {{targets: [localhost], labels: {{glob: g{i}, '
                   f'__path__: "%(folder)s/logs/g{i}/{glob}"{more}}}}}\n')
    results = {}
    for name, program in programs.items():
        folder = tmp_path / name
        # A tree for each: in Promtail targets of one file share its position, and a late one would miss its line.
        for i in range(len(jobs)):
            for file in FILES:
                append(folder / "logs" / f"g{i}" / file, f"line of {file}\n")
        with Host(program, folder, config) as host:
            side_by_side.poll(lambda: host.process.poll() is not None or host.sinks[0].entries() >= MATCHES, 40)
            results[name] = {(dict(labels)["glob"], dict(labels)["filename"], line) for _, labels, line in host.lines(0)}
    assert len(results["promtail"]) == MATCHES
    shown = collections.defaultdict(lambda: ([], []))
    for i, name in enumerate(results):
        for glob, file, _ in sorted(results[name]):
            shown[glob][i].append(file)
    different = {str(jobs[int(glob[1:])]): both for glob, both in shown.items() if both[0] != both[1]}
    assert not different


def test_discovery_that_changes(programs, tmp_path):
    """file_sd while it runs: a target more, a target less, other labels, a broken file between."""
    config = HEAD + """
scrape_configs:
- job_name: sd
  file_sd_configs: [{files: [%(folder)s/sd/*.yaml, %(folder)s/sd/*.json], refresh_interval: 1s}]
  relabel_configs:
  - {source_labels: [__meta_filepath], regex: '.*/(.*)', target_label: from}
  - {source_labels: [env], regex: hidden, action: drop}
"""

    def offer(folder: Path, name: str, text: str) -> None:
        (folder / "sd").mkdir(exist_ok=True)
        fresh = folder / "fresh"
        fresh.write_text(text.replace("LOGS", str(folder)), encoding="utf-8")
        fresh.rename(folder / "sd" / name)

    def one(file: str, labels: str) -> str:
        return f"- {{targets: [h], labels: {{__path__: LOGS/{file}, {labels}}}}}\n"

    results = {}
    for name, program in programs.items():
        folder = tmp_path / name
        for file in ("a.log", "b.log", "c.log", "d.log"):
            append(folder / file, f"{file} one\n")
        offer(folder, "x.yaml", one("a.log", "env: prod") + one("d.log", "env: hidden"))
        with Host(program, folder, config) as host:
            host.wait(1)
            offer(folder, "x.yaml", one("a.log", "env: prod") + one("b.log", "env: test"))
            host.wait(2)
            offer(folder, "y.json", '[{"targets":["h"],"labels":{"__path__":"LOGS/c.log","env":"json"}}]')
            host.wait(3)
            offer(folder, "y.json", "[{broken")  # keeps what it had
            offer(folder, "x.yaml", one("b.log", "env: test"))
            append(folder / "b.log", "b.log two\n")
            append(folder / "c.log", "c.log two\n")
            host.wait(5)
            results[name] = host.lines(5)
    assert results["agent"] == results["promtail"]
    assert len(results["promtail"]) == 5


def test_a_target_that_goes(programs, tmp_path):
    """Lines of a target that discovery no longer names are not sent."""
    config = HEAD + """
scrape_configs:
- job_name: sd
  file_sd_configs: [{files: [%(folder)s/sd.yaml], refresh_interval: 1s}]
"""
    target = "- {targets: [h], labels: {__path__: %s/%s.log, n: %s}}\n"
    results = {}
    for name, program in programs.items():
        folder = tmp_path / name
        append(folder / "a.log", "a one\n")
        append(folder / "b.log", "b one\n")
        (folder / "sd.yaml").write_text(target % (folder, "a", "a"))
        with Host(program, folder, config) as host:
            host.wait(1)
            fresh = folder / "fresh"
            fresh.write_text(target % (folder, "b", "b"))
            fresh.rename(folder / "sd.yaml")
            host.wait(2)  # b is read, so a is not any more: both come from one update
            log = host.log
            if name == "promtail":
                assert side_by_side.poll(lambda: "stopped tailing file" in log.read_text(), 20)
            append(folder / "a.log", "a two\n")
            append(folder / "b.log", "b two\n")
            host.wait(3)
            results[name] = host.lines(3)
    assert results["agent"] == results["promtail"]
    assert len(results["promtail"]) == 3


@pytest.mark.parametrize("way", ["rename", "truncate", "remove"])
def test_a_block_across_a_rotation(programs, tmp_path, way):
    """A multiline block whose file is rotated in its middle is one entry."""
    config = HEAD + """
scrape_configs:
- job_name: rotated
  static_configs: [{targets: [localhost], labels: {job: rotated, __path__: '%(folder)s/app.log'}}]
  pipeline_stages:
  - multiline: {firstline: '^S', max_wait_time: 60s}
"""
    results = {}
    for name, program in programs.items():
        folder = tmp_path / name
        log = folder / "app.log"
        append(log, "S one\n more\nS two\n begun\n")
        with Host(program, folder, config) as host:
            host.wait(1)  # so the rest is read, too
            if way == "rename":
                log.rename(folder / "app.log.1")
            elif way == "remove":
                log.unlink()
            else:
                os.truncate(log, 0)
            append(log, " goes on\nS three\n")
            host.wait(2)
            append(log, "S four\nS five\n")
            host.wait(4)
            results[name] = [line for _, _, line in host.lines(4) if line != "S five"]
    assert results["promtail"] == ["S four", "S one\n more", "S three", "S two\n begun\n goes on"]
    assert results["agent"] == results["promtail"]


PACKINGS = {"gz": gzip.compress, "z": zlib.compress, "bz2": bz2.compress}


def test_packed_files(programs, tmp_path):
    """Every packing: carriage returns, empty and long lines, no last newline, several members in one file."""
    texts = {"whole": b"one\ntwo\n", "open": b"one\ntwo", "empty": b"", "cr": b"one\r\n\r\n\ntwo\r\r\n",
             "long": b"x" * 200_000 + b"\nend\n"}
    config = HEAD + "scrape_configs:\n"
    for form in PACKINGS:
        for name in [*texts, "members"]:
            config += (f"- job_name: {form}_{name}\n  decompression: {{enabled: true, format: {form}}}\n  static_configs: "
                       f"[{{targets: [localhost], labels: {{job: {form}_{name}, __path__: '%(folder)s/{form}/{name}'}}}}]\n")
    results = {}
    for name, program in programs.items():
        folder = tmp_path / name
        for form, pack in PACKINGS.items():
            (folder / form).mkdir(parents=True)
            for text_name, text in texts.items():
                (folder / form / text_name).write_bytes(pack(text))
            (folder / form / "members").write_bytes(pack(b"first\nse") + (pack(b"cond\n") if form != "z" else b""))
        with Host(program, folder, config) as host:
            results[name] = host.lines(12 * len(PACKINGS))
    assert results["agent"] == results["promtail"]
    assert len(results["promtail"]) == 12 * len(PACKINGS)


@pytest.mark.parametrize("words", [[], ["-client.external-labels=flag=yes,who=flag"],
                                   ["-client.external-labels=flag=\"a,b\"", "-client.tenant-id=of-flag", "-client.batch-wait=150ms"]],
                         ids=["file", "labels", "tenant"])
def test_several_clients(programs, tmp_path, words):
    """Each client has its tenant, its external labels, its limits of a batch."""
    config = """
server: {disable: true}
positions: {filename: %(folder)s/positions.yaml}
client: {url: "%(url2)s", batchwait: 100ms, external_labels: {who: single}}
clients:
- {url: "%(url)s", name: a, tenant_id: first, batchwait: 100ms, external_labels: {who: a, job: loses, zone: x}}
- {url: "%(url1)s", name: b, batchwait: 100ms, batchsize: 10, headers: {X-Extra: "1"}}
scrape_configs:
- job_name: all
  static_configs: [{targets: [localhost], labels: {job: app, __path__: '%(folder)s/app.log'}}]
  pipeline_stages:
  - match: {selector: '{job="app"} |= "two"', stages: [{tenant: {value: other}}]}
"""
    results = {}
    for name, program in programs.items():
        folder = tmp_path / name
        append(folder / "app.log", "one\ntwo\nthree\n")
        with Host(program, folder, config, *words, sinks=3) as host:
            for sink in range(3):
                host.wait(3, sink)
            results[name] = [host.lines(3, 0)]
            for sink in host.sinks[1:]:
                sink.stop()
                results[name].append(sorted((e.tenant, tuple((k, v.replace(str(folder), "")) for k, v in e.labels), e.line)
                                            for found in side_by_side.read_dump(sink.dump).values() for e in found))
    assert results["agent"] == results["promtail"]
    assert all(len(found) == 3 for found in results["promtail"])


def test_clients_without_a_name(programs, tmp_path):
    """Nothing but their addresses tells these clients apart; each gets every line once."""
    config = """
server: {disable: true}
positions: {filename: %(folder)s/positions.yaml}
client: {url: "%(url)s", batchwait: 100ms}
clients:
- {url: "%(url1)s", batchwait: 100ms}
- {url: "%(url2)s", batchwait: 100ms, tenant_id: t}
- {name: x, url: "%(url3)s", batchwait: 100ms}
scrape_configs:
- job_name: all
  static_configs: [{targets: [localhost], labels: {job: app, __path__: '%(folder)s/app.log'}}]
"""
    results = {}
    for name, program in programs.items():
        folder = tmp_path / name
        append(folder / "app.log", "one\ntwo\n")
        with Host(program, folder, config, sinks=4) as host:
            for sink in range(4):
                host.wait(2, sink)
            results[name] = [host.lines(2, 0)]
            for sink in host.sinks[1:]:
                sink.stop()
                results[name].append(sorted((e.tenant, e.line) for found in side_by_side.read_dump(sink.dump).values() for e in found))
    assert results["agent"] == results["promtail"]
    assert all(len(found) == 2 for found in results["promtail"])


@pytest.mark.parametrize("limits, entries", [
    ("readline_rate_enabled: true, readline_rate: 0.0001, readline_burst: 3", 3),
    ("readline_rate_enabled: true, readline_rate: 0.0001, readline_burst: 5, readline_rate_drop: true", 5),
    ("readline_rate: 0.0001, readline_burst: 1", 8),
    ("readline_rate_enabled: true, readline_rate: 1000.5, readline_burst: 1, readline_rate_drop: false", 8),
])
def test_the_limit_of_all_lines(programs, tmp_path, limits, entries):
    config = HEAD + "limits_config: {" + limits + """}
scrape_configs:
- job_name: all
  static_configs: [{targets: [localhost], labels: {job: app, __path__: '%(folder)s/app.log'}}]
  pipeline_stages: [{drop: {expression: '^drop'}}]
"""
    results = {}
    for name, program in programs.items():
        folder = tmp_path / name
        append(folder / "app.log", "".join(f"line {i}\ndrop {i}\n" for i in range(8)))
        with Host(program, folder, config) as host:
            results[name] = host.lines(entries)
    assert results["agent"] == results["promtail"]
    assert len(results["promtail"]) == entries


def names(text: str) -> dict:
    return {"names": {"en": text, "de": "anders"}}


CITY = {
    "81.2.69.0/24": {"city": names("Oxford"), "country": {**names("United Kingdom"), "iso_code": "GB"},
                     "continent": {**names("Europe"), "code": "EU"}, "postal": {"code": "OX1"},
                     "location": {"latitude": 51.75, "longitude": -0.00005, "time_zone": "Europe/London"},
                     "subdivisions": [{**names("England"), "iso_code": "ENG"}, {**names("Oxfordshire"), "iso_code": "OXF"}]},
    "2001:218::/32": {"country": names("Japan"), "location": {"latitude": 0.0, "longitude": 0.0}},
    "10.0.0.0/8": {"city": {"names": {"de": "nur deutsch"}}, "location": {"latitude": 1e-9, "longitude": -179.5},
                   "subdivisions": []},
    "11.0.0.0/8": {"subdivisions": [{"iso_code": "ONLY"}], "location": {"latitude": 10.0, "longitude": 0.0}},
}
ASN = {"81.2.69.0/24": {"autonomous_system_number": mmdb.Uint(64512), "autonomous_system_organization": "Örg \"x\""},
       "10.0.0.0/8": {"autonomous_system_number": mmdb.Uint(0)}, "2001:218::/32": {"autonomous_system_organization": "only"}}
ADDRESSES = ["81.2.69.160", "2001:218:1::1", "10.1.2.3", "11.1.1.1", "8.8.8.8", "not one", "", "81.2.69.160 ", "::ffff:81.2.69.160",
             "081.2.69.160", "81.2.69", "fe80::1%%eth0", "10.0.0.1:80", "::10.1.2.3"]


def test_geoip(programs, tmp_path):
    config = HEAD + "scrape_configs:\n"
    for kind in ("city", "asn"):
        config += f"""
- job_name: {kind}
  static_configs: [{{targets: [localhost], labels: {{job: {kind}, __path__: '%(folder)s/*.log'}}}}]
  pipeline_stages:
  - regex: {{expression: '^(?P<ip>.*)$'}}
  - geoip: {{db: '%(folder)s/{kind}.mmdb', source: ip, db_type: {kind}}}
"""
    results = {}
    for name, program in programs.items():
        folder = tmp_path / name
        append(folder / "a.log", "".join(a.replace("%%", "%") + "\n" for a in ADDRESSES))
        (folder / "city.mmdb").write_bytes(mmdb.database("GeoLite2-City", CITY))
        (folder / "asn.mmdb").write_bytes(mmdb.database("GeoLite2-ASN", ASN))
        with Host(program, folder, config) as host:
            results[name] = host.lines(2 * len(ADDRESSES))
    assert results["agent"] == results["promtail"]
    assert any("Oxfordshire" in str(row) for row in results["promtail"])


VARIABLES = {"V": "value/of.v", "EMPTY": "", "U": "ÜBER", "N": "12", "P": "a/b/c.tar.gz", "lower": "lower", "X_1": "x1"}
FORMS = ["${V}", "$V", "$$V", "$${V}", "${UNSET}", "${UNSET:-d}", "${V:-d}", "${EMPTY:-d}", "${UNSET:=d}", "${UNSET=d}", "${V=d}", "${UNSET:?d}",
         "${UNSET:+d}", "${V:+d}", "${#V}", "${#UNSET}", "${#U}", "${V^}", "${V^^}", "${U,}", "${U,,}", "${V:2}", "${V:1:3}", "${V:-2}", "${V: -2}", "${V:x}", "${V:2:x}",
         "${V:0:100}", "${V:100}", "${P#*/}", "${P##*/}", "${P%.*}", "${P%%.*}", "${P/a/X}", "${P//a/X}", "${P/#a/X}", "${P/%gz/X}", "${P#a?b}", "${P#[a-c]}",
         "${UNSET:-${V}}", "${UNSET:-${EMPTY:-deep}}", "${1}", "a${V}b${N}c", r"\\", r"\/x", r"\d", r"a\\b\$c", "${UNSET:-a b}", "${UNSET:-}", "${V//./-}", r"${V/\//_}",
         "${P//[ab]/X}", "$", "$$", "a$b", "${X_1}", "${U^^}", "${V:3:0}", "${P##*.}", "${N:0:1}", "${lower^}", "${UNSET:-a:b}", "${UNSET:-a}}"]
BROKEN_FORMS = ["${", "${V", "${V-d}", "${V+d}", "${V?d}", "${}", "${ V}", "${V }", "${V:", "${-x}", "${V.x}", "${V[0]}", "${!V}", "${V~}", "${V@Q}", "${UNSET:-${V}"]


def test_the_environment(programs, tmp_path):
    targets = "".join(f"\n  - {{targets: [localhost], labels: {{__path__: '%(folder)s/app.log', n: n{i}, form: '{form}'}}}}"
                      for i, form in enumerate(FORMS)).replace("%", "%%").replace("%%(", "%(")
    config = HEAD + f"""
scrape_configs:
- job_name: env
  # Comments are text too: ${{V}} $$x
  static_configs:{targets}
"""
    results = {}
    for name, program in programs.items():
        folder = tmp_path / name
        append(folder / "app.log", "x\n")
        with Host(program, folder, config, "-config.expand-env=true", env=VARIABLES) as host:
            results[name] = {FORMS[int(dict(labels)["n"][1:])]: dict(labels).get("form")
                             for _, labels, _ in host.lines(len(FORMS))}
    different = {form: (results["promtail"].get(form), results["agent"].get(form)) for form in FORMS
                 if results["promtail"].get(form) != results["agent"].get(form)}
    assert not different


@pytest.mark.parametrize("form", BROKEN_FORMS)
def test_broken_variables_are_refused(programs, tmp_path, form):
    path = tmp_path / "promtail.yaml"
    path.write_text((HEAD % {"folder": tmp_path, "url": "http://127.0.0.1:1/"}) + f"""
scrape_configs:
- job_name: "{form}"
  static_configs: [{{targets: [localhost], labels: {{__path__: /x}}}}]
""", encoding="utf-8")
    codes = {name: subprocess.run([str(program), f"-config.file={path}", "-config.expand-env=true", "-check-syntax"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False).returncode
             for name, program in programs.items()}
    assert codes["agent"] == codes["promtail"]
