"""Simulated specimens: geometry, thickness and HAADF contrast."""

from __future__ import annotations

import numpy as np
import pytest

from edsnb.core.simulation.phantom import FILM, SUBSTRATE, SYSTEMS, VACUUM, film_scene, film_system
from edsnb.errors import InputError

LFO_STO = SYSTEMS["LFO/STO"]
SCENE = film_scene(LFO_STO, 128, 8, 5)


def test_each_column_runs_from_vacuum_through_film_to_substrate():
    assert (np.diff(SCENE.labels.astype(int), axis=0) >= 0).all()
    assert (SCENE.labels[0] == VACUUM).all()
    assert (SCENE.labels[-1] == SUBSTRATE).all()
    share = np.bincount(SCENE.labels.ravel()) / SCENE.labels.size
    assert share[VACUUM] == pytest.approx(0.06, abs=0.02)
    assert share[FILM] == pytest.approx(0.42, abs=0.03)


def test_surface_and_interface_are_rough():
    for label in (FILM, SUBSTRATE):
        assert np.argmax(SCENE.labels >= label, axis=0).std() > 0.5


def test_thickness_is_a_wedge_over_the_material():
    material = SCENE.labels > VACUUM
    assert SCENE.thickness[material].mean() == pytest.approx(1)
    assert not SCENE.thickness[~material].any()
    assert SCENE.thickness[material].min() > 0.1
    assert 1.2 < SCENE.thickness[-10:].mean() / SCENE.thickness[20:30].mean() < 1.8


def test_haadf_ratio_by_hand():
    # LaFeO3: 6.65 / 242.747 (57^1.7 + 26^1.7 + 3 * 8^1.7); SrTiO3: 5.12 / 183.484 (38^1.7 + 22^1.7 + 3 * 8^1.7).
    z = {n: n**1.7 for n in (57, 26, 38, 22, 8)}
    film = 6.65 / 242.747 * (z[57] + z[26] + 3 * z[8])
    substrate = 5.12 / 183.484 * (z[38] + z[22] + 3 * z[8])
    assert LFO_STO.film.haadf / LFO_STO.substrate.haadf == pytest.approx(film / substrate, rel=1e-3)


def test_haadf_follows_thickness_and_phase():
    image = SCENE.haadf.mean(axis=0)
    dark = image[SCENE.labels == VACUUM].min()
    inside = np.zeros(SCENE.labels.shape, bool)
    inside[20:55] = inside[70:] = True
    per_thickness = [
        np.mean((image - dark)[inside & (SCENE.labels == label)])
        / np.mean(SCENE.thickness[inside & (SCENE.labels == label)])
        for label in (FILM, SUBSTRATE)
    ]
    ratio = LFO_STO.film.haadf / LFO_STO.substrate.haadf
    assert per_thickness[0] / per_thickness[1] == pytest.approx(ratio, rel=0.03)


def test_frames_differ_by_noise_alone():
    assert SCENE.haadf.dtype == np.uint16
    assert SCENE.haadf.shape == (8, 128, 128)
    a, b = SCENE.haadf[:2].astype(float)
    assert a.mean() == pytest.approx(b.mean(), rel=0.005)
    assert np.corrcoef((a - SCENE.haadf.mean(0)).ravel(), (b - SCENE.haadf.mean(0)).ravel())[0, 1] < 0


def test_seed_makes_the_scene():
    same, other = film_scene(LFO_STO, 32, 2, 5), film_scene(LFO_STO, 32, 2, 6)
    np.testing.assert_array_equal(film_scene(LFO_STO, 32, 2, 5).haadf, same.haadf)
    assert (same.labels != other.labels).any()


def test_smallest_field_holds_all_phases():
    for seed in range(20):
        assert np.unique(film_scene(LFO_STO, 16, 1, seed).labels).tolist() == [VACUUM, FILM, SUBSTRATE]


@pytest.mark.parametrize(("size", "frames"), [(15, 1), (16, 0)])
def test_fields_that_cannot_be(size, frames):
    with pytest.raises(InputError, match="simulation"):
        film_scene(LFO_STO, size, frames, 0)


def test_unknown_system_lists_the_known_ones():
    with pytest.raises(InputError, match="LFO/STO"):
        film_system("LFO")
    assert film_system(LFO_STO) is LFO_STO


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_each_element_of_a_system_is_quantified_by_one_line(system):
    assert sorted(line.split("_")[0] for line in system.lines) == sorted(system.elements)
    assert system.film.density_g_cm3 > 1 < system.substrate.density_g_cm3
