# SPDX-License-Identifier: Apache-2.0
"""The Debian package: built by CPack, installed into a root of its own by dpkg, and run."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from running import AGENT, BIN, Sink, wait_for  # noqa: E402


def run(*words: object, **more) -> str:
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=300, **more)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    build = BIN.parent
    if not (build / "CPackConfig.cmake").exists():
        pytest.skip(f"{build} is no build folder")
    for tool in ("cpack", "dpkg", "dpkg-deb"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not there")
    out = tmp_path_factory.mktemp("package")
    run("cpack", "-G", "DEB", "-B", out, cwd=build)
    found = list(out.glob("*.deb"))
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def root(package, tmp_path_factory) -> Path:
    """A root into which dpkg has installed it."""
    folder = tmp_path_factory.mktemp("root")
    for part in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"):
        (folder / part).mkdir(parents=True)
    (folder / "var/lib/dpkg/status").touch()
    # Dependencies are those of the system around it; scripts run without chroot.
    run("dpkg", f"--root={folder}", "--force-depends", "--force-not-root", "--force-script-chrootless", "--force-bad-path",
        f"--log={folder}/dpkg.log", "--install", package)
    return folder


def test_what_the_package_says(package):
    fields = run("dpkg-deb", "--field", package)
    version = re.search(r"^Version: (.*)$", fields, re.M)[1]
    assert re.fullmatch(r"\d+\.\d+\.\d+\+git([0-9a-f]{12}|unknown)", version)
    revision = version.split("+git")[1]
    assert revision in run(AGENT, "--version")
    assert re.search(r"^Package: sluice$", fields, re.M)
    assert re.search(r"^Depends: .*libcurl4.*$", fields, re.M) and "libc6" in fields
    contents = run("dpkg-deb", "--contents", package)
    names = {line.split()[5] for line in contents.splitlines()}
    for path in ("./usr/bin/agent", "./etc/sluice/agent.yaml", "./usr/share/man/man1/agent.1.gz",
                 "./usr/share/bash-completion/completions/agent", "./usr/share/zsh/vendor-completions/_agent",
                 "./usr/share/fish/vendor_completions.d/agent.fish", "./usr/lib/systemd/system/sluice.service",
                 "./usr/share/doc/sluice/copyright", "./usr/share/doc/sluice/examples/pods.yaml"):
        assert path in names, path
    assert all(line.split()[1] == "root/root" for line in contents.splitlines())


def test_it_is_installed_and_knows_its_conffile(root):
    status = (root / "var/lib/dpkg/status").read_text()
    assert "Status: install ok installed" in status and "/etc/sluice/agent.yaml" in status


def test_the_installed_program_runs(root, tmp_path):
    program = root / "usr/bin/agent"
    assert run(program, "--version") == run(AGENT, "--version")
    assert "0 errors" in run(program, "check", f"--config.file={root}/etc/sluice/agent.yaml")
    log = tmp_path / "logs" / "x.log"
    log.parent.mkdir()
    log.write_text("from a package\n")
    config = tmp_path / "agent.yaml"
    with Sink() as sink:
        text = (root / "etc/sluice/agent.yaml").read_text()
        config.write_text(text.replace("http://localhost:3100/loki/api/v1/push", sink.push_url)
                          .replace("/var/log/*.log", f"{log.parent}/*.log").replace("9080", "0"))
        daemon = subprocess.Popen([str(program), f"-config.file={config}", f"-positions.file={tmp_path}/positions.yaml"],
                                  stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: sink.stats()["entries"] == 1, "its line")
        finally:
            daemon.terminate()
            assert daemon.wait(timeout=30) == 0


def test_the_manual_page(root):
    text = gzip.decompress((root / "usr/share/man/man1/agent.1.gz").read_bytes()).decode()
    help_text = run(AGENT, "completion", "bash")
    for command in re.search(r"compgen -W '([a-z ]+)'", help_text)[1].split():
        assert re.search(rf"^\.(?:B|BI|BR) {command}\b", text, re.M), f"{command} is not in the manual page"
    known = run("sh", "-c", f"{AGENT} -help-all || true")
    for flag in re.findall(r"^\.(?:B|BI|BR) \"?\\-([a-z][a-z.\\-]+)", text, re.M):
        name = flag.replace("\\-", "-").rstrip("=")
        assert f"-{name}" in known, f"{name} is no flag"
    if shutil.which("man"):
        warnings = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", str(root / "usr/share/man/man1/agent.1.gz")],
                                  capture_output=True, text=True, env={**os.environ, "MANWIDTH": "80"}).stderr
        assert warnings == ""


def test_the_unit(root):
    unit = (root / "usr/lib/systemd/system/sluice.service").read_text()
    program, *flags = re.search(r"^ExecStart=(.*)$", unit, re.M)[1].split()
    assert (root / program.lstrip("/")).exists()
    known = run("sh", "-c", f"{AGENT} -help-all || true")
    for flag in flags:
        assert flag.startswith("$") or flag.split("=")[0] in known, flag
    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "verify", f"--root={root}", "sluice.service"], capture_output=True, text=True)
        # The empty root has none of systemd's own units; only what is wrong in ours counts.
        assert not re.search(r"Unknown|[Ii]nvalid|Failed to parse", done.stderr), done.stderr


def test_it_can_be_removed(root):
    run("dpkg", f"--root={root}", "--force-not-root", "--force-script-chrootless", "--force-bad-path", f"--log={root}/dpkg.log",
        "--purge", "sluice")
    assert not (root / "usr/bin/agent").exists() and not (root / "etc/sluice").exists()
