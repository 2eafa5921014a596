# SPDX-License-Identifier: Apache-2.0
"""The charts in a real kube-apiserver, and deploy.sh's questions to it.

There are no controllers: objects are stored, no pod runs. It shows that the API takes
every object (with server-side apply, as Helm 4 does), that upgrades and uninstalls
work, and that the templates that deploy.sh hands to kubectl find what they look for.
"""
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.request

import pytest
import yaml

from conftest import HELM, HELMS, HERE, TOOLS, run, tool
from test_upstream_charts import Real


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Cluster:
    def __init__(self, base):
        self.base = base
        etcd_port, peer_port, self.port = free_ports(3)
        self.etcd_port = etcd_port
        self.processes = []
        self.start("etcd", tool("etcd"), "--data-dir", base / "etcd", "--unsafe-no-fsync", "--log-level=error",
                   f"--listen-client-urls=http://127.0.0.1:{etcd_port}", f"--advertise-client-urls=http://127.0.0.1:{etcd_port}",
                   f"--listen-peer-urls=http://127.0.0.1:{peer_port}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer_port}",
                   f"--initial-cluster=default=http://127.0.0.1:{peer_port}")
        run("openssl", "genrsa", "-out", base / "sa.key", "2048")
        (base / "tokens").write_text('admin-token,admin,1,"system:masters"\nnobody-token,nobody,2\n')
        self.start_server()
        self.config = self.kubeconfig("admin")
        (base / "bin").mkdir()
        (base / "bin/kubectl").symlink_to(tool("kubectl"))
        (base / "bin/helm").symlink_to(tool("helm4"))

    def start_server(self):
        base = self.base
        self.start("kube-apiserver", tool("kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
                   "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={self.port}", f"--cert-dir={base / 'certs'}",
                   f"--token-auth-file={base / 'tokens'}", "--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24",
                   f"--service-account-key-file={base / 'sa.key'}", f"--service-account-signing-key-file={base / 'sa.key'}",
                   "--service-account-issuer=https://localhost", "--disable-admission-plugins=ServiceAccount", "--profiling=false", "-v=0")
        deadline = time.monotonic() + 90
        while not self.ready():
            assert all(p.poll() is None for p in self.processes), self.logs()
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.2)

    def restart_server(self):
        """One that has nothing in its caches."""
        old = self.processes.pop()
        old.terminate()
        old.wait()
        self.start_server()

    def start(self, name, *argv):
        with open(self.base / f"{name}.log", "w", encoding="utf-8") as log:
            self.processes.append(subprocess.Popen([str(a) for a in argv], stdout=log, stderr=log, cwd=self.base))

    def logs(self):
        return "\n".join(path.read_text()[-3000:] for path in self.base.glob("*.log"))

    def ready(self):
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}/readyz", headers={"Authorization": "Bearer admin-token"})
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with urllib.request.urlopen(request, timeout=2, context=context) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kubeconfig(self, user):
        # Replaced whole: another thread's kubectl may be reading it, and an empty one means localhost:8080.
        path = self.base / f"{user}.config"
        fresh = self.base / f"{user}.config.{threading.get_ident()}"
        fresh.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": f"https://127.0.0.1:{self.port}", "insecure-skip-tls-verify": True}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "users": [{"name": user, "user": {"token": f"{user}-token"}}]}))
        return fresh.replace(path)

    def environment(self, user="admin"):
        return {"PATH": f"{self.base}/bin:/usr/bin:/bin", "HOME": str(self.base), "KUBECONFIG": str(self.kubeconfig(user))}

    def kubectl(self, *args, stdin=None, check=True):
        return run(tool("kubectl"), *args, env=self.environment(), input=stdin, check=check).stdout

    def apply(self, *objects):
        self.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def helm(self, helm, *args, check=True):
        return run(tool(helm), *args, env=self.environment(), check=check)

    def deploy(self, *args, user="admin"):
        return subprocess.run(["bash", str(HELM / "deploy.sh"), *args], capture_output=True, text=True, timeout=120,
                              env=self.environment(user), check=False)

    def close(self):
        for one in reversed(self.processes):
            one.kill()
            one.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    for name in ("kube-apiserver", "kubectl", "etcd"):
        if not (TOOLS / name).exists():
            pytest.skip(f"NO API SERVER: {name} is not there (tests/helm/run.sh --with-apiserver)")
    if not shutil.which("openssl"):
        pytest.skip("NO API SERVER: openssl is not there")
    one = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        for crd in sorted((TOOLS / "schemas/crds").glob("*.yaml")):
            one.kubectl("apply", "--server-side", "-f", crd)
        one.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        yield one
    finally:
        one.close()


