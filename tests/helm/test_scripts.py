# SPDX-License-Identifier: Apache-2.0
"""deploy.sh with a fake kubectl and a fake helm: how it is called, what it does in which order, what
it says when something fails. test_scripts_preflight.py has what it refuses to begin with."""
import re

import pytest

from conftest import HELM, HERE, ROOT, run, tool, upstream_summary
from fake_cluster import PROMTAIL, deployed, fake, helm_steps  # noqa: F401  (a fixture)


# ---- deploy.sh: use -----------------------------------------------------------

@pytest.mark.parametrize("args,says", [
    (["--mode", "other"], '--mode is hybrid, full or agent-only, not "other"'), (["--bogus"], "unknown option --bogus"),
    (["--mode"], "--mode needs a value"), (["--dry-run=maybe"], '--dry-run is client or server, not "maybe"'), (["--yes", "--dry-run="], "--dry-run is client or server"),
    (["--namespace", "A_b"], '"A_b" is no name for a namespace'), (["--timeout", "soon"], '--timeout is a duration like 10m, not "soon"'),
    (["--values", "/no/such/file"], "cannot read the values file /no/such/file"), (["--yes=1"], "unknown option 1"), (["stray"], "unknown option stray"),
    (["--mode", "agent-only", "--with-otel"], "--with-otel needs Tempo, which agent-only does not install"),
    (["--mode", "agent-only", "--ingress"], "agent-only has no Ingress"),
    (["--platform-values", "own.yaml"], "--platform-values is RELEASE=FILE, for cert-manager, kube-prometheus-stack or opentelemetry-operator"),
    (["--platform-values", "loki=/dev/null"], "--platform-values is RELEASE=FILE"),
    (["--platform-values=cert-manager=/no/such/file"], "cannot read the values file /no/such/file")])
def test_wrong_use(fake, args, says):  # noqa: F811
    done = fake.run("deploy.sh", *args)
    assert done.returncode == 2 and says in done.stderr and "see --help" in done.stderr
    assert not fake.calls()


@pytest.mark.parametrize("script", ["deploy.sh", "cleanup.sh"])
def test_help(fake, script):  # noqa: F811
    done = fake.run(script, "--help")
    assert done.returncode == 0
    source = (HELM / script).read_text()
    parsed = set(re.findall(r"^    (--[a-z-]+)", source, re.M))
    assert len(parsed) > 8
    for option in parsed:
        assert option in done.stdout, option


def test_asks_before_it_changes_anything(fake):  # noqa: F811
    done = fake.run("deploy.sh")
    assert done.returncode == 2 and "Nobody can be asked here: standard input is no terminal. Say --yes." in done.stderr and not fake.mutations()
    done = fake.run("deploy.sh", stdin="no\n", env={"SLUICE_ANSWERS_ON_STDIN": "1"})
    assert done.returncode == 2 and "Nothing was changed." in done.stderr and not fake.mutations()


def test_dry_run_of_the_server(fake):  # noqa: F811
    done = fake.run("deploy.sh", "--dry-run=server")
    assert done.returncode == 0 and "it would accept the release" in done.stdout
    assert any("--dry-run=server" in c for c in fake.calls()) and not fake.mutations()
    fake.rule("helm", "upgrade *--dry-run=server*", "conflict\n", 1)
    assert fake.run("deploy.sh", "--dry-run=server").returncode != 0


# ---- deploy.sh: order -----------------------------------------------------------


def test_hybrid(fake):  # noqa: F811
    done = deployed(fake)
    assert helm_steps(fake) == [["upgrade", "--install", "sluice-stack"]]
    call = next(c for c in fake.calls() if c.startswith("helm upgrade"))
    for part in ("--wait", "--timeout 10m", "--namespace monitoring", "values/hybrid.yaml", "/found.yaml"):
        assert part in call, part
    label, boards = {"release": "prometheus"}, {"label": "grafana_dashboard", "labelValue": "1"}
    assert fake.found() == {
        "storageClass": {"name": "gp3"}, "prometheusRule": {"labels": label},
        "grafana": {"namespace": "monitoring", "dashboards": boards, "datasources": {"label": "grafana_datasource", "labelValue": "1"}},
        "sluice": {"serviceMonitor": {"labels": label}, "prometheusRule": {"labels": label}, "dashboards": {"namespace": "monitoring", **boards}},
        "loki": {"singleBinary": {"persistence": {"storageClass": "gp3"}}, "monitoring": {"serviceMonitor": {"labels": label}}},
        "tempo": {"persistence": {"storageClassName": "gp3"}, "serviceMonitor": {"additionalLabels": label}}}
    assert "--atomic" not in call and "--force" not in call
    assert "a line that a pod wrote was found in Loki" in done.stdout
    assert "Your Prometheus and Grafana were not touched" in done.stdout
    assert "prometheus-operated.monitoring.svc" in done.stdout


