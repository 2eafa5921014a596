# SPDX-License-Identifier: Apache-2.0
"""The micro-benchmarks: one pipeline each, run by `lane` over a small tree.

Every pipeline begins with `cri`; what a stage costs is its job's cost less that of the
job `cri` on the same kind of lines. Every stage is in a job or has a reason why not
(tested), and every job has a limit of allocations per line.
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
    "docker": ("app", [{"docker": {}}]),  # lines of another format: read as JSON, and left alone
    "labelallow": ("app", [{"labelallow": ["namespace", "pod"]}]),
    "labeldrop": ("app", [{"labeldrop": ["container"]}]),
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
WITHOUT_A_JOB = {
    "eventlogmessage": "reads the message of a Windows event, which no tree here has",
    "geoip": "needs a database that cannot be redistributed",
}

# Allocations per line in the steady state. Batches, requests and buffers are in it: a
# hundredth of an allocation per line for all of them together, none for the record.
# These stages make a text of their own for each line.
MOST_ALLOCATIONS = 0.01
ALLOCATES = {}

# What a stage must do alone, as a share of the floor's MB per CPU-second on the same
# lines in the same run: 400 and 300 MB/s where the floor does 600.
SHARE_OF_FLOOR = {"json": 400 / 600, "multiline": 300 / 600}
# The regex stage beside RE2 alone, on the same lines with the same groups.
MOST_OVER_RE2 = 1.2

BASE = {"json": "cri.json-lines", "app": "cri.app-lines", "java": "cri.java-lines"}


def stages(name):
    return CRI + JOBS[name][1]


def stages_with_a_job():
    """The names of all stages that some job runs."""
    return {stage for _, extra in JOBS.values() for each in CRI + extra for stage in each}


def base_of(name):
    """The job without the stage, for the difference; None where there is none."""
    kind, extra = JOBS[name]
    return BASE.get(kind) if extra else None


def most_allocations(name):
    return ALLOCATES.get(name, MOST_ALLOCATIONS)