def namespace(cluster, name):
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


@pytest.mark.parametrize("helm", HELMS)
def test_install_upgrade_uninstall(cluster, helm):
    for number, values in enumerate(("default", "full", "promtail", "root", "own-config")):
        ns = f"{helm}-{number}"
        for one in {ns, "grafana", "a", "b"}:
            namespace(cluster, one)
        path = HELM / f"agent/ci/{values}-values.yaml"
        args = ("sluice", HELM / "agent", "-n", ns, "-f", path)
        cluster.helm(helm, "install", *args)
        cluster.helm(helm, "upgrade", *args, "--set", "podLabels.changed=yes")
        labels = cluster.kubectl("get", "daemonset", "-n", ns, "-o", "jsonpath={.items[0].spec.template.metadata.labels.changed}")
        assert labels == "yes"
        cluster.helm(helm, "uninstall", "sluice", "-n", ns)
        left = cluster.kubectl("get", "all,configmaps,networkpolicies,servicemonitors,roles", "-A", "-l", "app.kubernetes.io/instance=sluice", "-o", "name")
        assert left == ""


@pytest.mark.parametrize("helm", HELMS)
def test_the_stack(cluster, stack_dir, helm):
    ns = f"stack-{helm}"
    namespace(cluster, ns)
    namespace(cluster, "grafana")
    cluster.helm(helm, "install", "sluice-stack", stack_dir, "-n", ns)
    cluster.helm(helm, "upgrade", "sluice-stack", stack_dir, "-n", ns, "-f", HELM / "stack/ci/full-values.yaml")
    assert cluster.kubectl("get", "ingress,httproute", "-n", ns, "-o", "name").count("tempo") == 2
    cluster.helm(helm, "uninstall", "sluice-stack", "-n", ns)
    cluster.kubectl("delete", "storageclass", "gp3", "--ignore-not-found")


@pytest.mark.parametrize("helm", HELMS)
def test_the_stack_with_the_real_charts(cluster, tmp_path, helm):
    """Loki's and Tempo's own objects too: installed, upgraded to mode full behind a gateway, removed.
    The claims of their volumes are made by a controller, which does not run here."""
    stack, ns = Real(tmp_path).path, f"real-{helm}"
    namespace(cluster, ns)
    cluster.helm(helm, "install", "sluice-stack", stack, "-n", ns, "-f", HELM / "values/hybrid.yaml")
    assert set(cluster.kubectl("get", "statefulset,daemonset", "-n", ns, "-o", "name").split()) == {
        "statefulset.apps/loki", "statefulset.apps/tempo", "daemonset.apps/sluice"}
    cluster.helm(helm, "upgrade", "sluice-stack", stack, "-n", ns, "-f", HELM / "values/full.yaml", "-f", HELM / "values/eks.yaml")
    assert "ingress.networking.k8s.io/loki-gateway" in cluster.kubectl("get", "ingress", "-n", ns, "-o", "name")
    cluster.helm(helm, "uninstall", "sluice-stack", "-n", ns)
    left = cluster.kubectl("get", "all,configmaps,ingress,servicemonitors,prometheusrules", "-A", "-l", "app.kubernetes.io/instance=sluice-stack", "-o", "name")
    assert left == ""
    cluster.kubectl("delete", "storageclass", "gp3", "--ignore-not-found")


def test_helm_3_then_helm_4(cluster):
    namespace(cluster, "moved")
    cluster.helm("helm3", "install", "sluice", HELM / "agent", "-n", "moved")
    cluster.helm("helm4", "upgrade", "sluice", HELM / "agent", "-n", "moved", "--set", "config.logLevel=debug")
    cluster.helm("helm4", "uninstall", "sluice", "-n", "moved")


def daemonset(name, ns, image, path, release=None):
    annotations = {"meta.helm.sh/release-name": release} if release else {}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name, "namespace": ns, "annotations": annotations},
            "spec": {"selector": {"matchLabels": {"a": name}}, "template": {"metadata": {"labels": {"a": name}}, "spec": {
                "containers": [{"name": "c", "image": image}],
                "volumes": [{"name": "run", "hostPath": {"path": "/run/promtail"}}, {"name": "logs", "hostPath": {"path": path}}]}}}}


