"""eXSpy's own quantification on the same input: Cliff-Lorimer, zeta-factors and cross-sections."""

import numpy as np
import pytest

from edsnb.core.fitting.lines import LineFamily, parse_line
from edsnb.core.quant.absorption import Absorption
from edsnb.core.quant.dose import ELEMENTARY_CHARGE_C, quantify_zeta
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.quant.quantify import quantify
from tests.fits import fitted

exspy = pytest.importorskip("exspy")
hyperspy = pytest.importorskip("hyperspy.api")
pytestmark = pytest.mark.filterwarnings("ignore")  # HyperSpy deprecates its own imports

PEROVSKITE = ["La_L", "Fe_K", "O_K"]
COUNTS = np.array([[1000, 800, 1200], [310, 2000, 300], [555, 505, 535]], float)
# Shares of the alpha line in eXSpy's table: one over the sum of the family's weights.
EXSPY_ALPHA = {"La_L": 1 / 2.01106, "Fe_K": 1 / 1.1272, "O_K": 1.0}
TAKE_OFF_DEG = 22.0


def signals(counts):
    """Return counts (n, K) as eXSpy takes intensities."""
    made = []
    for name, column in zip(PEROVSKITE, counts.T, strict=True):
        signal = hyperspy.signals.BaseSignal(column.copy()).T
        signal.metadata.set_item("Sample.xray_lines", [f"{name}a"])
        signal.metadata.set_item("Sample.elements", [parse_line(name)[0]])
        made.append(signal)
    return made


def theirs(counts, method, factors, **settings):
    """Return what eXSpy finds: at% (n, K), and whatever else the method gives."""
    spectrum = exspy.signals.EDSTEMSpectrum(np.ones((len(counts), 16)))
    spectrum.set_microscope_parameters(beam_current=0.13, live_time=7.5, probe_area=1.7)
    found = spectrum.quantification(
        signals(counts), method, factors, navigation_mask=None, take_off_angle=TAKE_OFF_DEG,
        convergence_criterion=1e-3, show_progressbar=False, **settings,
    )  # fmt: skip
    composition, more = found if isinstance(found, tuple) else (found, None)
    return np.stack([signal.data for signal in composition], axis=-1), more


@pytest.fixture
def same_physics(monkeypatch):
    """Give edsnb eXSpy's way: one energy for each family, and its table of attenuation coefficients."""
    table = exspy.material.elements

    def one_line(element, shell):
        energy = table[element]["Atomic_properties"]["Xray_lines"][f"{shell}a"]["energy (keV)"]
        return LineFamily(element, shell, (energy,), (1.0,), (True,), "eXSpy")

    def attenuation(composition, energies_kev):
        (element,) = composition
        return np.atleast_1d(exspy.material.mass_absorption_coefficient(element, list(energies_kev)))

    monkeypatch.setattr("tests.fits.xraylib_family", one_line)
    monkeypatch.setattr("edsnb.core.quant.absorption.mass_attenuation", attenuation)


def test_cliff_lorimer():
    table = exspy.material.elements
    for name, share in EXSPY_ALPHA.items():
        element, shell = name.split("_")
        lines = table[element]["Atomic_properties"]["Xray_lines"]
        assert 1 / sum(lines[n]["weight"] for n in lines.keys() if n[0] == shell) == pytest.approx(share, rel=1e-5)  # noqa: SIM118

    k = KFactors({"La_L": 1.64, "Fe_K": 1.33, "O_K": 1.15}, "alpha")
    found = quantify(fitted(PEROVSKITE, COUNTS, alpha=EXSPY_ALPHA), PEROVSKITE, kfactors=k)
    alpha = COUNTS * list(EXSPY_ALPHA.values())
    for units, tolerance in (("weight", 1e-9), ("atomic", 1e-4)):  # atomic weights differ in the fifth figure
        expected, _ = theirs(alpha, "CL", list(k.factors.values()), composition_units=units)
        np.testing.assert_allclose(getattr(found, units), expected, rtol=tolerance)


def test_cliff_lorimer_with_absorption(same_physics):
    k = KFactors({"La_L": 1.64, "Fe_K": 1.33, "O_K": 1.15})
    expected, mass_thickness = theirs(
        COUNTS, "CL", list(k.factors.values()), absorption_correction=True, thickness=110.0
    )
    # eXSpy takes the mean of the elements' densities for the film's: the thickness makes up for it.
    thickness = tuple(mass_thickness.data / 6.65e3 * 1e9)
    found = quantify(fitted(PEROVSKITE, COUNTS), kfactors=k, absorption=Absorption(thickness, 6.65, TAKE_OFF_DEG))
    np.testing.assert_allclose(found.atomic, expected, rtol=1e-4)
    assert (found.correction[:, 2] > 1.1).all()


@pytest.mark.parametrize("absorption", [False, True])
def test_zeta_factors(same_physics, absorption):
    zeta = KFactors({"La_L": 1400.0, "Fe_K": 1100.0, "O_K": 900.0}, kind="zeta")
    expected, mass_thickness = theirs(COUNTS, "zeta", list(zeta.factors.values()), absorption_correction=absorption)
    found = quantify_zeta(
        fitted(PEROVSKITE, COUNTS), zeta, dose_e=0.13e-9 * 7.5 / ELEMENTARY_CHARGE_C, absorption=absorption,
        take_off_deg=TAKE_OFF_DEG,
    )  # fmt: skip
    np.testing.assert_allclose(found.quantification.atomic, expected, rtol=1e-4)
    np.testing.assert_allclose(found.mass_thickness_kg_m2, mass_thickness.data, rtol=1e-5)
    if absorption:
        assert (found.quantification.correction[:, 2] > 1.05).all()


@pytest.mark.parametrize("absorption", [False, True])
def test_cross_sections(same_physics, absorption):
    barns = {"La_L": 2.1, "Fe_K": 1.1, "O_K": 0.43}
    expected, atoms = theirs(
        COUNTS, "cross_section", list(barns.values()), absorption_correction=absorption, probe_area=1.7
    )
    found = quantify_zeta(
        fitted(PEROVSKITE, COUNTS), KFactors.from_cross_sections(barns),
        dose_e=0.13e-9 * 7.5 / ELEMENTARY_CHARGE_C, absorption=absorption, take_off_deg=TAKE_OFF_DEG,
    )  # fmt: skip
    np.testing.assert_allclose(found.quantification.atomic, expected, rtol=1e-4)
    number = np.stack([signal.data for signal in atoms], axis=-1)
    np.testing.assert_allclose(found.atoms_per_nm2 * 1.7, number, rtol=1e-4)
    if absorption:
        assert (found.quantification.correction[:, 2] > 1.05).all()
