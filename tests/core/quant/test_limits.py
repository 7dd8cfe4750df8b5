"""Detection limits: a twin, what noise alone does, and at% from counts."""

import numpy as np
import pytest

from edsnb.core.fitting.fit import Status, fit
from edsnb.core.fitting.lines import families_in
from edsnb.core.fitting.model import ModelSpec, design
from edsnb.core.fitting.peaks import Response
from edsnb.core.image import Acquisition, EnergyAxis
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.quant.limits import limit_counts
from edsnb.core.quant.quantify import quantify
from edsnb.core.regions import Spectra
from tests.fits import fitted

AXIS = EnergyAxis(820, 0.01, 0.2)
ACQUISITION = Acquisition(beam_kev=200.0)
ELEMENTS = ["O", "Ti", "V", "Fe"]


def drawn(means, n, seed):
    """Return n spectra with these mean counts of each family, by name, and of each background term."""
    families = families_in(ELEMENTS, (0.2, 8.39), beam_kev=200.0)
    model = design(ModelSpec(families, slice(0, AXIS.size), 200.0), Response(AXIS, 130.0))
    mean = model.columns @ [*(means.get(f.name, 0.0) for f in families), *means["background"]]
    counts = np.random.default_rng(seed).poisson(mean, (n, AXIS.size)).astype(np.uint32)
    return Spectra(counts, AXIS, tuple(f"R0C{i}" for i in range(n)), ACQUISITION)


def test_equals_the_inverse_information_of_the_spectrum_without_the_line():
    means = {"O_K": 900.0, "Ti_K": 700.0, "Ti_L": 80.0, "V_K": 55.0, "Fe_K": 12.0, "background": [0.2, 0.3, 0.2]}
    made = fit(drawn(means, 3, 7), ELEMENTS, calibration=False)
    columns = [made.column(name) for name in ("O_K", "V_K", "Fe_K")]
    found = limit_counts(made, columns)
    for i in range(3):
        for j, column in enumerate(columns):
            coefficients = np.concatenate([made.intensities[i], made.background[i]])
            free = (coefficients > 0) | (np.arange(len(coefficients)) < len(made.families))
            whole = made.columns @ coefficients
            coefficients[column] = 0.0
            model = np.maximum(made.columns @ coefficients, 1e-3 * whole.mean())
            design_matrix = made.columns[:, free]
            information = design_matrix.T @ (design_matrix / model[:, None])
            at = int(free[:column].sum())
            expected = 3 * np.sqrt(np.linalg.inv(information)[at, at])
            assert found[i, j] == pytest.approx(expected, rel=1e-3)
    # A line of its own limits itself by what lies under it, not by its own counts.
    assert (found[:, 0] < 3 * made.sd[:, columns[0]]).all()


# With a few counts of background under the line, Poisson's skew lets more of the noise pass than at many counts.
@pytest.mark.parametrize(("dose", "most"), [(1.0, 0.02), (20.0, 0.005)])
def test_noise_alone_rarely_passes(dose, most):
    # V K lies on the foot of Ti Kb; neither V nor Fe is there.
    means = {name: dose * n for name, n in (("O_K", 300.0), ("Ti_K", 250.0), ("Ti_L", 40.0))}
    means["background"] = dose * np.array([0.05, 0.1, 0.05])
    made = fit(drawn(means, 3000, 11), ELEMENTS, calibration=False)
    found = quantify(made, ["O_K", "Ti_K", "V_K", "Fe_K"])
    assert (found.status == Status.OK).all()
    passed = (found.atomic >= found.detection_limit).mean(axis=0)
    np.testing.assert_array_equal(found.below_limit, found.atomic < found.detection_limit)
    assert (passed[:2] == 1).all()
    assert (passed[2:] < most).all()
    columns = [made.column("V_K"), made.column("Fe_K")]
    np.testing.assert_array_equal(
        passed[2:], (made.intensities[:, columns] >= limit_counts(made, columns)).mean(axis=0)
    )


def test_an_element_at_its_limit_is_found_in_half_of_the_spectra():
    means = {"O_K": 6e3, "Ti_K": 5e3, "background": np.array([1.0, 2.0, 1.0])}
    limit = np.median(limit_counts(fit(drawn(means, 50, 2), ELEMENTS, calibration=False), [3]))
    families = families_in(ELEMENTS, (0.2, 8.39), beam_kev=200.0)
    made = fit(drawn(means | {families[3].name: limit}, 600, 3), ELEMENTS, calibration=False)
    found = quantify(made, ["O_K", "Ti_K", families[3].name])
    assert (~found.below_limit[:, 2]).mean() == pytest.approx(0.5, abs=0.07)


def test_percent_by_hand(monkeypatch):
    # 30 counts of Fe at the limit beside 400 of O: k I / A = 2 * 30 / 55.845 and 1 * 400 / 15.999, 4.1 and 95.9 at%.
    monkeypatch.setattr("edsnb.core.quant.composition.limit_counts", lambda made, columns: np.array([[30.0, 80.0]]))
    k = KFactors({"Fe_K": 2.0, "O_K": 1.0})
    found = quantify(fitted(["Fe_K", "O_K"], [[5.0, 400.0]]), kfactors=k)
    assert found.detection_limit[0, 0] == pytest.approx(100 * (60 / 55.845) / (60 / 55.845 + 400 / 15.999), rel=1e-4)
    assert found.detection_limit[0, 1] == pytest.approx(100 * (80 / 15.999) / (80 / 15.999 + 10 / 55.845), rel=1e-4)
    assert found.below_limit.tolist() == [[True, False]]
    assert found.to_frame()["dl_Fe"][0] == found.detection_limit[0, 0]
    # Alpha k-factors go with alpha counts, at the limit too.
    alpha = quantify(
        fitted(["Fe_K", "O_K"], [[5.0, 400.0]], alpha={"Fe_K": 0.5, "O_K": 0.5}), kfactors=k.with_convention("alpha")
    )
    np.testing.assert_allclose(alpha.detection_limit, found.detection_limit)


def test_no_model_no_limit():
    made = fitted(["Fe_K", "O_K"], [[5.0, 400.0], [np.nan, np.nan]], status=[Status.OK, Status.EMPTY])
    assert np.isnan(limit_counts(made, [0, 1])).all()
    found = quantify(made)
    assert np.isnan(found.detection_limit).all()
    assert not found.below_limit.any()