def grafana(ns):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "grafana", "namespace": ns},
            "spec": {"selector": {"matchLabels": {"a": "g"}}, "template": {"metadata": {"labels": {"a": "g"}}, "spec": {"containers": [
                {"name": "grafana", "image": "grafana/grafana:13.2.0"},
                {"name": "grafana-sc-datasources", "image": "sidecar:1", "env": [
                    {"name": "LABEL", "value": "their_label"}, {"name": "LABEL_VALUE", "value": "yes"},
                    {"name": "REQ_USERNAME", "valueFrom": {"secretKeyRef": {"name": "g", "key": "u"}}}]},
                {"name": "grafana-sc-dashboard", "image": "sidecar:1", "env": [{"name": "LABEL", "value": "their_boards"}]}]}}}}


@pytest.mark.parametrize("helm", HELMS)
def test_a_class_that_came_before_the_stack_is_taken_over(cluster, charts, tmp_path, helm):
    """With values/eks.yaml the stack makes the StorageClass. In mode full deploy.sh makes it before, for
    the volumes of Prometheus; Helm must then take it for its own."""
    name = f"early-{helm}"
    namespace(cluster, name)
    sets = ("--set", f"storageClass.create=true,storageClass.name={name}")
    (tmp_path / "rendered.yaml").write_text(run(tool(helm), "template", "s", charts.paths["stack"], "-n", name, *sets).stdout)
    for _ in range(2):
        run("bash", "-euo", "pipefail", "-c", 'source lib.sh; source deploy/preflight.sh; source deploy/install.sh; work=$1 rendered=$1/rendered.yaml '
            'release=s namespace=$2; make_storage_class', "x", tmp_path, name, cwd=HELM, env=cluster.environment())
    assert cluster.kubectl("get", "storageclass", name, "-o", "jsonpath={.provisioner}") == "ebs.csi.aws.com"
    cluster.helm(helm, "install", "s", charts.paths["stack"], "-n", name, *sets)
    cluster.helm(helm, "upgrade", "s", charts.paths["stack"], "-n", name, *sets, "--set", "storageClass.default=true")
    assert "is-default-class" in cluster.kubectl("get", "storageclass", name, "-o", "jsonpath={.metadata.annotations}")
    cluster.helm(helm, "uninstall", "s", "-n", name)
    assert name in cluster.kubectl("get", "storageclass", "-o", "name"), "volumes outlive the release, and so must their class"
    cluster.kubectl("delete", "storageclass", name)


