"""Links hold every setting, give it back as it was, and refuse what is not one."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import fields
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edsnb.core.fitting.calibration import Calibration
from edsnb.core.image import EnergyAxis
from edsnb.core.quant.kfactors import KFactors
from edsnb.recipe import Recipe
from edsnb.state.links import from_query, to_query

TABLE = KFactors({"La_L": 1.5, "Fe_K": 1.25}, "alpha", "Velox table ä.csv", 200.0, {"La_L": 0.1})
EVERY = {
    "elements": ("La", "Fe"),
    "deconvolve": ("Cu", "C"),
    "lines": ("La_L", "Fe_K"),
    "spectrum_image": 1,
    "chip": 15,
    "stride": 5,
    "crop": (0, 500, 1, 499),
    "origin": (3, 4),
    "energy": (0.25, 19.5),
    "background": "polynomial",
    "order": 4,
    "calibrate": False,
    "line_table": "exspy",
    "refine": True,
    "kfactors": TABLE,
    "k_convention": "alpha",
    "beam_kev": 200.0,
    "thickness_nm": 50.0,
    "density_g_cm3": 6.5,
    "take_off_deg": 18.0,
    "pixel_kernel": 15,
    "engine": "window",
}


def test_a_calibration_set_by_hand_goes_there_and_back():
    found = Calibration.by_hand(EnergyAxis(4096, 0.005, -0.25), offset_ev=-3.5, gain=0.0016, fwhm_mn_ev=136.0)
    settings, problems = from_query(through_a_url(to_query({"calibrate": found})))
    assert not problems
    assert settings == {"calibrate": found}


def through_a_url(query):
    return dict(parse_qsl(urlencode(query), strict_parsing=True))


def test_every_setting_goes_there_and_back():
    assert set(EVERY) == {spec.name for spec in fields(Recipe)}, "a new setting: say in links how it is written"
    settings, problems = from_query(through_a_url(to_query(EVERY)))
    assert not problems
    assert settings == EVERY
    assert Recipe(**settings) == Recipe(**EVERY)


def test_links_are_readable_and_short():
    assert to_query({"chip": 16, "crop": None, "calibrate": True, "deconvolve": ()}) == {}
    query = to_query({"chip": 15, "crop": (0, 500, 0, 500), "elements": ("La", "Fe"), "energy": (0.2, 20.0)})
    assert query == {"chip": "15", "crop": "0:500,0:500", "elements": "La,Fe", "energy": "0.2:20"}
    many = KFactors({f"{e}_K": 1.0 + 0.001 * k for k, e in enumerate(["C", "N", "O", "Al", "Si", "Ti", "Fe", "Cu"])})
    assert len(to_query({"kfactors": many})["kfactors"]) < 300


@given(st.tuples(*[st.integers(0, 9999)] * 4), st.floats(0.01, 1.0), st.floats(1.0, 30.0), st.floats(1e-3, 1e4))
def test_numbers_survive(crop, low, high, thickness):
    settings = {"crop": crop, "energy": (low, high), "thickness_nm": thickness}
    found, problems = from_query(through_a_url(to_query(settings)))
    assert not problems
    assert found["crop"] == crop
    assert found["energy"] == pytest.approx((low, high), rel=1e-11)
    assert found["thickness_nm"] == pytest.approx(thickness, rel=1e-11)


def packed(data: bytes) -> str:
    return "packed." + base64.urlsafe_b64encode(zlib.compress(data)).decode()


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("chip", "abc", "not a whole number"),
        ("chip", "-3", "at least"),
        ("chip", "1e9", "not a whole number"),
        ("crop", "0:1:2,3", "not y0:y1,x0:x1"),
        ("crop", "", "not y0:y1,x0:x1"),
        ("energy", "low:high", "not low:high"),
        ("energy", "nan:20", "two numbers"),
        ("origin", "1", "not y,x"),
        ("calibrate", "True", "neither yes nor no"),
        ("background", "<script>alert(1)</script>", "unknown; choose"),
        ("engine", "rm -rf", "unknown; choose"),
        ("elements", "", "elements is empty"),
        ("thickness_nm", "inf", "a number"),
        ("kfactors", "../../etc/passwd", "neither theory nor a packed"),
        ("kfactors", "/etc/passwd", "neither theory nor a packed"),
        ("kfactors", "packed.%%%", "cut off"),
        ("kfactors", "packed.abcd", "damaged"),
        ("beam_kev", "two", "not a number"),
        ("kfactors", packed(b"{"), "damaged"),
        ("kfactors", packed(json.dumps({"factors": "../etc/passwd"}).encode()), "damaged"),
        ("kfactors", packed(json.dumps({"factors": {"La_L": -1}}).encode()), "positive number"),
        ("kfactors", packed(b"[" * 90_000), "damaged"),
        ("kfactors", packed(b" " * 50_000_000), "too long"),
        ("kfactors", packed(b"[1]"), "too long"),
        ("calibrate", packed(b"{}"), "channels"),
        ("calibrate", packed(b'{"channels": 1e99}'), "calibration"),
    ],
)
def test_what_is_no_setting_is_left_out_and_said(name, text, reason):
    settings, problems = from_query({name: text, "chip": "8"} if name != "chip" else {name: text, "order": "5"})
    assert settings == ({"chip": 8} if name != "chip" else {"order": 5})
    assert len(problems) == 1
    assert problems[0].startswith(f"The link's {name} is left out: ")
    assert reason in problems[0]


@given(st.dictionaries(st.sampled_from([*EVERY, "file", "utm_source"]), st.text(max_size=30)))
def test_no_link_raises(query):
    settings, problems = from_query(query)
    assert len(settings) + len(problems) == len(set(query) & set(EVERY))
