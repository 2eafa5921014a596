# SPDX-License-Identifier: Apache-2.0
"""Every ci file of every chart, with both Helms: lint, render, schemas, golden files."""
import os
import re
import shutil

import pytest
import yaml

from conftest import HELM, HELMS, HERE, LOADER, TOOLS, ci_files, conforms, load_all, run, tool

CASES = ci_files()
IDS = [f"{chart}-{os.path.basename(path)}" for chart, path in CASES]


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("chart,values", CASES, ids=IDS)
def test_lint(charts, helm, chart, values):
    run(tool(helm), "lint", "--strict", charts.paths[chart], "-f", values)


@pytest.mark.parametrize("chart,values", CASES, ids=IDS)
def test_both_helms_render_the_same(charts, chart, values):
    def sort(objects):
        return sorted(objects, key=lambda o: (o["kind"], o["metadata"]["name"]))
    assert sort(charts.objects(chart, "-f", values, helm="helm3")) == sort(charts.objects(chart, "-f", values))


@pytest.mark.parametrize("chart,values", CASES, ids=IDS)
def test_schemas(charts, tmp_path, chart, values):
    path = tmp_path / "rendered.yaml"
    text = charts.text(chart, "-f", values, "--api-versions", "security.openshift.io/v1")
    path.write_text(text)
    done = conforms(path)
    assert done.returncode == 0, done.stdout


def test_the_schemas_are_strict(charts, tmp_path):
    text = charts.text("agent")
    for right, wrong in (("tolerations:", "tolerationz:"), ("hostPath:", "hostpath:"), ("readOnly: true", 'readOnly: "yes"')):
        assert right in text
        path = tmp_path / "rendered.yaml"
        path.write_text(text.replace(right, wrong))
        done = run(tool("kubeconform"), "-schema-location",
                   str(TOOLS / "schemas/{{ .ResourceKind }}{{ .KindSuffix }}.json"), path, check=False)
        assert done.returncode != 0 and "DaemonSet" in done.stdout


# What kube-score wants and these charts do not give, with the reason.
NOT_WANTED = {
    "container-image-pull-policy": "tags are fixed, so IfNotPresent pulls the same image once",
    "container-ephemeral-storage-request-and-limit": "read-only root file systems; nothing is written but the state directory",
    "container-security-context-user-group-id": "group 0 reads the kubelet's logs, which are 0640 root:root",
}


def faults(charts, path, chart, *args):
    path.write_text(charts.text(chart, *args))
    unwanted = list(NOT_WANTED)
    if chart == "stack":
        unwanted += ["ingress-targets-service", "networkpolicy-targets-pod"]  # the stubs have neither
    ignored = [a for name in unwanted for a in ("--ignore-test", name)]
    done = run(tool("kube-score"), "score", "--output-format", "ci", "--ignore-container-cpu-limit", *ignored, path, check=False)
    found = [line for line in done.stdout.splitlines() if re.match(r"\[(CRITICAL|WARNING)\]", line)]
    # The pod of `helm test` lives for seconds; "one" and "two" are a ci file's own containers.
    return [line for line in found if not re.search(r"-test/\S+ v1/Pod: The pod does not have a matching NetworkPolicy|\((one|two)\)", line)]


@pytest.mark.parametrize("chart,values", CASES, ids=IDS)
def test_kube_score(charts, tmp_path, chart, values):
    """A linter of others looks at the same objects."""
    more = {"agent": ["networkPolicy.enabled=true"], "stack": ["sluice.networkPolicy.enabled=true"]}.get(chart, [])
    found = faults(charts, tmp_path / "rendered.yaml", chart, "-f", values, *(a for one in more for a in ("--set", one)))
    assert not found, "\n".join(found)


# What the ci files themselves ask for, and the stubs' missing objects; kube-linter.yaml has the rest.
LINTED = re.compile(r"-test /v1, Kind=Pod\)|\\?\"(one|two)\\?\" |host-network|serviceAccount \"given\"|own-config.*no-liveness-probe|config-reloader.*no-liveness-probe"
                    r"|rel-(loki|tempo) networking|/tempo networking")


