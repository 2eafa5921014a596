# SPDX-License-Identifier: Apache-2.0
"""What the tests of helm/ share: the tools, rendered charts, echo stubs."""
import functools
import json
import os
import pathlib
import shutil
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
HELM = ROOT / "helm"
TOOLS = pathlib.Path(os.environ.get("SLUICE_TOOLS")
                     or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "sluice/tools")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
HELMS = ["helm4", "helm3"]


def tool(name):
    path = TOOLS / name
    if not path.exists():
        pytest.fail(f"{path} is missing: run scripts/build-helm-tools.sh {name}")
    return str(path)


def run(*argv, check=True, **more):
    more.setdefault("timeout", 120)
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **more)
    if check and done.returncode != 0:
        pytest.fail(f"{' '.join(str(a) for a in argv)}\nexit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def load_all(text):
    return [one for one in yaml.load_all(text, Loader=LOADER) if one]


# A chart that stands in for one that can only be fetched with a network: it prints
# the values it is given. What Loki's and Tempo's charts make of them is tested with the real
# ones, where they are there (test_upstream_charts.py).
ECHO = """apiVersion: v1
kind: ConfigMap
metadata:
  name: echo-{{ .Chart.Name }}
data:
  values.yaml: |
    {{- toYaml .Values | nindent 4 }}
"""


def dependencies():
    """Name and version of the charts that helm/stack wants from elsewhere."""
    chart = yaml.safe_load((HELM / "stack/Chart.yaml").read_text())
    return {one["name"]: one["version"] for one in chart["dependencies"] if one["name"] != "sluice"}


def copy_of_stack(target):
    stack = target / "stack"
    shutil.copytree(HELM / "stack", stack, ignore=shutil.ignore_patterns("charts", "Chart.lock"))
    shutil.copytree(HELM / "agent", target / "agent")
    shutil.copytree(HELM / "agent", stack / "charts/sluice")
    return stack


def with_stubs(target):
    """A copy of helm/stack with the agent's chart, and echo stubs for Loki and Tempo."""
    stack = copy_of_stack(target)
    for name, version in dependencies().items():
        chart = stack / "charts" / name
        (chart / "templates").mkdir(parents=True)
        (chart / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": name, "version": version}))
        (chart / "templates/echo.yaml").write_text(ECHO)
    return stack


def upstream_summary():
    """What the real charts make of our values, as far as our scripts and documents rely on it."""
    return (HERE / "upstream/stack.yaml").read_text()


@pytest.fixture(scope="session")
def stack_dir(tmp_path_factory):
    return with_stubs(tmp_path_factory.mktemp("stack"))


class Charts:
    def __init__(self, stack):
        self.paths = {"agent": HELM / "agent", "stack": stack, "otel": HELM / "otel"}

    @functools.lru_cache(maxsize=None)
    def text(self, chart, *args, helm="helm4", release="rel", namespace="ns"):
        return run(tool(helm), "template", release, self.paths[chart], "--namespace", namespace, *args).stdout

    def objects(self, chart, *args, **more):
        return load_all(self.text(chart, *args, **more))

    def one(self, kind, chart, *args, name=None, **more):
        found = [o for o in self.objects(chart, *args, **more)
                 if o["kind"] == kind and (name is None or o["metadata"]["name"] == name)]
        assert len(found) == 1, f"{len(found)} objects of kind {kind}"
        return found[0]

    def refused(self, chart, *args, helm="helm4"):
        done = run(tool(helm), "template", "rel", self.paths[chart], *args, check=False)
        assert done.returncode != 0, f"accepted: {args}"
        return done.stderr

    def with_values(self, chart, values, tmp_path, **more):
        """Objects of a chart rendered with values given as a dictionary."""
        path = tmp_path / "values.yaml"
        path.write_text(yaml.safe_dump(values))
        return load_all(run(tool(more.pop("helm", "helm4")), "template", more.pop("release", "rel"),
                            self.paths[chart], "--namespace", "ns", "-f", path, *more.pop("args", [])).stdout)


@pytest.fixture(scope="session")
def charts(stack_dir):
    return Charts(stack_dir)


def ci_files():
    return [(chart, str(path)) for chart in ("agent", "stack", "otel")
            for path in sorted((HELM / chart / "ci").glob("*-values.yaml"))]


def conforms(path):
    """Strict schemas of Kubernetes, the operators' CRDs, and our own for what the charts use of others."""
    return run(tool("kubeconform"), "-summary", "-strict",
               "-schema-location", str(TOOLS / "schemas/{{ .ResourceKind }}{{ .KindSuffix }}.json"),
               "-schema-location", str(HERE / "schemas/{{ .ResourceKind }}{{ .KindSuffix }}.json"), path, check=False)


def pod_spec(objects):
    for one in objects:
        if one["kind"] == "DaemonSet":
            return one["spec"]["template"]["spec"]
    raise AssertionError("no DaemonSet")


def agent_config(objects):
    for one in objects:
        for field in ("data", "stringData"):
            if "promtail.yaml" in (one.get(field) or {}):
                return yaml.load(one[field]["promtail.yaml"], Loader=LOADER)
    raise AssertionError("no configuration")


def agent_binary():
    path = pathlib.Path(os.environ.get("AGENT_BIN") or ROOT / "build/release/bin/agent")
    if not path.exists():
        pytest.skip(f"THE AGENT IS NOT THERE: {path} (build it, or set AGENT_BIN)")
    return str(path)


def loki_binary():
    found = run(ROOT / "scripts/build-tools.sh", "--find", "loki", check=False).stdout
    for line in found.splitlines():
        if line.startswith("LOKI_BIN="):
            return line.split("=", 1)[1].strip("'\"")
    pytest.skip("LOKI IS NOT THERE: scripts/build-tools.sh loki, or set LOKI_BIN")
    return None


def json_file(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)
