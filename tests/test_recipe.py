"""Recipes: what they refuse, and that they survive as TOML."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edsnb.core.fitting.calibration import Calibration
from edsnb.core.fitting.peaks import Response
from edsnb.core.image import EnergyAxis
from edsnb.core.quant.kfactors import KFactors
from edsnb.errors import ElementError, InputError, KFactorError
from edsnb.recipe import ENGINES, Recipe, with_kfactors

TABLE = KFactors({"La_L": 1.7, "O_K": 1.2}, "alpha", "by hand, ünïcode", 200.0, {"La_L": 0.1})
FULL = Recipe(
    elements=("La", "O"),
    deconvolve=("Cu",),
    lines=("La_La", "O_K"),
    spectrum_image=1,
    chip=15,
    stride=5,
    crop=(0, 500, 3, 503),
    origin=(2, 1),
    energy=(0.25, 19.5),
    background="polynomial",
    order=4,
    calibrate=False,
    line_table="exspy",
    refine=True,
    kfactors=TABLE,
    k_convention="alpha",
    beam_kev=200.0,
    thickness_nm=50.0,
    density_g_cm3=5.1,
    take_off_deg=22.0,
    pixel_kernel=15,
    engine="hyperspy-lstsq",
)


def written(folder: Path, text: str, name: str = "recipe.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str) -> str:
    """Return the message with which a recipe is refused."""
    path = written(folder, text)
    with pytest.raises(InputError) as caught:
        Recipe.from_toml(path)
    message = str(caught.value)
    assert str(path) in message
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("parts", [(), ((0.5, Response(EnergyAxis(2048, 0.01, 0.001))),) * 2])
def test_calibration_survives(tmp_path, parts):
    response = Response(EnergyAxis(2048, 0.010013, -0.0021), 131.7, 0.0124, 80.0, -1.9, parts)
    recipe = Recipe(calibrate=Calibration(response, 1.5, 0.02, 1.3e-3, 1e-5, 0.1, 1e-4, 0.3, True, "found"))
    assert Recipe(**recipe.to_dict()) == recipe
    assert Recipe.from_toml(written(tmp_path, recipe.to_toml())) == recipe


def test_full_has_no_default_left():
    # Else the round trip would prove nothing of the settings left out.
    assert not [f.name for f in fields(Recipe) if getattr(FULL, f.name) == f.default]


def test_toml_gives_the_same_recipe(tmp_path: Path):
    for recipe in (Recipe(), FULL):
        again = Recipe.from_toml(written(tmp_path, recipe.to_toml()))
        assert again == recipe
        assert Recipe(**recipe.to_dict()) == recipe
    assert isinstance(again.crop, tuple)
    assert isinstance(again.kfactors, KFactors)
    assert again.kfactors.sd == {"La_L": 0.1}


@given(
    elements=st.none() | st.lists(st.sampled_from(("La", "Fe", "Sr", "Ti")), min_size=1, unique=True),
    deconvolve=st.lists(st.sampled_from(("Cu", "C")), unique=True),
    chip=st.integers(1, 512),
    stride=st.none() | st.integers(1, 512),
    crop=st.none() | st.tuples(*[st.integers(0, 4096)] * 4),
    origin=st.tuples(st.integers(0, 99), st.integers(0, 99)),
    energy=st.none() | st.tuples(st.floats(0, 50), st.floats(0, 50)),
    beam_kev=st.none() | st.floats(1, 1000),
    calibrate=st.booleans(),
    engine=st.sampled_from(ENGINES),
    kfactors=st.just("theory")
    | st.builds(
        KFactors,
        st.dictionaries(st.sampled_from(("La_L", "O_K")), st.floats(1e-3, 1e3)),
        st.sampled_from(("family", "alpha")),
        st.text(max_size=9),
    ),
)
def test_any_recipe_survives(tmp_path_factory: pytest.TempPathFactory, **settings: object):
    recipe = Recipe(**settings)  # type: ignore[arg-type]
    folder = tmp_path_factory.getbasetemp()
    assert Recipe.from_toml(written(folder, recipe.to_toml())) == recipe


def test_what_is_left_open_is_left_out():
    text = Recipe().to_toml()
    assert "None" not in text
    for name in ("elements", "lines", "crop", "stride", "energy", "beam_kev", "k_convention", "spectrum_image"):
        assert name not in text


def test_lists_become_tuples_and_paths_become_text(tmp_path: Path):
    recipe = Recipe(elements=["La", "O"], crop=[0, 5, 0, 5], kfactors=tmp_path / "k.csv")  # type: ignore[arg-type]
    assert recipe.elements == ("La", "O")
    assert recipe.crop == (0, 5, 0, 5)
    assert recipe.kfactors == str(tmp_path / "k.csv")


def test_unknown_setting(tmp_path: Path):
    message = refused(tmp_path, "chips = 15\ncolour = 'red'")
    assert "unknown setting chips, colour" in message
    assert "chip, " in message


WRONG = {
    "elements": ["'La,Fe'", "[1, 2]", "['La', 3]", "{a = 1}", "[]"],
    "deconvolve": ["'Cu'", "[1]"],
    "lines": ["'La_La'", "[0.5]", "[]", "['La']"],
    "spectrum_image": ["1.5", "true", "[0]"],
    "chip": ["15.0", "'15'", "true", "0", "-3"],
    "stride": ["7.5", "'7'", "0", "false"],
    "crop": ["[0, 500]", "[0.0, 500.0, 0.0, 500.0]", "'0:500,0:500'", "['0', '5', '0', '5']", "[0, 5, 0, true]"],
    "origin": ["[1.0, 2.0]", "[1]", "3", "[-1, 0]"],
    "energy": ["[0.2]", "['0.2', '20']", "0.2", "[nan, 20.0]", "[0.2, inf]", "[true, 3]"],
    "background": ["1", "'linear'"],
    "order": ["6.0", "'6'", "true"],
    "calibrate": ["1", "'yes'", "{ offset_kev = 0.1 }"],
    "line_table": ["1", "'nist'"],
    "kfactors": [
        "1.5",
        "['theory']",
        "{factors = 3}",
        "{k = 1}",
        "{factors = {La_L = 'x'}}",
        "{factors = {La_L = -1}}",
    ],
    "k_convention": ["1", "'beta'"],
    "beam_kev": ["'200'", "true", "nan"],
    "refine": ["1", "'yes'"],
    "thickness_nm": ["'50'", "true", "50.0"],
    "density_g_cm3": ["'5'", "5.1"],
    "take_off_deg": ["'18'", "false"],
    "pixel_kernel": ["15.0", "'15'", "true"],
    "engine": ["1", "'velox'"],
}


def test_every_setting_is_tried():
    assert set(WRONG) == {f.name for f in fields(Recipe)}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_wrong_value(tmp_path: Path, name: str, value: str):
    message = refused(tmp_path, f"{name} = {value}")
    named = {"chip": "chip grid", "stride": "chip grid", "origin": "chip grid", "kfactors": "k-factor", "lines": "line"}
    assert name in message or named.get(name, name) in message


def test_not_toml(tmp_path: Path):
    assert "not valid TOML" in refused(tmp_path, "chip: 15")
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not valid TOML"):
        Recipe.from_toml(path)


def test_missing_file(tmp_path: Path):
    with pytest.raises(InputError, match=r"nowhere\.toml cannot be read: No such file"):
        Recipe.from_toml(tmp_path / "nowhere.toml")
    with pytest.raises(InputError, match="cannot be read"):
        Recipe.from_toml(tmp_path)


def test_byte_order_mark_is_no_hindrance(tmp_path: Path):
    path = tmp_path / "windows.toml"
    path.write_bytes(b"\xef\xbb\xbfchip = 15\r\n")
    assert Recipe.from_toml(path).chip == 15


def test_kfactor_path_is_relative_to_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "k.csv").write_text("Line identifier,K-factor\nLa-La1,1.5\nO-Ka1,2\n", encoding="utf-8")
    path = written(tmp_path / "lab", "kfactors = 'k.csv'")
    monkeypatch.chdir(tmp_path)
    for source in (path, path.relative_to(tmp_path)):
        recipe = with_kfactors(Recipe.from_toml(source))
        assert isinstance(recipe.kfactors, KFactors)
        assert dict(recipe.kfactors.factors) == {"La_L": 1.5, "O_K": 2.0}
        assert recipe.kfactors.convention == "family"
    absolute = written(tmp_path, f"kfactors = '{(tmp_path / 'lab' / 'k.csv').as_posix()}'\nk_convention = 'alpha'")
    alpha = with_kfactors(Recipe.from_toml(absolute)).kfactors
    assert isinstance(alpha, KFactors)
    assert alpha.convention == "alpha"


def test_theory_and_records_need_no_file():
    assert with_kfactors(Recipe()) == Recipe()
    assert with_kfactors(FULL) is FULL


def test_missing_table(tmp_path: Path):
    with pytest.raises(KFactorError, match=r"k\.csv cannot be read"):
        with_kfactors(Recipe(kfactors=str(tmp_path / "k.csv")))


def test_conventions_are_not_mixed():
    assert Recipe(kfactors=TABLE).kfactors == TABLE
    with pytest.raises(KFactorError, match=r"family k-factors are asked for, but those of by hand.* are alpha"):
        Recipe(kfactors=TABLE, k_convention="family")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"elements": ["La", "Cu"], "deconvolve": ["Cu"]}, "Cu cannot be quantified and only deconvolved"),
        ({"lines": ["Cu_Ka"], "deconvolve": ["Cu"]}, "Cu cannot be quantified and only deconvolved"),
        ({"elements": ["La", "O", "Fe"], "lines": ["La_La"]}, "lines names none for O, Fe"),
        ({"elements": ["La"], "lines": ["La_La", "O_Ka"]}, "lines names one of O, which is not among the elements"),
    ],
)
def test_contradictions(settings: dict[str, list[str]], message: str):
    with pytest.raises(InputError, match=message):
        Recipe(**settings)  # type: ignore[arg-type]


def test_lines_that_cannot_be():
    for line in ("La", "Xx_Ka", "La_Q"):
        with pytest.raises(ElementError):
            Recipe(lines=(line,))


def test_grid():
    grid = FULL.grid
    assert (grid.size, grid.crop, grid.stride, grid.origin) == (15, (0, 500, 3, 503), 5, (2, 1))
