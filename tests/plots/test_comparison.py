"""Figures of a comparison, checked by what they hold; how they look is for people to judge."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

import edsnb
from edsnb.core.comparison.frame import frame_of
from edsnb.core.regions import ChipGrid
from edsnb.errors import ElementError, InputError, OutputError
from edsnb.pipeline import analyse
from edsnb.plots.compared import difference_limits, points, value_limits
from edsnb.plots.comparison import (
    agreement_figure,
    bars_figure,
    draw_agreement,
    draw_bars,
    draw_fit,
    draw_maps,
    draw_phases,
    fit_figure,
    maps_figure,
    phases_figure,
)
from edsnb.plots.diverging import diverging
from edsnb.plots.page import figure_bytes
from edsnb.plots.phases import phase_colours, phase_groups, phase_picture, scale_length
from tests.core.comparison.made import film, made
from tests.simulated import RECIPE, analysed, small


def pair(**options):
    return edsnb.compare(film(noise=0.3), replace(film(noise=0.6), method="HyperSpy (published recipe)"), **options)


def shown(figure: Figure) -> list[Axes]:
    """Return the axes with an image, row by row as they were drawn: first, second, difference of each element."""
    return [axes for axes in figure.axes if axes.images and not axes.get_label().startswith("<colorbar")]


def readable(figure: Figure) -> None:
    """Check that no text is cut off by the figure's edge or lies on another."""
    FigureCanvasAgg(figure).draw()
    boxes = []
    for axes in figure.axes:
        texts = [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            texts += [t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
        boxes += [(t.get_text(), t.get_window_extent()) for t in texts if t.get_visible() and t.get_text().strip()]
    boxes += [(t.get_text(), t.get_window_extent()) for t in figure.texts if t.get_text()]
    width, height = figure.bbox.width, figure.bbox.height
    for text, box in boxes:
        assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= -1, f"{text!r} is cut off"
    for (text, box), (other, another) in combinations(boxes, 2):
        common = Bbox.intersection(box, another)
        assert common is None or min(common.width, common.height) < 2, f"{text!r} on {other!r}"


def test_maps_hold_the_values_on_shared_colours():
    comparison = pair()
    figure = maps_figure(comparison, ["La", "O"], pixel_nm=0.5)
    readable(figure)
    axes = shown(figure)
    assert len(axes) == 6
    for k, element in enumerate(("La", "O")):
        first, second, difference = (a.images[0] for a in axes[3 * k : 3 * k + 3])
        maps = comparison.maps(element)
        for image, values in zip((first, second, difference), maps, strict=True):
            np.testing.assert_array_equal(image.get_array().filled(np.nan), values)
        assert first.get_clim() == second.get_clim()
        low, high = difference.get_clim()
        assert low == -high
        assert first.cmap.name == "cividis"
        np.testing.assert_allclose(difference.cmap(0.5)[:3], (0.976, 0.976, 0.976), atol=0.01)
    assert [a.get_title() for a in axes[::3]] == ["La", "O"]
    assert axes[0].get_ylabel() == "edsnb"
    assert axes[1].get_ylabel().replace("\n", " ") == "HyperSpy (published recipe)"
    assert axes[2].get_ylabel() == "first − second"
    assert axes[0].texts[0].get_text() == "5 nm"
    labels = [a.get_xlabel() for a in figure.axes if a.get_xlabel()]
    assert labels == ["at%", "difference, at%"] * 2


def test_differences_are_red_where_the_first_is_larger():
    first = made("a", ("La",), [[30.0], [20.0], [10.0]], grid=ChipGrid(10), shape=(10, 30))
    second = made("b", ("La",), [[20.0], [20.0], [20.0]], grid=ChipGrid(10), shape=(10, 30))
    image = shown(maps_figure(edsnb.compare(first, second), everything=True))[2].images[0]
    red, white, blue = image.to_rgba(image.get_array())[0, :, :3]
    assert red[0] > 2 * red[2]
    assert white.min() > 0.96
    assert blue[2] > 2 * blue[0]


def test_colours_are_even_and_told_apart():
    """Lightness falls in equal steps from white to both ends, and green never decides."""
    levels = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in diverging(101)])
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    lightness = 116 * np.cbrt(luminance) - 16
    steps = np.diff(lightness)
    # Eight bits a colour leave steps of lightness uneven by a quarter.
    np.testing.assert_allclose(steps[:50], 62 / 50, atol=0.3)
    np.testing.assert_allclose(steps[50:], -62 / 50, atol=0.3)
    np.testing.assert_allclose(lightness, lightness[::-1], atol=0.6)
    assert (levels[60:, 0] > levels[60:, 2]).all()
    assert (levels[:41, 2] > levels[:41, 0]).all()
    with pytest.raises(ValueError, match="odd number"):
        diverging(10)


