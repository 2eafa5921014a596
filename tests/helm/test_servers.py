# SPDX-License-Identifier: Apache-2.0
"""The configurations that the real charts render, in Loki and Tempo of exactly those versions.

Both programs and charts are optional: tests/helm/build-servers.sh and tests/helm/pull-charts.sh say
why .ci/run has none of them. Loki's configuration is checked there all the same, by an older Loki
(test_loki_config.py).
"""
import re
import subprocess

import pytest
import yaml

from conftest import HERE, LOADER, TOOLS, run
from test_upstream_charts import MODES, base, real, real_loki_config, unpacked  # noqa: F401  (fixtures)

SCRIPT = (HERE / "build-servers.sh").read_text()


def server(name):
    version = re.search(rf"\b{name}=([\d.]+)", SCRIPT).group(1)
    path = TOOLS / f"{name}-{version}"
    if not path.exists():
        pytest.skip(f"optional: {path.name} is not there (tests/helm/build-servers.sh {name})")
    return path


@pytest.mark.parametrize("name", ["loki", "tempo"])
def test_the_versions_are_those_of_the_charts(base, name):  # noqa: F811
    chart = yaml.load((unpacked(name, base / "charts") / "Chart.yaml").read_text(), Loader=LOADER)
    assert f"{name}={chart['appVersion'].lstrip('v')}" in SCRIPT


def loki(config, tmp_path):
    config["common"]["path_prefix"] = str(tmp_path)
    config.setdefault("runtime_config", {}).pop("file", None)
    path = tmp_path / "loki.yaml"
    path.write_text(yaml.safe_dump(config))
    return run(server("loki"), "-verify-config", f"-config.file={path}", check=False)


@pytest.mark.parametrize("mode", MODES)
def test_loki(real, tmp_path, mode):  # noqa: F811
    done = loki(real_loki_config(real, mode), tmp_path)
    assert done.returncode == 0, done.stderr


def test_loki_would_refuse_a_mistake(real, tmp_path):  # noqa: F811
    config = real_loki_config(real)
    config["limits_config"]["retention_periods"] = "1h"
    done = loki(config, tmp_path)
    assert done.returncode != 0 and "retention_periods" in done.stdout + done.stderr


def tempo(text, tmp_path, *args):
    path = tmp_path / "tempo.yaml"
    path.write_text(text)
    return run(server("tempo"), "-config.verify=true", f"-config.file={path}", *args, check=False)


def tempo_text(real, mode="hybrid"):  # noqa: F811
    return real.one("ConfigMap", "tempo", mode)["data"]["tempo.yaml"]


@pytest.mark.parametrize("mode", MODES)
def test_tempo(real, tmp_path, mode):  # noqa: F811
    done = tempo(tempo_text(real, mode), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    # What Tempo would rather have otherwise, it says as a warning.
    assert "level=warn" not in done.stdout + done.stderr, done.stderr


def test_tempo_would_refuse_a_mistake(real, tmp_path):  # noqa: F811
    done = tempo(tempo_text(real).replace("block_retention", "blok_retention"), tmp_path)
    assert done.returncode != 0 and "blok_retention" in done.stdout + done.stderr


def test_a_tempo_source_that_is_none_is_refused(tmp_path):
    done = subprocess.run([HERE / "build-servers.sh", "tempo"], capture_output=True, text=True, timeout=120, check=False,
                          env={"PATH": "/usr/local/go/bin:/usr/bin:/bin", "HOME": str(tmp_path), "SLUICE_TOOLS": str(tmp_path / "tools"),
                               "TEMPO_SOURCE": str(tmp_path)})
    assert done.returncode != 0 and not list((tmp_path / "tools").iterdir())
