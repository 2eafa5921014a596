# SPDX-License-Identifier: Apache-2.0
"""The documents: fresh tables, links that lead somewhere, names and labels that exist."""
import re

import pytest
import yaml

from conftest import HELM, HERE, LOADER, ROOT, conforms, load_all, run, tool

PAGES = [HELM / "README.md", HELM / "agent/README.md", HELM / "stack/README.md", HELM / "otel/README.md",
         ROOT / "docs/TROUBLESHOOTING.md", ROOT / "docs/SIZING.md"]


def test_value_tables_are_fresh():
    run("/usr/bin/python3", HELM / "readme.py", "--check")


def test_every_value_of_the_agent_has_a_comment():
    values = yaml.load((HELM / "agent/values.yaml").read_text(), Loader=LOADER)
    readme = (HELM / "agent/README.md").read_text()
    for key, value in values.items():
        assert f"`{key}`" in readme or f"`{key}." in readme, key
        if isinstance(value, dict) and f"`{key}`" not in readme:
            for inner in value:
                assert f"`{key}.{inner}`" in readme or f"`{key}.{inner}." in readme, f"{key}.{inner}"


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links(path):
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands(path, charts):
    """Shell blocks parse; options of our scripts exist; labels, kinds and names are real."""
    text = path.read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    for block in blocks:
        run("bash", "-n", "-c", re.sub(r"<[^>\n]*>", "x", block))
    for script in ("deploy.sh", "cleanup.sh"):
        known = run("bash", HELM / script, "--help").stdout
        for line in re.findall(rf"helm/{script}((?:[^\n]*\\\n)*[^\n#]*)", "\n".join(blocks)):
            for option in re.findall(r"(?<!\S)(--[a-z-]+)", line):
                assert option in known, option
    objects = charts.objects("stack", release="sluice-stack", namespace="monitoring") + charts.objects("otel")
    for path_of_one in (HERE / "upstream").glob("*.yaml"):
        objects += load_all(path_of_one.read_text())
    # The operator makes the collector's Deployment.
    names = {o["metadata"]["name"] for o in objects} | {"gateway-collector"}
    for name in re.findall(r"(?:daemonset|statefulset|deployment|svc)/([a-z][a-z-]*)", "\n".join(blocks)):
        assert name in names, name
    for block in blocks:
        for name in re.findall(r"app\.kubernetes\.io/name=([a-z-]+)", block):
            assert name in {"loki", "tempo", "sluice"}
        assert "-l app=" not in block, "the charts do not set the label app"


def test_files_that_the_documents_name():
    for path in PAGES:
        for name in re.findall(r"(?<![\w/.-])((?:helm|tests|docs|scripts)/[\w./-]+\.(?:sh|yaml|md|gotmpl|py))", path.read_text()):
            assert (ROOT / name).exists(), f"{path.name}: {name}"


def rendered_as(charts, tmp_path, chart, release, namespace, values):
    """What helmfile and Argo CD do with a release: helm template, with these files."""
    name = {"stack": "stack", "otel": "otel", "agent": "agent"}[chart.name]
    text = charts.text(name, *(a for path in values for a in ("-f", str(path))), release=release, namespace=namespace)
    path = tmp_path / f"{release}.yaml"
    path.write_text(text)
    done = conforms(path)
    assert done.returncode == 0, done.stdout
    return load_all(text)


