# SPDX-License-Identifier: Apache-2.0
"""Line charts as SVG, by hand: readable in light and dark, no library.

Scales are logarithmic where the axis says so. Pure: text out.
"""
import html
import math

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 80, 20, 50, 60
COLOURS = ["#1f6feb", "#d1482c", "#2da44e", "#8250df", "#bf8700"]

STYLE = """<style>
 text { font: 13px system-ui, sans-serif; fill: #57606a }
 .title { font-size: 16px; font-weight: 600; fill: #24292f }
 .grid { stroke: #d0d7de; stroke-width: 1 }
 @media (prefers-color-scheme: dark) {
  text { fill: #8b949e } .title { fill: #e6edf3 } .grid { stroke: #30363d } .back { fill: #0d1117 } }
 .back { fill: #ffffff } .line { fill: none; stroke-width: 2.5 }
</style>"""


class Scale:
    def __init__(self, values, low, high, log):
        self.log = log and min(values) > 0
        self.low, self.high = low, high
        first, last = min(values), max(values)
        if self.log:
            self.first, self.last = math.log10(first), math.log10(last)
        else:
            self.first, self.last = min(0, first), last * 1.08 or 1
        if self.first == self.last:
            self.last += 1

    def at(self, value):
        value = math.log10(value) if self.log else value
        return self.low + (value - self.first) / (self.last - self.first) * (self.high - self.low)

    def ticks(self):
        if self.log:
            ticks = [10**power for power in range(math.floor(self.first), math.ceil(self.last) + 1)]
            return [tick for tick in ticks if self.first - 1e-9 <= math.log10(tick) <= self.last + 1e-9]
        step = 10 ** math.floor(math.log10(self.last - self.first))
        if (self.last - self.first) / step < 3:
            step /= 2
        if (self.last - self.first) / step > 8:
            step *= 2
        count = int((self.last - self.first) / step)
        return [self.first + step * i for i in range(count + 1)]


def short(value):
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{unit}"
    return f"{value:.3g}"


def chart(title, x_title, y_title, series, log_x=False, log_y=False, categories=None):
    """series: {name: [(x, y), ...]}. categories: the x values that get a tick."""
    points = [point for line in series.values() for point in line]
    x_scale = Scale([x for x, _ in points], LEFT, WIDTH - RIGHT, log_x)
    y_scale = Scale([y for _, y in points], HEIGHT - BOTTOM, TOP, log_y)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
           f'aria-label="{html.escape(title)}">', STYLE,
           f'<rect class="back" width="{WIDTH}" height="{HEIGHT}"/>',
           f'<text class="title" x="{LEFT}" y="24">{html.escape(title)}</text>']
    for tick in y_scale.ticks():
        y = y_scale.at(tick)
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                   f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{short(tick)}</text>')
    for tick in categories or x_scale.ticks():
        x = x_scale.at(tick)
        out.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{short(tick)}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 16}" text-anchor="middle">'
               f"{html.escape(x_title)}</text>")
    out.append(f'<text x="18" y="{(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle" '
               f'transform="rotate(-90 18 {(TOP + HEIGHT - BOTTOM) / 2})">{html.escape(y_title)}</text>')
    for index, (name, line) in enumerate(series.items()):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{x_scale.at(x):.1f},{y_scale.at(y):.1f}" for x, y in line)
        out.append(f'<polyline class="line" stroke="{colour}" points="{path}"/>')
        out += [f'<circle cx="{x_scale.at(x):.1f}" cy="{y_scale.at(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in line]
        at = LEFT + 8 + 200 * index
        out.append(f'<rect x="{at}" y="33" width="14" height="4" fill="{colour}"/>'
                   f'<text x="{at + 20}" y="40">{html.escape(name)}</text>')
    return "\n".join([*out, "</svg>", ""])
