"""The way back: what a few-shot model said of the chips, and which chips were labelled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.events import Array
from edsnb.core.labels import Labels
from edsnb.core.regions import Regions
from edsnb.errors import FileFormatError, InputError
from edsnb.io.fewshot.names import check_complete, find_chips
from edsnb.io.files import existing_file

if TYPE_CHECKING:
    import pandas as pd

_ROUNDING = 0.02
"""How far the probabilities of a chip may be from a sum of 1."""


def read_labels(path: str | PathLike[str], regions: Regions) -> Labels:
    r"""Read ``fewshot_result.csv`` onto the chips it was made of.

    The file has the chips' paths in a first column without a name (``/`` or ``\``, any of the three namings, any
    order), one column of probabilities a class, then ``prediction``; PychipClassifier adds ``chip``.

    Parameters
    ----------
    path
        The CSV file.
    regions
        The chips that were exported: ``analysis.spectra.regions``, or ``edsnb.ChipGrid(16).regions(image.shape)``.

    Returns
    -------
    Labels, in the order of the regions.

    Raises
    ------
    FileFormatError
        The file is missing or no result of a few-shot model; chips are missing, stand twice, or belong to another
        grid; every probability is NaN.
    """
    file = existing_file(path)
    frame = _table(file)
    classes = _classes(frame, file)
    try:
        places = find_chips(frame.index.astype(str).tolist(), regions)
        check_complete(places, regions)
    except InputError as error:
        raise FileFormatError(f"{file}: {error} Give the grid that these chips were exported with.") from None
    probabilities = np.full((len(regions), len(classes)), np.nan)
    probabilities[places] = _probabilities(frame, classes, file)
    prediction = np.full(len(regions), -1)
    prediction[places] = _predictions(frame, classes, file)
    return Labels(regions, tuple(classes), probabilities, prediction, str(file))


def _table(file: Path) -> pd.DataFrame:
    """Return the table of a CSV file, chips as its index, all else as text."""
    import pandas as pd

    try:
        # As text: a class may be called 1 or NA, and a number be written wrongly.
        frame = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileFormatError(f"{file} cannot be read as CSV: {reason.rstrip('.')}.") from None
    if frame.shape[1] < 3 or not len(frame):
        raise FileFormatError(f"{file} has {len(frame)} rows and {frame.shape[1]} columns; {_WANTED}")
    return frame.set_index(frame.columns[0])


_WANTED = "a few-shot result has chips, a column of probabilities for each class, and prediction, separated by commas."


def _classes(frame: pd.DataFrame, file: Path) -> list[str]:
    """Return the classes: the columns before ``prediction``."""
    columns = [str(name) for name in frame.columns]
    if "prediction" not in columns:
        raise FileFormatError(f"{file} has no column prediction, only {', '.join(columns[:6])}; {_WANTED}")
    classes, rest = columns[: columns.index("prediction")], columns[columns.index("prediction") + 1 :]
    if not classes or set(rest) - {"chip"}:
        raise FileFormatError(f"{file} has the columns {', '.join(columns[:8])}; {_WANTED}")
    return classes


def _probabilities(frame: pd.DataFrame, classes: list[str], file: Path) -> Array:
    """Return the probabilities (n, C) in the file's order; NaN where a chip has none."""
    try:
        values = frame[classes].replace("", "nan").to_numpy(dtype=np.float64)
    except ValueError as error:
        raise FileFormatError(f"{file}: a probability is no number ({error}); {_WANTED}") from None
    known = np.isfinite(values).all(axis=1)
    if not known.any():
        raise FileFormatError(
            f"{file}: every probability is NaN, as where one chip without numbers went into a prototype. Run the model "
            "on features without NaN, such as those that edsnb exports."
        )
    found = values[known]
    if found.min() < -_ROUNDING or (np.abs(found.sum(axis=1) - 1.0) > _ROUNDING).any():
        worst = frame.index[known][np.abs(found.sum(axis=1) - 1.0).argmax()]
        raise FileFormatError(
            f"{file}: the columns {', '.join(classes[:5])} are no probabilities: they do not sum to 1, as for {worst}."
        )
    return values


def _predictions(frame: pd.DataFrame, classes: list[str], file: Path) -> list[int]:
    """Return the number of each predicted class in the file's order; -1 for a chip without any."""
    numbers = {name: k for k, name in enumerate(classes)} | {"": -1, "nan": -1}
    predicted = frame["prediction"].tolist()
    if unknown := sorted({name for name in predicted if name not in numbers}):
        raise FileFormatError(
            f"{file}: prediction {', '.join(unknown[:5])} is none of the classes {', '.join(classes[:8])}."
        )
    return [numbers[name] for name in predicted]


def read_support(path: str | PathLike[str]) -> Mapping[str, list[str]]:
    """Read ``support.json``: {class: [names of chips]}.

    Raises
    ------
    FileFormatError
        The file is missing, or holds something else.
    """
    file = existing_file(path)
    try:
        held = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{file} cannot be read as JSON: {error}.") from None
    right = isinstance(held, dict) and all(
        isinstance(chips, list) and all(isinstance(chip, str) for chip in chips) for chips in held.values()
    )
    if not right or not held:
        raise FileFormatError(f'{file} holds no labels; they look like {{"film": ["R0C1", "R0C2"], "gold": ["R5C1"]}}.')
    return held