def test_limits_by_hand():
    first = made("a", ("La", "O"), [[0.5, 99.5], [20, 80], [40, 60]], names=("R0C0", "R0C1", "R0C2"))
    second = made("b", ("La", "O"), [[1.5, 98.5], [24, 76], [39, 61]], names=("R0C0", "R0C1", "R0C2"))
    comparison = edsnb.compare(first, second)
    both = ("La", "O")
    assert value_limits(comparison, both, everything=True) == {"La": (0.0, 40.0), "O": (60.0, 99.5)}
    assert value_limits(comparison, both, everything=True, together=True) == dict.fromkeys(both, (0.0, 99.5))
    assert difference_limits(comparison, both, everything=True)["La"] == (-4.0, 4.0)
    same = edsnb.compare(first, replace(first, method="c"))
    assert difference_limits(same, both, everything=True)["La"] == pytest.approx((-0.8, 0.8))
    narrow = value_limits(comparison, both)["O"]
    assert 60 < narrow[0] < narrow[1] < 99.5


def test_maps_of_a_part_and_of_nothing():
    first = made("a", ("La", "O"), [[np.nan, np.nan]] * 4, grid=ChipGrid(10), shape=(20, 20))
    readable(maps_figure(edsnb.compare(first, replace(first, method="b"))))
    with pytest.raises(ElementError, match="Fe was not compared"):
        maps_figure(edsnb.compare(first, first), ["Fe"])
    with pytest.raises(InputError, match="no element to draw"):
        maps_figure(edsnb.compare(first, first), [])


@pytest.mark.parametrize("shape", [(10, 50), (50, 10), (10, 10)])
def test_maps_have_square_pixels(shape):
    grid = ChipGrid(5)
    n = len(grid.regions(shape))
    first = made("a", ("La", "O"), np.arange(2.0 * n).reshape(n, 2), grid=grid, shape=shape)
    figure = maps_figure(edsnb.compare(first, replace(first, method="b")))
    FigureCanvasAgg(figure).draw()
    box = shown(figure)[0].get_window_extent()
    assert box.height / box.width == pytest.approx(shape[0] / shape[1], rel=0.02)


def test_overlapping_and_irregular_regions_lie_in_their_place():
    grid = ChipGrid(10, stride=5)
    frame = frame_of(grid.regions((20, 30)).names, grid.regions((20, 30)))
    assert frame.extent == (2.0, 17.0, 2.0, 27.0)
    assert frame.at(9.4, 10) == 1 * 5 + 1
    regions = edsnb.Regions.from_masks({"a": np.arange(100).reshape(10, 10) % 10 < 3, "b": np.eye(10, dtype=bool)})
    frame = frame_of(regions.names, regions)
    assert frame.extent == (-0.5, 9.5, -0.5, 9.5)
    assert (frame.at(5, 1), frame.at(5, 5), frame.at(5, 6), frame.at(-3, 5)) == (0, 1, None, None)
    np.testing.assert_array_equal(frame.paint([1.0, 2.0])[5], [1, 1, 1] + [np.nan] * 2 + [2] + [np.nan] * 4)
    assert frame.inside(4, 6, 4, 6) == (1,)
    named = frame_of(("R0C0", "R2C1"), None)
    assert (named.unit, named.numbers.shape) == ("chips", (3, 2))
    with pytest.raises(InputError, match="nobody knows where"):
        frame_of(("a", "b"), None)


