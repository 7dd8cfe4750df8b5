"""Random numbers: the generator against its published values, each fast loop against a slow twin."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from edsnb.core.simulation.draw import Stream, bits, draw_channels, key_of, normals, poisson, uniforms
from edsnb.errors import InputError

KEY = key_of(7, Stream.COUNTS)


def slow_bits(key: int, index: int) -> int:
    """SplitMix64 as its authors print it: a state that grows by a constant, and a mixing function."""
    mask = 2**64 - 1
    state = key
    for _ in range(index + 1):
        state = (state + 0x9E3779B97F4A7C15) & mask
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def slow_poisson(mean: float, u: float) -> int:
    """Inversion by summing the probabilities in full."""
    k, cumulative = 0, math.exp(-mean)
    while u >= cumulative:
        k += 1
        cumulative += math.exp(k * math.log(mean) - mean - math.lgamma(k + 1))
    return k


def test_splitmix64_gives_the_published_numbers():
    # First outputs for the seed 1234567, as in several published implementations.
    found = [int(bits(np.uint64(1234567), i)) for i in range(3)]
    assert found == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_numbers_depend_on_key_and_index_alone():
    expected = [(slow_bits(int(KEY), i) >> 11) / 2**53 for i in range(20)]
    assert uniforms(KEY, 20).tolist() == expected
    assert uniforms(KEY, 5, start=15).tolist() == expected[15:]


def test_each_stream_and_seed_has_its_own_key():
    keys = {int(key_of(seed, stream)) for seed in (0, 1, 2**64 - 1) for stream in Stream}
    assert len(keys) == 3 * len(Stream)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seed_out_of_range(seed):
    with pytest.raises(InputError, match="seed"):
        key_of(seed, Stream.COUNTS)


def test_normals_are_standard_normal():
    found = normals(KEY, 200_000)
    assert abs(found.mean()) < 5 / math.sqrt(found.size)
    assert found.var() == pytest.approx(1, abs=5 * math.sqrt(2 / found.size))
    assert (found < 1.96).mean() == pytest.approx(0.975, abs=0.002)


@pytest.mark.parametrize("mean", [0.0, 0.02, 3.7, 120.0])
def test_poisson_equals_plain_inversion(mean):
    found = poisson(np.full(200, mean), KEY)
    expected = [slow_poisson(mean, u) if mean else 0 for u in uniforms(KEY, 200)]
    assert found.tolist() == expected


@pytest.mark.parametrize("mean", [0.3, 12.0, 499.9, 500.0, 1700.0, 2e4])
def test_poisson_mean_and_variance(mean):
    n = 40_000
    found = poisson(np.full(n, mean), KEY)
    assert abs(found.mean() - mean) < 5 * math.sqrt(mean / n)
    assert abs(found.var() / mean - 1) < 5 * math.sqrt((2 + 1 / mean) / n)


@pytest.mark.parametrize("mean", [-1.0, np.nan, np.inf])
def test_poisson_refuses_what_is_no_mean(mean):
    with pytest.raises(InputError, match="Poisson"):
        poisson(np.array([1.0, mean]), KEY)


def test_channels_equal_a_plain_search():
    rng = np.random.default_rng(1)
    spectra = rng.exponential(size=(3, 300)) ** 4
    spectra[:, :20] = spectra[:, 250:] = 0
    spectra[1, 100:180] = 0
    numbers = rng.poisson(4, (50, 3))
    indptr, channel = draw_channels(numbers, spectra, KEY)
    component = np.concatenate([np.repeat(np.arange(3), row) for row in numbers])
    cumulative = np.cumsum(spectra, axis=1) / spectra.sum(axis=1, keepdims=True)
    u = uniforms(KEY, len(component))
    expected = [np.searchsorted(cumulative[m], v, side="right") for m, v in zip(component, u, strict=True)]
    assert channel.tolist() == [int(c) for c in expected]
    assert np.diff(indptr).tolist() == numbers.sum(axis=1).tolist()
    assert spectra[component, channel].min() > 0


def test_channels_follow_the_spectrum():
    spectrum = np.exp(-np.arange(256) / 40.0) + 5 * np.exp(-(((np.arange(256) - 90) / 6.0) ** 2))
    _, channel = draw_channels(np.full((1000, 1), 400), spectrum[None], KEY)
    expected = 400_000 * spectrum / spectrum.sum()
    chi2 = ((np.bincount(channel, minlength=256) - expected) ** 2 / expected).sum()
    assert abs(chi2 - 255) < 5 * math.sqrt(2 * 255)


def test_the_same_events_on_every_machine():
    numbers = poisson(np.linspace(0, 40, 500).reshape(250, 2), key_of(3, Stream.COUNTS))
    spectra = np.stack([np.arange(1.0, 1001.0), np.arange(1000.0, 0.0, -1.0)])
    indptr, channel = draw_channels(numbers, spectra, key_of(3, Stream.CHANNELS))
    digest = hashlib.sha256(indptr.astype("<i8").tobytes() + channel.astype("<u2").tobytes()).hexdigest()
    assert digest == "168b0155dc9b382bcc5c2c28cee6fd01188dd88e1e7808c301cd38235a0f4225"
