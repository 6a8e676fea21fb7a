"""Drawing how jobs grow: time and memory against files, all on logarithmic scales, as SVG.

A straight line that rises by one step in each step is a cost per file; a flat one is a cost that does not grow.
Colours are those that read well on white and on black, and every curve is named beside the diagram, at the height of
its end.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

_COLOURS = ("#3b82c4", "#d9822b", "#3fa35b", "#b3589a", "#c0504d", "#7f7f3f")
_WIDTH, _HEIGHT = 860, 380
_LEFT, _TOP, _PANEL_WIDTH, _PANEL_HEIGHT, _GAP = 60, 40, 260, 280, 170
_LEAST_DISTANCE = 15  # of two names, in pixels
_STYLE = (
    "text{font:12px sans-serif;fill:#444}.grid{stroke:#8886}.line{fill:none;stroke-width:2}"
    "@media (prefers-color-scheme:dark){text{fill:#ccc}}"
)


@dataclass(frozen=True, slots=True)
class Curve:
    """One job: (files, seconds, MiB), with growing numbers of files."""

    name: str
    points: Sequence[tuple[int, float, float]]


@dataclass(frozen=True, slots=True)
class _Panel:
    """One diagram: where it is, and the powers of ten at its edges."""

    left: float
    first_x: int
    last_x: int
    first_y: int
    last_y: int

    def x(self, value: float) -> float:
        return self.left + (math.log10(value) - self.first_x) / (self.last_x - self.first_x) * _PANEL_WIDTH

    def y(self, value: float) -> float:
        share = (math.log10(value) - self.first_y) / (self.last_y - self.first_y)
        return _TOP + (1 - share) * _PANEL_HEIGHT


def draw(curves: Sequence[Curve]) -> str:
    """Return the picture, of at least one curve with a point; values are above 0."""
    times = [Curve(curve.name, [(n, seconds, 0) for n, seconds, _ in curve.points]) for curve in curves]
    memory = [Curve(curve.name, [(n, mib, 0) for n, _, mib in curve.points]) for curve in curves]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        "<title>Time and memory of the jobs against the number of files</title>",
        f"<style>{_STYLE}</style>",
        *_panel(times, _LEFT, "seconds"),
        *_panel(memory, _LEFT + _PANEL_WIDTH + _GAP, "MiB of the largest process"),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _panel(curves: Sequence[Curve], left: float, title: str) -> Iterator[str]:
    xs = [n for curve in curves for n, _, _ in curve.points]
    ys = [value for curve in curves for _, value, _ in curve.points]
    panel = _Panel(left, *_powers(xs), *_powers(ys))
    yield f'<text x="{left}" y="{_TOP - 16}" font-weight="bold">{escape(title)}</text>'
    yield from _grid(panel)
    for curve, colour, name_y in zip(curves, _COLOURS, _name_heights(panel, curves), strict=False):
        path = " ".join(f"{panel.x(n):.1f},{panel.y(value):.1f}" for n, value, _ in curve.points)
        yield f'<polyline class="line" stroke="{colour}" points="{path}"/>'
        for n, value, _ in curve.points:
            yield f'<circle cx="{panel.x(n):.1f}" cy="{panel.y(value):.1f}" r="3" fill="{colour}"/>'
        place = f'x="{left + _PANEL_WIDTH + 8}" y="{name_y + 4:.1f}"'
        yield f'<text {place} style="fill:{colour}">{escape(curve.name)}</text>'


def _grid(panel: _Panel) -> Iterator[str]:
    right, bottom = panel.left + _PANEL_WIDTH, _TOP + _PANEL_HEIGHT
    for power in range(panel.first_y, panel.last_y + 1):
        y = panel.y(10.0**power)
        yield f'<path class="grid" d="M{panel.left} {y:.1f}H{right}"/>'
        yield f'<text x="{panel.left - 6}" y="{y + 4:.1f}" text-anchor="end">{_label(power)}</text>'
    for power in range(panel.first_x, panel.last_x + 1):
        x = panel.x(10.0**power)
        yield f'<path class="grid" d="M{x:.1f} {_TOP}V{bottom}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{_label(power)}</text>'
    yield f'<text x="{panel.left + _PANEL_WIDTH / 2}" y="{bottom + 38}" text-anchor="middle">files</text>'


def _name_heights(panel: _Panel, curves: Sequence[Curve]) -> list[float]:
    """Return where the names stand: as high as their curves end, but not upon each other."""
    heights = [panel.y(curve.points[-1][1]) for curve in curves]
    lowest = -math.inf
    for index in sorted(range(len(heights)), key=heights.__getitem__):
        lowest = heights[index] = max(heights[index], lowest + _LEAST_DISTANCE)
    return heights


def _powers(values: Sequence[float]) -> tuple[int, int]:
    first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return first, max(last, first + 1)


def _label(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"