def test_agreement_by_hand():
    comparison = pair()
    phases = edsnb.find_phases(film(), {"LFO": "La > 5", "STO": "Sr > 5"})
    figure = agreement_figure(comparison, ["La", "O"], phases=phases)
    readable(figure)
    upper, lower = figure.axes[:2]
    found, drawn = comparison.by_element["La"], points(comparison, "La")
    offsets = np.concatenate([c.get_offsets() for c in upper.collections if len(c.get_offsets()) == 10])
    assert len(offsets) == 20
    k = comparison.column("La")
    np.testing.assert_array_equal(np.sort(offsets[:, 1]), np.sort(comparison.first[:, k]))
    np.testing.assert_array_equal(np.sort(offsets[:, 0]), np.sort(comparison.second[:, k]))
    levels = [line.get_ydata()[0] for line in lower.lines if len(set(line.get_ydata())) == 1]
    assert {0.0, found.bias, found.lower, found.upper} <= set(levels)
    low, high = lower.get_ylim()
    assert low < min(found.lower, 0)
    assert high > max(found.upper, np.nanmax(drawn.difference))
    assert f"ratio {found.ratio:.3f}" in upper.texts[0].get_text()
    assert found.lower < 0
    assert f"limits −{-found.lower:.2f}, " in lower.texts[0].get_text()
    handles = [text.get_text() for text in figure.legends[0].get_texts()]
    assert handles == ["LFO", "STO"]


def test_long_names_of_methods_fit_their_axes():
    comparison = pair()
    one, two = comparison.compositions
    long = "window integration (stand-in for Velox)"
    for first, second, shown in (
        ("edsnb", "HyperSpy (published recipe)", ("edsnb", "HyperSpy (published recipe)")),
        ("edsnb", long, ("edsnb", "window integration")),
        (long, "window integration", ("window integration (stand-…", "window integration")),
        ("a name of a method that has no end", "b", ("a name of a method that ha…", "b")),
    ):
        renamed = edsnb.compare(replace(one, method=first), replace(two, method=second))
        figure = agreement_figure(renamed, ["La", "O"])
        readable(figure)
        assert (figure.axes[0].get_ylabel(), figure.axes[0].get_xlabel()) == tuple(f"{name} (at%)" for name in shown)


def test_agreement_of_one_chip_and_of_counts():
    one = made("a", ("La",), [[10.0]], quantity="counts")
    readable(agreement_figure(edsnb.compare(one, replace(one, method="b"), quantity="counts")))


def test_phases_are_drawn_in_their_colours():
    phases = edsnb.find_phases(film(), {"LFO": "La > 5", "STO": "Sr > 5"}, border=1)
    frame = frame_of(phases.names, phases.regions)
    picture, colours = phase_picture(phases, frame), phase_colours(phases)
    assert picture.shape == (4, 5, 4)
    rows = ["LFO", "next to another phase", "next to another phase", "STO"]
    for y, name in enumerate(rows):
        drawn = {f"#{r:02X}{g:02X}{b:02X}" for r, g, b, _ in picture[y].tolist()}
        assert drawn == {colours[name].upper()}
    groups = phase_groups(phases)
    assert sum(mask.sum() for mask in groups.values()) == 20
    assert "#E69F00" not in colours.values()
    figure = phases_figure(phases, pixel_nm=1.0)
    readable(figure)
    said = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert said == ["LFO: 5 chips", "STO: 5 chips", "next to another phase: 10 chips"]


