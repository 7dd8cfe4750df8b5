"""Colours for differences: white at zero, blue below, red above, evenly lighter or darker with every step.

Lightness L* of CIELAB falls in a straight line from white to either end, alike on both sides, so that equal differences
look equally strong; hues of blue and red are told apart by all kinds of colour vision.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from edsnb.core.events import Array

_WHITE_L, _END_L = 98.0, 36.0
_ENDS = ((47.0, 285.0), (62.0, 35.0))
"""Chroma and hue (degrees) in CIELAB of the blue and the red end, as strong as sRGB has them at that lightness."""
_D65 = np.array([0.95047, 1.0, 1.08883])
_TO_RGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])


@cache
def diverging(colours: int = 257) -> tuple[str, ...]:
    """Return an odd number of colours as ``#rrggbb``, from blue over white to red."""
    if colours < 3 or colours % 2 == 0:
        raise ValueError(f"an odd number of colours from 3 up has white in its middle; found {colours}")
    half = colours // 2
    share = np.abs(np.arange(-half, half + 1)) / half
    ends = np.array([_ENDS[0]] * half + [_ENDS[1]] * (half + 1))
    lightness = _WHITE_L + (_END_L - _WHITE_L) * share
    chroma, hue = ends[:, 0] * share, np.radians(ends[:, 1])
    levels = np.rint(255 * _rgb(lightness, chroma * np.cos(hue), chroma * np.sin(hue))).astype(int)
    return tuple(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in levels.tolist())


def _rgb(lightness: Array, a: Array, b: Array) -> Array:
    """Return sRGB (n, 3), 0 to 1, of colours in CIELAB; those outside of sRGB are moved to its edge."""
    fy = (lightness + 16) / 116
    f = np.stack([fy + a / 500, fy, fy - b / 200], axis=1)
    xyz = _D65 * np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    linear = np.clip(xyz @ _TO_RGB.T, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
