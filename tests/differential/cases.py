# SPDX-License-Identifier: Apache-2.0
"""Reads cases/*.yaml: small pipelines with their input, for Promtail and the agent alike.

A case keeps its configuration as YAML nodes, never as Python values: `n`, `1.10`
and `"1"` reach both programs spelled as they stand in the file.

File: a list of cases, or {config: {top-level keys for both programs}, cases: [...]}.
Keys of a case:
  name      of the case; also its job_name, its file's name and its label `case`
  stages    pipeline_stages
  relabel   relabel_configs
  labels    more static labels
  scrape    more keys of the scrape config (encoding, decompression, ...)
  lines     the input; `raw: true` takes each character as one byte; `gzip: true` packs
            the file; `end: ""` ends it in something else than a newline
  entries   how many entries come out (default: one a line)
  order     `any` where Promtail itself promises none
  differs   why the agent's output is meant to be another; `expect` lists that output
  known     a bug of the agent: the case fails until it is mended, then it says so;
            `ours` is how many entries it sends until then, where that is another number
  promtail  of a refused configuration: `accepts` where only the agent refuses it
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parent / "cases"
_CONFIG_KEYS = ("stages", "relabel", "labels", "scrape", "config")
_OTHER_KEYS = ("name", "lines", "raw", "gzip", "end", "entries", "order", "differs", "expect",
               "known", "ours", "promtail")


@dataclasses.dataclass
class Case:
    """One case; `nodes` are the parts that go into the configuration as they are."""

    name: str
    group: str
    nodes: dict
    lines: list
    raw: bool = False
    gzip: bool = False
    end: str = "\n"
    entries: int | None = None
    order: str = "stream"
    differs: str | None = None
    expect: list | None = None
    known: str | None = None
    ours: int | None = None
    promtail: str = "refuses"

    def input(self) -> bytes:
        text = "\n".join(self.lines) + self.end if self.lines else ""
        return text.encode("latin-1" if self.raw else "utf-8")

    def expected_entries(self) -> int:
        return len(self.lines) if self.entries is None else self.entries


def scalar(text: str) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, style='"')


def mapping(*pairs) -> yaml.MappingNode:
    """A mapping node; values may be nodes, texts or numbers."""
    made = []
    for key, value in pairs:
        if isinstance(value, str):
            value = scalar(value)
        made.append((scalar(key), value))
    return yaml.MappingNode("tag:yaml.org,2002:map", made)


def sequence(*nodes) -> yaml.SequenceNode:
    return yaml.SequenceNode("tag:yaml.org,2002:seq", list(nodes))


def parse(text: str) -> yaml.Node:
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _value(node: yaml.Node):
    return yaml.safe_load(yaml.serialize(node, allow_unicode=True))


def _fields(node: yaml.MappingNode) -> dict:
    return {key.value: value for key, value in node.value}


def _case(group: str, node: yaml.MappingNode) -> Case:
    fields = _fields(node)
    unknown = set(fields) - set(_CONFIG_KEYS) - set(_OTHER_KEYS)
    if unknown:
        raise ValueError(f"{group}: unknown keys of a case: {sorted(unknown)}")
    plain = {key: _value(fields[key]) for key in _OTHER_KEYS if key in fields}
    nodes = {key: fields[key] for key in _CONFIG_KEYS if key in fields}
    plain.setdefault("lines", [])
    if plain.get("differs") and "expect" not in plain:
        raise ValueError(f"{plain['name']}: `differs` needs `expect`")
    return Case(group=group, nodes=nodes, **plain)


def load(path: Path) -> tuple[yaml.MappingNode | None, list[Case]]:
    """The group's own configuration, if any, and the cases of one file."""
    root = parse(path.read_text(encoding="utf-8"))
    config = None
    if isinstance(root, yaml.MappingNode):
        fields = _fields(root)
        config, root = fields.get("config"), fields["cases"]
    return config, [_case(path.stem, node) for node in root.value]


def scrape_config(case: Case, log: Path) -> yaml.MappingNode:
    labels = mapping(("case", case.name), ("__path__", str(log)))
    labels.value += case.nodes["labels"].value if "labels" in case.nodes else []
    targets = mapping(("targets", sequence(scalar("localhost"))), ("labels", labels))
    made = mapping(("job_name", case.name), ("static_configs", sequence(targets)))
    for key, name in (("stages", "pipeline_stages"), ("relabel", "relabel_configs")):
        if key in case.nodes:
            made.value.append((scalar(name), case.nodes[key]))
    if "scrape" in case.nodes:
        made.value += case.nodes["scrape"].value
    return made


def configuration(cases: list[Case], logs: Path, positions: Path, push_url: str,
                  config: yaml.MappingNode | None) -> str:
    """One configuration with a scrape config for each case."""
    own = _fields(config) if config is not None else {}
    client = mapping(("url", push_url), ("batchwait", "200ms"))
    client.value += own.pop("client").value if "client" in own else []
    whole = mapping(
        ("server", parse("disable: true")),
        ("positions", mapping(("filename", str(positions)), ("sync_period", "1s"))),
        ("clients", sequence(client)),
        ("scrape_configs", sequence(*(scrape_config(c, log_path(logs, c)) for c in cases))))
    whole.value = [pair for pair in whole.value if pair[0].value not in own]
    whole.value += [(scalar(key), node) for key, node in own.items()]
    return yaml.serialize(whole, allow_unicode=True, width=1 << 20)


def log_path(logs: Path, case: Case) -> Path:
    return logs / (case.name + (".log.gz" if case.gzip else ".log"))