def test_scale_bars_have_round_lengths():
    assert scale_length(512, 0.25) == (80.0, "20 nm")
    for wide, pixel_nm in ((512, 0.25), (64, 3.0), (16, 150.0), (1000, 0.0011), (3, 0.2)):
        length, text = scale_length(wide, pixel_nm)
        number, unit = text.split()
        of_unit = {"nm": 1.0, "µm": 1e3, "mm": 1e6}[unit]
        assert length * pixel_nm == pytest.approx(float(number) * of_unit)
        assert 0.1 * wide < length <= 0.35 * wide * (1 + 1e-9)
        assert float(f"{float(number):.0e}") == pytest.approx(float(number))
    assert scale_length(100, None)[1] == "20 px"
    assert scale_length(8, 0.5, "chips")[1] == "2 chips"


def test_the_fit_of_a_chip_by_two_methods():
    window = analyse(small().image, replace(RECIPE, engine="window"))
    lstsq = analyse(small().image, replace(RECIPE, engine="hyperspy-lstsq"))
    figure = fit_figure({"edsnb": analysed().fit, "HyperSpy": lstsq.fit, "net windows": window.fit}, "R3C1")
    readable(figure)
    assert len(figure.axes) == 3
    row = analysed().spectra.names.index("R3C1")
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert f"edsnb, χ² {analysed().fit.chi2[row]:.2f}" in labels
    assert any(label.startswith("HyperSpy, χ²") for label in labels)
    np.testing.assert_allclose(
        next(x for x in figure.axes[0].lines if x.get_label().startswith("HyperSpy")).get_ydata(), lstsq.fit.model(row)
    )
    alone = fit_figure(window.fit, "R3C1")
    assert len(alone.axes) == 1
    assert alone.axes[0].get_xlabel() == "energy (keV)"
    with pytest.raises(InputError, match="no chip 'R9C9'"):
        fit_figure(analysed().fit, "R9C9")


def test_bars_of_spectra_without_a_place():
    first = made("edsnb", ("Sr", "O"), [[20, 80.0], [30, 70]], 0.5, names=("a", "b"))
    second = made("Velox", ("Sr", "O"), [[22, 78.0], [28, 72]], names=("a", "b"))
    figure = bars_figure(edsnb.compare(first, second))
    FigureCanvasAgg(figure).draw()
    heights = [[bar.get_height() for bar in axes.patches] for axes in figure.axes]
    assert heights == [[20, 80, 22, 78], [30, 70, 28, 72]]
    assert [axes.get_title() for axes in figure.axes] == ["a", "b"]


def test_files_of_every_figure(tmp_path):
    comparison = pair()
    phases = edsnb.find_phases(film(), {"LFO": "La > 5"})
    draw_maps(comparison, ["La"], tmp_path / "maps.svg")
    draw_agreement(comparison, ["La"], tmp_path / "agreement.svg")
    draw_phases(phases, tmp_path / "phases.png")
    draw_fit(analysed().fit, "R3C1", tmp_path / "deep" / "fit.pdf")
    nowhere = made("a", ("La",), [[1.0]], names=("spot",))
    draw_maps(edsnb.compare(nowhere, replace(nowhere, method="b")), None, tmp_path / "bars.png")
    draw_bars(edsnb.compare(nowhere, replace(nowhere, method="b")), None, tmp_path / "bars2.png")
    assert (tmp_path / "phases.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "deep" / "fit.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "bars.png").read_bytes() == (tmp_path / "bars2.png").read_bytes()
    text = "".join(ET.parse(tmp_path / "maps.svg").getroot().itertext())
    assert "difference, at%" in text
    assert "edsnb" in text
    assert not list(tmp_path.rglob("*.part"))
    with pytest.raises(InputError, match="png, svg, pdf"):
        draw_phases(phases, tmp_path / "phases.bmp")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        draw_phases(phases, tmp_path / "file" / "phases.png")


def test_the_same_figure_gives_the_same_bytes():
    one, other = (figure_bytes(maps_figure(pair(), ["La"]), "svg") for _ in range(2))
    assert one == other
