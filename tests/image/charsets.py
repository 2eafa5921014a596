# SPDX-License-Identifier: Apache-2.0
"""Log files in the character sets of East Asia, and a configuration that reads them:
charsets.py DIR PUSH_URL [DIR_AS_THE_AGENT_SEES_IT]. Prints the lines that must arrive."""
import pathlib
import sys

import yaml

TEXTS = {"big5": "中文日誌", "euc-kr": "한국어 로그", "euc-jp": "日本語のログ", "gb18030": "简体中文 €", "gbk": "简体日志",
         "iso-2022-jp": "日本語の記録", "shift_jis": "漢字とｶﾅ", "hz-gb-2312": "汉字", "utf-16le": "ユニコード"}
PYTHON_NAMES = {"hz-gb-2312": "hz"}


def write(directory, url, seen_as=None):
    directory = pathlib.Path(directory)
    seen_as = seen_as or directory
    directory.mkdir(parents=True, exist_ok=True)
    jobs = []
    for name, text in TEXTS.items():
        (directory / f"{name}.log").write_bytes((text + "\n").encode(PYTHON_NAMES.get(name, name)))
        jobs.append({"job_name": name, "encoding": name, "static_configs": [
            {"targets": ["localhost"], "labels": {"charset": name, "__path__": f"{seen_as}/{name}.log"}}]})
    (directory / "promtail.yaml").write_text(yaml.safe_dump({
        "server": {"disable": True}, "positions": {"filename": "/var/lib/sluice/charsets.yaml"},
        "clients": [{"url": url, "batchwait": "100ms"}], "scrape_configs": jobs}))
    return TEXTS


if __name__ == "__main__":
    print("\n".join(write(*sys.argv[1:]).values()))
