"""The record of a calibration: energy axis and peak shape that a fit uses, and how they were found."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.peaks import NOMINAL_FWHM_EV, Response
from edsnb.core.image import EnergyAxis
from edsnb.errors import InputError


@dataclass(frozen=True, slots=True)
class Calibration:
    """The detector response a fit uses, and how it was found."""

    response: Response
    offset_change_ev: float = 0.0
    """Calibrated minus stated energy at channel 0."""
    offset_sd_ev: float = 0.0
    gain_change: float = 0.0
    """Relative change of the dispersion."""
    gain_sd: float = 0.0
    fwhm_sd_ev: float = 0.0
    tail_sd: float = 0.0
    bow_sd_ev: float = 0.0
    applied: bool = False
    message: str = "the file's calibration was used"

    def moved(self, start: Response) -> Array:
        """Return how far this lies from `start`: offset eV, gain 1e-3, width eV, tail share, bow eV."""
        found = self.response
        width = found.fwhm_mn_ev - start.fwhm_mn_ev
        return np.array([self.offset_change_ev, self.gain_change * 1e3, width, found.tail, found.bow_ev])

    def to_dict(self) -> dict[str, object]:
        """Return all numbers, for the provenance record and for recipes; see `from_dict`."""
        return {
            "applied": self.applied,
            **_response_numbers(self.response),
            "offset_change_ev": self.offset_change_ev,
            "offset_sd_ev": self.offset_sd_ev,
            "gain_change": self.gain_change,
            "gain_sd": self.gain_sd,
            "fwhm_sd_ev": self.fwhm_sd_ev,
            "tail_sd": self.tail_sd,
            "bow_sd_ev": self.bow_sd_ev,
            "segments": [{"share": share, **_response_numbers(part)} for share, part in self.response.parts],
            "message": self.message,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """Return the calibration that `to_dict` told.

        Raises
        ------
        InputError
            A number is missing, unknown or cannot be.
        """
        rest = dict(values)
        try:
            segments = [dict(segment) for segment in rest.pop("segments", [])]
            parts = tuple((float(segment.pop("share")), _response_of(segment)) for segment in segments)
            response = replace(_response_of(rest), parts=parts)
            known: dict[str, Any] = {name: _KINDS[name](value) for name, value in rest.items()}
            return cls(response, **known)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"calibration: {type(error).__name__} {error}; it must have channels, offset_kev, scale_kev and "
                "fwhm_mn_ev at least, as Calibration.to_dict() writes them."
            ) from None

    @classmethod
    def by_hand(
        cls,
        energy: EnergyAxis,
        *,
        offset_ev: float = 0.0,
        gain: float = 0.0,
        fwhm_mn_ev: float = NOMINAL_FWHM_EV,
        around: Calibration | None = None,
    ) -> Calibration:
        """Return a calibration that differs from the axis the file states by what is given.

        Parameters
        ----------
        energy
            The stated axis.
        offset_ev
            Energy added to channel 0.
        gain
            Relative change of the dispersion.
        fwhm_mn_ev
            Width at Mn Ka.
        around
            Calibration whose tail and bow are kept; None for none. An axis for each detector segment is not kept.
        """
        axis = EnergyAxis(energy.size, energy.scale_kev * (1 + gain), energy.offset_kev + offset_ev / 1e3)
        shape = Response(axis) if around is None else around.response
        response = replace(shape, energy=axis, fwhm_mn_ev=fwhm_mn_ev, parts=())
        message = f"set by hand: offset {offset_ev:+g} eV, gain {gain * 100:+g} %, width {fwhm_mn_ev:g} eV at Mn Ka"
        return cls(response, offset_change_ev=offset_ev, gain_change=gain, message=message)


_NUMBERS = ("offset_change_ev", "offset_sd_ev", "gain_change", "gain_sd", "fwhm_sd_ev", "tail_sd", "bow_sd_ev")
_KINDS: dict[str, Callable[[Any], Any]] = {"applied": bool, "message": str, **dict.fromkeys(_NUMBERS, float)}
"""What `Calibration.from_dict` makes of each value besides those of the response."""


def _response_numbers(response: Response) -> dict[str, object]:
    """Return what describes a response without segments."""
    axis = response.energy
    return {
        "channels": axis.size,
        "offset_kev": axis.offset_kev,
        "scale_kev": axis.scale_kev,
        "fwhm_mn_ev": response.fwhm_mn_ev,
        "tail": response.tail,
        "tail_slope_ev": response.tail_slope_ev,
        "bow_ev": response.bow_ev,
    }


def _response_of(values: dict[str, Any]) -> Response:
    """Take the numbers of a response out of `values`, and return it."""
    axis = EnergyAxis(
        operator.index(values.pop("channels")), float(values.pop("scale_kev")), float(values.pop("offset_kev"))
    )
    usual = Response(axis)
    rest: dict[str, Any] = {
        name: float(values.pop(name, getattr(usual, name))) for name in ("tail", "tail_slope_ev", "bow_ev")
    }
    return Response(axis, float(values.pop("fwhm_mn_ev")), **rest)
