"""From an image to a table: what is analysed, and that a saved recipe repeats it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edsnb.core.image import ElementSetting
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.regions import Regions
from edsnb.errors import CancelledError, ElementError, FileFormatError, InputError, KFactorError, NoMapError
from edsnb.pipeline import Analysis, analyse
from edsnb.recipe import ENGINES, Recipe
from tests.simulated import RECIPE, analysed, empty, small, stored_only


def same_numbers(a: Analysis, b: Analysis) -> None:
    """Check that two analyses agree to the last bit."""
    np.testing.assert_array_equal(a.spectra.counts, b.spectra.counts)
    np.testing.assert_array_equal(a.fit.intensities, b.fit.intensities)
    np.testing.assert_array_equal(a.fit.covariance, b.fit.covariance)
    np.testing.assert_array_equal(a.quantification.atomic, b.quantification.atomic)
    np.testing.assert_array_equal(a.quantification.atomic_covariance, b.quantification.atomic_covariance)


def test_composition_is_the_truth():
    quant, truth = analysed().quantification, small().truth
    assert analysed().spectra.regions is not None
    phases = truth.phase_of(analysed().spectra.regions)
    checked = 0
    for row, phase in enumerate(phases):
        if phase in ("LaFeO3", "SrTiO3"):
            true = np.array([truth.phases[phase].get(e, 0.0) for e in quant.elements])
            # Counting statistics, and a percent and a half for what the model of the fit does not know.
            assert (np.abs(quant.atomic[row] - true) < 5 * quant.sd_atomic[row] + 1.5).all(), (row, phase)
            checked += 1
    assert checked >= 8


def test_columns_of_the_table_and_their_order():
    families = ["La_L", "La_M", "Fe_K", "Fe_L", "Sr_K", "Sr_L", "Ti_K", "Ti_L", "O_K", "Cu_K", "Cu_L", "C_K"]
    expected = ["chip", "row", "col", "y0", "y1", "x0", "x1", "pixels", "counts", "status", "chi2"]
    expected += [name for f in families for name in (f"I_{f}", f"sd_I_{f}")]
    frame = analysed().to_frame()
    names = list(frame.columns)
    assert names[: len(expected)] == expected
    # Each element's composition in this order; detection limits and the like come after it.
    groups = {e: [n for n in names[len(expected) :] if n.endswith(f"_{e}")] for e in RECIPE.elements or ()}
    assert names == expected + [name for group in groups.values() for name in group]
    for element, group in groups.items():
        assert group[:4] == [f"{name}_{element}" for name in ("at", "sd_at", "wt", "sd_wt")]
    assert frame["chip"].tolist()[:5] == ["R0C0", "R0C1", "R0C2", "R0C3", "R1C0"]
    assert frame.loc[5, ["row", "col", "y0", "y1", "x0", "x1", "pixels"]].tolist() == [1, 1, 16, 32, 16, 32, 256]
    shares = frame[[f"at_{e}" for e in RECIPE.elements or ()]].sum(axis=1)
    np.testing.assert_allclose(shares, 100)


@pytest.mark.parametrize(
    "recipe",
    [
        RECIPE,
        Recipe(chip=20, stride=11, crop=(3, 60, 5, 64), origin=(1, 2)),
        Recipe(lines=("Sr_La", "O_K", "Ti_K"), background="polynomial", order=3, calibrate=False, chip=32),
        Recipe(
            elements=("La", "Fe", "Sr", "Ti", "O"), deconvolve=("Cu",), k_convention="alpha", energy=(0.3, 19), chip=32
        ),
    ],
)
def test_the_filled_recipe_repeats_the_numbers(tmp_path: Path, recipe: Recipe):
    first = analyse(small().image, recipe)
    path = tmp_path / "recipe.toml"
    path.write_text(first.recipe.to_toml(), encoding="utf-8")
    second = analyse(small().image, Recipe.from_toml(path))
    same_numbers(first, second)
    assert second.recipe == first.recipe
    assert first.asked == recipe
    left_open = {"stride", "crop", "spectrum_image", "beam_kev", "thickness_nm", "density_g_cm3", "take_off_deg"}
    left_open.add("pixel_kernel")
    assert {name for name in Recipe.__slots__ if getattr(first.recipe, name) is None} <= left_open


def test_elements_come_from_the_file():
    made = analyse(small().image, Recipe(chip=32)).recipe
    assert made.elements == ("O", "Ti", "Fe", "Sr", "La")
    assert made.deconvolve == ("C", "Cu")
    assert made.lines == ("O_K", "Ti_K", "Fe_K", "Sr_K", "La_L")


def test_an_element_to_deconvolve_is_taken_out_of_those_of_the_file():
    made = analyse(small().image, Recipe(chip=32, deconvolve=("O",)))
    assert made.quantification.elements == ("Ti", "Fe", "Sr", "La")
    assert made.recipe.deconvolve == ("O", "C", "Cu")


def test_lines_alone_choose_the_elements():
    made = analyse(small().image, Recipe(chip=32, lines=("Sr_La", "Ti_Ka")))
    assert made.quantification.families == ("Sr_L", "Ti_K")
    assert made.recipe.elements == ("Sr", "Ti")
    assert made.recipe.deconvolve == ("C", "O", "Fe", "Cu", "La")


def with_settings(*settings: ElementSetting) -> Any:
    return replace(small().image, elements=settings)


def test_the_line_is_the_one_chosen_in_the_file():
    image = with_settings(ElementSetting("Sr", "L"), ElementSetting("Ti", None), ElementSetting("La", "K"))
    made = analyse(image, Recipe(elements=("Ti", "Sr", "La", "O"), deconvolve=("Fe", "Cu"), chip=32))
    # La K lies above the fitted range.
    assert made.quantification.families == ("Ti_K", "Sr_L", "La_L", "O_K")


def test_named_elements_share_the_100_whatever_the_file_says():
    image = with_settings(ElementSetting("O", "K", quantify=False), ElementSetting("Ti", "K"))
    assert analyse(image, Recipe(elements=("Ti", "O"), chip=32)).quantification.elements == ("Ti", "O")
    assert analyse(image, Recipe(chip=32)).quantification.elements == ("Ti",)


def test_no_elements():
    with pytest.raises(InputError, match=r"no elements are selected in the file.*--elements"):
        analyse(with_settings(), Recipe(chip=32))
    with pytest.raises(InputError, match="no elements are selected"):
        analyse(with_settings(ElementSetting("Cu", "K", quantify=False)), Recipe(chip=32))


@pytest.mark.parametrize(
    ("recipe", "error", "message"),
    [
        (Recipe(elements=("Zz",)), ElementError, "unknown element 'Zz'"),
        (Recipe(elements=("Sr",), energy=(5.0, 10.0)), ElementError, "Sr has no line between 5 and 10 keV"),
        (Recipe(elements=("La", "O"), lines=("La_K", "O_K")), ElementError, "line La_K was not fitted"),
        (Recipe(chip=65), InputError, "a chip of 65 pixels does not fit"),
        (Recipe(chip=16, crop=(0, 10, 0, 64)), InputError, "a chip of 16 pixels does not fit"),
        (Recipe(chip=16, crop=(0, 64, 0, 65)), InputError, "does not lie inside the map of 64 x 64"),
        (Recipe(energy=(50.0, 60.0)), InputError, "energy range 50 to 60 keV holds no channel"),
        (Recipe(elements=("La", "O"), kfactors=KFactors({"La_L": 1})), KFactorError, "no k-factor for O_K"),
    ],
)
def test_settings_that_do_not_fit_the_data(recipe: Recipe, error: type[Exception], message: str):
    with pytest.raises(error, match=message) as caught:
        analyse(small().image, recipe)
    assert len(str(caught.value).splitlines()) == 1


def test_beam_energy():
    silent = replace(small().image, acquisition=replace(small().image.acquisition, beam_kev=None))
    with pytest.raises(InputError, match="need the beam energy"):
        analyse(silent, RECIPE)
    made = analyse(silent, replace(RECIPE, beam_kev=200.0))
    same_numbers(made, analysed())
    assert made.image.acquisition.beam_kev == 200.0
    # k-factors of another file's recipe must not slip in.
    with pytest.raises(KFactorError, match=r"hold for 200 keV, but the beam had 300 keV"):
        analyse(replace(small().image, acquisition=replace(silent.acquisition, beam_kev=300.0)), analysed().recipe)


def test_tables_are_read_before_the_file(tmp_path: Path):
    # A wrong k-factor path is said at once, not after reading and fitting.
    with pytest.raises(KFactorError, match=r"k\.csv cannot be read"):
        analyse(tmp_path / "missing.emd", Recipe(kfactors=str(tmp_path / "k.csv")))
    with pytest.raises(FileFormatError, match="does not exist"):
        analyse(tmp_path / "missing.emd")


def test_a_table_gives_what_its_numbers_give(tmp_path: Path):
    path = tmp_path / "k.csv"
    theory = analysed().quantification.kfactors.factors
    rows = "".join(f"{name.replace('_', '-')};{str(k).replace('.', ',')}\n" for name, k in theory.items())
    path.write_text(f"Line identifier;K-factor\n;\n{rows}", encoding="utf-16")
    made = analyse(small().image, replace(RECIPE, kfactors=str(path)))
    same_numbers(made, analysed())
    assert made.asked.kfactors == str(path)
    assert isinstance(made.recipe.kfactors, KFactors)
    assert made.recipe.kfactors.source == "Velox table k.csv"


def test_vacuum_chips_are_rows():
    made = analyse(small().image, replace(RECIPE, chip=2, crop=(0, 12, 0, 64)))
    frame = made.to_frame()
    assert len(frame) == 6 * 32
    top = frame[frame["row"] == 0]
    assert set(top["status"]) <= {"empty", "nothing_found"}
    assert "nothing_found" in set(frame["status"])
    missing = frame["status"].isin(["empty", "nothing_found"])
    composition = [c for c in frame.columns if c.startswith(("at_", "wt_", "sd_at_", "sd_wt_"))]
    assert frame.loc[missing, composition].isna().all(axis=None)
    assert frame.loc[~missing, composition].notna().all(axis=None)
    assert (~missing).sum() > 64


def test_a_map_without_any_xray():
    made = analyse(empty(), RECIPE)
    frame = made.to_frame()
    assert set(frame["status"]) == {"empty"}
    assert frame["counts"].sum() == 0
    assert frame["chi2"].isna().all()
    assert made.recipe.lines == ("La_L", "Fe_K", "Sr_K", "Ti_K", "O_K")


def test_irregular_regions():
    film, substrate = small().truth.labels == 1, small().truth.labels == 2
    by_name = analyse(small().image, RECIPE, regions={"film": film, "substrate": substrate})
    frame = by_name.to_frame()
    assert frame["chip"].tolist() == ["film", "substrate"]
    assert frame["row"].isna().all()
    assert frame["col"].isna().all()
    assert frame["pixels"].tolist() == [film.sum(), substrate.sum()]
    y, x = np.nonzero(film)
    assert frame.loc[0, ["y0", "y1", "x0", "x1"]].tolist() == [y.min(), y.max() + 1, x.min(), x.max() + 1]
    for row, phase in enumerate(("LaFeO3", "SrTiO3")):
        for element, true in small().truth.phases[phase].items():
            assert abs(frame.loc[row, f"at_{element}"] - true) < 1.5
    labels = np.where(film, 7, np.where(substrate, 9, -1))
    by_label = analyse(small().image, RECIPE, regions=labels)
    assert by_label.spectra.names == ("label 7", "label 9")
    by_record = analyse(small().image, RECIPE, regions=Regions.from_masks({"a": film, "b": substrate}))
    for other in (by_label, by_record):
        same_numbers(by_name, other)
    one = analyse(small().image, RECIPE, regions=film)
    np.testing.assert_array_equal(one.spectra.counts[0], by_name.spectra.counts[0])


def test_regions_of_another_map():
    with pytest.raises(InputError, match="made for a map of 3 x 3 pixels"):
        analyse(small().image, RECIPE, regions=np.ones((3, 3), bool))


def test_stored_spectra_are_analysed_where_there_is_no_map():
    made = analyse(stored_only(), RECIPE)
    frame = made.to_frame()
    assert frame["chip"].tolist() == ["Summed", "film", "substrate"]
    assert frame[["row", "y0", "pixels"]].isna().all(axis=None)
    assert (frame["status"] == "ok").all()
    # Regions need a map.
    with pytest.raises(NoMapError, match="no spectrum image"):
        analyse(stored_only(), RECIPE, regions=np.ones((4, 4), bool))
    with pytest.raises(NoMapError, match="no spectrum image"):
        analyse(replace(stored_only(), spectra=None), RECIPE)


def test_progress_tells_of_reading_and_fitting(example: Path):
    seen: list[tuple[int, int]] = []
    analyse(example, RECIPE, progress=lambda done, total: seen.append((done, total)))
    totals = list(dict.fromkeys(total for _, total in seen))
    assert len(totals) == 2
    assert totals[1] == 16
    for total in totals:
        done = [d for d, t in seen if t == total]
        assert done == sorted(done)
        assert done[-1] == total


@pytest.mark.parametrize(("fitting", "message"), [(False, "reading was cancelled"), (True, "the fit was stopped")])
def test_progress_can_stop(example: Path, fitting: bool, message: str):
    with pytest.raises(CancelledError, match=message):
        analyse(example, RECIPE, progress=lambda _, total: (total == 16) != fitting)


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"k_convention": "alpha"}, "fit"),
        ({"thickness_nm": 50.0, "density_g_cm3": 6.0}, "fit"),
        ({"pixel_kernel": 3}, "fit"),
        ({"energy": (0.25, 15.0)}, "chips"),
        ({"background": "polynomial"}, "chips"),
        ({"calibrate": False}, "chips"),
        ({"refine": True}, "chips"),
        ({"engine": "window"}, "chips"),
        ({"elements": ("La", "Fe", "O"), "deconvolve": ("Sr", "Ti", "Cu", "C")}, "chips"),
        ({"chip": 8}, "nothing"),
        ({"crop": (0, 32, 0, 64)}, "nothing"),
        ({"beam_kev": 198.0}, "nothing"),
    ],
)
def test_what_is_taken_over_from_an_earlier_run_is_what_a_new_one_gives(changes: dict[str, Any], kept: str):
    recipe = replace(RECIPE, **changes)
    before = analysed()
    again, anew = analyse(small().image, recipe, previous=before), analyse(small().image, recipe)
    assert (again.spectra is before.spectra) == (kept in ("fit", "chips"))
    assert (again.fit is before.fit) == (kept == "fit")
    assert again.recipe == anew.recipe
    for name in ("atomic", "weight", "atomic_covariance"):
        np.testing.assert_array_equal(getattr(again.quantification, name), getattr(anew.quantification, name))


def test_nothing_is_taken_over_from_another_map_or_other_regions():
    other = replace(small().image, events=small().image.require_events())
    assert analyse(other, RECIPE, previous=analysed()).spectra is analysed().spectra
    assert analyse(empty(), RECIPE, previous=analysed()).spectra is not analysed().spectra
    regions = Regions.from_labels(small().truth.labels)
    first = analyse(small().image, RECIPE, regions=regions, previous=analysed())
    assert len(first.spectra) == len(regions)
    assert analyse(small().image, RECIPE, regions=regions, previous=first).fit is first.fit
    assert len(analyse(small().image, RECIPE, previous=first).spectra) == 16
    stored = analyse(stored_only(), RECIPE)
    assert analyse(stored.image, RECIPE, previous=stored).fit is stored.fit
    assert analyse(stored_only(), RECIPE, previous=stored).spectra is not stored.spectra


def test_a_file_gives_what_its_image_gives(example: Path):
    from_file = analyse(example, RECIPE)
    same_numbers(from_file, analysed())
    assert from_file.image.source == str(example)
    assert set(from_file.seconds) == {"open", "chip", "fit", "quantify"}


def test_window_engine():
    found = analyse(small().image, replace(RECIPE, engine="window"))
    assert found.fit.engine == "window"
    assert found.fit.families == analysed().fit.families
    # Sr K lies alone, so that windows count it as a fit does.
    strontium = found.fit.column("Sr_Ka")
    pull = found.fit.intensities[:, strontium] - analysed().fit.intensities[:, strontium]
    assert np.abs(pull / found.fit.sd[:, strontium]).max() < 4


def test_pixel_maps_belong_to_the_recipe(tmp_path: Path):
    found = analyse(small().image, replace(RECIPE, pixel_kernel=9))
    assert found.maps is not None
    assert found.maps.atomic.shape == (5, *small().image.shape)
    folder = found.save(tmp_path / "out")
    with np.load(folder / "maps.npz", allow_pickle=False) as held:
        np.testing.assert_array_equal(held["atomic_percent"], found.maps.atomic)
        assert held["elements"].tolist() == list(found.maps.elements)
    assert (folder / "maps.png").stat().st_size > 20_000


def test_film_is_corrected_for_absorption():
    found = analyse(small().image, replace(RECIPE, thickness_nm=50.0, density_g_cm3=5.1))
    assert found.quantification.absorption is not None
    oxygen = found.quantification.elements.index("O")
    assert np.nanmedian(found.quantification.atomic[:, oxygen]) > np.nanmedian(
        analysed().quantification.atomic[:, oxygen]
    )


def test_zeta_factors_give_mass_thickness():
    families = analysed().quantification.families
    zeta = KFactors(dict.fromkeys(families, 1000.0), source="made up", beam_kev=200.0, kind="zeta")
    found = analyse(small().image, replace(RECIPE, kfactors=zeta))
    assert found.dose is not None
    assert "rho_t_kg_m2" in found.to_frame().columns
    assert np.nanmax(found.quantification.correction) == 1.0
    weak = replace(zeta, factors=dict.fromkeys(families, 0.001))
    film = analyse(small().image, replace(RECIPE, kfactors=weak, thickness_nm=50.0, density_g_cm3=5.1))
    assert np.nanmin(film.quantification.correction) > 1.0


@pytest.mark.parametrize("engine", [e for e in ENGINES if e.startswith("hyperspy")])
def test_engines(monkeypatch: pytest.MonkeyPatch, engine: str):
    asked = {}

    def fit_hyperspy(spectra, elements, energy, *, recipe, progress):  # type: ignore[no-untyped-def]
        asked.update(elements=elements, energy=energy, recipe=recipe)
        return analysed().fit

    monkeypatch.setattr("edsnb.io.hyperspy_engine.fit_hyperspy", fit_hyperspy)
    analyse(small().image, replace(RECIPE, engine=engine))
    assert asked["elements"] == ("La", "Fe", "Sr", "Ti", "O", "Cu", "C")
    assert asked["energy"] == pytest.approx((0.2, 20.0))
    assert asked["recipe"] == {"hyperspy": "default"}.get(engine, engine.removeprefix("hyperspy-"))


def test_a_calibration_once_found_can_be_kept():
    found = analysed().fit.calibration
    assert found is not None
    assert found.applied
    again = analyse(small().image, replace(RECIPE, calibrate=found))
    assert again.recipe.calibrate == found
    np.testing.assert_array_equal(again.fit.intensities, analysed().fit.intensities)
    moved = replace(found, response=replace(found.response, fwhm_mn_ev=150.0))
    other = analyse(small().image, replace(RECIPE, calibrate=moved), previous=again)
    assert (other.fit.chi2 > again.fit.chi2).any()