def test_hybrid_touches_nothing_else(fake):  # noqa: F811
    deployed(fake)
    for call in fake.mutations():
        assert re.match(r"helm upgrade --install sluice-stack |kubectl (apply|delete job) .*", call), call
        assert "rollout restart" not in call
    assert "kind: Job" in (fake.base / "stdin").read_text()


def test_the_second_run_is_the_same(fake):  # noqa: F811
    deployed(fake)
    first = [c for c in fake.calls() if c.startswith("helm upgrade")]
    fake.run("deploy.sh", "--yes")
    def without_paths(calls):
        return [re.sub(r"\S*/found.yaml", "found.yaml", c) for c in calls]
    assert without_paths(c for c in fake.calls() if c.startswith("helm upgrade")) == without_paths(first)


def test_full(fake):  # noqa: F811
    for what in ("grafana-admin", "opentelemetry-operator"):
        fake.rule("kubectl", f"get secret {what}*", "", 1)
    fake.rule("kubectl", "get namespace monitoring*", "", 1)
    fake.rule("kubectl", "get namespace cert-manager", "", 1)
    fake.rule("kubectl", "get mutatingwebhookconfiguration*", "Q0E=")
    deployed(fake, "--mode", "full")
    assert [s[2] for s in helm_steps(fake)] == ["cert-manager", "kube-prometheus-stack", "opentelemetry-operator", "sluice-stack", "sluice-otel"]
    calls = [c for c in fake.calls() if "auth can-i" not in c]

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


def test_full_makes_the_storage_class_before_prometheus(fake, charts):  # noqa: F811
    """Prometheus and Grafana come before the stack, and their volumes waited for a class that the stack
    was to make: the installation ended at Helm's timeout."""
    made = charts.text("stack", "--set", "storageClass.create=true", release="sluice-stack", namespace="monitoring")
    fake.rule("helm", "template * */stack *", made + upstream_summary())
    fake.rule("kubectl", "get storageclass gp3*", "", 1)
    fake.rule("kubectl", "get mutatingwebhookconfiguration*", "Q0E=")
    deployed(fake, "--mode", "full")
    calls = fake.calls()
    at = [next(i for i, c in enumerate(calls) if text in c) for text in (
        "annotate --local -f - -o yaml meta.helm.sh/release-name=sluice-stack meta.helm.sh/release-namespace=monitoring",
        "apply --server-side --field-manager=helm", "--install kube-prometheus-stack", "--install sluice-stack")]
    assert at == sorted(at)
    given = (fake.base / "stdin").read_text()
    assert given.count("kind: StorageClass") == 1 and "provisioner: ebs.csi.aws.com" in given
    fake.rule("kubectl", "get storageclass gp3*", "gp3 sluice-stack")
    assert fake.run("deploy.sh", "--yes", "--mode", "full").returncode == 0
    assert not [c for c in fake.calls() if "apply --server-side" in c], "it is there"


def test_values_for_the_platform(fake, tmp_path):  # noqa: F811
    fake.rule("kubectl", "get mutatingwebhookconfiguration*", "Q0E=")
    own = tmp_path / "own.yaml"
    own.write_text("grafana: {}\n")
    deployed(fake, "--mode", "full", "--platform-values", f"kube-prometheus-stack={own}", f"--platform-values=kube-prometheus-stack={HELM}/values/eks-grafana.yaml")
    for release in ("cert-manager", "kube-prometheus-stack", "opentelemetry-operator", "sluice-stack"):
        call = next(c for c in fake.calls() if f"--install {release} " in c)
        assert (str(own) in call) is (release == "kube-prometheus-stack")
        if release == "kube-prometheus-stack":
            assert call.index("platform/kube-prometheus-stack.yaml") < call.index(str(own)) < call.index("eks-grafana.yaml"), "the user's win"


def test_the_class_of_prometheus_volumes(fake, tmp_path):  # noqa: F811
    """An option counts more than a file, and a file more than this script's default, which was forced."""
    fake.rule("kubectl", "get mutatingwebhookconfiguration*", "Q0E=")
    own = tmp_path / "own.yaml"
    own.write_text("grafana: {persistence: {storageClassName: fast}}\n")
    deployed(fake, "--mode", "full", "--platform-values", f"kube-prometheus-stack={own}")
    call = next(c for c in fake.calls() if "--install kube-prometheus-stack " in c)
    assert "storageClassName=" not in call
    fake.rule("kubectl", "get storageclass quick -o *", "a/b")
    assert fake.run("deploy.sh", "--yes", "--mode", "full", "--storage-class", "quick").returncode == 0
    call = next(c for c in fake.calls() if "--install kube-prometheus-stack " in c)
    assert "volumeClaimTemplate.spec.storageClassName=quick" in call and "grafana.persistence.storageClassName=quick" in call


