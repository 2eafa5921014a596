# SPDX-License-Identifier: Apache-2.0
"""Random cases, each made from its seed alone, for the comparison with the real Promtail.

    python3 random_run.py --from 1 --count 500      compares 500 of them, prints what differs
"""

from __future__ import annotations

import random
from pathlib import Path

import yaml

import cases as case_files
import random_inputs as inputs
import random_stages as stages

# Makes a line of all that was extracted.
SHOW_ALL = [{"template": {"source": "all", "template": "{{ range $k, $v := . }}{{ $k }}={{ printf \"%q\" $v }};{{ end }}"}},
            {"output": {"source": "all"}}]
KINDS = ["json", "json", "json", "logfmt", "logfmt", "access", "trace", "text", "time", "time", "cri", "cri", "docker"]
# The stages whose result depends on the order of entries, which `match` does not keep in Promtail.
ORDERED = {"multiline", "limit", "cri", "timestamp"}


def node(value) -> yaml.Node:
    """YAML of a value; texts are quoted unless Plain."""
    if isinstance(value, stages.Plain):
        return yaml.compose(value, Loader=yaml.SafeLoader) if value else yaml.ScalarNode("tag:yaml.org,2002:null", "", style=None)
    if isinstance(value, str):
        return case_files.scalar(value)
    if isinstance(value, bool):
        return yaml.ScalarNode("tag:yaml.org,2002:bool", str(value).lower())
    if isinstance(value, dict):
        return yaml.MappingNode("tag:yaml.org,2002:map", [(case_files.scalar(k), node(v)) for k, v in value.items()])
    return yaml.SequenceNode("tag:yaml.org,2002:seq", [node(v) for v in value])


def partial_match(chain: list) -> bool:
    """True if some entries may go round a `match` that others enter."""
    for stage in chain:
        options = stage.get("match")
        if not isinstance(options, dict):
            continue
        if options.get("stages") and options.get("selector") != '{case=~".+"}':
            return True
        if isinstance(options.get("stages"), list) and partial_match(options["stages"]):
            return True
    return False


def without_formats(chain: list, first: bool = True) -> list:
    """The chain with `cri` and `docker` only in front: behind others they take what those extracted
    under their own names (content, output, flags) in Promtail, and on purpose not here."""
    made = []
    for stage in chain:
        kind = next(iter(stage))
        options = stage[kind]
        if kind in ("cri", "docker") and not first:
            continue
        if kind == "match" and isinstance(options, dict) and isinstance(options.get("stages"), list):
            stage = {kind: {**options, "stages": without_formats(options["stages"], False) or [{"decolorize": {}}]}}
        made.append(stage)
        first = False
    return made


def without_ordered(chain: list) -> list:
    """The chain without stages that depend on order."""
    made = []
    for stage in chain:
        kind = next(iter(stage))
        if kind in ORDERED:
            continue
        options = stage[kind]
        if kind == "match" and isinstance(options, dict) and isinstance(options.get("stages"), list):
            left = without_ordered(options["stages"])
            stage = {kind: {**options, "stages": left or [{"decolorize": {}}]}}
        made.append(stage)
    return made


def kinds(chain: list) -> list:
    """The stages of a chain, those within `match` too, in their order."""
    found = []
    for stage in chain:
        kind = next(iter(stage))
        found.append(kind)
        if kind == "match" and isinstance(stage[kind], dict) and isinstance(stage[kind].get("stages"), list):
            found += kinds(stage[kind]["stages"])
    return found


def without(chain: list, unwanted: set) -> list:
    return [{k: ({**v, "stages": without(v["stages"], unwanted) or [{"decolorize": {}}]}
                 if k == "match" and isinstance(v, dict) and isinstance(v.get("stages"), list) else v)
             for k, v in stage.items()} for stage in chain if not unwanted & set(stage)]


def loghub(folder: Path | None, rng) -> list:
    """Some real lines, where a folder of logs is given."""
    found = sorted(folder.glob("*.log")) if folder else []
    if not found:
        return []
    taken = rng.choice(found).read_bytes().split(b"\n")
    return [line for line in taken[:500] if line]


def make(seed: int, logs: Path | None = None) -> case_files.Case:
    """The case of one seed."""
    rng = random.Random(seed)
    kind = rng.choice(KINDS)
    chain = without_formats(stages.pipeline(rng, 0, kind))
    reorders = partial_match(chain)
    if reorders:
        chain = without_ordered(chain)
    if "multiline" in kinds(chain):
        # Promtail's loses structured metadata, and sends the last blocks of several streams in any order.
        chain = without(chain, {"structured_metadata", "non_indexed_labels"})
        reorders = reorders or any(k in ("labeldrop", "labelallow", "pack", "labels") for k in kinds(chain))
    if rng.random() < 0.6:
        chain += SHOW_ALL
    nodes = {"labels": node({"kind": kind, **({"app": rng.choice(["web", "", "é"])} if rng.random() < 0.5 else {}),
                             **({"level": "from-target"} if rng.random() < 0.1 else {}), **({"__x": "hidden"} if rng.random() < 0.1 else {})})}
    if chain:
        nodes["stages"] = node(chain)
    if rng.random() < 0.3:
        nodes["relabel"] = node([stages.relabel_rule(rng) for _ in range(rng.randint(1, 4))])
    rows = inputs.lines(rng, kind, loghub(logs, rng))
    scrape = {}
    if rng.random() < 0.04:
        scrape["encoding"] = rng.choice(["utf-8", "iso-8859-1", "windows-1252", "koi8-r", "nonsense"])
    if scrape:
        nodes["scrape"] = node(scrape)
    return case_files.Case(name=f"s{seed}", group="random", nodes=nodes, raw=True, lines=[row.decode("latin-1") for row in rows],
                           order="any" if reorders else "stream")