def test_the_helmfile_example(charts, tmp_path):
    text = (HELM / "examples/helmfile.yaml.gotmpl").read_text()
    assert "{{" not in text, "a template must be rendered before it is read"
    helmfile = yaml.load(text, Loader=LOADER)
    assert set(helmfile) <= {"repositories", "helmDefaults", "releases"}
    lib = (HELM / "lib.sh").read_text()
    done = {}
    for release in helmfile["releases"]:
        assert set(release) <= {"name", "namespace", "chart", "version", "needs", "values", "disableValidationOnInstall"}, release["name"]
        if "version" in release:
            assert release["version"] in lib, release
        values = [(HELM / "examples" / path).resolve() for path in release.get("values", [])]
        assert all(path.exists() for path in values), release
        for need in release.get("needs", []):
            namespace, name = need.split("/")
            assert done.get(name) == namespace, f"{release['name']} needs {need}, which does not come before it"
        done[release["name"]] = release["namespace"]
        chart = (HELM / "examples" / release["chart"]).resolve()
        if release["chart"].startswith(".."):
            assert rendered_as(charts, tmp_path, chart, release["name"], release["namespace"], values)
        else:
            repository = release["chart"].split("/")[0]
            assert repository == "oci:" or repository in {r["name"] for r in helmfile["repositories"]}, release
    assert {"sluice-stack", "sluice-otel"} <= set(done)
    operator = next(r for r in helmfile["releases"] if r["name"] == "opentelemetry-operator")
    assert set(operator["needs"]) == {"cert-manager/cert-manager", "monitoring/kube-prometheus-stack"}, "the kinds that its values make"


def test_the_argo_cd_example(charts, tmp_path):
    path = HELM / "examples/argocd.yaml"
    done = conforms(path)
    assert done.returncode == 0, done.stdout
    (tmp_path / "wrong.yaml").write_text(path.read_text().replace("valueFiles", "valuesFiles"))
    assert conforms(tmp_path / "wrong.yaml").returncode != 0
    waves = {}
    for application in load_all(path.read_text()):
        spec = application["spec"]
        chart = ROOT / spec["source"]["path"]
        values = [(chart / name).resolve() for name in spec["source"]["helm"].get("valueFiles", [])]
        objects = rendered_as(charts, tmp_path, chart, spec["source"]["helm"]["releaseName"], spec["destination"]["namespace"], values)
        waves[spec["source"]["helm"]["releaseName"]] = (int(application["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]), objects)
    # The collector sends to the Tempo of the wave before.
    assert waves["sluice-stack"][0] < waves["sluice-otel"][0]
    collector = next(o for o in waves["sluice-otel"][1] if o["kind"] == "OpenTelemetryCollector")
    assert collector["spec"]["config"]["exporters"]["otlp_grpc/tempo"]["endpoint"] == "tempo.monitoring.svc.cluster.local:4317"


def test_versions_in_the_platform_values():
    lib = (HELM / "lib.sh").read_text()
    for path in (HELM / "values/platform").glob("*.yaml"):
        version = re.match(r"# \S+ (v?[\d.]+),", path.read_text()).group(1)
        assert f"={version}" in lib.replace(" ", "\n") or version in lib, path.name


def test_unit_suites_of_helm_unittest(tmp_path):
    """The suites that users can run as well."""
    done = run(tool("helm-unittest"), HELM / "agent")
    assert "0 failed" in done.stdout or "failed" not in done.stdout


def test_the_workflow_calls_what_is_there():
    """It runs elsewhere, so at least its scripts, options and files must exist."""
    workflow = yaml.load((ROOT / ".github/workflows/charts.yaml").read_text(), Loader=LOADER)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = "\n".join(step["run"] for step in steps if "run" in step)
    run("bash", "-n", "-c", commands)
    paths = re.findall(r"(?<![\w/.$-])((?:helm|tests|scripts)/[\w./-]+\.(?:sh|yaml))", commands)
    assert len(paths) > 8
    for path in paths:
        assert (ROOT / path).exists(), path
    for script in ("deploy.sh", "cleanup.sh"):
        known = run("bash", HELM / script, "--help").stdout
        for line in re.findall(rf"helm/{script}(.*)", commands):
            assert all(option in known for option in re.findall(r"--[a-z-]+", line)), line
    assert "image:" in (ROOT / "Makefile").read_text() and "add_executable(agent " in (ROOT / "CMakeLists.txt").read_text()


def test_chart_metadata():
    versions = set()
    for chart in ("agent", "stack", "otel"):
        data = yaml.load((HELM / chart / "Chart.yaml").read_text(), Loader=LOADER)
        assert data["kubeVersion"] == ">=1.25.0-0" and data["type"] == "application"
        assert data["annotations"]["artifacthub.io/license"] == "Apache-2.0"
        versions.add((data["version"], data["appVersion"]))
    assert len(versions) == 1
