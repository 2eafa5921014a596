# SPDX-License-Identifier: Apache-2.0
"""A fake kubectl and a fake helm that record their calls, for the tests of the scripts."""
import subprocess

import pytest
import yaml

from conftest import HELM, HERE, upstream_summary

MUTATING = ("apply", "create", "delete", "patch", "label", "annotate", "replace", "edit", "scale", "rollout restart",
            "install", "upgrade", "uninstall", "rollback")

PROMETHEUS = "P monitoring kube-prometheus\nM release prometheus\nR release prometheus\n"
GRAFANA = "monitoring grafana LABEL=grafana_datasource LABEL_VALUE=1 RESOURCE=both\n" \
    "-dashboards monitoring grafana LABEL=grafana_dashboard LABEL_VALUE=1\n"
PROMTAIL = "logging promtail {} /run/promtail,/var/lib/docker/containers,/var/log/pods, docker.io/grafana/promtail:3.5.1,\n"


class Fake:
    """A cluster as it should be; a test changes what it is about."""

    def __init__(self, base, charts, stack_text=None):
        self.base = base
        self.rendered = {
            "stack": stack_text or charts.text("stack", release="sluice-stack", namespace="monitoring") + upstream_summary(),
            "agent": charts.text("agent", release="sluice", namespace="monitoring"),
        }
        for name in ("kubectl", "helm"):
            (base / name).mkdir()
        self.number = 900
        self.default()

    def rule(self, name, pattern, output="", code=0, first=True):
        """Later rules win over earlier ones. The code "1 stderr" sends the output there."""
        self.number -= 1
        path = self.base / name / f"{self.number if first else 999:03d}-rule"
        path.write_text(f"{pattern}\n{code}\n{output}")

    def default(self):
        k, h = "kubectl", "helm"
        # What is not there unless a test says so.
        for what in ("configmap*", "crd *", "statefulset*", "ingress *", "daemonsets *", "secret *", "persistentvolumeclaims*",
                     "opentelemetrycollectors*", "persistentvolume *", "configmaps *"):
            self.rule(k, f"get {what}", "", 1)
        self.rule(k, "get crds*", "customresourcedefinition.apiextensions.k8s.io/certificates.cert-manager.io\n")
        self.rule(k, "config current-context", "test\n")
        self.rule(k, "get --raw /version", '{\n  "gitVersion": "v1.33.1"\n}\n')
        self.rule(k, "version --client *", "clientVersion:\n  buildDate: x\n  gitVersion: v1.32.3\n")
        self.rule(k, "auth can-i *", "yes\n")
        self.rule(k, "get namespace monitoring -o *", "")
        self.rule(k, "get namespace monitoring", "monitoring\n")
        self.rule(k, "get storageclass gp3 -o *", "ebs.csi.aws.com")
        self.rule(k, "get prometheuses*go-template*", PROMETHEUS)
        self.rule(k, "get deployments *", GRAFANA)
        self.rule(k, "get nodes *", "have 4 16Gi\nhave 3920m 15500Mi\n")
        self.rule(k, "get pods --all-namespaces *", "want 100m/128Mi\nwant /\nwant 1/1Gi\n")
        self.rule(k, "exec *", '[{"name":"Prometheus"}]')
        self.rule(k, "get ingressclass alb", "alb\n")
        self.rule(k, "get --raw *loki:3100/proxy/ready*", "ready\n")
        self.rule(k, "get --raw *tempo:3200/proxy/ready*", "ready\n")
        self.rule(k, "create * --dry-run=client*", "kind: Namespace\n")
        self.rule(h, "version --short", "v4.3.1\n")
        self.rule(h, "template * */stack *", self.rendered["stack"])
        self.rule(h, "template * */agent *", self.rendered["agent"])
        self.rule(h, "list *--filter*", "")
        self.rule(h, "status *", "", 1)
        self.rule(h, "list --all-namespaces*", "NAME NAMESPACE REVISION UPDATED STATUS CHART APP\n")

    def marker_arrives(self):
        """The answer of Loki holds whatever was asked for."""
        wrapper = self.base / "bin"
        wrapper.mkdir()
        (wrapper / "kubectl").write_text(
            '#!/usr/bin/env bash\n'
            'if [[ "$*" == *query_range* ]]; then printf "kubectl %s\\n" "$*" >>"$FAKE/calls"; printf "%s" "$*"; exit 0; fi\n'
            f'exec {HERE}/fake/kubectl "$@"\n')
        (wrapper / "kubectl").chmod(0o755)

    def run(self, script, *args, stdin="", env=None):
        (self.base / "calls").write_text("")
        (self.base / "stdin").write_text("")
        path = f"{self.base}/bin:{HERE}/fake:/usr/bin:/bin"
        environment = {"PATH": path, "FAKE": str(self.base), "HOME": str(self.base), "SLUICE_POLL_SECONDS": "0.05",
                       "SLUICE_GATE_SECONDS": "1", "SLUICE_READY_SECONDS": "1", "SLUICE_MARKER_SECONDS": "1",
                       "SLUICE_DATASOURCE_SECONDS": "0", "SLUICE_SIDECAR_SECONDS": "0", **(env or {})}
        return subprocess.run(["bash", str(HELM / script), *args], capture_output=True, text=True, env=environment,
                              input=stdin, timeout=60)

    def calls(self):
        return (self.base / "calls").read_text().splitlines()

    def found(self, name="found.yaml"):
        """The values that the script made of what it found."""
        return yaml.safe_load((self.base / name).read_text())

    def mutations(self):
        out = []
        for call in self.calls():
            verb = call.split(" ", 1)[1]
            if verb.startswith(MUTATING) and "--dry-run" not in verb:
                out.append(call)
        return out


@pytest.fixture
def fake(tmp_path, charts):
    return Fake(tmp_path, charts)


def refused(fake, *args, says, **more):
    done = fake.run("deploy.sh", "--yes", *args, **more)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "FAIL" in done.stdout and "Nothing was changed" in done.stderr
    for text in [says] if isinstance(says, str) else says:
        assert text in done.stdout, done.stdout
    assert not fake.mutations()
    return done


def deployed(fake, *args, code=0, **more):
    fake.marker_arrives()
    done = fake.run("deploy.sh", "--yes", *args, **more)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def helm_steps(fake):
    return [c.split()[1:4] for c in fake.calls() if c.startswith(("helm upgrade", "helm uninstall")) and "--dry-run" not in c]
