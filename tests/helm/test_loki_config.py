# SPDX-License-Identifier: Apache-2.0
"""The configuration that Loki gets, in Loki itself (-verify-config)."""
import pytest
import yaml

from conftest import LOADER, loki_binary, run


def loki_config(charts):
    values = yaml.load(charts.one("ConfigMap", "stack", name="echo-loki")["data"]["values.yaml"], Loader=LOADER)["loki"]
    # Where Loki's chart puts these values. The real chart adds its own defaults.
    return {
        "auth_enabled": values["auth_enabled"],
        "analytics": values["analytics"],
        "common": {**values["commonConfig"], "storage": {"filesystem": {
            "chunks_directory": "/var/loki/chunks", "rules_directory": "/var/loki/rules"}},
            "ring": {"kvstore": {"store": "inmemory"}, "instance_addr": "127.0.0.1"}},
        "compactor": values["compactor"],
        "ingester": {**values["ingester"], "wal": {"flush_on_shutdown": True}},
        "limits_config": values["limits_config"],
        "schema_config": values["schemaConfig"],
    }


def verify(config, tmp_path):
    config = yaml.load(yaml.safe_dump(config), Loader=LOADER)
    config["common"]["path_prefix"] = str(tmp_path)
    config.setdefault("runtime_config", {}).pop("file", None)
    path = tmp_path / "loki.yaml"
    path.write_text(yaml.safe_dump(config))
    return run(loki_binary(), "-verify-config", f"-config.file={path}", check=False)


def test_loki_takes_its_configuration(charts, tmp_path):
    done = verify(loki_config(charts), tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path,value,says", [
    (("limits_config", "retention_periods"), "1h", "retention_periods"),
    (("compactor", "delete_request_store"), "", "delete-request-store"),
    (("ingester", "chunk_encoding"), "zip", "encoding"),
])
def test_loki_would_refuse_mistakes(charts, tmp_path, path, value, says):
    config = loki_config(charts)
    config[path[0]][path[1]] = value
    done = verify(config, tmp_path)
    assert done.returncode != 0 and says in (done.stdout + done.stderr)
