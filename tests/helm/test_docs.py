# SPDX-License-Identifier: Apache-2.0
"""The documents: fresh tables, links that lead somewhere, names and labels that exist."""
import re

import pytest
import yaml

from conftest import HELM, LOADER, ROOT, load_all, run, tool

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
    names = {o["metadata"]["name"] for o in objects} | {
        # made by the charts of Loki, Tempo, Grafana and the operator, as rendered from them
        "loki", "tempo", "grafana", "gateway-collector", "opentelemetry-operator", "sluice-metrics", "<Grafana's>"}
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


def test_examples():
    helmfile = yaml.load((HELM / "examples/helmfile.yaml.gotmpl").read_text(), Loader=LOADER)
    lib = (HELM / "lib.sh").read_text()
    for release in helmfile["releases"]:
        if "version" in release:
            assert release["version"] in lib, release
        for path in release.get("values", []):
            assert (HELM / "examples" / path).exists(), path
        if release["chart"].startswith(".."):
            assert (HELM / "examples" / release["chart"] / "Chart.yaml").exists()
        for need in release.get("needs", []):
            namespace, name = need.split("/")
            assert any(r["name"] == name and r["namespace"] == namespace for r in helmfile["releases"])
    for application in load_all((HELM / "examples/argocd.yaml").read_text()):
        source = application["spec"]["source"]
        assert (ROOT / source["path"] / "Chart.yaml").exists()
        for path in source["helm"].get("valueFiles", []):
            assert (ROOT / source["path"] / path).exists()


def test_versions_in_the_platform_values():
    lib = (HELM / "lib.sh").read_text()
    for path in (HELM / "values/platform").glob("*.yaml"):
        version = re.match(r"# \S+ (v?[\d.]+),", path.read_text()).group(1)
        assert f"={version}" in lib.replace(" ", "\n") or version in lib, path.name


def test_unit_suites_of_helm_unittest(tmp_path):
    """The suites that users can run as well."""
    done = run(tool("helm-unittest"), HELM / "agent")
    assert "0 failed" in done.stdout or "failed" not in done.stdout


def test_chart_metadata():
    versions = set()
    for chart in ("agent", "stack", "otel"):
        data = yaml.load((HELM / chart / "Chart.yaml").read_text(), Loader=LOADER)
        assert data["kubeVersion"] == ">=1.25.0-0" and data["type"] == "application"
        assert data["annotations"]["artifacthub.io/license"] == "Apache-2.0"
        versions.add((data["version"], data["appVersion"]))
    assert len(versions) == 1
