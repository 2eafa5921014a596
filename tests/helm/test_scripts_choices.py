# SPDX-License-Identifier: Apache-2.0
"""deploy.sh and cleanup.sh where a cluster or the values are not as most are. The first line of each
test's text is what went wrong before."""
import pytest

from conftest import HELM
from test_cleanup_script import installed
from fake_cluster import PROMTAIL, deployed, fake, helm_steps, refused  # noqa: F401  (a fixture)


def labels(found):
    return found["sluice"]["serviceMonitor"]["labels"], found["prometheusRule"]["labels"]


def test_two_prometheuses_that_want_the_same(fake):  # noqa: F811
    """The label stood twice in one map, which is no YAML."""
    fake.rule("kubectl", "get prometheuses*go-template*",
              "P a one\nM release p\nR release p\nP b two\nM release p\nM team x\nR role y\n")
    done = fake.run("deploy.sh", "--dry-run")
    assert done.returncode == 0 and "WARN" not in done.stdout, done.stdout + done.stderr
    assert labels(fake.found()) == ({"release": "p", "team": "x"}, {"release": "p", "role": "y"})


def test_two_prometheuses_that_want_different_things(fake):  # noqa: F811
    fake.rule("kubectl", "get prometheuses*go-template*", "P a one\nM release p\nP b two\nM release q\n")
    done = fake.run("deploy.sh", "--dry-run")
    assert done.returncode == 0
    assert "WARN  Prometheus b/two wants the label release=q and another one release=p. It will not see what is installed here" in done.stdout
    assert labels(fake.found()) == ({"release": "p"}, {})


def test_a_prometheus_that_selects_by_expressions(fake):  # noqa: F811
    fake.rule("kubectl", "get prometheuses*go-template*", "P a one\nE ServiceMonitors -\nR release p\n")
    done = fake.run("deploy.sh", "--dry-run")
    assert done.returncode == 0
    assert "WARN  Prometheus a/one selects its ServiceMonitors by expressions, which are not read here." in done.stdout


def test_the_label_of_the_dashboards(fake):  # noqa: F811
    """Only the label of the data sources was looked up: with another one for dashboards none appeared."""
    fake.rule("kubectl", "get deployments *", "-dashboards other grafana LABEL=no\nmonitoring grafana LABEL=sources\n"
              "-dashboards monitoring grafana METHOD=WATCH LABEL=boards LABEL_VALUE=yes\n")
    done = fake.run("deploy.sh", "--dry-run")
    assert done.returncode == 0 and "WARN" not in done.stdout, done.stdout + done.stderr
    found = fake.found()
    assert found["grafana"] == {"namespace": "monitoring", "dashboards": {"label": "boards", "labelValue": "yes"}, "datasources": {"label": "sources"}}
    assert found["sluice"]["dashboards"] == {"namespace": "monitoring", "label": "boards", "labelValue": "yes"}


def test_a_grafana_without_a_sidecar_for_dashboards(fake):  # noqa: F811
    """Nothing was said, and nothing appeared."""
    fake.rule("kubectl", "get deployments *", "monitoring grafana LABEL=sources\n-dashboards other grafana\n")
    done = fake.run("deploy.sh", "--dry-run")
    assert done.returncode == 0
    assert "WARN  Grafana monitoring/grafana has no sidecar for dashboards (a container grafana-sc-dashboard), so none will appear." in done.stdout
    assert fake.found()["grafana"]["dashboards"] == {}


def test_no_ingress_means_none(fake):  # noqa: F811
    """With helm/values/eks.yaml the gateway of Loki kept its own."""
    fake.run("deploy.sh", "--dry-run", "--no-ingress", "--values", str(HELM / "values/eks.yaml"))
    call = next(c for c in fake.calls() if c.startswith("helm template"))
    for key in ("ingress.tempo", "httpRoute.tempo", "loki.ingress", "loki.gateway.ingress"):
        assert f"--set {key}.enabled=false" in call
    fake.run("deploy.sh", "--dry-run", "--ingress")
    call = next(c for c in fake.calls() if c.startswith("helm template"))
    assert "--set ingress.tempo.enabled=true" in call and "gateway" not in call


def test_what_no_ingress_leaves(charts):
    off = ",".join(f"{key}.enabled=false" for key in ("ingress.tempo", "httpRoute.tempo", "loki.ingress", "loki.gateway.ingress"))
    objects = charts.objects("stack", "-f", str(HELM / "values/eks.yaml"), "--set", off)
    assert not [o for o in objects if o["kind"] in ("Ingress", "HTTPRoute")]


def test_values_without_the_agent(fake, charts):  # noqa: F811
    """The verification asked for a DaemonSet without a name, and ended with exit code 5."""
    fake.rule("helm", "template * */stack *", charts.text("stack", "--set", "sluice.enabled=false", release="sluice-stack", namespace="monitoring"))
    done = deployed(fake, "--set", "sluice.enabled=false")
    assert "WARN  The values switch the agent off, so no logs are read." in done.stdout
    assert "daemonset/" not in str(fake.calls()) and "query_range" not in str(fake.calls())


