"""The share answered here over time, as an SVG file: lines, axes, words, and nothing to run."""

from collections.abc import Sequence

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 150, 16, 44
WINDOW = 500
"""Requests that one point of a line is the mean of."""
COLOURS = ("#0b6e99", "#c2571a", "#5b7f2b", "#7a4fa3")


def plot(lines: Sequence[tuple[str, Sequence[bool]]]) -> str:
    """Draw one line for each (name, whether each request was answered here)."""
    longest = max(len(flags) for _, flags in lines)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
            ' font-family="sans-serif" font-size="12" role="img"'
            ' aria-label="Share of requests answered at the edge over the number of requests">'
        ),
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *_axes(longest),
    ]
    for number, (name, flags) in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(f"{_x(at, longest):.1f},{_y(share):.1f}" for at, share in _means(flags))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        y = TOP + 14 + 18 * number
        x = WIDTH - RIGHT + 12
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{x + 15}" y="{y}" fill="#222222">{name}</text>')
    return "\n".join((*parts, "</svg>", ""))


def _means(flags: Sequence[bool]) -> list[tuple[int, float]]:
    step = max(len(flags) // 200, 1)
    return [
        (end, sum(flags[max(end - WINDOW, 0) : end]) / min(end, WINDOW))
        for end in range(step, len(flags) + 1, step)
    ]


def _axes(longest: int) -> list[str]:
    parts = []
    for percent in (0, 25, 50, 75, 100):
        y = _y(percent / 100)
        parts.append(
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#dddddd"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#444444">'
            f"{percent} %</text>"
        )
    for part in range(5):
        at = longest * part // 4
        parts.append(
            f'<text x="{_x(at, longest):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle"'
            f' fill="#444444">{at:,}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle:.1f}" y="{HEIGHT - 8}" text-anchor="middle" fill="#444444">'
        "requests</text>"
    )
    return parts


def _x(at: int, longest: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * at / longest


def _y(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - share)
