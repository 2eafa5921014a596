# SPDX-License-Identifier: Apache-2.0
"""What deploy.sh looks at before it changes anything: every check says one clear sentence, and
nothing is changed."""
import json
import re

import pytest

from conftest import HELM, HERE, upstream_summary
from fake_cluster import GRAFANA, PROMTAIL, fake, refused  # noqa: F401  (a fixture)


def test_preflight_passes_on_a_good_cluster(fake):  # noqa: F811
    done = fake.run("deploy.sh", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout and "Dry run: nothing was changed." in done.stdout
    assert "DaemonSet/sluice" in done.stdout and "release monitoring/sluice-stack" in done.stdout
    assert not fake.mutations()


def test_kubernetes_is_away(fake):  # noqa: F811
    fake.rule("kubectl", "get --raw /version", "", 1)
    refused(fake, says="The Kubernetes API does not answer")


@pytest.mark.parametrize("version", ["v1.24.9", "v1.9.0"])
def test_old_kubernetes(fake, version):  # noqa: F811
    fake.rule("kubectl", "get --raw /version", json.dumps({"gitVersion": version}))
    refused(fake, says=f"Kubernetes {version} is too old")


@pytest.mark.parametrize("answer,says", [
    ("clientVersion:\n  gitVersion: v1.30.1\n", "WARN  kubectl is of version 1.30 and the server of 1.33; more than one apart"),
    ("clientVersion:\n  gitVersion: v1.35.0+k3s1\n", "WARN  kubectl is of version 1.35"),
    ("clientVersion:\n  gitVersion: v1.34.0\n", "OK    kubectl 1.34"), ("", "WARN  The version of kubectl cannot be read.")])
def test_kubectl_far_from_the_server(fake, answer, says):  # noqa: F811
    fake.rule("kubectl", "version --client *", answer)
    done = fake.run("deploy.sh", "--dry-run")
    assert done.returncode == 0 and says in done.stdout, done.stdout


@pytest.mark.parametrize("version", ["v3.12.3", "v2.17.0"])
def test_old_helm(fake, version):  # noqa: F811
    fake.rule("helm", "version --short", f"{version}+gabc\n")
    refused(fake, says=f"helm {version} is too old")


def test_helm_3_is_fine(fake):  # noqa: F811
    fake.rule("helm", "version --short", "v3.13.0+g825e86f\n")
    assert fake.run("deploy.sh", "--dry-run").returncode == 0


def test_the_version_of_helm_cannot_be_read(fake):  # noqa: F811
    fake.rule("helm", "version --short", "what?\n")
    refused(fake, says="The version of helm cannot be read.")


@pytest.mark.parametrize("missing, there", [("kubectl", "helm"), ("helm", "kubectl")])
def test_a_tool_is_not_there(fake, tmp_path, missing, there):  # noqa: F811
    bin_dir = tmp_path / "only"
    bin_dir.mkdir()
    for name in ("bash", "mktemp", "dirname", "sed", "rm", "cat", "grep", "awk"):
        (bin_dir / name).symlink_to(f"/usr/bin/{name}")
    (bin_dir / there).symlink_to(HERE / "fake" / there)
    refused(fake, says=f"{missing} is not on the PATH", env={"PATH": str(bin_dir)})


def test_missing_rights(fake):  # noqa: F811
    fake.rule("kubectl", "auth can-i create clusterroles*", "no\n", 1)
    fake.rule("kubectl", "auth can-i create daemonsets.apps*", "no\n", 1)
    done = refused(fake, says="You may not create: daemonsets.apps. Ask for these rights")
    assert "clusterroles" not in done.stdout, "the charts make none by default"
    refused(fake, "--with-otel", says="You may not create: clusterroles.rbac.authorization.k8s.io, daemonsets.apps. Ask")


@pytest.mark.parametrize("what,args,says", [
    ("secrets --namespace monitoring", [], "create: secrets."), ("jobs.batch*", [], "create: jobs.batch."),
    ("servicemonitors.monitoring.coreos.com --namespace monitoring", [], "create: servicemonitors.monitoring.coreos.com."),
    ("configmaps --namespace grafana", [], "create: configmaps (in grafana)."),
    ("instrumentations.opentelemetry.io*", ["--with-otel"], "create: instrumentations.opentelemetry.io."),
    ("mutatingwebhookconfigurations*", ["--with-otel"], "create: mutatingwebhookconfigurations.admissionregistration.k8s.io.")])
def test_a_right_that_was_not_asked_for(fake, charts, what, args, says):  # noqa: F811
    """Only a handful of kinds was asked for; the others ended the installation in the middle, with Helm's
    own words: its own Secrets, the monitors, what goes into Grafana's namespace."""
    fake.rule("kubectl", "get deployments *", "grafana grafana LABEL=grafana_datasource LABEL_VALUE=1\n")
    fake.rule("helm", "template * */stack *", charts.text("stack", "--set", "grafana.namespace=grafana", release="sluice-stack", namespace="monitoring")
              + upstream_summary())
    fake.rule("kubectl", f"auth can-i create {what}", "no\n", 1)
    refused(fake, *args, says=says)


def test_a_namespace_that_may_not_be_made(fake):  # noqa: F811
    fake.rule("kubectl", "get namespace monitoring*", "", 1)
    fake.rule("kubectl", "auth can-i create namespaces*", "no\n", 1)
    refused(fake, says="You may not create: namespaces.")


def test_a_right_that_only_some_values_need(fake, charts):  # noqa: F811
    """With metadata from the API the agent has a ClusterRole."""
    fake.rule("kubectl", "auth can-i create clusterroles*", "no\n", 1)
    text = charts.text("agent", "--set", "metadata.source=api", release="sluice", namespace="monitoring")
    fake.rule("helm", "template * */agent *", text)
    refused(fake, "--mode", "agent-only", says="You may not create: clusterroles.rbac.authorization.k8s.io.")


@pytest.mark.parametrize("level", ["restricted", "baseline"])
def test_namespace_forbids_host_paths(fake, level):  # noqa: F811
    fake.rule("kubectl", "get namespace monitoring -o *", level)
    refused(fake, says=[f'"{level}"', "pod-security.kubernetes.io/enforce=privileged"])


def test_no_storage_class_at_all(fake):  # noqa: F811
    fake.rule("kubectl", "get storageclass gp3*", "", 1)
    fake.rule("kubectl", "get storageclass -o *", "")
    refused(fake, says="no StorageClass at all")


def test_no_default_storage_class(fake):  # noqa: F811
    fake.rule("kubectl", "get storageclass -o *range .items[[]*[]]*", "standard local ")
    fake.rule("kubectl", "get storageclass -o *is-default*", "")
    fake.rule("kubectl", "get storageclass gp3*", "", 1)
    refused(fake, says="StorageClass gp3 does not exist, and no class is the default. There are: standard local")


def test_another_default_storage_class(fake):  # noqa: F811
    fake.rule("kubectl", "get storageclass -o *range .items[[]*[]]*", "standard ")
    fake.rule("kubectl", "get storageclass -o *is-default*", "standard ")
    fake.rule("kubectl", "get storageclass gp3*", "", 1)
    refused(fake, says="use --storage-class standard")
    fake.rule("kubectl", "get storageclass standard -o *", "rancher.io/local-path")
    fake.rule("helm", "template * --set-string tempo.persistence.storageClassName=standard *", fake.rendered["stack"].replace("gp3", "standard"))
    done = fake.run("deploy.sh", "--dry-run", "--storage-class", "standard")
    assert done.returncode == 0 and "OK    StorageClass standard (rancher.io/local-path)" in done.stdout
    assert any("persistence.storageClassName=standard" in c and "persistence.storageClass=standard" in c for c in fake.calls())


def test_values_that_name_no_storage_class(fake):  # noqa: F811
    """Then the cluster's default is taken, and there must be one."""
    fake.rule("helm", "template * */stack *", re.sub(r".*storageClassName: gp3\n", "", fake.rendered["stack"]))
    fake.rule("kubectl", "get storageclass *is-default*", "")
    refused(fake, says="The values name no StorageClass, and no class of the cluster is the default. Choose one with --storage-class.")
    fake.rule("kubectl", "get storageclass *is-default*", "standard ")
    assert "OK    StorageClass standard (the default)" in fake.run("deploy.sh", "--dry-run").stdout


def test_the_stack_makes_its_storage_class(fake):  # noqa: F811
    fake.rule("kubectl", "get storageclass gp3*", "", 1)
    fake.rule("helm", "template * */stack *", fake.rendered["stack"] + "---\nkind: StorageClass\nmetadata:\n  name: gp3\n")
    assert fake.run("deploy.sh", "--dry-run").returncode == 0


def test_a_storage_class_that_others_made(fake):  # noqa: F811
    """helm/values/eks.yaml makes gp3, and many clusters have it. Helm stopped in the middle."""
    fake.rule("helm", "template * */stack *", fake.rendered["stack"] + "---\nkind: StorageClass\nmetadata:\n  name: gp3\n")
    fake.rule("kubectl", "get storageclass gp3 -o *", "gp3 ")
    refused(fake, says="StorageClass gp3 is there already, and this release did not make it. Use it as it is: --set storageClass.create=false")
    fake.rule("kubectl", "get storageclass gp3 -o *", "gp3 sluice-stack")
    assert fake.run("deploy.sh", "--dry-run").returncode == 0


def test_no_prometheus_for_hybrid(fake):  # noqa: F811
    fake.rule("kubectl", "get prometheuses*", "", 1)
    refused(fake, says="Mode hybrid stands beside a Prometheus")


def test_no_grafana_for_hybrid(fake):  # noqa: F811
    fake.rule("kubectl", "get deployments *", "")
    refused(fake, says="No Grafana with a sidecar")
    done = fake.run("deploy.sh", "--dry-run", "--grafana-namespace", "elsewhere")
    assert done.returncode == 0 and "WARN  No Grafana" in done.stdout


def test_two_grafanas(fake):  # noqa: F811
    fake.rule("kubectl", "get deployments *", GRAFANA + "team-b grafana LABEL=x\n")
    refused(fake, says="There are 2 Grafanas. Choose with --grafana-namespace: monitoring team-b")
    done = fake.run("deploy.sh", "--dry-run", "--grafana-namespace", "team-b")
    assert done.returncode == 0
    assert fake.found()["grafana"] == {"namespace": "team-b", "dashboards": {}, "datasources": {"label": "x"}}
    assert fake.found()["sluice"]["dashboards"] == {"namespace": "team-b"}


def test_selectors_with_dots_and_slashes(fake, charts):  # noqa: F811
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


def test_values_of_the_user_win(fake, tmp_path):  # noqa: F811
    """--set wins over every file, so what was found must not be given that way."""
    values = tmp_path / "mine.yaml"
    values.write_text("tempo: {persistence: {storageClassName: mine}}\n")
    fake.run("deploy.sh", "--dry-run", "--values", str(values))
    call = next(c for c in fake.calls() if c.startswith("helm template"))
    assert call.index("values/hybrid.yaml") < call.index("found.yaml") < call.index("mine.yaml")
    assert "--set" not in call


def test_a_hand_made_data_source(fake):  # noqa: F811
    fake.rule("kubectl", "exec *", '[{"id":3,"name":"Loki","readOnly":false}]')
    refused(fake, says=['Grafana already has a data source "Loki"', "--set grafana.datasources.loki.name="])


def test_our_own_data_source_is_no_problem(fake):  # noqa: F811
    fake.rule("kubectl", "exec *", '[{"name":"Loki"},{"name":"Tempo"}]')
    fake.rule("kubectl", "get configmap sluice-stack-datasources*", "configmap/sluice-stack-datasources\n")
    assert fake.run("deploy.sh", "--dry-run").returncode == 0


def test_grafana_cannot_be_asked(fake):  # noqa: F811
    fake.rule("kubectl", "exec *", "", 1)
    done = fake.run("deploy.sh", "--dry-run")
    assert done.returncode == 0 and "WARN  Grafana's data sources cannot be read" in done.stdout


def test_promtail_is_still_running(fake):  # noqa: F811
    fake.rule("kubectl", "get daemonsets *", PROMTAIL.format("promtail"))
    refused(fake, says=["Promtail (logging/promtail) is still running", "--replace-promtail"])
    done = fake.run("deploy.sh", "--dry-run", "--keep-promtail")
    assert done.returncode == 0 and "every line arrives twice" in done.stdout


def test_promtail_without_helm(fake):  # noqa: F811
    fake.rule("kubectl", "get daemonsets *", PROMTAIL.format("-"))
    refused(fake, "--replace-promtail", says="was not installed by Helm")


def test_another_collector(fake):  # noqa: F811
    fake.rule("kubectl", "get daemonsets *", "logging fluent-bit fb /var/log,/etc/machine-id, fluent/fluent-bit:5,\n"
              "kube-system node-exporter ne /proc,/sys, ne:1,\nmonitoring sluice sluice-stack /var/log/pods, sluice:1,\n")
    done = fake.run("deploy.sh", "--dry-run")
    assert done.returncode == 0
    assert "WARN  DaemonSet logging/fluent-bit reads pod logs as well" in done.stdout
    assert done.stdout.count("WARN") == 1


def test_old_loki_stack(fake):  # noqa: F811
    fake.rule("helm", "list --all-namespaces*", "NAME NAMESPACE REVISION UPDATED STATUS CHART APP\n"
              "loki\tmonitoring\t1\t2024-01-01 10:00:00 +0000 UTC\tdeployed\tloki-stack-2.10.3\tv2.9.3\n")
    refused(fake, says=["Release monitoring/loki is of the chart loki-stack", "helm uninstall loki --namespace monitoring"])


def test_another_loki_in_the_namespace(fake):  # noqa: F811
    fake.rule("kubectl", "get statefulset/loki *", "loki other")
    refused(fake, says=["There is a statefulset/loki in namespace monitoring already, of other (not of release sluice-stack)", "--set loki.enabled=false"])


def test_our_loki_in_the_namespace(fake):  # noqa: F811
    fake.rule("kubectl", "get statefulset/loki *", "loki sluice-stack")
    assert fake.run("deploy.sh", "--dry-run").returncode == 0


INGRESS = "---\nkind: Ingress\nmetadata:\n  name: tempo\nspec:\n  ingressClassName: alb\n  rules:\n    - host: \"tempo.example.com\"\n"


def test_unknown_ingress_class(fake):  # noqa: F811
    fake.rule("helm", "template * */stack *", fake.rendered["stack"] + INGRESS)
    fake.rule("kubectl", "get ingressclass -o *", "nginx ")
    fake.rule("kubectl", "get ingressclass alb", "", 1)
    refused(fake, says='Ingress class "alb" does not exist. There are: nginx')


def test_taken_host(fake):  # noqa: F811
    fake.rule("helm", "template * */stack *", fake.rendered["stack"] + INGRESS)
    fake.rule("kubectl", "get ingress --all*", "tempo.example.com other/web web\n")
    refused(fake, says="The host tempo.example.com is taken by Ingress other/web")
    fake.rule("kubectl", "get ingress --all*", "tempo.example.com monitoring/tempo sluice-stack\n")
    assert fake.run("deploy.sh", "--dry-run").returncode == 0


def test_a_secret_that_nobody_made(fake, charts):  # noqa: F811
    """The pods would stay in ContainerCreating."""
    text = charts.text("agent", "--set", "loki.auth.type=basic,loki.auth.existingSecret=loki-push", release="sluice", namespace="monitoring")
    fake.rule("helm", "template * */agent *", text)
    refused(fake, "--mode", "agent-only", says="These Secrets are named in the values and are not in namespace monitoring: loki-push. Make them first")
    fake.rule("kubectl", "get secret loki-push *", "secret/loki-push\n")
    assert fake.run("deploy.sh", "--mode", "agent-only", "--dry-run").returncode == 0


def test_a_secret_of_the_release_is_no_problem(fake, charts):  # noqa: F811
    text = charts.text("agent", "--set", "configmap.enabled=false", release="sluice", namespace="monitoring")
    assert "secretName: sluice" in text
    fake.rule("helm", "template * */agent *", text)
    assert fake.run("deploy.sh", "--mode", "agent-only", "--dry-run").returncode == 0


def test_values_that_do_not_render(fake):  # noqa: F811
    fake.rule("helm", "template *", "", 1)
    refused(fake, says="The charts cannot be rendered with these values")


def test_charts_that_cannot_be_fetched(fake):  # noqa: F811
    if (HELM / "stack/charts").exists():
        pytest.skip("optional: the charts were fetched already")
    fake.rule("helm", "dependency *", "no route to host\n", 1)
    refused(fake, says="no route to host")


def test_full_beside_another_prometheus(fake):  # noqa: F811
    fake.rule("kubectl", "get crd prometheuses.monitoring.coreos.com *", "prometheuses.monitoring.coreos.com kps")
    fake.rule("kubectl", "get prometheuses* -o name", "prometheus/kps\n")
    refused(fake, "--mode", "full", says="Use --mode hybrid")


def test_little_room_is_a_warning(fake):  # noqa: F811
    fake.rule("kubectl", "get nodes *", "have 2 4Gi\n")
    fake.rule("kubectl", "get pods *", "want 1500m/3Gi\n")
    done = fake.run("deploy.sh", "--dry-run")
    assert done.returncode == 0 and "WARN  Little room: 500 m CPU and 1024 MiB" in done.stdout


def test_all_failures_are_told_at_once(fake):  # noqa: F811
    fake.rule("kubectl", "auth can-i create daemonsets.apps*", "no\n", 1)
    fake.rule("kubectl", "get namespace monitoring -o *", "restricted")
    fake.rule("kubectl", "get daemonsets *", PROMTAIL.format("promtail"))
    done = refused(fake, says="Promtail")
    assert done.stdout.count("FAIL") == 3 and "3 of the checks failed" in done.stderr


def test_skip_preflight(fake):  # noqa: F811
    fake.rule("kubectl", "auth can-i *", "no\n", 1)
    done = fake.run("deploy.sh", "--skip-preflight", "--dry-run")
    assert done.returncode == 0 and "== Preflight" not in done.stdout
    fake.rule("helm", "template *", "", 1)
    assert fake.run("deploy.sh", "--skip-preflight", "--dry-run").returncode == 3
