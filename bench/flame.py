#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A flame graph of the agent at full speed: bench/results/flame-JOB.svg. A box is a
function, as wide as its share of the CPU time, with what it calls above it.

  bench/flame.py [JOB]          default: cri
"""
import collections
import html
import re
import subprocess
import sys

import harness
import perf_tools
import scenarios
from harness import Refused

WIDTH, ROW, CHARACTER = 1200, 17, 6.6
NARROWEST = 0.4  # pixels; what is narrower is left out
COLOURS = {"compression": "#e6a15c", "reading files": "#7fb2d6", "sending": "#9fc58f", "framing lines": "#e3d26f",
           "batching and encoding": "#d98880", "stages": "#bb8fce", "kernel, other": "#b8c4cc"}
FEWEST_SAMPLES = 200


class Frame:
    def __init__(self):
        self.samples, self.children = 0, collections.defaultdict(Frame)


def short(symbol):
    """A C++ name without its arguments and template parameters."""
    symbol = re.sub(r"\(anonymous namespace\)::|\[clone [^]]*\]", "", symbol)
    while (fewer := re.sub(r"<[^<>]*>", "", symbol)) != symbol:
        symbol = fewer
    return re.sub(r"\(.*", "", symbol).strip() or "?"


def stacks_of(text):
    """What `perf script -F comm,ip,sym` prints: samples apart by empty lines, inner frames first."""
    for sample in text.split("\n\n"):
        lines = [line for line in sample.splitlines() if line.strip()]
        if len(lines) < 2:
            continue
        frames = [short(match[1]) for match in (re.match(r"\s*[0-9a-f]+ (.*)", line) for line in lines[1:]) if match]
        yield [lines[0].strip(), *reversed(frames)]


def tree_of(stacks):
    root = Frame()
    for stack in stacks:
        root.samples += 1
        at = root
        for name in stack:
            at = at.children[name]
            at.samples += 1
    return root


def boxes(frame, x, depth, scale, out):
    for name, child in sorted(frame.children.items()):
        width = child.samples * scale
        if width >= NARROWEST:
            out.append((name, x, depth, width, child.samples))
            boxes(child, x, depth + 1, scale, out)
        x += width


def draw(root, title):
    found = []
    boxes(root, 0, 0, WIDTH / root.samples, found)
    height = (max(depth for _, _, depth, _, _ in found) + 2) * ROW + 12
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
             f'font-family="monospace" font-size="11"><title>{html.escape(title)}</title>',
             f'<rect width="{WIDTH}" height="{height}" fill="#fff"/><text x="4" y="13">{html.escape(title)}</text>']
    for name, x, depth, width, samples in found:
        y = height - (depth + 1) * ROW
        fill = COLOURS.get(perf_tools.purpose(name), "#e8e0d8")
        parts.append(f'<g><title>{html.escape(name)}: {samples / root.samples:.1%}</title><rect x="{x:.1f}" y="{y}" '
                     f'width="{width:.1f}" height="{ROW - 1}" fill="{fill}"/>')
        room = int((width - 4) / CHARACTER)
        if room >= 4:
            parts.append(f'<text x="{x + 2:.1f}" y="{y + 12}">{html.escape(name[:room])}</text>')
        parts.append("</g>")
    return "\n".join(parts) + "\n</svg>\n"


def sample(args, job, folder):
    data = folder / "perf.data"
    tree = harness.make_tree(args.programs, folder, **job.sized(args.size))
    (folder / "work").mkdir()
    with harness.Sink(args.programs) as sink:
        config = folder / "agent.yaml"
        config.write_text(scenarios.promtail_config(tree, sink.url, folder / "work", job))
        with harness.Process([args.programs.agent, f"-config.file={config}"], folder / "agent.log") as agent:
            perf = perf_tools.record(agent, data, args.frequency, perf_tools.AGENT_THREADS, "-g")
            sink.expect(tree.lines, args.timeout, agent.alive)
            agent.stop()
        perf.wait()
    done = subprocess.run(["perf", "script", "-i", data, "-F", "comm,ip,sym"], capture_output=True, text=True)
    stacks = list(stacks_of(done.stdout))
    if len(stacks) < FEWEST_SAMPLES:
        raise Refused(f"perf saw {len(stacks)} samples, which is no picture: {done.stderr.strip()[-300:]}")
    return stacks


def main():
    args = perf_tools.parse(__doc__, 512)
    with harness.scratch(args.size) as folder:
        stacks = sample(args, scenarios.BY_NAME[args.job], folder)
    facts = harness.facts(args.programs)
    title = f"{args.job}: {len(stacks)} samples, {facts['machine']['cpu']}, commit {facts['build']['commit']}, {facts['date'][:10]}"
    path = harness.RESULTS / f"flame-{args.job}.svg"
    path.write_text(draw(tree_of(stacks), title))
    harness.note(f"wrote {path.relative_to(harness.ROOT)}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refused as refused:
        sys.exit(f"flame: {refused}")