def linted(text, path):
    program = shutil.which("kube-linter") or TOOLS / "kube-linter"
    if not os.path.exists(program):
        pytest.skip("optional: kube-linter is not there; its module is not to be had from the Go module proxy")
    path.write_text(text)
    done = run(program, "lint", "--config", HERE / "kube-linter.yaml", path, check=False)
    found = [line for line in done.stdout.splitlines() if "(check: " in line]
    assert done.returncode == 0 or found, done.stdout + done.stderr
    return [line for line in found if not LINTED.search(f"{path.name} {line}")]


@pytest.mark.parametrize("chart,values", CASES, ids=IDS)
def test_kube_linter(charts, tmp_path, chart, values):
    more = {"agent": ["networkPolicy.enabled=true"], "stack": ["sluice.networkPolicy.enabled=true"]}.get(chart, [])
    text = charts.text(chart, "-f", values, *(a for one in more for a in ("--set", one)))
    found = linted(text, tmp_path / os.path.basename(values))
    assert not found, "\n".join(found)


def test_kube_linter_would_find_it(charts, tmp_path):
    for setting, says in (("containerSecurityContext.privileged=true", "privileged"), ("resources=null", "memory limit"), ("networkPolicy.enabled=false", "non-isolated")):
        found = linted(charts.text("agent", "--set", "networkPolicy.enabled=true", "--set", setting), tmp_path / "rendered.yaml")
        assert any(says in line for line in found), (setting, found)


@pytest.mark.parametrize("setting,says", [
    ("containerSecurityContext.privileged=true", "privileged"), ("image.tag=latest", "latest"),
    ("containerSecurityContext.readOnlyRootFilesystem=false", "writable"), ("networkPolicy.enabled=false", "NetworkPolicy")])
def test_kube_score_would_find_it(charts, tmp_path, setting, says):
    found = faults(charts, tmp_path / "rendered.yaml", "agent", "--set", "networkPolicy.enabled=true", "--set", setting)
    assert any(says in line for line in found), found


def normal(text):
    """Without what changes at every release of the chart."""
    text = re.sub(r"(helm\.sh/chart: \S+?)-\d+\.\d+\.\d+\S*", r"\1", text)
    text = re.sub(r"(app\.kubernetes\.io/version: ).*", r'\1"VERSION"', text)
    text = re.sub(r"(checksum/config: ).*", r"\1CHECKSUM", text)
    text = re.sub(r"(image: \"?sluice):\d+\.\d+\.\d+", r"\1:VERSION", text)
    objects = load_all(text)
    for one in objects:  # dashboards have a test of their own
        for key in list((one.get("data") or {})):
            if key.endswith(".json"):
                one["data"][key] = "DASHBOARD"
    objects.sort(key=lambda o: (o["kind"], o["metadata"]["name"]))
    return yaml.safe_dump_all(objects, sort_keys=True, width=200)


@pytest.mark.parametrize("chart,values", CASES, ids=IDS)
def test_golden(charts, chart, values):
    path = HERE / "golden" / f"{chart}-{os.path.basename(values).replace('-values', '')}"
    got = normal(charts.text(chart, "-f", values))
    if os.environ.get("SLUICE_UPDATE_GOLDEN"):
        path.write_text(got)
    assert path.exists(), f"{path} is missing: tests/helm/run.sh --update"
    assert got == path.read_text(), f"differs from {path}; if that is meant: tests/helm/run.sh --update"


@pytest.mark.parametrize("chart", ["agent", "stack", "otel"])
def test_rendering_is_deterministic(charts, chart):
    first = run(tool("helm4"), "template", "rel", charts.paths[chart]).stdout
    assert run(tool("helm4"), "template", "rel", charts.paths[chart]).stdout == first


