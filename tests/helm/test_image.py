# SPDX-License-Identifier: Apache-2.0
"""What the image holds, without a Docker engine: the root file system that
helm/image/collect.sh puts together, entered by chroot. tests/image/docker.sh builds the
image itself."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from conftest import HELM, ROOT, agent_binary, run
from sink import Sink
from test_helper import helper  # noqa: F401  (a fixture)

sys.path.insert(0, str(ROOT / "tests/image"))
import charsets  # noqa: E402


@pytest.fixture(scope="module", params=["stand-in", "agent"])
def root(request, tmp_path_factory, helper):  # noqa: F811
    for name in ("dpkg-query", "strip", "ldd"):
        if not shutil.which(name):
            pytest.skip(f"optional: {name} is not there; the image is collected on Debian")
    program = helper if request.param == "stand-in" else agent_binary()
    out = tmp_path_factory.mktemp("image") / "root"
    done = run(HELM / "image/collect.sh", program, helper, ROOT / "LICENSE", "1.2.3", out)
    return request.param, out, done.stdout


def entering(root, user=(10001, 0)):
    if os.geteuid() != 0:
        pytest.skip("optional: only root can enter another root directory")

    def enter():
        os.chroot(root)
        os.chdir("/")
        os.setgroups([])
        os.setgid(user[1])
        os.setuid(user[0])
    return enter


def in_chroot(root, *argv):
    return subprocess.run(argv, preexec_fn=entering(root), env={}, capture_output=True, text=True, timeout=20, check=False)


def test_the_programs_run_as_user_10001(root):
    kind, path, _ = root
    done = in_chroot(path, "/usr/bin/sluice-helper", "say", "hello")
    assert done.stdout == "hello\n", done.stderr
    if kind == "agent":
        done = in_chroot(path, "/usr/bin/agent", "--version")
        assert done.returncode == 0 and re.search(r"\d+\.\d+", done.stdout + done.stderr), done.stderr


def test_no_shell_and_nothing_that_changes_its_owner(root):
    _, path, _ = root
    assert sorted(os.listdir(path / "usr/bin")) == ["agent", "sluice-helper"]
    for directory, _, files in os.walk(path):
        for name in files:
            assert not os.stat(os.path.join(directory, name), follow_symlinks=False).st_mode & 0o6000
            assert name not in ("sh", "bash", "dash", "busybox")


def test_certificates_zones_and_users(root):
    _, path, _ = root
    assert "BEGIN CERTIFICATE" in (path / "etc/ssl/certs/ca-certificates.crt").read_text()
    assert (path / "usr/share/zoneinfo/Europe/Berlin").read_bytes().startswith(b"TZif")
    assert not (path / "usr/share/zoneinfo/right").exists()
    assert "sluice:x:10001:0:" in (path / "etc/passwd").read_text()
    state = os.stat(path / "var/lib/sluice")
    assert state.st_mode & 0o777 == 0o770


def test_bill_of_materials_and_licences(root):
    _, path, _ = root
    bill = json.loads((path / "usr/share/sluice/sbom.spdx.json").read_text())
    names = [p["name"] for p in bill["packages"]]
    assert len(names) == len(set(names)) and {"sluice", "libc6", "libstdc++6", "ca-certificates", "tzdata"} <= set(names)
    assert bill["packages"][0]["versionInfo"] == "1.2.3" and bill["spdxVersion"] == "SPDX-2.3"
    for one in bill["packages"]:
        assert one["versionInfo"]
        assert (path / "usr/share/sluice/licenses" / one["name"]).stat().st_size > 100
    ids = {p["SPDXID"] for p in bill["packages"]} | {"SPDXRef-DOCUMENT"}
    for one in bill["relationships"]:
        assert {one["spdxElementId"], one["relatedSpdxElement"]} <= ids


def test_every_library_is_there(root):
    _, path, _ = root
    for name in ("agent", "sluice-helper"):
        done = run("ldd", path / "usr/bin" / name)
        for library in re.findall(r"=> (/\S+)", done.stdout) + re.findall(r"^\s+(/\S+) \(", done.stdout, re.M):
            assert (path / library.lstrip("/")).exists(), library


def test_the_character_sets_of_east_asia(root):
    """The C library loads their modules by name. The image had none, and `encoding: gbk` was
    refused at start in it, though not on the machine where it was built."""
    kind, path, _ = root
    source = (ROOT / "agent/text/internal/charset_tables.inc").read_text()
    asked = set(re.findall(r'Kind::kIconv, "([^"]+)"', source))
    collected = set(re.search(r"^charsets=\((.*)\)$", (HELM / "image/collect.sh").read_text(), re.M).group(1).split())
    assert asked == collected, "helm/image/collect.sh and the program name different character sets"
    if kind != "agent":
        return
    sink = Sink()
    charsets.write(path / "logs", sink.url + "/loki/api/v1/push", "/logs")
    with open(path / "agent.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(["/usr/bin/agent", "-config.file=/logs/promtail.yaml"], preexec_fn=entering(path), env={}, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while not set(charsets.TEXTS.values()) <= {line for _, line, _ in sink.seen()}:
            assert process.poll() is None and time.monotonic() < deadline, (path / "agent.log").read_text() + str(sink.seen())
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)
        sink.close()


def test_in_a_docker_engine():
    """The last stage of the Dockerfile, around the agent that is built already."""
    done = run(ROOT / "tests/image/docker.sh", "--quick", agent_binary(), check=False, timeout=600)
    if done.returncode == 3:
        pytest.skip(f"optional: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "East Asian character sets were read" in done.stdout


def test_wrong_use(tmp_path):
    assert run(HELM / "image/collect.sh", check=False).returncode == 2
    done = run(HELM / "image/collect.sh", "/no/agent", "/no/helper", ROOT / "LICENSE", "1", tmp_path / "x", check=False)
    assert done.returncode == 1 and "cannot read" in done.stderr


@pytest.mark.parametrize("later", ["", "VERSION_2 { global: gone; local: *; };"])
def test_a_library_that_is_not_there(tmp_path, helper, later):  # noqa: F811
    """Gone, or there in another version: the image was put together all the same, and its program did
    not start."""
    (tmp_path / "map").write_text("VERSION_1 { global: gone; local: *; };")
    (tmp_path / "lib.c").write_text("int gone(void) { return 0; }")
    (tmp_path / "main.c").write_text("int gone(void); int main(void) { return gone(); }")
    library = ("gcc", "-shared", "-fPIC", "-o", tmp_path / "libgone.so", tmp_path / "lib.c", f"-Wl,--version-script={tmp_path}/map")
    run(*library)
    run("gcc", "-o", tmp_path / "program", tmp_path / "main.c", f"-L{tmp_path}", "-lgone", f"-Wl,-rpath,{tmp_path}")
    if later:
        (tmp_path / "map").write_text(later)
        run(*library)
    else:
        (tmp_path / "libgone.so").unlink()
    done = run(HELM / "image/collect.sh", tmp_path / "program", helper, ROOT / "LICENSE", "1", tmp_path / "x", check=False)
    assert done.returncode == 1 and "a library is missing, or not the right one" in done.stderr and "libgone.so" in done.stderr, done.stderr


def test_the_dockerfile_says_what_the_chart_expects():
    text = (ROOT / "Dockerfile").read_text()
    assert "\nUSER 10001:0\n" in text and 'ENTRYPOINT ["/usr/bin/agent"]' in text
    assert text.rstrip().split("\nFROM ")[-1].startswith("scratch\n")
    assert "sluice-helper" in text and "collect.sh" in text