def test_full_keeps_the_password_that_is_there(fake):  # noqa: F811
    fake.rule("kubectl", "get secret grafana-admin*", "grafana-admin\n")
    fake.rule("kubectl", "get mutatingwebhookconfiguration*", "Q0E=")
    done = deployed(fake, "--mode", "full")
    assert not [c for c in fake.calls() if c.startswith("kubectl create secret")]
    assert "admin-password" not in done.stdout


def test_platform_of_others_is_left_alone(fake):  # noqa: F811
    fake.rule("kubectl", "get crd certificates.cert-manager.io *", "certificates.cert-manager.io ")
    fake.rule("kubectl", "get crd opentelemetrycollectors.opentelemetry.io *", "opentelemetrycollectors.opentelemetry.io otel")
    done = deployed(fake, "--with-otel")
    assert [s[2] for s in helm_steps(fake)] == ["sluice-stack", "sluice-otel"]
    assert "the OpenTelemetry operator is there (helm otel); it is left alone" in done.stdout
    assert "cert-manager is there (hand); it is left alone" in done.stdout


def test_with_otel_and_without_cert_manager(fake):  # noqa: F811
    fake.rule("kubectl", "get mutatingwebhookconfiguration*", "Q0E=")
    deployed(fake, "--with-otel", "--no-cert-manager")
    assert fake.found("operator.yaml") == {"manager": {"serviceMonitor": {"extraLabels": {"release": "prometheus"}}}}
    assert [s[2] for s in helm_steps(fake)] == ["opentelemetry-operator", "sluice-stack", "sluice-otel"]
    assert any("admissionWebhooks.certManager.enabled=false" in c for c in fake.calls())
    assert not [c for c in fake.calls() if "certificate/" in c]


def test_the_gate_waits_for_the_webhook(fake):  # noqa: F811
    done = deployed(fake, "--with-otel", code=4)
    assert "The webhook of the operator has no CA bundle." in done.stderr and "sluice-otel" not in str(helm_steps(fake))
    fake.rule("kubectl", "get mutatingwebhookconfiguration*", "Q0E=")
    fake.rule("kubectl", "apply --dry-run=server*", "", 1)
    done = fake.run("deploy.sh", "--yes", "--with-otel")
    assert done.returncode == 4 and "does not admit a collector" in done.stderr


def test_agent_only(fake):  # noqa: F811
    done = deployed(fake, "--mode", "agent-only", "--set", "loki.url=http://l/loki/api/v1/push")
    assert helm_steps(fake) == [["upgrade", "--install", "sluice"]]
    call = next(c for c in fake.calls() if c.startswith("helm upgrade"))
    assert "helm/agent" in call and "values/agent-only.yaml" in call and "loki.url=http://l/loki/api/v1/push" in call
    assert "storageclass" not in str(fake.calls()) and "query_range" not in str(fake.calls())
    assert "Tempo" not in done.stdout
    assert "WARN  The agents' metrics cannot be read through the API server" in done.stdout


def test_replace_promtail(fake):  # noqa: F811
    fake.rule("kubectl", "get daemonsets *", PROMTAIL.format("promtail"))
    deployed(fake, "--replace-promtail")
    assert helm_steps(fake) == [["upgrade", "--install", "sluice-stack"], ["uninstall", "promtail", "--namespace"]]
    call = next(c for c in fake.calls() if c.startswith("helm upgrade"))
    assert "sluice.promtailImport.enabled=true" in call and "sluice.promtailImport.hostPath=/run/promtail" in call
    calls = fake.calls()
    assert next(i for i, c in enumerate(calls) if "rollout status daemonset/sluice" in c) < next(
        i for i, c in enumerate(calls) if c.startswith("helm uninstall promtail"))


def test_context_and_values_are_passed_on(fake, tmp_path):  # noqa: F811
    values = tmp_path / "v.yaml"
    values.write_text("{}")
    deployed(fake, "--context", "prod", "--values", str(values), "--set", "a=b", "--timeout=3m", "--namespace=monitoring")
    for call in fake.calls():
        if call.startswith("kubectl") and "config" not in call:
            assert "--context prod" in call
    call = next(c for c in fake.calls() if c.startswith("helm upgrade"))
    assert "--kube-context prod" in call and f"--values {values}" in call and "--set a=b" in call and "--timeout 3m" in call


