#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the values tables of the charts' README.md from the comments "# --" in
values.yaml. Run it after a change; a test compares.

    helm/readme.py [--check]
"""
import os
import re
import sys

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
BEGIN, END = "<!-- values: made by helm/readme.py -->", "<!-- end of values -->"


def comments(text):
    """Dotted key to the text of the comment above it."""
    out, path, pending = {}, [], []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            pending = [stripped[5:]]
        elif stripped.startswith("#") and pending:
            pending.append(stripped.lstrip("# "))
        else:
            match = re.match(r"^( *)([A-Za-z0-9_.\-/]+):", line)
            if match:
                depth = len(match.group(1)) // 2
                path = path[:depth] + [match.group(2)]
                if pending:
                    out[".".join(path)] = " ".join(pending)
            pending = []
    return out


def value_at(values, dotted):
    for key in dotted.split("."):
        values = values[key]
    return values


def shown(value):
    if value is None:
        return "`null`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value in ("", [], {}):
        return {str: '`""`', list: "`[]`", dict: "`{}`"}[type(value)]
    if isinstance(value, (dict, list)):
        text = yaml.safe_dump(value, default_flow_style=True, width=1000, sort_keys=False).strip()
        return f"`{text}`" if len(text) <= 70 else "see values.yaml"
    return f"`{value}`"


def table(chart):
    with open(os.path.join(HERE, chart, "values.yaml"), encoding="utf-8") as f:
        text = f.read()
    values = yaml.safe_load(text)
    lines = ["| key | default | meaning |", "| --- | --- | --- |"]
    for key, comment in comments(text).items():
        lines.append(f"| `{key}` | {shown(value_at(values, key))} | {comment.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def main():
    stale = []
    for chart in ("agent", "stack", "otel"):
        path = os.path.join(HERE, chart, "README.md")
        with open(path, encoding="utf-8") as f:
            old = f.read()
        before, rest = old.split(BEGIN, 1)
        after = rest.split(END, 1)[1]
        new = f"{before}{BEGIN}\n{table(chart)}\n{END}{after}"
        if new != old:
            stale.append(chart)
            if "--check" not in sys.argv[1:]:
                with open(path, "w", encoding="utf-8") as f:
                    f.write(new)
    if stale and "--check" in sys.argv[1:]:
        print("stale, run helm/readme.py:", ", ".join(stale))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
