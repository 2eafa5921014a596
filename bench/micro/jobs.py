# SPDX-License-Identifier: Apache-2.0
"""The micro-benchmarks: one pipeline each, run by `lane` over a small tree.

Every pipeline begins with `cri`; what a stage costs is its job's cost less that of the
job `cri` on the same kind of lines.
"""

CRI = [{"cri": {}}]
LEVEL = r"^\S+ \S+ (?P<level>[A-Z]+) +\[(?P<thread>[^\]]+)\]"
APP = {"regex": {"expression": LEVEL}}
FIELDS = {"json": {"expressions": {"level": "level", "status": "status", "trace_id": "trace_id"}}}

# name -> (kind of lines, stages after cri)
JOBS = {
    "cri": ("mixed", []),
    "cri.json-lines": ("json", []),
    "cri.app-lines": ("app", []),
    "cri.java-lines": ("java", []),
    "regex": ("app", [APP]),
    "labels": ("app", [APP, {"labels": {"level": None}}]),
    "json": ("json", [FIELDS]),
    "json+labels": ("json", [FIELDS, {"labels": {"level": None}}]),
    "logfmt": ("klog", [{"logfmt": {"mapping": {"pod": None, "attempt": None}}}]),
    "timestamp": ("app", [{"regex": {"expression": r"^(?P<when>[\d-]+ [\d:]+),"}},
                          {"timestamp": {"source": "when", "format": "2006-01-02 15:04:05"}}]),
    "output": ("json", [{"json": {"expressions": {"msg": "msg"}}}, {"output": {"source": "msg"}}]),
    "replace": ("ssh", [{"replace": {"expression": r"(\d+\.\d+\.\d+\.\d+)", "replace": "*"}}]),
    "template": ("json", [FIELDS, {"template": {"source": "level", "template": "{{ ToUpper .Value }}"}}]),
    "drop": ("app", [{"drop": {"expression": "never-there"}}]),
    "match": ("app", [{"match": {"selector": '{namespace=~".+"} |= "WARN"', "action": "drop"}}]),
    "multiline": ("java", [{"multiline": {"firstline": r"^\d{4}-\d{2}-\d{2} \d{2}:"}}]),
    "static_labels": ("app", [{"static_labels": {"a": "b"}}]),
    "structured_metadata": ("json", [FIELDS, {"structured_metadata": {"trace_id": None}}]),
    "pack": ("app", [{"pack": {"labels": ["container"]}}]),
    "decolorize": ("app", [{"decolorize": {}}]),
    "limit": ("app", [{"limit": {"rate": 1e9, "burst": 1000000000, "drop": True}}]),
    "sampling": ("app", [{"sampling": {"rate": 1}}]),
    "tenant": ("app", [{"tenant": {"value": "a"}}]),
    "metrics": ("app", [APP, {"metrics": {"lines": {"type": "Counter", "description": "lines",
                                                   "config": {"match_all": True, "action": "inc"}}}}]),
}
BASE = {"json": "cri.json-lines", "app": "cri.app-lines", "java": "cri.java-lines"}


def stages(name):
    return CRI + JOBS[name][1]


def base_of(name):
    """The job without the stage, for the difference; None where there is none."""
    kind, extra = JOBS[name]
    return BASE.get(kind) if extra else None