def test_ingress_switch(fake):  # noqa: F811
    for option, value in (("--ingress", "true"), ("--no-ingress", "false")):
        fake.run("deploy.sh", "--dry-run", option)
        assert any(f"ingress.tempo.enabled={value}" in c for c in fake.calls())


# ---- deploy.sh: failures after the preflight ---------------------------------

def test_a_release_that_fails(fake):  # noqa: F811
    fake.rule("helm", "upgrade --install sluice-stack *", "Error: timed out\n", 1)
    done = deployed(fake, code=4)
    assert 'Failed in step "release sluice-stack" (lib.sh:' in done.stderr
    assert "What was done before it stays. The same command can be run again." in done.stderr


@pytest.mark.parametrize("pattern,step", [
    ("rollout status daemonset/sluice *", "daemonset sluice"), ("rollout status statefulset/loki *", "statefulset loki"),
    ("get --raw *loki:3100/proxy/ready*", "Loki does not say that it is ready"),
    ("get --raw *tempo:3200/proxy/ready*", "Tempo does not say that it is ready"),
])
def test_verification_fails(fake, pattern, step):  # noqa: F811
    fake.rule("kubectl", pattern, "", 1)
    done = deployed(fake, code=5)
    assert step in done.stderr


def test_the_marker_line_does_not_arrive(fake):  # noqa: F811
    fake.rule("kubectl", "get --raw *query_range*", '{"data":{"result":[]}}')
    done = fake.run("deploy.sh", "--yes")
    assert done.returncode == 5 and "did not arrive in Loki" in done.stderr
    assert any("delete job sluice-marker-" in c for c in fake.calls())


def test_another_chart_has_a_daemonset_too(fake):  # noqa: F811
    """Loki's canary stands before the agent in the rendered charts; its image cannot say a marker line."""
    canary = ("---\n# Source: sluice-stack/charts/loki/templates/loki-canary/daemonset.yaml\nkind: DaemonSet\nmetadata:\n"
              "  name: loki-canary\nspec:\n  image: grafana/loki-canary:3\n")
    fake.rule("helm", "template * */stack *", canary + fake.rendered["stack"])
    deployed(fake)
    assert any("rollout status daemonset/sluice " in c for c in fake.calls())
    assert "image: sluice:0.1.0" in (fake.base / "stdin").read_text()


METRICS = """promtail_sent_bytes_total{host="loki:3100"} 1234
promtail_sent_entries_total{host="loki:3100"} %s
"""


@pytest.mark.parametrize("sent,code", [("17", 0), ("1e+06", 0), ("0", 5)])
def test_agent_only_asks_the_agents(fake, charts, sent, code):  # noqa: F811
    """It is not known where that Loki can be asked; an agent knows what Loki has taken. The port and the
    prefix are those of the values."""
    fake.rule("helm", "template * */agent *", charts.text("agent", "--set", "config.serverPort=9080,httpPathPrefix=/logs", release="sluice", namespace="monitoring"))
    fake.rule("kubectl", "get pods --namespace monitoring -l app.kubernetes.io/instance=sluice,app.kubernetes.io/component=agent *", "gone sluice-1 ")
    fake.rule("kubectl", "get --raw */pods/gone:*", "", 1)
    fake.rule("kubectl", "get --raw /api/v1/namespaces/monitoring/pods/sluice-1:9080/proxy/logs/metrics", METRICS % sent)
    done = deployed(fake, "--mode", "agent-only", code=code)
    if code == 0:
        assert "OK    an agent has delivered lines, and Loki has taken them" in done.stdout and "WARN" not in done.stdout
    else:
        assert "No agent has delivered a line within 1 s. Is the address of Loki right?" in done.stderr


def test_without_our_loki_no_line_is_looked_for(fake, charts):  # noqa: F811
    fake.rule("helm", "template * */stack *", charts.text("stack", "--set", "loki.enabled=false", release="sluice-stack", namespace="monitoring"))
    done = deployed(fake, "--set", "loki.enabled=false")
    assert "note: no StatefulSet named loki is installed, so Loki cannot be asked for a line." in done.stdout
    assert "pods -l app.kubernetes.io/instance=sluice-stack,app.kubernetes.io/component=agent" in str(fake.calls()).replace("--namespace monitoring ", "")
    assert "query_range" not in str(fake.calls())


def test_data_sources_that_do_not_appear_are_a_hint(fake):  # noqa: F811
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
