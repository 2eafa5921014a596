# SPDX-License-Identifier: Apache-2.0
"""cleanup.sh with a fake kubectl and a fake helm that record their calls."""
import re

import pytest

from fake_cluster import fake, helm_steps  # noqa: F401  (a fixture)

VOLUMES = "storage-loki-0 30Gi pvc-1\nstorage-tempo-0 20Gi pvc-2\n"


def installed(fake):
    for release in ("sluice-otel", "sluice-stack", "sluice"):
        fake.rule("helm", f"status {release} *", "STATUS: deployed\n")
    fake.rule("kubectl", "get configmaps --all-namespaces *", "grafana sluice-stack-datasources\nmonitoring sluice\n")
    fake.rule("kubectl", "get configmap sluice-stack-datasources *jsonpath*",
              'apiVersion: 1\ndatasources:\n  - name: "Loki"\n  - name: "Tempo"\n    jsonData:\n      tags:\n      - {name: x}\n')
    fake.rule("kubectl", "get persistentvolumeclaims *", VOLUMES)
    fake.rule("kubectl", "get persistentvolume pvc-*", "Delete")


def test_cleanup(fake):  # noqa: F811
    installed(fake)
    done = fake.run("cleanup.sh", "--yes")
    assert done.returncode == 0, done.stderr
    assert [s[1] for s in helm_steps(fake)] == ["sluice-otel", "sluice-stack"]
    calls = fake.calls()

    def at(text):
        return next(i for i, c in enumerate(calls) if text in c)
    assert at("uninstall sluice-otel") < at("patch configmap sluice-stack-datasources --namespace grafana") < at("uninstall sluice-stack")
    assert "Loki Tempo" in done.stdout
    assert "storage-loki-0: 30Gi, volume pvc-1, reclaim policy Delete" in done.stdout and "They are kept" in done.stdout
    assert not [c for c in fake.mutations() if "persistentvolumeclaim" in c]
    assert "/var/lib/sluice" in done.stdout
    assert "persistentvolumeclaims,storageclasses --namespace monitoring -l app.kubernetes.io/instance=sluice-stack" in calls[-1], "what the release made and leaves"


def test_cleanup_names_nothing_of_others(fake):  # noqa: F811
    installed(fake)
    fake.run("cleanup.sh", "--yes", "--delete-pvc")
    for call in fake.mutations():
        assert not re.search(r"prometheus|cert-manager|operator|crd|delete (ns|namespace)", call), call


def test_cleanup_twice(fake):  # noqa: F811
    done = fake.run("cleanup.sh", "--yes")
    assert done.returncode == 0 and "is not there" in done.stdout and not fake.mutations()


def test_cleanup_volumes_need_a_word(fake):  # noqa: F811
    installed(fake)
    done = fake.run("cleanup.sh", "--delete-pvc", stdin="yes\nno\n", env={"SLUICE_ANSWERS_ON_STDIN": "1"})
    assert done.returncode == 2 and "The volumes were not deleted." in done.stderr
    assert not [c for c in fake.mutations() if "persistentvolumeclaim" in c]
    done = fake.run("cleanup.sh", "--delete-pvc", stdin="yes\nmonitoring\n", env={"SLUICE_ANSWERS_ON_STDIN": "1"})
    assert done.returncode == 0
    assert [c.split()[3] for c in fake.mutations() if "delete persistentvolumeclaim" in c] == ["storage-loki-0", "storage-tempo-0"]


def test_cleanup_dry_run(fake):  # noqa: F811
    installed(fake)
    done = fake.run("cleanup.sh", "--dry-run", "--delete-pvc", "--platform")
    assert done.returncode == 0 and not fake.mutations() and "would run:" in done.stdout
    # Commands that a person can type.
    assert "would run: helm uninstall sluice-stack --namespace monitoring" in done.stdout
    assert "would run: kubectl delete persistentvolumeclaim storage-loki-0 --namespace monitoring" in done.stdout
    done = fake.run("cleanup.sh", "--dry-run", "--context", "prod")
    assert "would run: helm --kube-context prod uninstall sluice-stack" in done.stdout


