"""Small plots as SVG, drawn on the server: no script, no library. Each says in words what it shows."""

from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH, HEIGHT = 320, 72


def bars(values: Sequence[float], words: str) -> Markup:
    """Return a bar for each value."""
    top = max(values, default=0) or 1
    step = WIDTH / max(len(values), 1)
    shapes = (
        f'<rect x="{at * step:.1f}" y="{_y(value, top):.1f}" width="{step * 0.8:.1f}" '
        f'height="{HEIGHT - _y(value, top):.1f}"/>'
        for at, value in enumerate(values)
        if value
    )
    return _svg("".join(shapes), words)


def spreads(values: Sequence[tuple[float, float] | None], words: str) -> Markup:
    """Return for each pair (median, 95th percentile) a mark at the first and a bar up to the second."""
    top = max((high for _, high in filter(None, values)), default=0) or 1
    step = WIDTH / max(len(values), 1)
    shapes = []
    for at, pair in enumerate(values):
        if pair is None:
            continue
        low, high = (_y(value, top) for value in pair)
        x, width = at * step, step * 0.8
        shapes.append(
            f'<rect class="farm-far" x="{x:.1f}" y="{high:.1f}" width="{width:.1f}" height="{max(low - high, 1):.1f}"/>'
            f'<rect x="{x:.1f}" y="{low - 1:.1f}" width="{width:.1f}" height="2"/>'
        )
    return _svg("".join(shapes), words)


def strip(classes: Sequence[tuple[str, float]], words: str) -> Markup:
    """Return a row of bars, each with its class and a height between 0 and 1."""
    shapes = (
        f'<rect class="{escape(name)}" x="{at * 8}" y="{18 - 14 * max(share, 0.15):.1f}" width="6" '
        f'height="{14 * max(share, 0.15):.1f}"/>'
        for at, (name, share) in enumerate(classes)
    )
    box = f'viewBox="0 0 {max(len(classes) * 8, 8)} 20" width="{len(classes) * 8}" height="20"'
    return Markup(f'<svg class="farm-strip" {box} role="img" aria-label="{escape(words)}">{"".join(shapes)}</svg>')  # noqa: S704 - numbers and escaped words


def _y(value: float, top: float) -> float:
    return (HEIGHT - 2) * (1 - value / top) + 1


def _svg(shapes: str, words: str) -> Markup:
    ground = f'<path class="farm-ground" d="M0 {HEIGHT - 0.5}H{WIDTH}"/>'
    return Markup(  # noqa: S704 - numbers and escaped words
        f'<svg class="farm-plot" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(words)}">{shapes}{ground}</svg>'
    )
