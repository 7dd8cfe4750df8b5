"""Maps of every pixel: the same as fitting each kernel's spectrum, true within their errors, masked where empty."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from edsnb.core.events import Events
from edsnb.core.fitting.fit import fit
from edsnb.core.fitting.lines import atomic_weight
from edsnb.core.image import EnergyAxis, SpectrumImage
from edsnb.core.kernels import kernel_weights
from edsnb.core.maps import PixelMaps, estimator, pixel_maps
from edsnb.core.quant.absorption import Absorption
from edsnb.core.quant.composition import DETECTED
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.quant.quantification import Quantification
from edsnb.core.quant.quantify import quantify
from edsnb.core.regions import ChipGrid, chip
from edsnb.core.simulation.simulate import simulate
from edsnb.errors import CancelledError, ElementError, InputError, KFactorError, NoMapError
from tests.flat import ELEMENTS, RANGE, flat_map, sum_fit

NY, NX = 17, 22


@cache
def small() -> tuple[SpectrumImage, Quantification]:
    """Return a map that is not square, with a pixel without X-rays, and its quantification."""
    image, _ = flat_map(NY, NX, 60.0, seed=1)
    dense = np.array(image.require_events().to_dense())
    dense[5 * NX + 7] = 0
    image = replace(image, events=Events.from_dense(dense))
    return image, quantify(sum_fit(image), deconvolve=["Cu"])


def twin(image: SpectrumImage, quant: Quantification, g: np.ndarray, y: int, x: int) -> tuple[np.ndarray, ...]:
    """Fit the sum over the kernel `g` (odd, odd) around one pixel: intensities, sd, at%, sd of at%, counts.

    Weighted least squares solved as such; the covariance of each step is written out.
    """
    result, dense = quant.fit, image.require_events().to_dense().astype(float).reshape(*image.shape, -1)
    ry, rx = g.shape[0] // 2, g.shape[1] // 2
    counts, spread = np.zeros(dense.shape[2]), np.zeros(dense.shape[2])
    for i in range(max(y - ry, 0), min(y + ry + 1, image.shape[0])):
        for j in range(max(x - rx, 0), min(x + rx + 1, image.shape[1])):
            counts += g[i - y + ry, j - x + rx] * dense[i, j]
            spread += g[i - y + ry, j - x + rx] ** 2 * dense[i, j]
    counts, spread = counts[result.channels], spread[result.channels]
    model = np.nansum(result.model(), axis=0)
    root = 1 / np.sqrt(model)
    scale = np.linalg.norm(result.columns, axis=0)
    inverse = np.linalg.pinv(root[:, None] * result.columns / scale) / scale[:, None]
    f = len(result.families)
    intensities = (inverse @ (root * counts))[:f]
    covariance = ((inverse * root**2 * spread) @ inverse.T)[:f, :f]
    columns = [result.column(name) for name in quant.families]
    atoms = np.array([quant.kfactors.factors[n] / atomic_weight(n.split("_")[0]) for n in quant.families])

    def percent(values: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return 100 * atoms * values / (atoms * values).sum()

    step = 1e-4 * np.sqrt(np.diag(covariance))[columns]
    chosen = intensities[columns]
    slope = np.stack(
        [(percent(chosen + e) - percent(chosen - e)) / (2 * h) for h, e in zip(step, np.diag(step), strict=True)], 1
    )
    own = covariance[np.ix_(columns, columns)]
    return (
        intensities,
        np.sqrt(np.diag(covariance)),
        percent(chosen),
        np.sqrt(np.diag(slope @ own @ slope.T)),
        counts.sum(),
    )


@pytest.mark.parametrize(("shape", "kernel"), [("box", 5), ("box", 1), ("box", 17), ("gaussian", 3.3)])
def test_every_pixel_is_the_fit_of_its_kernels_spectrum(shape, kernel):
    image, quant = small()
    maps = pixel_maps(image, quant, kernel=kernel, shape=shape, fewest=0)
    across = kernel_weights(kernel, shape)
    for y, x in [(0, 0), (0, 9), (NY - 1, NX - 1), (8, 11), (5, 7), (6, 0), (16, 3)]:
        intensities, sd, atomic, sd_atomic, counts = twin(image, quant, np.outer(across, across), y, x)
        size = np.maximum(np.abs(intensities), sd)
        assert (np.abs(maps.intensities[:, y, x] - intensities) <= 1e-6 * size).all()
        np.testing.assert_allclose(maps.sd[:, y, x], sd, rtol=1e-6)
        assert maps.counts[y, x] == pytest.approx(counts, rel=1e-6)
        if not maps.masked[y, x]:
            np.testing.assert_allclose(maps.atomic[:, y, x], atomic, rtol=2e-6, atol=1e-6 * sd_atomic.max())
            np.testing.assert_allclose(maps.sd_atomic[:, y, x], sd_atomic, rtol=1e-5)
    if kernel > 1:
        assert not maps.masked.any()


def test_shapes_names_and_read_only_arrays():
    image, quant = small()
    maps = pixel_maps(image, quant, kernel=5)
    assert maps.families == ("La_L", "La_M", "Fe_K", "Fe_L", "O_K", "Cu_K", "Cu_L")
    assert maps.elements == ("La", "Fe", "O")
    assert maps.intensities.shape == maps.sd.shape == (7, NY, NX)
    assert maps.atomic.shape == maps.sd_atomic.shape == (3, NY, NX)
    assert (maps.pixel_nm, maps.digest, maps.pixels) == (0.5, "d", 25.0)
    for array in (maps.intensities, maps.sd, maps.atomic, maps.sd_atomic, maps.counts):
        assert array.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    np.testing.assert_allclose(maps.atomic.sum(axis=0), 100, rtol=1e-5)


def test_maps_by_name():
    image, quant = small()
    maps = pixel_maps(image, quant, kernel=5)
    np.testing.assert_array_equal(maps.map("Fe")[0], maps.atomic[1])
    np.testing.assert_array_equal(maps.map("Fe")[1], maps.sd_atomic[1])
    np.testing.assert_array_equal(maps.map("Cu_Ka")[0], maps.intensities[5])
    np.testing.assert_array_equal(maps.map("Cu_K")[1], maps.sd[5])
    with pytest.raises(ElementError, match=r"Cu was not quantified; elements are La, Fe, O.* La_L"):
        maps.map("Cu")
    with pytest.raises(ElementError, match="Sr_Ka was not fitted"):
        maps.map("Sr_Ka")


def test_near_the_poisson_fit_of_chips():
    image, quant = small()
    maps = pixel_maps(image, quant, kernel=5)
    chips = quantify(fit(chip(image, ChipGrid(5)), ELEMENTS, energy=RANGE, calibration=False), deconvolve=["Cu"])
    cells = chips.fit.spectra.regions.cells
    at = (slice(None), cells[:, 0] * 5 + 2, cells[:, 1] * 5 + 2)
    np.testing.assert_array_equal(maps.counts[at[1:]], chips.fit.spectra.counts[:, chips.fit.channels].sum(axis=1))
    # The same X-rays with almost the same weights: far nearer than their errors. Only the background's terms, free here
    # and not negative there, make a difference.
    strong = [0, 2, 4, 5]
    apart = (maps.intensities[at].T - chips.fit.intensities)[:, strong] / chips.fit.sd[:, strong]
    assert np.abs(apart).max() < 0.6
    assert np.sqrt((apart**2).mean()) < 0.2
    np.testing.assert_allclose(maps.sd[at].T[:, strong], chips.fit.sd[:, strong], rtol=0.15)
    np.testing.assert_allclose(maps.atomic[at].T, chips.atomic, atol=0.5 * np.median(chips.sd_atomic))
    np.testing.assert_allclose(np.median(maps.sd_atomic[at].T / chips.sd_atomic, axis=0), 1, atol=0.06)


def test_errors_tell_the_scatter():
    """Independent kernels on a map that is the same everywhere: no bias, and pulls of standard deviation 1."""
    image, truth = flat_map(60, 60, 250.0, seed=7)
    quant = quantify(sum_fit(image), deconvolve=["Cu"])
    maps = pixel_maps(image, quant, kernel=3)
    inside = np.s_[:, 1::3, 1::3]
    expected = 9 * np.array([truth[name] for name in maps.families])
    # 400 kernels: a mean is known to 0.05 sd, a standard deviation to 3.5 %.
    found, sd = (m[inside].reshape(len(expected), -1).astype(float) for m in (maps.intensities, maps.sd))
    assert found.shape[1] == 400
    assert (np.abs(found.mean(axis=1) - expected) < 3.5 * np.sqrt((sd**2).mean(axis=1) / 400)).all()
    pulls = (found - expected[:, None]) / sd
    np.testing.assert_allclose(pulls.std(axis=1), 1, atol=0.12)
    assert pulls.std() == pytest.approx(1, abs=0.045)
    true = np.array([20.0, 20.0, 60.0])[:, None, None]
    pulls = ((maps.atomic[inside] - true) / maps.sd_atomic[inside]).reshape(3, -1)
    assert np.abs(pulls.mean(axis=1)).max() < 0.2
    np.testing.assert_allclose(pulls.std(axis=1), 1, atol=0.12)


def test_gaussian_errors_tell_the_scatter_too():
    image, truth = flat_map(60, 60, 80.0, seed=8)
    maps = pixel_maps(image, quantify(sum_fit(image)), kernel=2.5, shape="gaussian")
    assert maps.pixels == pytest.approx(4 * np.pi * (2.5 / 2.35482) ** 2, rel=1e-3)
    inside = np.s_[:, 5:-5:6, 5:-5:6]
    expected = maps.pixels * np.array([truth[name] for name in maps.families])[:, None, None]
    pulls = (maps.intensities[inside] - expected) / maps.sd[inside]
    assert abs(pulls.mean()) < 0.15
    assert pulls.std() == pytest.approx(1, abs=0.12)
    # Weighted counts spread as plain counts do.
    assert np.var(maps.counts[inside[1:]]) == pytest.approx(np.mean(maps.counts[inside[1:]]), rel=0.6)


def test_absent_element_scatters_around_zero():
    image, _ = flat_map(60, 60, 80.0, seed=9)
    maps = pixel_maps(image, quantify(sum_fit(image, (*ELEMENTS, "Sr"))), kernel=3)
    for line in ("Sr_K", "Sr_L"):
        value, sd = (m[1::3, 1::3].astype(float) for m in maps.map(line))
        assert (value < 0).mean() > 0.3
        assert abs(value.mean()) < 3.5 * np.sqrt((sd**2).mean() / value.size)
    assert abs(np.nanmean(maps.map("Sr")[0])) < 0.05


def test_turned_map_gives_turned_maps():
    image, quant = small()
    dense = image.require_events().to_dense().reshape(NY, NX, -1).transpose(1, 0, 2)
    turned = replace(image, shape=(NX, NY), events=Events.from_dense(dense.reshape(NX * NY, -1)))
    maps, other = pixel_maps(image, quant, kernel=5), pixel_maps(turned, quant, kernel=5)
    for name in ("intensities", "sd", "atomic", "sd_atomic"):
        np.testing.assert_allclose(getattr(other, name).transpose(0, 2, 1), getattr(maps, name), rtol=1e-5, atol=1e-4)


def test_film_on_substrate_with_vacuum():
    made = simulate(size=64, frames=2, counts=400.0, seed=3)
    spectra = chip(made.image, ChipGrid(16))
    quant = quantify(fit(spectra, ("La", "Fe", "Sr", "Ti", "O", "Cu", "C")), deconvolve=["Cu", "C"])
    maps = pixel_maps(made.image, quant, kernel=3)
    vacuum, film, substrate = (made.truth.labels == label for label in range(3))
    assert maps.masked[vacuum].mean() > 0.3
    assert not maps.masked[6:].any()
    for index, (element, phase) in enumerate(zip(maps.elements, (film, film, substrate, substrate), strict=False)):
        inside = phase.copy()
        inside[:8] = inside[28:36] = False
        assert maps.atomic[index][inside].mean() == pytest.approx(20, abs=0.6), element
    assert np.isfinite(maps.intensities).all()
    assert np.isfinite(maps.sd).all()


def test_masked_where_x_rays_are_too_few():
    image, quant = small()
    maps = pixel_maps(image, quant, kernel=1, fewest=50)
    np.testing.assert_array_equal(maps.masked[maps.counts < 50], True)
    assert (maps.counts < 50).sum() > 5
    assert maps.masked[5, 7]
    assert np.isnan(maps.atomic[:, 5, 7]).all()
    assert np.isnan(maps.sd_atomic[:, 5, 7]).all()
    assert (maps.intensities[:, 5, 7] == 0).all()
    columns = [quant.fit.column(name) for name in quant.families]
    found = (maps.intensities[columns] >= DETECTED * maps.sd[columns]).any(axis=0)
    np.testing.assert_array_equal(maps.masked[maps.counts >= 50], ~found[maps.counts >= 50])
    assert "fewer than 50 X-rays" in maps.describe()


def test_map_without_x_rays_is_masked_everywhere():
    image, quant = small()
    empty = replace(image, events=Events(np.zeros(NY * NX + 1, int), np.empty(0, np.uint16), None, image.energy.size))
    maps = pixel_maps(empty, quant, kernel=3, fewest=0)
    assert maps.masked.all()
    assert (maps.intensities == 0).all()
    assert "100.0 %" in maps.describe()


def test_single_x_rays_and_counted_entries_give_the_same():
    image, quant = small()
    dense = image.require_events().to_dense()
    channel = np.concatenate([np.repeat(np.arange(dense.shape[1]), row) for row in dense]).astype(np.uint16)
    indptr = np.concatenate([[0], np.cumsum(dense.sum(axis=1, dtype=np.int64))])
    single = replace(image, events=Events(indptr, channel, None, dense.shape[1]))
    for name in ("intensities", "atomic"):
        first, second = (getattr(pixel_maps(i, quant, kernel=3), name) for i in (image, single))
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-4)


def test_fit_is_quantified_with_the_defaults():
    image, quant = small()
    maps, other = pixel_maps(image, quant.fit, kernel=3), pixel_maps(image, quantify(quant.fit), kernel=3)
    assert maps.elements == ("La", "Fe", "O", "Cu")
    np.testing.assert_array_equal(maps.atomic, other.atomic)


def test_alpha_k_factors_meet_alpha_counts():
    image, quant = small()
    table = KFactors({"La_L": 1.7, "Fe_K": 1.3, "O_K": 1.1}, "alpha", "a table")
    alpha = quantify(quant.fit, ["La_La", "Fe_Ka", "O_Ka"], kfactors=table)
    maps = pixel_maps(image, alpha, kernel=17)
    # The largest kernel's middle holds nearly the map: near the composition of its sum, far from that of family k.
    found = maps.atomic[:, NY // 2, NX // 2]
    np.testing.assert_allclose(found, alpha.atomic[0], atol=4 * maps.sd_atomic[:, NY // 2, NX // 2].max())
    family = quantify(quant.fit, ["La_La", "Fe_Ka", "O_Ka"], kfactors=table.with_convention("family"))
    assert np.abs(family.atomic[0] - alpha.atomic[0]).max() > 5
    with pytest.raises(KFactorError):
        quantify(quant.fit, ["La_La"], kfactors=table, convention="family")


FILM = Absorption(thickness_nm=150, density_g_cm3=6.65, take_off_deg=20.0)


def test_absorption_is_corrected_for_in_every_pixel():
    """One pixel after the other: a fit with its intensities and their covariance, quantified as any other."""
    image, quant = small()
    film = quantify(quant.fit, deconvolve=["Cu"], absorption=FILM)
    maps, without = pixel_maps(image, film, kernel=7), pixel_maps(image, quant, kernel=7)
    assert np.abs(maps.atomic - without.atomic).max() > 3
    np.testing.assert_array_equal(maps.intensities, without.intensities)
    dense = image.require_events().to_dense().astype(float).reshape(NY, NX, -1)[..., quant.fit.channels]
    weights = estimator(quant.fit)
    for y, x in [(3, 3), (8, 12), (13, 18)]:
        spectrum = dense[y - 3 : y + 4, x - 3 : x + 4].sum(axis=(0, 1))
        one = replace(
            quant.fit, intensities=(spectrum @ weights)[None], covariance=((weights.T * spectrum) @ weights)[None]
        )
        twin = quantify(one, deconvolve=["Cu"], absorption=FILM)
        np.testing.assert_allclose(maps.atomic[:, y, x], twin.atomic[0], rtol=1e-5)
        np.testing.assert_allclose(maps.sd_atomic[:, y, x], twin.sd_atomic[0], rtol=1e-5)


def test_absorption_that_maps_cannot_know_is_refused():
    image, quant = small()
    each = quantify(quant.fit, absorption=replace(FILM, thickness_nm=(150.0,)))
    with pytest.raises(InputError, match="one thickness"):
        pixel_maps(image, each, kernel=3)
    with pytest.raises(InputError, match="found from the dose"):
        pixel_maps(image, replace(quant, correction=np.full((1, 3), 1.2)), kernel=3)


def test_estimator_finds_the_models_own_columns():
    _, quant = small()
    weights = estimator(quant.fit)
    f = len(quant.fit.families)
    np.testing.assert_allclose(quant.fit.columns.T @ weights, np.eye(quant.fit.columns.shape[1])[:, :f], atol=1e-8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": 4}, "kernel of 4 pixels cannot be.*odd number"),
        ({"kernel": 0}, "kernel of 0 pixels"),
        ({"kernel": 2.5}, "kernel of 2.5 pixels"),
        ({"kernel": float("nan")}, "kernel of nan pixels"),
        ({"kernel": 0.5, "shape": "gaussian"}, "kernel of 0.5 pixels cannot be: it is at least 1"),
        ({"kernel": 19}, "kernel of 19 pixels does not fit into a map of 17 x 22"),
        ({"kernel": 3, "shape": "disk"}, "shape 'disk' is unknown; choose one of box, gaussian"),
    ],
)
def test_kernels_that_cannot_be_are_refused(options, message):
    image, quant = small()
    with pytest.raises(InputError, match=message):
        pixel_maps(image, quant, **options)


def test_models_that_cannot_be_used_are_refused():
    image, quant = small()
    moved = replace(image, energy=EnergyAxis(1000, 0.02, -0.2))
    with pytest.raises(InputError, match=r"another energy axis .*20 eV from -0.1 keV.*-0.2 keV"):
        pixel_maps(moved, quant)
    with pytest.raises(NoMapError):
        pixel_maps(replace(image, events=None, shape=(0, 0)), quant)
    blank = replace(
        quant.fit,
        intensities=np.full_like(quant.fit.intensities, np.nan),
        background=np.full_like(quant.fit.background, np.nan),
    )
    with pytest.raises(InputError, match="no spectrum that could be fitted"):
        pixel_maps(image, replace(quant, fit=blank), kernel=3)
    doubled = np.array(quant.fit.columns)
    doubled[:, 1] = doubled[:, 0]
    with pytest.raises(InputError, match="cannot be told apart"):
        pixel_maps(image, replace(quant, fit=replace(quant.fit, columns=doubled)), kernel=3)


def test_progress_is_told_and_can_stop():
    image, quant = small()
    told: list[tuple[int, int]] = []
    pixel_maps(image, quant, kernel=3, progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == list(range(1, told[0][1] + 1))
    with pytest.raises(CancelledError, match=r"stopped after 3 of \d+ steps"):
        pixel_maps(image, quant, kernel=3, progress=lambda done, total: done < 3)


def test_description():
    image, quant = small()
    maps: PixelMaps = pixel_maps(image, quant, kernel=3)
    assert "17 x 22 pixels" in maps.describe()
    assert "box of 3 px (1.5 nm) a side" in maps.describe()
    assert "La, Fe and O share the 100 %" in maps.describe()
    gaussian = pixel_maps(replace(image, pixel_nm=None), quant, kernel=3, shape="gaussian")
    assert "Gaussian of 3 px full width" in gaussian.describe()
    assert maps.settings["energy_kev"] == quant.fit.settings["energy_kev"]