def test_promtail_is_not_removed_for_nobody(fake, charts):  # noqa: F811
    text = charts.text("stack", "--set", "sluice.daemonset.enabled=false", release="sluice-stack", namespace="monitoring")
    fake.rule("helm", "template * */stack *", text)
    fake.rule("kubectl", "get daemonsets *", PROMTAIL.format("promtail"))
    refused(fake, "--replace-promtail", says="--replace-promtail would leave nobody to read the logs: the values switch the agent off")


def test_releases_that_cannot_be_read(fake):  # noqa: F811
    """Helm keeps releases in Secrets; without the right to read them everywhere no release was looked at."""
    fake.rule("helm", "list --all-namespaces*", "forbidden", "1 stderr")
    fake.rule("helm", "list --namespace monitoring", "NAME NAMESPACE REVISION UPDATED STATUS CHART APP\n"
              "loki\tmonitoring\t1\t2024-01-01\tdeployed\tloki-stack-2.10.3\tv2.9.3\n")
    done = refused(fake, says="Release monitoring/loki is of the chart loki-stack")
    assert "WARN  Helm's releases in all namespaces cannot be read; only those in monitoring are looked at." in done.stdout


@pytest.mark.parametrize("duration", ["90s", "1h30m"])
def test_durations_as_helm_takes_them(fake, duration):  # noqa: F811
    assert fake.run("deploy.sh", "--dry-run", "--timeout", duration).returncode == 0


def with_an_operator(fake):  # noqa: F811
    fake.rule("kubectl", "get crd opentelemetrycollectors.opentelemetry.io *", "opentelemetrycollectors.opentelemetry.io otel")
    fake.rule("kubectl", "get mutatingwebhookconfigurations -o name", "mutatingwebhookconfiguration.admissionregistration.k8s.io/otel-opentelemetry-operator-mutation\n")


def test_an_operator_that_is_there_gets_a_collector(fake):  # noqa: F811
    """Mode hybrid made none, unless it was told to install an operator."""
    with_an_operator(fake)
    done = deployed(fake)
    assert [s[2] for s in helm_steps(fake)] == ["sluice-stack", "sluice-otel"]
    assert "the OpenTelemetry operator is there and left alone; a collector" in done.stdout
    calls = fake.calls()
    gate = next(i for i, c in enumerate(calls) if "apply --dry-run=server" in c)
    assert gate < next(i for i, c in enumerate(calls) if "--install sluice-stack" in c)
    assert not [c for c in calls if "can-i create customresourcedefinitions" in c], "nothing is installed that has any"
    fake.rule("kubectl", "auth can-i create clusterroles*", "no\n", 1)
    refused(fake, says="You may not create: clusterroles.")


def test_no_collector_where_it_is_not_wanted(fake):  # noqa: F811
    with_an_operator(fake)
    deployed(fake, "--no-otel")
    assert [s[2] for s in helm_steps(fake)] == ["sluice-stack"]


def test_definitions_without_an_operator(fake):  # noqa: F811
    """cleanup.sh --platform keeps the CRDs."""
    with_an_operator(fake)
    fake.rule("kubectl", "get mutatingwebhookconfigurations -o name", "mutatingwebhookconfiguration.admissionregistration.k8s.io/cert-manager-webhook\n")
    deployed(fake)
    assert [s[2] for s in helm_steps(fake)] == ["sluice-stack"]


def test_full_without_a_collector_is_no_mode(fake):  # noqa: F811
    done = fake.run("deploy.sh", "--mode", "full", "--no-otel")
    assert done.returncode == 2 and "--no-otel is for hybrid; full has a collector" in done.stderr


# ---- cleanup.sh -------------------------------------------------------------------

def test_cleanup_that_may_not_look(fake):  # noqa: F811
    """It said that the release is not there, and that all is done."""
    fake.rule("helm", "status sluice-otel *", "Error: release: not found", "1 stderr")
    fake.rule("helm", "status sluice-stack *", 'Error: query: failed: secrets is forbidden', "1 stderr")
    done = fake.run("cleanup.sh", "--yes")
    assert done.returncode == 4 and "Done." not in done.stdout
    assert "Helm cannot tell whether release monitoring/sluice-stack is there: Error: query: failed: secrets is forbidden" in done.stderr
    assert not fake.mutations()


def test_cleanup_with_rights_in_one_namespace(fake):  # noqa: F811
    installed(fake)
    fake.rule("kubectl", "get configmaps --all-namespaces *", "forbidden", "1 stderr")
    fake.rule("kubectl", "get configmaps --namespace grafana *", "grafana sluice-stack-datasources\n")
    done = fake.run("cleanup.sh", "--yes", "--grafana-namespace", "grafana")
    assert done.returncode == 0 and "Grafana is asked to forget: Loki Tempo" in done.stdout
    assert [c for c in fake.mutations() if "patch configmap sluice-stack-datasources --namespace grafana" in c]


def test_cleanup_that_may_not_read_configmaps(fake):  # noqa: F811
    installed(fake)
    fake.rule("kubectl", "get configmaps *", "forbidden", "1 stderr")
    done = fake.run("cleanup.sh", "--yes")
    assert done.returncode == 0 and "WARN  The ConfigMaps cannot be read, so Grafana is not asked to forget the data sources." in done.stderr
    assert [s[1] for s in helm_steps(fake)] == ["sluice-otel", "sluice-stack"]
