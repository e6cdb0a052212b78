"""Charts as SVG text: bars a case, and curves. They follow the reader's light or dark mode."""

import html
import math

STYLE = """
  svg { color-scheme: light dark; font-family: system-ui, 'Segoe UI', Helvetica, Arial, sans-serif }
  .paper { fill: #ffffff } .grid { stroke: #e3e6ea } .axis { stroke: #8a929c }
  text { fill: #57606a; font-size: 13px } .title { fill: #1f2328; font-size: 18px; font-weight: 600 }
  .name, .value { fill: #1f2328 } .value { font-weight: 600 }
  .good { fill: #1668b8 } .bad { fill: #c2571a } .mark { fill: #1f2328; stroke: #ffffff; stroke-width: 1.5 }
  .curve { fill: none; stroke: #1668b8; stroke-width: 2.5; stroke-linejoin: round }
  .ring { fill: none; stroke: #1668b8; stroke-width: 2 }
  .expected { fill: none; stroke: #8a929c; stroke-width: 1.5; stroke-dasharray: 5 4 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #14181d } .grid { stroke: #2b3138 } .axis { stroke: #6b747e }
    text { fill: #a3acb6 } .title, .name, .value { fill: #eef1f4 }
    .good { fill: #63b3ff } .bad { fill: #f0935a } .mark { fill: #eef1f4; stroke: #14181d }
    .curve, .ring { stroke: #63b3ff } .expected { stroke: #6b747e }
  }
"""

WIDTH = 760
LEFT = 150
# Room for the value that follows the longest bar.
RIGHT = WIDTH - 90
TOP = 92
ROW = 28


def text(style, anchor, x, y, words):
    return (f'<text class="{style}" text-anchor="{anchor}" x="{x:.1f}" y="{y:.1f}">'
            f"{html.escape(words)}</text>\n")


def rule(style, x1, y1, x2, y2):
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>\n'


def page(height, title, subtitle, body):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="{html.escape(title)}">\n'
        f'<style>{STYLE}</style>\n<rect class="paper" width="100%" height="100%"/>\n'
        f'{text("title", "start", 24, 36, title)}{text("", "start", 24, 58, subtitle)}{body}</svg>\n')


def plain(number):
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def ratios(title, subtitle, bars):
    """Bars of (name, ratio) from 1 to the ratio, on a logarithmic axis."""
    low = min([0.5] + [ratio for _, ratio in bars])
    high = max([4.0] + [ratio for _, ratio in bars])
    first, last = math.floor(math.log2(low)), math.ceil(math.log2(high))
    bottom = TOP + ROW * len(bars)

    def x(ratio):
        return LEFT + (RIGHT - LEFT) * (math.log2(ratio) - first) / (last - first)

    body = ""
    for power in range(first, last + 1):
        at = x(2**power)
        body += rule("axis" if power == 0 else "grid", at, TOP - 6, at, bottom + 4)
        body += text("", "middle", at, bottom + 22, f"{plain(2**power)}x")
    for number, (name, ratio) in enumerate(bars):
        y = TOP + ROW * number
        start, end = sorted((x(1), x(ratio)))
        style = "good" if ratio >= 1 else "bad"
        body += text("name", "end", LEFT - 12, y + 18, name)
        body += f'<rect class="{style}" x="{start:.1f}" y="{y + 5}" width="{end - start:.1f}" height="18"/>\n'
        body += text("value", "start", max(end, x(1)) + 8, y + 18, f"{ratio:.2f}x")
    return page(bottom + 40, title, subtitle, body)


def shares(title, subtitle, bars):
    """Bars of (name, share, mark) in percent; a mark is a dot at another share, or None."""
    highest = max([0.1] + [max(share, mark or 0) for _, share, mark in bars])
    step = next(step for step in (0.02, 0.05, 0.1, 0.2, 0.5) if highest / step <= 8)
    ticks = math.ceil(highest / step)
    bottom = TOP + ROW * len(bars)

    def x(share):
        return LEFT + (RIGHT - LEFT) * share / (ticks * step)

    body = ""
    for tick in range(ticks + 1):
        at = x(tick * step)
        body += rule("grid" if tick else "axis", at, TOP - 6, at, bottom + 4)
        body += text("", "middle", at, bottom + 22, f"{100 * tick * step:.0f}%")
    for number, (name, share, mark) in enumerate(bars):
        y = TOP + ROW * number
        body += text("name", "end", LEFT - 12, y + 18, name)
        body += f'<rect class="good" x="{LEFT}" y="{y + 5}" width="{x(share) - LEFT:.1f}" height="18"/>\n'
        if mark is not None:
            body += f'<circle class="mark" cx="{x(mark):.1f}" cy="{y + 14}" r="5"/>\n'
        end = max(x(share), x(mark) + 5 if mark is not None else 0)
        body += text("value", "start", end + 8, y + 18, f"{100 * share:.1f}%")
    return page(bottom + 40, title, subtitle, body)


