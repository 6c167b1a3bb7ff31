"""Draws how costs grow with connections: ``python docs/pictures/curves.py FILE`` writes ``growth.svg`` to its folder.

FILE is the output of ``python -m tests.benchmarks.peers --only growth --json``.
"""

from __future__ import annotations

import json
import math
import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

_FONT: Final = "ui-sans-serif, system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _GAP = 380, 240, 80, 44, 40, 8  # of a panel, and of its margins
_PAPER, _RIM, _INK, _GRID = "#161b22", "#3d444d", "#e6edf3", "#30363d"
_COLOURS: Final = {"chatcli": "#58a6ff", "ngircd": "#d29922", "inspircd": "#bc8cff"}
_PANELS: Final = (("messages/s", "messages a second"), ("server, µs each", "CPU of the server, µs a message"))

#: The points of a curve by server: numbers of pairs and medians.
Curves = dict[str, list[tuple[int, float]]]


def curves(runs: Sequence[dict[str, Any]], figure: str) -> Curves:
    """Return the medians of all runs."""
    found: dict[str, dict[int, list[float]]] = {}
    for run in runs:
        if pairs := re.match(r"growth: ([\d,]+) pairs", run["row"]):
            number = int(pairs[1].replace(",", ""))
            found.setdefault(run["server"], {}).setdefault(number, []).append(run[figure])
    return {
        server: sorted((number, statistics.median(values)) for number, values in points.items())
        for server, points in found.items()
    }


def panel(title: str, drawn: Curves) -> Iterator[str]:
    """Yield the elements of a diagram with two logarithmic axes."""
    xs = sorted({x for points in drawn.values() for x, _ in points})
    ys = [y for points in drawn.values() for _, y in points if y > 0]
    low, high = 10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys)))
    right, bottom = _WIDTH - 28, _HEIGHT - _BOTTOM

    def across(x: float) -> float:
        return _LEFT + (right - _LEFT) * math.log(x / xs[0]) / math.log(xs[-1] / xs[0])

    def down(y: float) -> float:
        return bottom - (bottom - _TOP) * math.log(max(y, low) / low) / math.log(high / low)

    yield f'<text x="{_LEFT}" y="24" font-weight="600">{title}</text>'
    y = low
    while y <= high:
        yield f'<path d="M{_LEFT} {down(y):.1f}H{right}" stroke="{_GRID}"/>'
        yield f'<text x="{_LEFT - 8}" y="{down(y) + 4:.1f}" text-anchor="end">{y:,.12g}</text>'
        y *= 10
    for x in xs:
        yield f'<text x="{across(x):.1f}" y="{bottom + 20}" text-anchor="middle">{x:,}</text>'
    for server, points in drawn.items():
        line = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in points)
        colour = _COLOURS.get(server, _INK)
        yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{across(x):.1f}" cy="{down(y):.1f}" r="3" fill="{colour}"/>' for x, y in points)


def picture(runs: Sequence[dict[str, Any]]) -> str:
    """Return the picture."""
    width, height = 2 * _WIDTH + _GAP, _HEIGHT + 36
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="{_FONT}" font-size="12" fill="{_INK}" role="img">'
    )
    parts = [
        head,
        "<title>How messages a second, and what one costs the server, change with the number of pairs.</title>",
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" fill="{_PAPER}" stroke="{_RIM}"/>',
    ]
    servers: list[str] = []
    for place, (figure, title) in enumerate(_PANELS):
        drawn = curves(runs, figure)
        servers = list(drawn)
        parts += [f'<g transform="translate({place * (_WIDTH + _GAP)} 0)">', *panel(title, drawn), "</g>"]
    for place, server in enumerate(servers):
        x = _LEFT + place * 110
        parts.append(f'<circle cx="{x}" cy="{height - 20}" r="4" fill="{_COLOURS.get(server, _INK)}"/>')
        parts.append(f'<text x="{x + 10}" y="{height - 16}">{server}</text>')
    parts.append(f'<text x="{width - 16}" y="{height - 16}" text-anchor="end">over the number of pairs</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    """Draw the picture."""
    runs = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    Path(__file__).with_name("growth.svg").write_text(picture(runs))


if __name__ == "__main__":
    main()
