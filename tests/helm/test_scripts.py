# SPDX-License-Identifier: Apache-2.0
"""deploy.sh with a fake kubectl and a fake helm that record their calls."""
import json
import re
import subprocess

import pytest
import yaml

from conftest import HELM, HERE, ROOT, run, tool, upstream_summary

MUTATING = ("apply", "create", "delete", "patch", "label", "annotate", "replace", "edit", "scale", "rollout restart",
            "install", "upgrade", "uninstall", "rollback")

PROMETHEUS = "P monitoring kube-prometheus\nM release prometheus\nR release prometheus\n"
GRAFANA = "monitoring grafana LABEL=grafana_datasource LABEL_VALUE=1 RESOURCE=both\n"


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
        self.rule(k, "get pods *", "want 100m/128Mi\nwant /\nwant 1/1Gi\n")
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


# ---- deploy.sh: preflight ---------------------------------------------------

def test_preflight_passes_on_a_good_cluster(fake):
    done = fake.run("deploy.sh", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout and "Dry run: nothing was changed." in done.stdout
    assert "DaemonSet/sluice" in done.stdout and "release monitoring/sluice-stack" in done.stdout
    assert not fake.mutations()


def test_kubernetes_is_away(fake):
    fake.rule("kubectl", "get --raw /version", "", 1)
    refused(fake, says="The Kubernetes API does not answer")


@pytest.mark.parametrize("version", ["v1.24.9", "v1.9.0"])
def test_old_kubernetes(fake, version):
    fake.rule("kubectl", "get --raw /version", json.dumps({"gitVersion": version}))
    refused(fake, says=f"Kubernetes {version} is too old")


@pytest.mark.parametrize("answer,says", [
    ("clientVersion:\n  gitVersion: v1.30.1\n", "WARN  kubectl is of version 1.30 and the server of 1.33; more than one apart"),
    ("clientVersion:\n  gitVersion: v1.35.0+k3s1\n", "WARN  kubectl is of version 1.35"),
    ("clientVersion:\n  gitVersion: v1.34.0\n", "OK    kubectl 1.34"), ("", "WARN  The version of kubectl cannot be read.")])
def test_kubectl_far_from_the_server(fake, answer, says):
    fake.rule("kubectl", "version --client *", answer)
    done = fake.run("deploy.sh", "--dry-run")
    assert done.returncode == 0 and says in done.stdout, done.stdout


@pytest.mark.parametrize("version", ["v3.12.3", "v2.17.0"])
def test_old_helm(fake, version):
    fake.rule("helm", "version --short", f"{version}+gabc\n")
    refused(fake, says=f"helm {version} is too old")


def test_helm_3_is_fine(fake):
    fake.rule("helm", "version --short", "v3.13.0+g825e86f\n")
    assert fake.run("deploy.sh", "--dry-run").returncode == 0


def test_the_version_of_helm_cannot_be_read(fake):
    fake.rule("helm", "version --short", "what?\n")
    refused(fake, says="The version of helm cannot be read.")


def test_kubectl_is_not_there(fake, tmp_path):
    bin_dir = tmp_path / "only"
    bin_dir.mkdir()
    for name in ("bash", "mktemp", "dirname", "sed", "rm", "cat", "grep", "awk"):
        (bin_dir / name).symlink_to(f"/usr/bin/{name}")
    (bin_dir / "helm").symlink_to(HERE / "fake/helm")
    refused(fake, says="kubectl is not on the PATH", env={"PATH": str(bin_dir)})


def test_helm_is_not_there(fake, tmp_path):
    bin_dir = tmp_path / "only"
    bin_dir.mkdir()
    for name in ("bash", "mktemp", "dirname", "sed", "rm", "cat", "grep", "awk"):
        (bin_dir / name).symlink_to(f"/usr/bin/{name}")
    (bin_dir / "kubectl").symlink_to(HERE / "fake/kubectl")
    refused(fake, says="helm is not on the PATH", env={"PATH": str(bin_dir)})


def test_missing_rights(fake):
    fake.rule("kubectl", "auth can-i create clusterroles*", "no\n", 1)
    fake.rule("kubectl", "auth can-i create daemonsets.apps*", "no\n", 1)
    done = refused(fake, says="You may not create: daemonsets.apps.")
    assert "clusterroles" not in done.stdout, "the charts make none by default"
    refused(fake, "--with-otel", says="You may not create: daemonsets.apps clusterroles.")


def test_a_right_that_only_some_values_need(fake, charts):
    """With metadata from the API the agent has a ClusterRole."""
    fake.rule("kubectl", "auth can-i create clusterroles*", "no\n", 1)
    text = charts.text("agent", "--set", "metadata.source=api", release="sluice", namespace="monitoring")
    fake.rule("helm", "template * */agent *", text)
    refused(fake, "--mode", "agent-only", says="You may not create: clusterroles.")


@pytest.mark.parametrize("level", ["restricted", "baseline"])
def test_namespace_forbids_host_paths(fake, level):
    fake.rule("kubectl", "get namespace monitoring -o *", level)
    refused(fake, says=[f'"{level}"', "pod-security.kubernetes.io/enforce=privileged"])


def test_no_storage_class_at_all(fake):
    fake.rule("kubectl", "get storageclass gp3*", "", 1)
    fake.rule("kubectl", "get storageclass -o *", "")
    refused(fake, says="no StorageClass at all")


def test_no_default_storage_class(fake):
    fake.rule("kubectl", "get storageclass -o *range .items[[]*[]]*", "standard local ")
    fake.rule("kubectl", "get storageclass -o *is-default*", "")
    fake.rule("kubectl", "get storageclass gp3*", "", 1)
    refused(fake, says="StorageClass gp3 does not exist, and no class is the default. There are: standard local")


def test_another_default_storage_class(fake):
    fake.rule("kubectl", "get storageclass -o *range .items[[]*[]]*", "standard ")
    fake.rule("kubectl", "get storageclass -o *is-default*", "standard ")
    fake.rule("kubectl", "get storageclass gp3*", "", 1)
    refused(fake, says="use --storage-class standard")
    fake.rule("kubectl", "get storageclass standard -o *", "rancher.io/local-path")
    fake.rule("helm", "template * --set-string tempo.persistence.storageClassName=standard *", fake.rendered["stack"].replace("gp3", "standard"))
    done = fake.run("deploy.sh", "--dry-run", "--storage-class", "standard")
    assert done.returncode == 0 and "OK    StorageClass standard (rancher.io/local-path)" in done.stdout
    assert any("persistence.storageClassName=standard" in c and "persistence.storageClass=standard" in c for c in fake.calls())


def test_values_that_name_no_storage_class(fake):
    """Then the cluster's default is taken, and there must be one."""
    fake.rule("helm", "template * */stack *", re.sub(r".*storageClassName: gp3\n", "", fake.rendered["stack"]))
    fake.rule("kubectl", "get storageclass *is-default*", "")
    refused(fake, says="The values name no StorageClass, and no class of the cluster is the default. Choose one with --storage-class.")
    fake.rule("kubectl", "get storageclass *is-default*", "standard ")
    assert "OK    StorageClass standard (the default)" in fake.run("deploy.sh", "--dry-run").stdout


def test_the_stack_makes_its_storage_class(fake):
    fake.rule("kubectl", "get storageclass gp3*", "", 1)
    fake.rule("helm", "template * */stack *", fake.rendered["stack"] + "---\nkind: StorageClass\nmetadata:\n  name: gp3\n")
    assert fake.run("deploy.sh", "--dry-run").returncode == 0


def test_a_storage_class_that_others_made(fake):
    """helm/values/eks.yaml makes gp3, and many clusters have it. Helm stopped in the middle."""
    fake.rule("helm", "template * */stack *", fake.rendered["stack"] + "---\nkind: StorageClass\nmetadata:\n  name: gp3\n")
    fake.rule("kubectl", "get storageclass gp3 -o *", "gp3 ")
    refused(fake, says="StorageClass gp3 is there already, and this release did not make it. Use it as it is: --set storageClass.create=false")
    fake.rule("kubectl", "get storageclass gp3 -o *", "gp3 sluice-stack")
    assert fake.run("deploy.sh", "--dry-run").returncode == 0


def test_no_prometheus_for_hybrid(fake):
    fake.rule("kubectl", "get prometheuses*", "", 1)
    refused(fake, says="Mode hybrid stands beside a Prometheus")


def test_no_grafana_for_hybrid(fake):
    fake.rule("kubectl", "get deployments *", "")
    refused(fake, says="No Grafana with a sidecar")
    done = fake.run("deploy.sh", "--dry-run", "--grafana-namespace", "elsewhere")
    assert done.returncode == 0 and "WARN  No Grafana" in done.stdout


def test_two_grafanas(fake):
    fake.rule("kubectl", "get deployments *", GRAFANA + "team-b grafana LABEL=x\n")
    refused(fake, says="There are 2 Grafanas. Choose with --grafana-namespace: monitoring team-b")
    done = fake.run("deploy.sh", "--dry-run", "--grafana-namespace", "team-b")
    assert done.returncode == 0
    assert fake.found()["grafana"] == {"namespace": "team-b", "datasources": {"label": "x"}}
    assert fake.found()["sluice"]["dashboards"] == {"namespace": "team-b"}


def test_selectors_with_dots_and_slashes(fake, charts):
    """--set took the dots of app.kubernetes.io/part-of for levels."""
    fake.rule("kubectl", "get prometheuses*go-template*", "P monitoring k\nM app.kubernetes.io/part-of their-stack\nM team a\nR role true\n")
    done = fake.run("deploy.sh", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = {"app.kubernetes.io/part-of": "their-stack", "team": "a"}
    found = fake.found()
    assert found["sluice"]["serviceMonitor"]["labels"] == found["loki"]["monitoring"]["serviceMonitor"]["labels"] == wanted
    assert found["tempo"]["serviceMonitor"]["additionalLabels"] == wanted and found["prometheusRule"]["labels"] == {"role": "true"}
    monitor = charts.one("ServiceMonitor", "stack", "-f", str(fake.base / "found.yaml"), name="sluice")
    assert wanted.items() <= monitor["metadata"]["labels"].items()


def test_values_of_the_user_win(fake, tmp_path):
    """--set wins over every file, so what was found must not be given that way."""
    values = tmp_path / "mine.yaml"
    values.write_text("tempo: {persistence: {storageClassName: mine}}\n")
    fake.run("deploy.sh", "--dry-run", "--values", str(values))
    call = next(c for c in fake.calls() if c.startswith("helm template"))
    assert call.index("values/hybrid.yaml") < call.index("found.yaml") < call.index("mine.yaml")
    assert "--set" not in call


def test_a_hand_made_data_source(fake):
    fake.rule("kubectl", "exec *", '[{"id":3,"name":"Loki","readOnly":false}]')
    refused(fake, says=['Grafana already has a data source "Loki"', "--set grafana.datasources.loki.name="])


def test_our_own_data_source_is_no_problem(fake):
    fake.rule("kubectl", "exec *", '[{"name":"Loki"},{"name":"Tempo"}]')
    fake.rule("kubectl", "get configmap sluice-stack-datasources*", "configmap/sluice-stack-datasources\n")
    assert fake.run("deploy.sh", "--dry-run").returncode == 0


def test_grafana_cannot_be_asked(fake):
    fake.rule("kubectl", "exec *", "", 1)
    done = fake.run("deploy.sh", "--dry-run")
    assert done.returncode == 0 and "WARN  Grafana's data sources cannot be read" in done.stdout


PROMTAIL = "logging promtail {} /run/promtail,/var/lib/docker/containers,/var/log/pods, docker.io/grafana/promtail:3.5.1,\n"


def test_promtail_is_still_running(fake):
    fake.rule("kubectl", "get daemonsets *", PROMTAIL.format("promtail"))
    refused(fake, says=["Promtail (logging/promtail) is still running", "--replace-promtail"])
    done = fake.run("deploy.sh", "--dry-run", "--keep-promtail")
    assert done.returncode == 0 and "every line arrives twice" in done.stdout


def test_promtail_without_helm(fake):
    fake.rule("kubectl", "get daemonsets *", PROMTAIL.format("-"))
    refused(fake, "--replace-promtail", says="was not installed by Helm")


def test_another_collector(fake):
    fake.rule("kubectl", "get daemonsets *", "logging fluent-bit fb /var/log,/etc/machine-id, fluent/fluent-bit:5,\n"
              "kube-system node-exporter ne /proc,/sys, ne:1,\nmonitoring sluice sluice-stack /var/log/pods, sluice:1,\n")
    done = fake.run("deploy.sh", "--dry-run")
    assert done.returncode == 0
    assert "WARN  DaemonSet logging/fluent-bit reads pod logs as well" in done.stdout
    assert done.stdout.count("WARN") == 1


def test_old_loki_stack(fake):
    fake.rule("helm", "list --all-namespaces*", "NAME NAMESPACE REVISION UPDATED STATUS CHART APP\n"
              "loki\tmonitoring\t1\t2024-01-01 10:00:00 +0000 UTC\tdeployed\tloki-stack-2.10.3\tv2.9.3\n")
    refused(fake, says=["Release monitoring/loki is of the chart loki-stack", "helm uninstall loki --namespace monitoring"])


def test_another_loki_in_the_namespace(fake):
    fake.rule("kubectl", "get statefulset/loki *", "loki other")
    refused(fake, says=["There is a statefulset/loki in namespace monitoring already, of other (not of release sluice-stack)", "--set loki.enabled=false"])


def test_our_loki_in_the_namespace(fake):
    fake.rule("kubectl", "get statefulset/loki *", "loki sluice-stack")
    assert fake.run("deploy.sh", "--dry-run").returncode == 0


INGRESS = "---\nkind: Ingress\nmetadata:\n  name: tempo\nspec:\n  ingressClassName: alb\n  rules:\n    - host: \"tempo.example.com\"\n"


def test_unknown_ingress_class(fake):
    fake.rule("helm", "template * */stack *", fake.rendered["stack"] + INGRESS)
    fake.rule("kubectl", "get ingressclass -o *", "nginx ")
    fake.rule("kubectl", "get ingressclass alb", "", 1)
    refused(fake, says='Ingress class "alb" does not exist. There are: nginx')


def test_taken_host(fake):
    fake.rule("helm", "template * */stack *", fake.rendered["stack"] + INGRESS)
    fake.rule("kubectl", "get ingress --all*", "tempo.example.com other/web web\n")
    refused(fake, says="The host tempo.example.com is taken by Ingress other/web")
    fake.rule("kubectl", "get ingress --all*", "tempo.example.com monitoring/tempo sluice-stack\n")
    assert fake.run("deploy.sh", "--dry-run").returncode == 0


def test_a_secret_that_nobody_made(fake, charts):
    """The pods would stay in ContainerCreating."""
    text = charts.text("agent", "--set", "loki.auth.type=basic,loki.auth.existingSecret=loki-push", release="sluice", namespace="monitoring")
    fake.rule("helm", "template * */agent *", text)
    refused(fake, "--mode", "agent-only", says="These Secrets are named in the values and are not in namespace monitoring: loki-push. Make them first")
    fake.rule("kubectl", "get secret loki-push *", "secret/loki-push\n")
    assert fake.run("deploy.sh", "--mode", "agent-only", "--dry-run").returncode == 0


def test_a_secret_of_the_release_is_no_problem(fake, charts):
    text = charts.text("agent", "--set", "configmap.enabled=false", release="sluice", namespace="monitoring")
    assert "secretName: sluice" in text
    fake.rule("helm", "template * */agent *", text)
    assert fake.run("deploy.sh", "--mode", "agent-only", "--dry-run").returncode == 0


def test_values_that_do_not_render(fake):
    fake.rule("helm", "template *", "", 1)
    refused(fake, says="The charts cannot be rendered with these values")


def test_charts_that_cannot_be_fetched(fake):
    if (HELM / "stack/charts").exists():
        pytest.skip("optional: the charts were fetched already")
    fake.rule("helm", "dependency *", "no route to host\n", 1)
    refused(fake, says="no route to host")


def test_full_beside_another_prometheus(fake):
    fake.rule("kubectl", "get crd prometheuses.monitoring.coreos.com *", "prometheuses.monitoring.coreos.com kps")
    fake.rule("kubectl", "get prometheuses* -o name", "prometheus/kps\n")
    refused(fake, "--mode", "full", says="Use --mode hybrid")


def test_little_room_is_a_warning(fake):
    fake.rule("kubectl", "get nodes *", "have 2 4Gi\n")
    fake.rule("kubectl", "get pods *", "want 1500m/3Gi\n")
    done = fake.run("deploy.sh", "--dry-run")
    assert done.returncode == 0 and "WARN  Little room: 500 m CPU and 1024 MiB" in done.stdout


def test_all_failures_are_told_at_once(fake):
    fake.rule("kubectl", "auth can-i create daemonsets.apps*", "no\n", 1)
    fake.rule("kubectl", "get namespace monitoring -o *", "restricted")
    fake.rule("kubectl", "get daemonsets *", PROMTAIL.format("promtail"))
    done = refused(fake, says="Promtail")
    assert done.stdout.count("FAIL") == 3 and "3 of the checks failed" in done.stderr


def test_skip_preflight(fake):
    fake.rule("kubectl", "auth can-i *", "no\n", 1)
    done = fake.run("deploy.sh", "--skip-preflight", "--dry-run")
    assert done.returncode == 0 and "== Preflight" not in done.stdout
    fake.rule("helm", "template *", "", 1)
    assert fake.run("deploy.sh", "--skip-preflight", "--dry-run").returncode == 3


# ---- deploy.sh: use -----------------------------------------------------------

@pytest.mark.parametrize("args,says", [
    (["--mode", "other"], '--mode is hybrid, full or agent-only, not "other"'), (["--bogus"], "unknown option --bogus"),
    (["--mode"], "--mode needs a value"), (["--dry-run=maybe"], '--dry-run is client or server, not "maybe"'), (["--yes", "--dry-run="], "--dry-run is client or server"),
    (["--namespace", "A_b"], '"A_b" is no name for a namespace'), (["--timeout", "soon"], '--timeout is a duration like 10m, not "soon"'),
    (["--values", "/no/such/file"], "cannot read the values file /no/such/file"), (["--yes=1"], "unknown option 1"), (["stray"], "unknown option stray"),
    (["--mode", "agent-only", "--with-otel"], "--with-otel needs Tempo, which agent-only does not install"),
    (["--mode", "agent-only", "--ingress"], "agent-only has no Ingress")])
def test_wrong_use(fake, args, says):
    done = fake.run("deploy.sh", *args)
    assert done.returncode == 2 and says in done.stderr and "see --help" in done.stderr
    assert not fake.calls()


@pytest.mark.parametrize("script", ["deploy.sh", "cleanup.sh"])
def test_help(fake, script):
    done = fake.run(script, "--help")
    assert done.returncode == 0
    source = (HELM / script).read_text()
    parsed = set(re.findall(r"^    (--[a-z-]+)", source, re.M))
    assert len(parsed) > 8
    for option in parsed:
        assert option in done.stdout, option


def test_asks_before_it_changes_anything(fake):
    done = fake.run("deploy.sh")
    assert done.returncode == 2 and "Nobody can be asked here: standard input is no terminal. Say --yes." in done.stderr and not fake.mutations()
    done = fake.run("deploy.sh", stdin="no\n", env={"SLUICE_ANSWERS_ON_STDIN": "1"})
    assert done.returncode == 2 and "Nothing was changed." in done.stderr and not fake.mutations()


def test_dry_run_of_the_server(fake):
    done = fake.run("deploy.sh", "--dry-run=server")
    assert done.returncode == 0 and "it would accept the release" in done.stdout
    assert any("--dry-run=server" in c for c in fake.calls()) and not fake.mutations()
    fake.rule("helm", "upgrade *--dry-run=server*", "conflict\n", 1)
    assert fake.run("deploy.sh", "--dry-run=server").returncode != 0


# ---- deploy.sh: order -----------------------------------------------------------

def deployed(fake, *args, code=0, **more):
    fake.marker_arrives()
    done = fake.run("deploy.sh", "--yes", *args, **more)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def helm_steps(fake):
    return [c.split()[1:4] for c in fake.calls() if c.startswith(("helm upgrade", "helm uninstall")) and "--dry-run" not in c]


def test_hybrid(fake):
    done = deployed(fake)
    assert helm_steps(fake) == [["upgrade", "--install", "sluice-stack"]]
    call = next(c for c in fake.calls() if c.startswith("helm upgrade"))
    for part in ("--wait", "--timeout 10m", "--namespace monitoring", "values/hybrid.yaml", "/found.yaml"):
        assert part in call, part
    label = {"release": "prometheus"}
    assert fake.found() == {
        "storageClass": {"name": "gp3"}, "prometheusRule": {"labels": label},
        "grafana": {"namespace": "monitoring", "datasources": {"label": "grafana_datasource", "labelValue": "1"}},
        "sluice": {"serviceMonitor": {"labels": label}, "prometheusRule": {"labels": label}, "dashboards": {"namespace": "monitoring"}},
        "loki": {"singleBinary": {"persistence": {"storageClass": "gp3"}}, "monitoring": {"serviceMonitor": {"labels": label}}},
        "tempo": {"persistence": {"storageClassName": "gp3"}, "serviceMonitor": {"additionalLabels": label}}}
    assert "--atomic" not in call and "--force" not in call
    assert "a line that a pod wrote was found in Loki" in done.stdout
    assert "Your Prometheus and Grafana were not touched" in done.stdout
    assert "prometheus-operated.monitoring.svc" in done.stdout


def test_hybrid_touches_nothing_else(fake):
    deployed(fake)
    for call in fake.mutations():
        assert re.match(r"helm upgrade --install sluice-stack |kubectl (apply|delete job) .*", call), call
        assert "rollout restart" not in call
    assert "kind: Job" in (fake.base / "stdin").read_text()


def test_the_second_run_is_the_same(fake):
    deployed(fake)
    first = [c for c in fake.calls() if c.startswith("helm upgrade")]
    fake.run("deploy.sh", "--yes")
    def without_paths(calls):
        return [re.sub(r"\S*/found.yaml", "found.yaml", c) for c in calls]
    assert without_paths(c for c in fake.calls() if c.startswith("helm upgrade")) == without_paths(first)


def test_full(fake):
    for what in ("grafana-admin", "opentelemetry-operator"):
        fake.rule("kubectl", f"get secret {what}*", "", 1)
    fake.rule("kubectl", "get namespace monitoring*", "", 1)
    fake.rule("kubectl", "get namespace cert-manager", "", 1)
    fake.rule("kubectl", "get mutatingwebhookconfiguration*", "Q0E=")
    deployed(fake, "--mode", "full")
    assert [s[2] for s in helm_steps(fake)] == ["cert-manager", "kube-prometheus-stack", "opentelemetry-operator", "sluice-stack", "sluice-otel"]
    calls = fake.calls()

    def at(text):
        return next(i for i, c in enumerate(calls) if text in c)
    assert at("label namespace monitoring pod-security.kubernetes.io/enforce=privileged") < at("helm upgrade --install cert-manager")
    assert at("create secret generic grafana-admin") < at("helm upgrade --install kube-prometheus-stack")
    assert at("helm upgrade --install opentelemetry-operator") < at("condition=Established") < at("condition=Ready") \
        < at("mutatingwebhookconfiguration") < at("apply --dry-run=server") < at("helm upgrade --install sluice-stack") \
        < at("helm upgrade --install sluice-otel")
    for release, version in (("cert-manager", "v1.21.1"), ("kube-prometheus-stack", "88.5.3"), ("opentelemetry-operator", "0.122.0")):
        call = next(c for c in calls if f"--install {release} " in c)
        assert f"--version {version}" in call and "sluice-stack.io/installed-by=deploy.sh" in call
    stack = next(c for c in calls if "--install sluice-stack " in c)
    assert fake.found()["tempo"]["tempo"]["metricsGenerator"]["storage"]["remote_write"] == [
        {"url": "http://kube-prometheus-stack-prometheus.monitoring.svc:9090/api/v1/write", "send_exemplars": True}]
    assert "values/full.yaml" in stack


def test_full_keeps_the_password_that_is_there(fake):
    fake.rule("kubectl", "get secret grafana-admin*", "grafana-admin\n")
    fake.rule("kubectl", "get mutatingwebhookconfiguration*", "Q0E=")
    done = deployed(fake, "--mode", "full")
    assert not [c for c in fake.calls() if "create secret" in c]
    assert "admin-password" not in done.stdout


def test_platform_of_others_is_left_alone(fake):
    fake.rule("kubectl", "get crd certificates.cert-manager.io *", "certificates.cert-manager.io ")
    fake.rule("kubectl", "get crd opentelemetrycollectors.opentelemetry.io *", "opentelemetrycollectors.opentelemetry.io otel")
    done = deployed(fake, "--with-otel")
    assert [s[2] for s in helm_steps(fake)] == ["sluice-stack", "sluice-otel"]
    assert "the OpenTelemetry operator is there (helm otel); it is left alone" in done.stdout
    assert "cert-manager is there (hand); it is left alone" in done.stdout


def test_with_otel_and_without_cert_manager(fake):
    fake.rule("kubectl", "get mutatingwebhookconfiguration*", "Q0E=")
    deployed(fake, "--with-otel", "--no-cert-manager")
    assert fake.found("operator.yaml") == {"manager": {"serviceMonitor": {"extraLabels": {"release": "prometheus"}}}}
    assert [s[2] for s in helm_steps(fake)] == ["opentelemetry-operator", "sluice-stack", "sluice-otel"]
    assert any("admissionWebhooks.certManager.enabled=false" in c for c in fake.calls())
    assert not [c for c in fake.calls() if "certificate/" in c]


def test_the_gate_waits_for_the_webhook(fake):
    done = deployed(fake, "--with-otel", code=4)
    assert "The webhook of the operator has no CA bundle." in done.stderr and "sluice-otel" not in str(helm_steps(fake))
    fake.rule("kubectl", "get mutatingwebhookconfiguration*", "Q0E=")
    fake.rule("kubectl", "apply --dry-run=server*", "", 1)
    done = fake.run("deploy.sh", "--yes", "--with-otel")
    assert done.returncode == 4 and "does not admit a collector" in done.stderr


def test_agent_only(fake):
    done = deployed(fake, "--mode", "agent-only", "--set", "loki.url=http://l/loki/api/v1/push")
    assert helm_steps(fake) == [["upgrade", "--install", "sluice"]]
    call = next(c for c in fake.calls() if c.startswith("helm upgrade"))
    assert "helm/agent" in call and "values/agent-only.yaml" in call and "loki.url=http://l/loki/api/v1/push" in call
    assert "storageclass" not in str(fake.calls()) and "query_range" not in str(fake.calls())
    assert "Tempo" not in done.stdout


def test_replace_promtail(fake):
    fake.rule("kubectl", "get daemonsets *", PROMTAIL.format("promtail"))
    deployed(fake, "--replace-promtail")
    assert helm_steps(fake) == [["upgrade", "--install", "sluice-stack"], ["uninstall", "promtail", "--namespace"]]
    call = next(c for c in fake.calls() if c.startswith("helm upgrade"))
    assert "sluice.promtailImport.enabled=true" in call and "sluice.promtailImport.hostPath=/run/promtail" in call
    calls = fake.calls()
    assert next(i for i, c in enumerate(calls) if "rollout status daemonset/sluice" in c) < next(
        i for i, c in enumerate(calls) if c.startswith("helm uninstall promtail"))


def test_context_and_values_are_passed_on(fake, tmp_path):
    values = tmp_path / "v.yaml"
    values.write_text("{}")
    deployed(fake, "--context", "prod", "--values", str(values), "--set", "a=b", "--timeout=3m", "--namespace=monitoring")
    for call in fake.calls():
        if call.startswith("kubectl") and "config" not in call:
            assert "--context prod" in call
    call = next(c for c in fake.calls() if c.startswith("helm upgrade"))
    assert "--kube-context prod" in call and f"--values {values}" in call and "--set a=b" in call and "--timeout 3m" in call


def test_ingress_switch(fake):
    for option, value in (("--ingress", "true"), ("--no-ingress", "false")):
        fake.run("deploy.sh", "--dry-run", option)
        assert any(f"ingress.tempo.enabled={value}" in c for c in fake.calls())


# ---- deploy.sh: failures after the preflight ---------------------------------

def test_a_release_that_fails(fake):
    fake.rule("helm", "upgrade --install sluice-stack *", "Error: timed out\n", 1)
    done = deployed(fake, code=4)
    assert 'Failed in step "release sluice-stack" (lib.sh:' in done.stderr
    assert "What was done before it stays. The same command can be run again." in done.stderr


@pytest.mark.parametrize("pattern,step", [
    ("rollout status daemonset/sluice *", "daemonset sluice"), ("rollout status statefulset/loki *", "statefulset loki"),
    ("get --raw *loki:3100/proxy/ready*", "Loki does not say that it is ready"),
    ("get --raw *tempo:3200/proxy/ready*", "Tempo does not say that it is ready"),
])
def test_verification_fails(fake, pattern, step):
    fake.rule("kubectl", pattern, "", 1)
    done = deployed(fake, code=5)
    assert step in done.stderr


def test_the_marker_line_does_not_arrive(fake):
    fake.rule("kubectl", "get --raw *query_range*", '{"data":{"result":[]}}')
    done = fake.run("deploy.sh", "--yes")
    assert done.returncode == 5 and "did not arrive in Loki" in done.stderr
    assert any("delete job sluice-marker-" in c for c in fake.calls())


def test_another_chart_has_a_daemonset_too(fake):
    """Loki's canary stands before the agent in the rendered charts; its image cannot say a marker line."""
    canary = ("---\n# Source: sluice-stack/charts/loki/templates/loki-canary/daemonset.yaml\nkind: DaemonSet\nmetadata:\n"
              "  name: loki-canary\nspec:\n  image: grafana/loki-canary:3\n")
    fake.rule("helm", "template * */stack *", canary + fake.rendered["stack"])
    deployed(fake)
    assert any("rollout status daemonset/sluice " in c for c in fake.calls())
    assert "image: sluice:0.1.0" in (fake.base / "stdin").read_text()


def test_without_our_loki_no_line_is_looked_for(fake, charts):
    fake.rule("helm", "template * */stack *", charts.text("stack", "--set", "loki.enabled=false", release="sluice-stack", namespace="monitoring"))
    done = deployed(fake, "--set", "loki.enabled=false")
    assert "WARN  No StatefulSet named loki is installed, so no line was looked for in Loki." in done.stdout
    assert "query_range" not in str(fake.calls())


def test_data_sources_that_do_not_appear_are_a_hint(fake):
    done = deployed(fake)
    assert "kubectl --namespace monitoring rollout restart deployment/grafana" in done.stdout
    fake.rule("kubectl", "exec *", '[{"name":"Loki"},{"name":"Tempo"}]')
    fake.rule("kubectl", "get configmap sluice-stack-datasources*", "configmap/x\n")
    assert "Grafana has the data sources" in fake.run("deploy.sh", "--yes").stdout


# ---- the scripts themselves -----------------------------------------------------

def test_shellcheck():
    scripts = [HELM / "deploy.sh", HELM / "cleanup.sh", HELM / "lib.sh", *sorted((HELM / "deploy").glob("*.sh")), HERE / "run.sh", HERE / "fake/kubectl",
               ROOT / "scripts/build-helm-tools.sh", *sorted((HELM / "image").glob("*.sh")), *sorted((ROOT / "tests/image").glob("*.sh"))]
    run("shellcheck", "-x", *scripts, cwd=ROOT)


def test_every_complaint_is_tested():
    """Three words in a row of every sentence that a script may refuse with stand in these tests."""
    def runs(text):
        words = re.findall(r"[A-Za-z0-9-]+", text)
        return {" ".join(words[i:i + 3]) for i in range(len(words) - 2)}
    tested = set().union(*(runs(path.read_text()) for path in HERE.glob("test_*script*.py")))
    sentences = 0
    for path in [HELM / "deploy.sh", HELM / "cleanup.sh", HELM / "lib.sh", *sorted((HELM / "deploy").glob("*.sh"))]:
        for text in re.findall(r'\b(?:fail|warn|usage_error|complain) "((?:[^"\\]|\\.)*)"', path.read_text()):
            parts = re.split(r'\$\{[^}]*\}|\$\([^)]*\)|\$\w+|\\"', text)
            wanted = {run for part in parts for run in runs(part)}
            sentences += 1
            assert not wanted or wanted & tested, f"{path.name}: no test for: {text}"
    assert sentences > 50


def test_the_go_templates_parse(tmp_path):
    """The fake kubectl runs no template, so at least they must be whole: Helm parses them
    with the same template language."""
    templates = re.findall(r"'go-template=(.*?)' ", (HELM / "deploy/preflight.sh").read_text())
    assert len(templates) == 4
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: t\nversion: 0.1.0\n")
    for number, text in enumerate(templates):
        (chart / f"templates/{number}.txt").write_text("{{ define \"t%d\" }}%s{{ end }}" % (number, text))
    run(tool("helm4"), "template", chart)
