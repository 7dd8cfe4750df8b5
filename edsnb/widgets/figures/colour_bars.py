"""Numbers beside the colours of a map."""

from __future__ import annotations

from bokeh.models import BasicTicker, ColorBar, FixedTicker

from edsnb.plots.colours import is_flat


def number(bar: ColorBar, most: int) -> None:
    """Give a colour bar as many numbers as it has room for; a single one for a map of one value."""
    low, high = float(bar.color_mapper.low), float(bar.color_mapper.high)
    if is_flat(low, high):
        bar.ticker = FixedTicker(ticks=[low])
    elif not isinstance(bar.ticker, BasicTicker):
        bar.ticker = BasicTicker(desired_num_ticks=most)
