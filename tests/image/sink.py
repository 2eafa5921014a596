# SPDX-License-Identifier: Apache-2.0
"""Takes pushes and writes the lines to a file: sink.py PORTFILE LINESFILE."""
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "helm"))
from sink import Sink  # noqa: E402


def main():
    sink = Sink()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    pathlib.Path(sys.argv[1]).write_text(sink.url.rsplit(":", 1)[1])
    while True:
        pathlib.Path(sys.argv[2]).write_text("".join(f"{labels} {line}\n" for labels, line, _ in sink.seen()))
        time.sleep(0.1)


if __name__ == "__main__":
    main()
