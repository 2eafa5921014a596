# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin: with SLUICE_NO_SKIP a skipped test is a failed one.

A reason that begins with "optional:" is allowed: such a test needs what a machine may
lack with good reason, and says so. Loaded with -p by scripts/test.sh and tests/helm.
"""
import os


def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not reporter or not os.environ.get("SLUICE_NO_SKIP") or exitstatus != 0:
        return
    missing = [r for r in reporter.stats.get("skipped", []) if "optional:" not in str(r.longrepr)]
    for report in missing:
        reporter.write_line(f"skipped: {report.nodeid}: {report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr}")
    if missing:
        reporter.write_line(f"{len(missing)} tests were skipped, which SLUICE_NO_SKIP does not allow")
        session.exitstatus = 1