def test_the_order_of_settings_does_not_matter(charts):
    """What comes from maps is sorted; a pod template that changes by itself would restart every agent."""
    sets = ["podLabels.b=1", "podLabels.a=2", "podAnnotations.z=1", "podAnnotations.y=2", "serviceMonitor.enabled=true",
            "serviceMonitor.labels.q=1", "serviceMonitor.labels.p=2", "prometheusRule.enabled=true", "extraPorts.b.containerPort=1",
            "extraPorts.a.containerPort=2", "loki.externalLabels.y=1", "loki.externalLabels.x=2"]

    def text(order):
        return run(tool("helm4"), "template", "rel", HELM / "agent", *(a for one in order for a in ("--set-string" if "=true" not in one and "Port" not in one else "--set", one))).stdout
    first = text(sets)
    assert "containerPort: 2" in first
    for turn in range(1, 4):
        assert text(sets[turn * 3:] + sets[:turn * 3]) == first
    assert text(sets[::-1]) == first


@pytest.mark.parametrize("release", ["a", "sluice", "x" * 53])
@pytest.mark.parametrize("chart", ["agent", "stack", "otel"])
def test_names_are_legal(charts, chart, release):
    for one in charts.objects(chart, release=release, namespace="n" * 63):
        name = one["metadata"]["name"]
        assert len(name) <= 63 or one["kind"].startswith("ClusterRole"), name
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name), name
        for value in (one["metadata"].get("labels") or {}).values():
            assert len(str(value)) <= 63


def test_two_releases_do_not_collide(charts):
    def names(release):
        return {(o["kind"], o["metadata"]["name"]) for o in charts.objects("agent", release=release)}
    assert not names("one") & names("two")


@pytest.mark.parametrize("chart", ["agent", "otel"])
@pytest.mark.parametrize("helm", HELMS)
def test_package(tmp_path, helm, chart):
    run(tool(helm), "package", HELM / chart, "-d", tmp_path)
    archive = next(tmp_path.glob("*.tgz"))
    names = run("tar", "tzf", archive).stdout
    assert "values.schema.json" in names and "/ci/" not in names and "/tests/" not in names.replace("templates/tests/", "")
    run(tool(helm), "lint", archive)
    shown = {what: run(tool(helm), "show", what, archive).stdout for what in ("values", "readme", "chart")}
    for what, path in (("values", "values.yaml"), ("readme", "README.md")):
        assert shown[what].strip() == (HELM / chart / path).read_text().strip()
    assert "kubeVersion: '>=1.25.0-0'" in shown["chart"]


@pytest.mark.parametrize("chart,values", CASES, ids=IDS)
def test_every_object_says_its_namespace(charts, chart, values):
    """`helm template | kubectl apply` knows no release namespace: some objects of the stack went to
    "default", beside the pods that they are about. kube-linter found it."""
    stubs = {"echo-loki", "echo-tempo"}
    for one in charts.objects(chart, "-f", values, "--api-versions", "security.openshift.io/v1"):
        cluster_wide = one["kind"].startswith("Cluster") or one["kind"] in ("StorageClass", "SecurityContextConstraints")
        if one["metadata"]["name"] not in stubs | {"rel-map", "rel-text"}:  # extraObjects are the user's
            assert ("namespace" in one["metadata"]) is not cluster_wide, (one["kind"], one["metadata"]["name"])


def test_values_per_mode_render(charts):
    for files in (["hybrid"], ["full"], ["hybrid", "eks"], ["full", "eks"], ["hybrid", "kind"]):
        args = [a for f in files for a in ("-f", str(HELM / "values" / f"{f}.yaml"))]
        assert charts.objects("stack", *args)
    assert charts.objects("agent", "-f", str(HELM / "values/agent-only.yaml"))


def test_platform_values_are_yaml():
    for path in (HELM / "values/platform").glob("*.yaml"):
        assert yaml.load(path.read_text(), Loader=LOADER)
