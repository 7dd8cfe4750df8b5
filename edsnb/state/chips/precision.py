"""How precise chips of any size would be: one fit of the crop's sum in the background."""

from __future__ import annotations

from typing import Any

import param

from edsnb.core.advise import Advice, advise
from edsnb.core.fitting.solve import Progress
from edsnb.core.image import SpectrumImage
from edsnb.errors import EdsnbError
from edsnb.state.chips.cuts import Crop
from edsnb.state.elements.models import ModelSettings, settle
from edsnb.state.elements.state import ElementState
from edsnb.state.work import Work

_PAUSE_S = 0.3
"""The hand must have been still for so long before the fit begins."""


class PrecisionState(param.Parameterized):
    """Prediction for the crop of a map and the elements chosen; made anew when one of them changes."""

    prediction = param.ClassSelector(class_=Advice, constant=True, allow_None=True)
    message = param.String(default="", constant=True, doc="Why there is no prediction; empty where there is one.")

    def __init__(self, elements: ElementState) -> None:
        super().__init__()
        self.elements = elements
        self.work = Work()
        self._image: SpectrumImage | None = None
        self._crop: Crop | None = None
        self._made_for: tuple[SpectrumImage, ModelSettings, Crop | None] | None = None
        elements.param.watch(lambda *_: self._renew(), ["elements", "deconvolve", "lines", "energy"])
        self.work.param.watch(self._failed, "message")

    def of(self, image: SpectrumImage | None, crop: Crop | None) -> None:
        """Predict for this crop of a map from now on; None for nothing."""
        self._image, self._crop = image, crop
        self._renew()

    def line(self, pixels: float, what: str) -> str:
        """Say what to expect of a region of so many pixels, called `what`."""
        if self.prediction is None:
            return self.message or ("Predicting the precision ..." if self.work.running else "")
        advice = self.prediction
        spread = advice.sd_pixel / pixels**0.5
        found = ", ".join(f"{e} {sd:.2f}" for e, sd in zip(advice.elements, spread, strict=True))
        enough = advice.smallest_px
        size = f"{enough} px is the smallest size that meets 1 at% for all" if enough else "no size meets 1 at% for all"
        return f"Predicted sd (at%) of {what}: {found}; {size}."

    def _renew(self) -> None:
        image, crop = self._image, self._crop
        if image is None or image.events is None:
            self._nothing("")
            return
        try:
            settings = ModelSettings.of(self.elements)
        except EdsnbError as error:
            self._nothing(f"No prediction: {error}")
            return
        key = (image, settings, crop)
        if self._made_for is not None and self._same(key) and (self.prediction is not None or self.work.running):
            return
        self._made_for = key
        self._set(prediction=None, message="")

        def make(progress: Progress) -> Advice:
            settle(progress, _PAUSE_S)
            return advise(image, settings.quantify(image, crop), crop=crop)

        self.work.start("Predicting the precision", make, lambda advice: self._set(prediction=advice, message=""))

    def _same(self, key: tuple[SpectrumImage, ModelSettings, Crop | None]) -> bool:
        """Tell whether a prediction for `key` is there or on its way."""
        return self._made_for is not None and key[0] is self._made_for[0] and key[1:] == self._made_for[1:]

    def _nothing(self, message: str) -> None:
        self.work.cancel()
        self._made_for = None
        self._set(prediction=None, message=message)

    def _failed(self, *_: object) -> None:
        if self.work.message:
            self._set(message=f"No prediction: {self.work.message}")

    def _set(self, **values: Any) -> None:
        with param.edit_constant(self):
            self.param.update(**values)