def test_deploys_questions(cluster, charts):
    """The preflight of deploy.sh with the real kubectl: it finds everything, and changes nothing."""
    done = cluster.deploy("--dry-run", "--mode", "agent-only")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OK    Kubernetes v1.36.3" in done.stdout and "OK    rights" in done.stdout

    namespace(cluster, "monitoring")
    namespace(cluster, "observability")
    cluster.apply(
        {"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "metadata": {"name": "kps", "namespace": "observability"},
         "spec": {"serviceMonitorSelector": {"matchLabels": {"release": "theirs"}}, "ruleSelector": {"matchLabels": {"role": "alerts"}}}},
        grafana("observability"),
        daemonset("promtail", "observability", "grafana/promtail:3.5.1", "/var/log/pods", "old-promtail"),
        daemonset("fluent-bit", "observability", "fluent/fluent-bit:5.1.1", "/var/log"),
        daemonset("node-exporter", "observability", "node-exporter:1", "/sys"),
        {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "standard", "annotations": {
            "storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "rancher.io/local-path"},
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web", "namespace": "observability"},
         "spec": {"rules": [{"host": "tempo.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {
             "service": {"name": "x", "port": {"number": 80}}}}]}}]}},
        {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "nginx"}, "spec": {"controller": "x/y"}},
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}},
    )
    cluster.kubectl("patch", "node", "n1", "--subresource=status", "-p", '{"status":{"allocatable":{"cpu":"3920m","memory":"15500Mi"}}}')

    # The umbrella's charts cannot be fetched here: a helm that renders the copy with the stubs.
    stub = cluster.base / "bin/helm"
    stub.unlink()
    stub.write_text('#!/usr/bin/env bash\nset -e\nargs=() class=gp3\n'
                    'for a in "$@"; do\n  [[ $a != */helm/stack ]] || a=%s\n  [[ $a != storageClass.name=* ]] || class=${a#*=}\n  args+=("$a")\ndone\n'
                    '[[ $1 != dependency && $1 != package ]] || exit 0\n%s "${args[@]}"\n'
                    '[[ $1 != template ]] || sed "s/gp3/$class/" %s\n' % (charts.paths["stack"], tool("helm4"), HERE / "upstream/stack.yaml"))
    stub.chmod(0o755)
    more = ("--set", "ingress.tempo.authAnnotations.a=b", "--set", "ingress.tempo.host=tempo.example.com", "--ingress")
    done = cluster.deploy("--dry-run", *more)
    assert done.returncode == 3, done.stdout + done.stderr
    for text in ("OK    Prometheus observability/kps", "need the labels: release=theirs",
                 "OK    Grafana observability/grafana, label their_label",
                 "StorageClass gp3 does not exist. The default is standard",
                 "FAIL  Promtail (observability/promtail) is still running",
                 "WARN  DaemonSet observability/fluent-bit reads pod logs as well",
                 'Ingress class "alb" does not exist. There are: nginx',
                 "The host tempo.example.com is taken by Ingress observability/web",
                 "OK    room: 3920 m CPU, 15500 MiB memory free"):
        assert text in done.stdout, text + "\n" + done.stdout
    assert "node-exporter" not in done.stdout

    done = cluster.deploy("--dry-run=server", "--replace-promtail", "--storage-class", "standard")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no sidecar for dashboards" not in done.stdout
    assert "release old-promtail) will be replaced; its positions are in /run/promtail" in done.stdout
    assert "uninstall release observability/old-promtail (Promtail)" in done.stdout
    assert cluster.kubectl("get", "all,configmaps", "-A", "-l", "app.kubernetes.io/instance=sluice-stack", "-o", "name") == ""

    cluster.kubectl("label", "namespace", "monitoring", "pod-security.kubernetes.io/enforce=baseline")
    done = cluster.deploy("--dry-run", "--keep-promtail", "--storage-class", "standard")
    assert done.returncode == 3 and 'enforces Pod Security level "baseline"' in done.stdout
    done = cluster.deploy("--dry-run", user="nobody")
    assert done.returncode == 3
    missing = re.search(r"FAIL  You may not create: (.*)\. Ask for these rights", done.stdout).group(1).split(", ")
    assert {"configmaps", "daemonsets.apps", "jobs.batch", "namespaces", "secrets", "servicemonitors.monitoring.coreos.com", "statefulsets.apps"} <= set(missing)
    for verb, resource in (("create", "configmaps,daemonsets.apps,secrets,services,serviceaccounts,statefulsets.apps,jobs.batch,"
                                      "servicemonitors.monitoring.coreos.com,prometheusrules.monitoring.coreos.com"), ("get", "namespaces")):
        cluster.kubectl("create", "clusterrole", f"some-{verb}", f"--verb={verb}", f"--resource={resource}")
        cluster.kubectl("create", "clusterrolebinding", f"some-{verb}", f"--clusterrole=some-{verb}", "--user=nobody")
    assert "OK    rights" in cluster.deploy("--dry-run", user="nobody").stdout, "what the list names is enough"


def test_cleanups_questions(cluster, charts):
    """The tombstone, with the real kubectl: Grafana is asked to forget what the release made."""
    namespace(cluster, "clean")
    cluster.helm("helm4", "install", "sluice-stack", charts.paths["stack"], "-n", "clean")
    done = subprocess.run(["bash", str(HELM / "cleanup.sh"), "--yes", "--namespace", "clean"], capture_output=True, text=True, timeout=120,
                          env={**cluster.environment(), "SLUICE_SIDECAR_SECONDS": "0", "SLUICE_POLL_SECONDS": "0.1"}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Grafana is asked to forget: Loki Tempo" in done.stdout and "configmap/sluice-stack-datasources patched" in done.stdout
    assert cluster.kubectl("get", "configmaps", "-n", "clean", "-l", "app.kubernetes.io/instance=sluice-stack", "-o", "name") == ""
