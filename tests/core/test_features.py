"""Features: nearest prototypes on them beat pixels, spectra, and both side by side."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edsnb.core.events import Array
from edsnb.core.features import BLOCKS, Features, _left_out, _statistics, features
from edsnb.core.image import Survey
from edsnb.core.patches import cut
from edsnb.core.quant.quantification import Quantification
from edsnb.core.regions import Regions
from edsnb.core.simulation.simulate import simulate_spectra
from edsnb.errors import InputError
from edsnb.pipeline import analyse
from tests.phases import four_phases
from tests.simulated import RECIPE, analysed, empty, small, stored_only


def nearest(values: Array, support: list[Array]) -> Array:
    """Return the nearest prototype (n,): the slow, obvious way."""
    prototypes = [values[chosen].mean(axis=0) for chosen in support]
    return np.array([np.argmin([((row - p) ** 2).sum() for p in prototypes]) for row in values])


def draws(truth: Array, shots: int, number: int = 20) -> list[list[Array]]:
    rng = np.random.default_rng(0)
    return [[rng.permutation(np.flatnonzero(truth == k))[:shots] for k in range(4)] for _ in range(number)]


def right(values: Array, truth: Array, support: list[Array]) -> float:
    """Return the share of the unlabelled chips that is given its class."""
    rest = np.setdiff1d(np.arange(len(truth)), np.concatenate(support))
    return float((nearest(values, support)[rest] == truth[rest]).mean())


@cache
def accuracies(shots: int) -> dict[str, float]:
    """Return the mean share of chips classified rightly from so many labels a class, for several features."""
    analysis, truth = four_phases()
    made = analysis.features()
    patches = cut(analysis.image, analysis.spectra.regions)
    pixels = patches.stack()[0].reshape(len(patches), -1).astype(float)
    counts = analysis.spectra.counts.astype(float)
    tried = {
        "pixels": pixels,
        "spectra": counts,
        "both": np.concatenate([pixels, counts], axis=1),
        "features": made.values,
        **{block: made.values[:, np.array(made.blocks) == block] for block in BLOCKS},
    }
    return {name: float(np.mean([right(v, truth, s) for s in draws(truth, shots)])) for name, v in tried.items()}


@pytest.mark.parametrize("shots", [1, 2, 5])
def test_nearest_prototype(shots: int):
    found = accuracies(shots)
    assert found["features"] > 0.95
    # 100 X-rays a chip: neither modality can tell four phases alone, nor both unscaled.
    assert max(found["pixels"], found["spectra"], found["both"]) < 0.65
    assert found["features"] > max(found[block] for block in BLOCKS) + 0.1


def labels_of(support: list[Array], names: tuple[str, ...]) -> dict[str, list[str]]:
    return {f"class {k}": [names[i] for i in chosen] for k, chosen in enumerate(support)}


def test_labels_choose_the_weights():
    """Where HAADF says nothing, labels take weight from it, and more chips are classified rightly."""
    analysis, truth = four_phases(seed=2)
    noise = np.random.default_rng(5).normal(size=analysis.image.shape).astype(np.float32)
    patches = cut(replace(analysis.image, surveys={"HAADF": Survey("HAADF", noise)}), analysis.spectra.regions)
    chemistry, equal, weighted = truth // 2, [], []
    for support in draws(chemistry, 4, 10):
        two = support[:2]
        made = features(analysis.quantification, patches, labels=labels_of(two, analysis.spectra.names))
        assert made.weights["haadf"] < 0.7 < max(made.weights.values())
        assert sum(made.weights.values()) == pytest.approx(3)
        assert made.note.startswith("weights by leave-one-out over 8 labelled chips, 100 % right")
        plain = features(analysis.quantification, patches)
        equal.append(right(plain.values, chemistry, two))
        weighted.append(right(made.values, chemistry, two))
    assert np.mean(weighted) >= np.mean(equal)
    assert np.mean(weighted) > 0.99


@pytest.mark.parametrize("labels", [None, {}, {"a": ["R0C0"], "b": ["R1C0", "R1C1"]}, {"a": ["R0C0", "R0C1"]}])
def test_too_few_labels_choose_nothing(labels: dict | None):
    made = analysed().features(labels=labels)
    assert dict(made.weights) == dict.fromkeys(BLOCKS, 1.0)
    assert made.note == "equal weights"


def test_blocks_have_a_mean_squared_norm_of_one():
    made = analysed().features()
    for block in BLOCKS:
        part = made.values[:, np.array(made.blocks) == block]
        assert (part**2).sum(axis=1).mean() == pytest.approx(1)
        np.testing.assert_allclose(part.mean(axis=0), 0, atol=1e-12)
    heavy = analysed().features(weights={"haadf": 1, "composition": 2, "spectrum": 0})
    assert dict(heavy.weights) == {"haadf": 1.0, "composition": 2.0, "spectrum": 0.0}
    np.testing.assert_allclose(heavy.values, made.values * np.sqrt([heavy.weights[b] for b in made.blocks]))
    assert made.names[:2] == ("haadf_mean", "haadf_sd")
    assert "sqrt_La" in made.names
    assert made.names[-1].startswith("component_")


def known(made: Features) -> dict[str, int]:
    return {block: int(found.sum()) for block, found in made.known.items()}


def test_bad_chips_spoil_nothing():
    # The top rows are vacuum: chips without a composition stand at the mean of that block.
    analysis = analyse(small().image, replace(RECIPE, chip=4))
    bad = ~np.isfinite(analysis.quantification.atomic).all(axis=1)
    made = analysis.features()
    assert 0 < bad.sum() < len(bad)
    assert np.isfinite(made.values).all()
    np.testing.assert_array_equal(made.known["composition"], ~bad)
    assert not made.values[bad][:, np.array(made.blocks) == "composition"].any()
    assert known(made)["haadf"] == len(bad)


def test_nothing_to_see():
    made = analyse(empty(), RECIPE).features()
    assert np.isfinite(made.values).all()
    assert known(made) == {"haadf": 16, "composition": 0}
    stored = analyse(stored_only(), RECIPE).features()
    assert set(stored.blocks) <= {"composition", "spectrum"}
    assert np.isfinite(stored.values).all()
    one = analyse(small().image, replace(RECIPE, chip=64)).features()
    assert one.values.shape[0] == 1
    assert not one.values.any()


def test_irregular_regions_use_their_own_pixels():
    image = small().image
    disc = np.hypot(*(np.mgrid[:64, :64] - 40)) < 9
    other = np.zeros((64, 64), bool)
    other[20:26, 3:60] = True
    masks = {"disc": disc, "bar": other, "nothing": np.zeros_like(disc)}
    analysis = analyse(image, RECIPE, regions=masks)
    patches = cut(image, analysis.spectra.regions)
    found = _statistics(patches.values(0)[None], patches.mask(0)[None])[0]
    inside = image.surveys["HAADF"].image[disc].astype(float)
    assert found[0] == pytest.approx(inside.mean())
    assert found[1] == pytest.approx(inside.std())
    made = analysis.features()
    assert made.known["haadf"].tolist() == [True, True, False]
    assert np.isfinite(made.values).all()
    assert isinstance(analysis.spectra.regions, Regions)


def slow_statistics(patch: Array, mask: Array) -> list[float]:
    """Return what `_statistics` does, pixel by pixel."""
    pixels = [(y, x) for y, x in np.ndindex(*patch.shape) if mask[y, x]]
    values = {p: float(patch[p]) for p in pixels}
    mean = sum(values.values()) / len(values)
    variance = sum((v - mean) ** 2 for v in values.values()) / len(values)
    out = [mean, variance**0.5]
    for dy, dx in ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (2, 2)):
        pairs = [((y, x), (y + dy, x + dx)) for y, x in pixels if (y + dy, x + dx) in values]
        total = sum((values[a] - mean) * (values[b] - mean) for a, b in pairs)
        out.append(total / len(pairs) / variance if pairs and variance > 0 else 0.0)
    return out


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_statistics_are_those_of_the_slow_way(height: int, width: int, seed: int):
    rng = np.random.default_rng(seed)
    patch = rng.integers(0, 9, (height, width)).astype(np.float32)
    mask = rng.random((height, width)) < 0.7
    mask.flat[rng.integers(mask.size)] = True
    np.testing.assert_allclose(_statistics(patch[None], mask[None])[0], slow_statistics(patch, mask), atol=1e-9)


def test_left_out_prototypes_are_those_of_the_slow_way():
    rng = np.random.default_rng(3)
    values, classes = rng.normal(size=(9, 4)), np.array([0, 0, 1, 1, 1, 2, 2, 2, 2])
    found = _left_out(values, classes)
    for i in range(9):
        for c in range(3):
            others = [values[j] for j in range(9) if classes[j] == c and j != i]
            assert found[i, c] == pytest.approx(((values[i] - np.mean(others, axis=0)) ** 2).sum())


def of_spectra(counts: Array) -> Quantification:
    """Return the analysed small map with other counts, of so many chips."""
    quant = analysed().quantification
    n = len(counts)
    spectra = replace(quant.fit.spectra, counts=counts, names=tuple(f"chip {k}" for k in range(n)), regions=None)
    zeros = np.zeros((n, len(quant.elements)))
    return replace(quant, fit=replace(quant.fit, spectra=spectra), atomic=zeros)


@pytest.mark.parametrize("n", [12, 60, 400])
def test_noise_alone_gives_no_component(n: int):
    found = 0
    for seed in range(10):
        counts = simulate_spectra({"La": 1, "Fe": 1, "O": 3}, n, 100.0, seed=seed)[0].counts
        # Nor do chips of which a lone X-ray is half the spectrum.
        poor = simulate_spectra({"La": 1, "Fe": 1, "O": 3}, n, 2.0, seed=seed + 50)[0].counts
        for tried in (counts, poor, np.concatenate([counts, poor])):
            found += sum(name.startswith("component") for name in features(of_spectra(tried)).names)
    assert found == 0


def test_two_compositions_give_one_component():
    parts = [simulate_spectra(c, 40, 100.0, seed=k)[0].counts
             for k, c in enumerate(({"La": 1, "Fe": 1, "O": 3}, {"Sr": 1, "Ti": 1, "O": 3}))]  # fmt: skip
    made = features(of_spectra(np.concatenate(parts)))
    assert [name for name in made.names if name.startswith("component")] == ["component_1"]
    scores = made.values[:, -1]
    assert (scores[:40].mean() > 0) != (scores[40:].mean() > 0)
    assert (np.sign(scores[:40]) == np.sign(scores[:40].mean())).mean() > 0.95
    # A chip with few counts is drawn to the mean, not thrown about by its noise.
    poor = np.concatenate([*parts, simulate_spectra({"La": 1, "Fe": 1, "O": 3}, 200, 2.0, seed=9)[0].counts])
    made = features(of_spectra(poor))
    assert [name for name in made.names if name.startswith("component")] == ["component_1"]
    found = made.values[:, -1]
    low, high = sorted(found[part].mean() for part in (slice(0, 40), slice(40, 80)))
    assert ((found[80:] > low) & (found[80:] < high)).mean() > 0.9
    assert found[80:].std() < 0.25 * (high - low)


def test_misuse():
    quant = analysed().quantification
    other = cut(small().image, Regions.from_masks({"a": np.ones((64, 64), bool)}))
    with pytest.raises(InputError, match="1 patches of other regions than the 16 spectra"):
        features(quant, other)
    for weights in ({"haadf": -1}, {"haadf": 0}, {"hadf": 1, "haadf": 1}, {"haadf": float("nan")}):
        with pytest.raises(InputError, match="give one of 0 or more for each of haadf, composition, spectrum"):
            analysed().features(weights=weights)
    with pytest.raises(InputError, match="labelled chips that do not exist: R9C9"):
        analysed().features(labels={"a": ["R9C9"]})
