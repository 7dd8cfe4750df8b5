"""Where each phase is."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace

import numpy as np
import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

import edsnb
from edsnb.core.comparison.phases import Phases
from edsnb.core.image import Survey
from edsnb.core.regions import ChipGrid, Regions
from edsnb.errors import ElementError, InputError
from tests.core.comparison.made import film, made
from tests.simulated import analysed, small

RULES = {"LFO": "La > 5 and Fe > 5", "STO": "Sr > 5 and Ti > 5"}
ELEMENTS = ("La", "Fe", "Sr", "Ti", "O")


def drawn(phases: Phases) -> list[str]:
    """Return the label map as text: a letter a phase, a dot for none."""
    letters = {-1: ".", **{i: name[0] for i, name in enumerate(phases.masks)}}
    return ["".join(letters[v] for v in row) for row in phases.labels().tolist()]


def mixed() -> object:
    """Return a film whose third row is half film, half substrate."""
    whole = film(rows=6, film_rows=3)
    values = np.array(whole.values["atomic"])
    values[10:15] = [10, 10, 10, 10, 60]
    return replace(whole, values={"atomic": values})


def test_rules():
    phases = edsnb.find_phases(film(), RULES)
    assert drawn(phases) == ["LLLLL", "LLLLL", "SSSSS", "SSSSS"]
    assert phases.chips("LFO")[:2] == ("R0C0", "R0C1")
    assert phases.how["LFO"] == "rule 'La > 5 and Fe > 5', at%"
    assert "LFO: 10 chips (rule 'La > 5 and Fe > 5', at%)." in phases.describe()
    assert "vacuum was not looked for" in phases.describe()


def test_markers():
    phases = edsnb.find_phases(film(), {"LFO": ["La", "Fe"], "STO": ("Sr",)})
    assert phases.settings["rules"] == {"LFO": "La > 5 and Fe > 5", "STO": "Sr > 5"}
    np.testing.assert_array_equal(phases.mask("LFO"), edsnb.find_phases(film(), RULES).mask("LFO"))


def test_chips_of_two_phases_are_in_none():
    phases = edsnb.find_phases(mixed(), RULES)
    assert drawn(phases) == ["LLLLL", "LLLLL", ".....", "SSSSS", "SSSSS", "SSSSS"]
    assert phases.left_out["ambiguous"].sum() == 5
    assert "5 fulfil the rules of more than one phase" in phases.describe()


def test_border():
    phases = edsnb.find_phases(film(), RULES, border=1)
    assert drawn(phases) == ["LLLLL", ".....", ".....", "SSSSS"]
    assert phases.left_out["border"].sum() == 10
    # The mixed row belongs to both, so each phase keeps away from it.
    assert drawn(edsnb.find_phases(mixed(), RULES, border=1)) == ["LLLLL", ".....", ".....", ".....", "SSSSS", "SSSSS"]


def test_border_looks_along_the_diagonal():
    values = np.tile([0.0, 0, 20, 20, 60], (9, 1))
    values[4] = [20, 20, 0, 0, 60]
    chip = made("a", ELEMENTS, values, grid=ChipGrid(2), shape=(6, 6))
    assert drawn(edsnb.find_phases(chip, RULES, border=1)) == ["...", "...", "..."]
    named = replace(chip, regions=None)
    assert drawn(edsnb.find_phases(named, RULES, border=1)) == ["...", "...", "..."]


def test_border_needs_a_grid():
    chips = made("Velox", ELEMENTS, [[20, 20, 0, 0, 60]], names=["Area 1"])
    with pytest.raises(InputError, match="border = 1 needs chips on a grid; those of Velox are none"):
        edsnb.find_phases(chips, RULES, border=1)


def test_vacuum():
    """A chip with a twentieth of the counts of a bright one is vacuum, whatever its at% say."""
    counts = np.full((20, 5), 100.0)
    counts[:3] = 5
    counts[3] = np.nan
    whole = film()
    with_counts = replace(whole, values={**whole.values, "counts": counts})
    assert drawn(edsnb.find_phases(with_counts, RULES)) == ["....L", "LLLLL", "SSSSS", "SSSSS"]
    assert drawn(edsnb.find_phases(with_counts, RULES, vacuum=0.04)) == ["LLL.L", "LLLLL", "SSSSS", "SSSSS"]
    assert drawn(edsnb.find_phases(with_counts, RULES, vacuum=0))[0] == "LLLLL"
    assert "4 in vacuum" in edsnb.find_phases(with_counts, RULES).describe()
    assert edsnb.find_phases(with_counts, {"dark": "counts < 1", "bright": "counts >= 1"}, vacuum=0).chips("dark") == (
        "R0C0",
        "R0C1",
        "R0C2",
    )


def test_drawn_regions():
    """A chip of 10 x 10 belongs where half its pixels lie inside."""
    mask = np.zeros((40, 50), bool)
    mask[:15, :] = True
    assert drawn(edsnb.find_phases(film(), {"film": mask})) == ["fffff", "fffff", ".....", "....."]
    assert drawn(edsnb.find_phases(film(), {"film": mask}, share=0.51)) == ["fffff", ".....", ".....", "....."]
    regions = Regions.from_masks({"other": ~mask, "film": mask})
    assert drawn(edsnb.find_phases(film(), {"film": regions})) == ["fffff", "fffff", ".....", "....."]
    lone = Regions.from_masks({"whatever": mask})
    assert drawn(edsnb.find_phases(film(), {"film": lone})) == ["fffff", "fffff", ".....", "....."]
    corners = [(-0.5, -0.5), (-0.5, 19.6), (29.6, 19.6), (29.6, -0.5)]
    phases = edsnb.find_phases(film(), {"corner": corners})
    assert drawn(phases) == ["cc...", "cc...", "cc...", "....."]
    assert phases.settings["rules"]["corner"] == {"polygon": [list(c) for c in corners]}
    assert phases.how["corner"] == "drawn: at least 50% of the chip inside a polygon of 4 corners"
    assert edsnb.find_phases(film(), {"x": {"chips": ["R1C2"]}}).chips("x") == ("R1C2",)


def test_haadf():
    """A rule may look at the image: its mean over each chip."""
    haadf = np.zeros((40, 50))
    haadf[:, 20:] = 3.0
    haadf[:, 25:] = 5.0
    rules = {"bright": "haadf >= 4 and La > 5"}
    assert drawn(edsnb.find_phases(film(), rules, image=haadf)) == ["..bbb", "..bbb", ".....", "....."]
    with pytest.raises(InputError, match="a rule with haadf needs the image"):
        edsnb.find_phases(film(), rules)
    with pytest.raises(InputError, match="an image of 3 x 3 pixels cannot be laid on regions of a map of 40 x 50"):
        edsnb.find_phases(film(), rules, image=np.zeros((3, 3)))
    with pytest.raises(InputError, match="needs to know where the chips lie"):
        edsnb.find_phases(replace(film(), regions=None), rules, image=haadf)


def test_haadf_of_the_map():
    image = small().image
    quant = analysed().quantification
    assert image.haadf is not None
    mean = float(image.haadf.image.mean())
    phases = edsnb.find_phases(quant, {"bright": f"haadf > {mean}", "dark": f"haadf <= {mean}"}, image=image)
    cut = np.array(image.haadf.image, float).reshape(4, 16, 4, 16).mean(axis=(1, 3))
    np.testing.assert_array_equal(phases.labels() == 0, cut > mean)
    bare = replace(image, surveys={"far": Survey("far", np.zeros((5, 5)))})
    with pytest.raises(InputError, match="has no HAADF image on its own raster"):
        edsnb.find_phases(quant, {"bright": "haadf > 1"}, image=bare)


def test_clusters():
    phases = edsnb.find_phases(film(noise=0.2), clusters=2)
    assert [sorted(re.findall(r"[A-Z][a-z]?", name)) for name in phases.masks] == [["Fe", "La", "O"], ["O", "Sr", "Ti"]]
    assert drawn(replace(phases, masks=dict(zip("LS", phases.masks.values(), strict=True)))) == [
        *["LLLLL"] * 2,
        *["SSSSS"] * 2,
    ]
    by_iron = edsnb.find_phases(film(), clusters=2, cluster_elements=["Fe"])
    assert list(by_iron.masks) == ["Fe20", "nothing"]
    assert by_iron.settings["cluster_elements"] == ["Fe"]
    twice = made("a", ("La", "O"), [[40.2, 59.8], [39.8, 60.2]], grid=ChipGrid(1), shape=(1, 2))
    assert list(edsnb.find_phases(twice, clusters=2).masks) == ["La40O60", "La40O60 (2)"]


def test_a_phase_without_chips_says_why():
    phases = edsnb.find_phases(film(), {"LFO": "La > 50 and Fe > 5", "drawn": np.zeros((40, 50), bool)})
    assert not phases.mask("LFO").any()
    assert "No chip is LFO: rule 'La > 50 and Fe > 5', at%; found La 0 to 20, Fe 0 to 20." in phases.notes
    assert any(
        note.startswith("No chip is drawn: drawn: at least 50% of the chip inside a mask") for note in phases.notes
    )
    nothing = made("a", ELEMENTS, np.full((3, 5), np.nan))
    assert "found La in no chip (all NaN), Fe in no chip (all NaN)" in edsnb.find_phases(nothing, RULES).describe()
    with pytest.raises(InputError, match="0 different compositions"):
        edsnb.find_phases(nothing, clusters=2)


def test_chips_by_hand():
    phases = edsnb.find_phases(film(), RULES, border=1)
    edited = phases.with_chips("LFO", add=["R1C0", 6, "R3C0"], remove=["R0C4"])
    assert drawn(edited) == ["LLLL.", "LL...", ".....", "LSSSS"]
    assert edited.how["LFO"].endswith("; 3 chips added and 1 removed by hand")
    assert edited.left_out["border"].sum() == 8
    assert phases.mask("LFO").sum() == 5
    new = edited.with_chips("mark", add=["R2C2"])
    assert new.how["mark"] == "1 chips added and 0 removed by hand"
    assert new.labels()[2, 2] == 2
    with pytest.raises(InputError, match="R0C0 cannot be added to LFO and removed from it at once"):
        phases.with_chips("LFO", add=["R0C0"], remove=[0])
    with pytest.raises(InputError, match=r"no chip 'R9C9', 20: there are 20, R0C0, R0C1, R0C2 \.\.\. R3C4"):
        phases.with_chips("LFO", add=["R9C9", 20])
    with pytest.raises(InputError, match="no phase 'LSMO'; there are LFO, STO"):
        phases.with_chips("LSMO", remove=["R0C0"])
    with pytest.raises(InputError, match="chips must be a list of names"):
        phases.with_chips("LFO", add="R0C0")


@pytest.mark.parametrize("how", ["rules", "clusters"])
def test_settings_survive_as_toml(how):
    mask = np.zeros((40, 50), bool)
    mask[30:, 5:20] = True
    rules = {
        "LFO": ["La", "Fe"],
        "polygon": [(20, 30), (20.0, 49), (39, 49), (39, 30)],
        "mask": mask,
        "chips": {"chips": ["R2C0"]},
    }
    asked = {"rules": rules} if how == "rules" else {"clusters": 2}
    phases = edsnb.find_phases(film(), **asked, border=1, share=0.4)
    phases = phases.with_chips(next(iter(phases.masks)), add=["R1C1"], remove=["R0C0"]).with_chips("new", add=[1])
    text = tomli_w.dumps(phases.settings)
    again = edsnb.find_phases(film(), **tomllib.loads(text))
    assert list(again.masks) == list(phases.masks)
    np.testing.assert_array_equal(again.labels(), phases.labels())
    assert again.settings == phases.settings
    assert again.describe() == phases.describe()


def test_on_other_chips_of_the_map():
    """The lower half, cut on its own: its R0C0 is R2C0 of the whole."""
    phases = edsnb.find_phases(film(), RULES)
    lower = made("Velox", ("La",), np.zeros((10, 1)), grid=ChipGrid(10, crop=(10, 30, 0, 50)), shape=(40, 50))
    assert drawn(phases.on(lower)) == ["LLLLL", "SSSSS"]
    log = made("Velox", ("La",), np.zeros((2, 1)), names=["R3C1", "Area 1"])
    assert phases.on(log).chips("STO") == ("R3C1",)
    with pytest.raises(InputError, match="different rasters"):
        phases.on(film(rows=3))


def test_labels_of_irregular_regions():
    regions = Regions.from_labels(np.array([[0, 0, -1], [1, 1, 2]]))
    chips = made("a", ("La",), [[20.0], [0.0], [30.0]], regions=regions)
    np.testing.assert_array_equal(edsnb.find_phases(chips, {"LFO": ["La"]}).labels(), [[0, 0, -1], [-1, -1, 0]])


@pytest.mark.parametrize(
    ("asked", "error", "reason"),
    [
        ({}, InputError, "needs either rules"),
        ({"rules": RULES, "clusters": 2}, InputError, "needs either rules"),
        ({"rules": {}}, InputError, "rules must be {phase: rule}"),
        ({"rules": "La > 5"}, InputError, "rules must be {phase: rule}"),
        ({"rules": {"LFO": "La >"}}, InputError, "rule 'La >': invalid syntax"),
        ({"rules": {"LFO": "Ba > 5"}}, ElementError, "edsnb has no Ba; it has La, Fe, Sr, Ti, O"),
        ({"rules": {"LFO": ["La", "Ba"]}}, ElementError, "edsnb has no Ba"),
        ({"rules": {"LFO": "counts > 5"}}, InputError, "counts of edsnb are not known"),
        ({"rules": {"LFO": "1 < 2"}}, InputError, "names no element"),
        ({"rules": {"LFO": 5}}, InputError, "phase LFO: 5 tells no phase. Give a rule such as"),
        ({"rules": {"LFO": []}}, InputError, "phase LFO: [] tells no phase"),
        ({"rules": {"LFO": [(0, 0), (1, 1)]}}, InputError, "tells no phase"),
        ({"rules": {"LFO": np.zeros((4, 4))}}, InputError, "tells no phase"),
        ({"rules": {"LFO": {"circle": 3}}}, InputError, "phase LFO: {'circle': 3} tells no phase"),
        ({"rules": {"LFO": {"runs": [[1, 3]], "shape": [2, 2]}}}, InputError, "what was drawn cannot be read"),
        ({"rules": {"LFO": {"chips": ["R9C9"]}}}, InputError, "no chip 'R9C9'"),
        ({"rules": {"LFO": np.zeros((3, 3), bool)}}, InputError, "cannot be laid on regions"),
        ({"rules": {"LFO": ChipGrid(20).regions((40, 50))}}, InputError, "which of the 4 regions is meant?"),
        ({"rules": RULES, "share": 0}, InputError, "share = 0,"),
        ({"rules": RULES, "vacuum": 1}, InputError, "vacuum = 1,"),
        ({"rules": RULES, "border": -1}, InputError, "border = -1"),
        ({"clusters": 30}, InputError, "30 clusters were asked for, but there are 2 different compositions"),
        ({"clusters": 2, "cluster_elements": ["Ba"]}, ElementError, "no Ba"),
        ({"rules": RULES, "edits": [{"add": ["R0C0"]}]}, InputError, "an edit must be"),
    ],
)
def test_misuse(asked, error, reason):
    with pytest.raises(error, match=re.escape(reason)):
        edsnb.find_phases(film(), **asked)


def test_drawn_needs_positions():
    with pytest.raises(InputError, match="a drawn region needs to know where the chips lie, which edsnb does not say"):
        edsnb.find_phases(replace(film(), regions=None), {"LFO": np.zeros((40, 50), bool)})


def test_a_record_by_hand_is_checked():
    with pytest.raises(InputError, match="a mask of 2 True or False is needed"):
        Phases(("a", "b"), {"LFO": np.array([1, 0])}, {"LFO": "by hand"})
    one = np.array([True, False])
    with pytest.raises(InputError, match="1 regions, such as a, stand in two phases"):
        Phases(("a", "b"), {"LFO": one, "STO": one}, {})
    with pytest.raises(InputError, match="no phase 'LFO'; there are none"):
        Phases(("a", "b"), {}, {}).mask("LFO")


def test_the_simulated_film():
    """Rules on found at% give the phases that the truth has."""
    quant = analysed().quantification
    truth = small().truth.phase_of(quant.fit.spectra.regions, purity=0.9)
    phases = edsnb.find_phases(quant, RULES)
    name = {"LFO": small().truth.names[1], "STO": small().truth.names[2]}
    for phase, mask in phases.masks.items():
        assert [t == name[phase] for t, known in zip(truth, truth, strict=True) if known] == [
            bool(m) for m, known in zip(mask, truth, strict=True) if known
        ]


@given(st.integers(0, 10**6), st.permutations(range(5)), st.integers(0, 2))
@settings(max_examples=60)
def test_order_of_elements_does_not_matter(seed, order, border):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 20, (12, 5))
    one = made("a", ELEMENTS, values, grid=ChipGrid(2), shape=(6, 8))
    other = made("a", [ELEMENTS[k] for k in order], values[:, order], grid=ChipGrid(2), shape=(6, 8))
    rules = {"A": "La > 12 or Fe > 12", "B": "not La > 8 and Sr > 4"}
    first, second = (edsnb.find_phases(c, rules, border=border) for c in (one, other))
    np.testing.assert_array_equal(first.labels(), second.labels())
    assert (np.sum(list(first.masks.values()), axis=0) <= 1).all()