def short(number):
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"


def panel(name, points, left, top, width, height):
    """One curve of (x, milliseconds, expected milliseconds), both axes logarithmic."""
    xs = [point[0] for point in points]
    ys = [value for point in points for value in point[1:]]
    low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
    high = max(high, low + 1)

    def x(value):
        return left + width * math.log(value / xs[0]) / math.log(xs[-1] / xs[0])

    def y(value):
        return top + height * (high - math.log10(value)) / (high - low)

    body = text("value", "start", left, top - 12, f"against {name}")
    for power in range(low, high + 1):
        body += rule("grid" if power > low else "axis", left, y(10**power), left + width, y(10**power))
        body += text("", "end", left - 8, y(10**power) + 4, f"{10**power:g}")
    for number in sorted({0, len(xs) // 2, len(xs) - 1}):
        anchor = {0: "start", len(xs) - 1: "end"}.get(number, "middle")
        body += text("", anchor, x(xs[number]), top + height + 18, short(xs[number]))
    for style, column in (("expected", 2), ("curve", 1)):
        line = " ".join(f"{x(point[0]):.1f},{y(point[column]):.1f}" for point in points)
        body += f'<polyline class="{style}" points="{line}"/>\n'
    for point in points:
        body += f'<circle class="good" cx="{x(point[0]):.1f}" cy="{y(point[1]):.1f}" r="3"/>\n'
    return body


def curves(title, subtitle, panels):
    """Panels of (name, points), two side by side."""
    width, height, pitch = 290, 170, 250
    body = ""
    for number, (name, points) in enumerate(panels):
        left = 76 + number % 2 * 360
        body += panel(name, points, left, 110 + number // 2 * pitch, width, height)
    return page(80 + -(-len(panels) // 2) * pitch, title, subtitle, body)


def roofline(title, subtitle, points, gbps, hollow):
    """Points of (name, bytes, microseconds) on logarithmic axes, and the line of `gbps` that none can be under.
    Points whose names are in `hollow` are rings."""
    left, right, top, bottom = 76, WIDTH - 40, 84, 520
    lows = [math.floor(math.log10(min(point[axis] for point in points))) for axis in (1, 2)]
    highs = [math.ceil(math.log10(max(point[axis] for point in points))) for axis in (1, 2)]

    def x(number):
        return left + (right - left) * (math.log10(number) - lows[0]) / (highs[0] - lows[0])

    def y(us):
        return bottom - (bottom - top) * (math.log10(us) - lows[1]) / (highs[1] - lows[1])

    body = ""
    for power in range(lows[0], highs[0] + 1):
        body += rule("grid" if power > lows[0] else "axis", x(10**power), top, x(10**power), bottom)
        body += text("", "middle", x(10**power), bottom + 20, f"{10**(power - 6):g} MB")
    for power in range(lows[1], highs[1] + 1):
        body += rule("grid" if power > lows[1] else "axis", left, y(10**power), right, y(10**power))
        body += text("", "end", left - 8, y(10**power) + 4, f"{10**power:g} us")

    def us_of(number):
        return number / (gbps * 1e3)

    # The part of the limit's line that lies within the axes.
    first = max(10**lows[0], 10**lows[1] * gbps * 1e3)
    last = min(10**highs[0], 10**highs[1] * gbps * 1e3)
    body += (f'<polyline class="expected" points="{x(first):.1f},{y(us_of(first)):.1f} '
             f'{x(last):.1f},{y(us_of(last)):.1f}"/>\n')
    taken = []
    for name, number, us in sorted(points, key=lambda point: point[2]):
        # A label goes right of its point; where another lies there, left of it, then higher up.
        places = [(side, lift) for lift in (4, -9, 17, -22, 30) for side in (1, -1)]
        width = 7.6 * len(name)
        for side, lift in places:
            start = x(number) + 9 if side > 0 else x(number) - 9 - width
            box = (start, y(us) + lift - 11, start + width, y(us) + lift + 2)
            inside = left < box[0] and box[2] < right
            if inside and all(box[2] < b[0] or b[2] < box[0] or box[3] < b[1] or b[3] < box[1] for b in taken):
                break
        taken += [box, (x(number) - 4, y(us) - 4, x(number) + 4, y(us) + 4)]
        style = "ring" if name in hollow else "good"
        body += f'<circle class="{style}" cx="{x(number):.1f}" cy="{y(us):.1f}" r="4"/>\n'
        anchor, at = ("start", box[0]) if side > 0 else ("end", box[2])
        body += text("name", anchor, at, y(us) + lift, name)
    return page(bottom + 40, title, subtitle, body)
