# SPDX-License-Identifier: Apache-2.0
"""The image's helper program: prepares the state directory, asks, says."""
import os
import shutil
import stat

import pytest

from conftest import HELM, run
from sink import Sink


@pytest.fixture(scope="session")
def helper(tmp_path_factory):
    if not shutil.which("g++"):
        pytest.skip("NO COMPILER: g++ is needed to build the helper")
    path = tmp_path_factory.mktemp("helper") / "sluice-helper"
    run("g++", "-std=c++20", "-O1", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-o", path, HELM / "image/helper.cc")
    return path


def owner(path):
    now = os.stat(path)
    return now.st_uid, now.st_gid, stat.S_IMODE(now.st_mode)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="optional: only root can give files away")


@as_root
def test_prepare(helper, tmp_path):
    done = run(helper, "prepare", f"--dir={tmp_path}", "--owner=10001:0")
    assert owner(tmp_path) == (10001, 0, 0o770) and "now belongs to 10001:0" in done.stdout
    assert run(helper, "prepare", f"--dir={tmp_path}", "--owner=10001:0").stdout == ""


@as_root
def test_import(helper, tmp_path):
    (tmp_path / "old.yaml").write_text("positions:\n  /a: '12'\n" + "# \n" * 40000)
    (tmp_path / "old.yaml").chmod(0o600)
    state = tmp_path / "state"
    state.mkdir()
    args = ("prepare", f"--dir={state}", "--owner=10001:0", f"--import={tmp_path}/old.yaml", "--as=positions.yaml")
    assert "imported" in run(helper, *args).stdout
    assert (state / "positions.yaml").read_text() == (tmp_path / "old.yaml").read_text()
    assert owner(state / "positions.yaml") == (10001, 0, 0o640) and os.listdir(state) == ["positions.yaml"]
    (state / "positions.yaml").write_text("ours")
    assert "is there already" in run(helper, *args).stdout
    assert (state / "positions.yaml").read_text() == "ours"


@as_root
def test_import_with_the_capability_to_change_owners_and_no_other(helper, tmp_path):
    """As in the pod: drop ALL, add CHOWN. The second start finds the directory given away."""
    if not shutil.which("setpriv"):
        pytest.skip("optional: setpriv is not there")
    (tmp_path / "old.yaml").write_text("positions: {}\n")
    (tmp_path / "old.yaml").chmod(0o600)
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    place = tmp_path / "helper"
    shutil.copy(helper, place)
    only = ("setpriv", "--bounding-set=-all,+chown", "--inh-caps=-all", "--no-new-privs", "--clear-groups", place)
    args = ("prepare", f"--dir={state}", "--owner=10001:0", f"--import={tmp_path}/old.yaml", "--as=positions.yaml")
    done = run(*only, *args, check=False)
    if done.returncode == 127:
        pytest.skip("optional: capabilities cannot be dropped here")
    assert done.returncode == 0, done.stderr
    assert owner(state) == (10001, 0, 0o770)
    (state / "positions.yaml").unlink()
    run(*only, *args)
    assert owner(state / "positions.yaml") == (10001, 0, 0o640)


def test_nothing_to_import(helper, tmp_path):
    me = f"{os.geteuid()}:{os.getegid()}"
    done = run(helper, "prepare", f"--dir={tmp_path}", f"--owner={me}", f"--import={tmp_path}/no.yaml", "--as=positions.yaml")
    assert "nothing to import" in done.stdout and not os.listdir(tmp_path)


@pytest.mark.parametrize("args,code", [
    ([], 2), (["fly"], 2), (["prepare"], 2), (["prepare", "--dir=/x", "--owner=root"], 2), (["prepare", "--dir=/x", "--owner=1:2x"], 2),
    (["prepare", "--dir=/x", "--owner=1:2", "--import=/y"], 2), (["prepare", "--dir=/x", "--owner=1:2", "--import=/y", "--as=a/b"], 2),
    (["prepare", "--dir=/no/such/dir", "--owner=1:2"], 1), (["prepare", "--dirr=/x"], 2), (["prepare", "--dir"], 2),
    (["get"], 2), (["get", "ftp://x/"], 2), (["get", "http:///x"], 2), (["get", "http://x:y/"], 2),
    (["get", "http://127.0.0.1:1/"], 1), (["get", "http://x/", "--retry-for=long"], 2),
])
def test_bad_use(helper, args, code):
    done = run(helper, *args, check=False)
    assert done.returncode == code and done.stderr.startswith("sluice-helper: ")


def test_get(helper):
    sink = Sink()
    try:
        assert run(helper, "get", sink.url + "/ready").stdout.strip().endswith(": 200")
        assert sink.paths == ["/ready"]
        sink.status = 500
        done = run(helper, "get", sink.url, check=False)
        assert done.returncode == 1 and "status 500" in done.stderr
    finally:
        sink.close()


def test_say(helper):
    assert run(helper, "say", "a", "b c").stdout == "a b c\n"