def test_cleanup_asks(fake):  # noqa: F811
    installed(fake)
    assert fake.run("cleanup.sh").returncode == 2
    done = fake.run("cleanup.sh", stdin="no\n", env={"SLUICE_ANSWERS_ON_STDIN": "1"})
    assert done.returncode == 2 and not fake.mutations()


def test_cleanup_platform_removes_only_ours(fake):  # noqa: F811
    installed(fake)
    fake.rule("helm", "list *--selector sluice-stack.io/installed-by=deploy.sh*",
              "NAME NAMESPACE REV\ncert-manager cert-manager 1\nopentelemetry-operator monitoring 1\n")
    done = fake.run("cleanup.sh", "--yes", "--platform")
    assert done.returncode == 0
    assert [s[1] for s in helm_steps(fake)] == ["sluice-otel", "sluice-stack", "opentelemetry-operator", "cert-manager"]
    assert "CRDs are kept" in done.stdout and "certificates.cert-manager.io" in done.stdout
    assert not [c for c in fake.mutations() if "crd" in c]


def test_cleanup_platform_needs_a_word(fake):  # noqa: F811
    installed(fake)
    fake.rule("helm", "list *--selector*", "NAME NAMESPACE REV\ncert-manager cert-manager 1\n")
    done = fake.run("cleanup.sh", "--platform", stdin="yes\nno\n", env={"SLUICE_ANSWERS_ON_STDIN": "1"})
    assert done.returncode == 2 and "The platform releases were not removed." in done.stderr
    assert "cert-manager" not in str(helm_steps(fake))
    done = fake.run("cleanup.sh", "--platform", stdin="yes\nplatform\n", env={"SLUICE_ANSWERS_ON_STDIN": "1"})
    assert done.returncode == 0 and helm_steps(fake)[-1][1] == "cert-manager"


def test_cleanup_platform_without_any(fake):  # noqa: F811
    installed(fake)
    fake.rule("helm", "list *--selector*", "NAME NAMESPACE REV\n")
    done = fake.run("cleanup.sh", "--yes", "--platform")
    assert done.returncode == 0 and "installed no platform release" in done.stdout


def test_cleanup_waits_for_the_collector(fake):  # noqa: F811
    installed(fake)
    fake.rule("kubectl", "get opentelemetrycollectors*", "opentelemetrycollector/gateway\n")
    done = fake.run("cleanup.sh", "--yes")
    assert done.returncode == 4 and "The collector is not gone. Is the operator running? Its finalizer holds it." in done.stderr
    assert "sluice-stack" not in str(helm_steps(fake))


def test_cleanup_agent_only(fake):  # noqa: F811
    installed(fake)
    done = fake.run("cleanup.sh", "--yes", "--mode", "agent-only")
    assert done.returncode == 0
    assert [s[1] for s in helm_steps(fake)] == ["sluice"] and "persistentvolume" not in str(fake.mutations())


def test_cleanup_without_a_cluster(fake):  # noqa: F811
    fake.rule("kubectl", "get --raw /version", "", 1)
    assert fake.run("cleanup.sh", "--yes").returncode == 3


@pytest.mark.parametrize("args,says", [
    (["--mode", "x"], '--mode is hybrid, full or agent-only, not "x"'), (["--bogus"], "unknown option --bogus"),
    (["--timeout", "x"], '--timeout is a duration like 5m, not "x"'), (["--release"], "--release needs a value")])
def test_cleanup_wrong_use(fake, args, says):  # noqa: F811
    done = fake.run("cleanup.sh", *args)
    assert done.returncode == 2 and says in done.stderr


def test_a_failing_uninstall(fake):  # noqa: F811
    installed(fake)
    fake.rule("helm", "uninstall sluice-stack *", "", 1)
    done = fake.run("cleanup.sh", "--yes")
    assert done.returncode == 4 and 'Failed in step "release sluice-stack"' in done.stderr
