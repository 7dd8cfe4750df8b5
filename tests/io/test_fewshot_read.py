"""The way back: results of few-shot models on the chips they were made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edsnb
from edsnb.core.regions import ChipGrid, Regions
from edsnb.errors import FileFormatError
from edsnb.io.fewshot.names import Naming, file_name
from edsnb.io.fewshot.read import read_labels, read_support

REGIONS = ChipGrid(size=4).regions((14, 50))
"""3 rows and 12 columns."""
CLASSES = ["film", "gold", "7"]


def result(
    naming: Naming = Naming.GUI, folder: str = "./static/username/query/all_chips/", extra: bool = False
) -> pd.DataFrame:
    """Return a result as pyCHIP writes it: rows sorted as text; the truth follows from row and column."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), len(REGIONS)).round(4)
    index = [folder + file_name(naming, *cell) for cell in REGIONS.cells.tolist()]
    if naming is Naming.CLASSIFIER:
        index = [Path(name).stem for name in index]
    frame = pd.DataFrame(probabilities, index=index, columns=CLASSES)
    frame["prediction"] = frame.idxmax(axis=1)
    if extra:
        frame["chip"] = frame.index
    return frame


def written(frame: pd.DataFrame, path: Path, **options: object) -> Path:
    frame.sort_index().to_csv(path, **options)
    return path


@pytest.mark.parametrize(
    ("naming", "folder", "extra"),
    [
        (Naming.GUI, "./static/username/query/all_chips/", False),
        (Naming.MANUSCRIPT, "./manuscript_images/fig2_A/query\\all_queries\\", False),
        (Naming.CLASSIFIER, "", True),
    ],
)
def test_results_are_laid_onto_the_chips(tmp_path: Path, naming: Naming, folder: str, extra: bool):
    frame = result(naming, folder, extra)
    path = written(frame, tmp_path / "fewshot_result.csv")
    labels = edsnb.read_labels(path, REGIONS)
    assert isinstance(labels, edsnb.Labels)
    assert labels.names == REGIONS.names
    assert labels.classes == tuple(CLASSES)
    np.testing.assert_array_equal(labels.probabilities, frame[CLASSES].to_numpy())
    assert list(labels.predicted) == frame["prediction"].tolist()
    assert labels.source == str(path)
    ordered = np.sort(frame[CLASSES].to_numpy(), axis=1)
    np.testing.assert_allclose(labels.margin, ordered[:, 2] - ordered[:, 1])
    # By place: what is said of row 2, column 11 stands there.
    (row,) = (k for k in frame.index if Path(k.replace("\\", "/")).stem == Path(file_name(naming, 2, 11)).stem)
    assert CLASSES[labels.map()[2, 11]] == frame.loc[row, "prediction"]


def test_the_published_layout(tmp_path: Path):
    """Rows as pyCHIP's own result has them, sorted as text, with saturated probabilities."""
    lines = [",feature_type_1,feature_type_2,prediction"]
    cells = {(c, r): 1 + (r >= 6) for c in (0, 1, 10) for r in range(12)}
    for c, r in sorted(cells, key=lambda cell: f"cropX_{cell[0]}_Y_{cell[1]}.jpg"):
        one = float(cells[c, r] == 1)
        lines.append(
            f"./static/username/query/all_chips/cropX_{c}_Y_{r}.jpg,{one},{1 - one},feature_type_{cells[c, r]}"
        )
    path = tmp_path / "fewshot_result.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    regions = ChipGrid(size=4).regions((48, 44))
    with pytest.raises(FileFormatError, match=r"96 of 132 chips are missing: R0C2, R0C3"):
        read_labels(path, regions)
    text = path.read_text("utf-8").replace("cropX_10_", "cropX_2_")
    path.write_text(text, encoding="utf-8")
    labels = read_labels(path, ChipGrid(size=4).regions((48, 12)))
    assert labels.map().tolist() == [[0] * 3] * 6 + [[1] * 3] * 6
    assert set(labels.margin) == {1.0}


def test_what_excel_and_windows_do(tmp_path: Path):
    path = written(result(), tmp_path / "r.csv", encoding="utf-8-sig", lineterminator="\r\n")
    assert read_labels(path, REGIONS).classes == tuple(CLASSES)


def test_classes_that_pandas_would_take_for_something_else(tmp_path: Path):
    frame = result().rename(columns={"film": "NA", "gold": "1"})
    frame["prediction"] = frame[["NA", "1", "7"]].idxmax(axis=1)
    labels = read_labels(written(frame, tmp_path / "r.csv"), REGIONS)
    assert labels.classes == ("NA", "1", "7")
    assert list(labels.predicted) == frame["prediction"].tolist()


def test_chips_without_numbers(tmp_path: Path):
    frame = result()
    frame.loc[frame.index[5], CLASSES] = np.nan
    frame.loc[frame.index[5], "prediction"] = np.nan
    labels = read_labels(written(frame, tmp_path / "r.csv"), REGIONS)
    assert labels.predicted[5] is None
    assert np.isnan(labels.margin[5])
    assert np.isfinite(np.delete(labels.margin, 5)).all()
    frame[CLASSES] = np.nan
    with pytest.raises(FileFormatError, match=r"every probability is NaN.*features without NaN"):
        read_labels(written(frame, tmp_path / "r.csv"), REGIONS)


def test_irregular_regions(tmp_path: Path):
    masks = {"film/1": np.eye(4, dtype=bool), "disc": np.ones((4, 4), bool)}
    (tmp_path / "r.csv").write_text(
        ",a,b,prediction\nimagefolder/0001_disc.png,0.1,0.9,b\nimagefolder/0000_film_1.png,0.8,0.2,a\n",
        encoding="utf-8",
    )
    assert read_labels(tmp_path / "r.csv", Regions.from_masks(masks)).predicted == ("a", "b")


def changed(kind: str) -> pd.DataFrame | str:
    frame = result()
    match kind:
        case "missing":
            return frame.drop(index=frame.index[[3, 20]])
        case "double":
            return pd.concat([frame, frame.iloc[[4]]])
        case "foreign":
            return pd.concat([frame, frame.iloc[[4]].rename(index=lambda _: "x/cropX_12_Y_0.jpg")])
        case "other naming":
            return result(Naming.MANUSCRIPT).rename(index=lambda name: name.replace("otsu_image_03", "otsu_image_04"))
        case "mixed":
            return pd.concat([frame.iloc[:-1], result(Naming.CLASSIFIER).iloc[-1:]])
        case "no prediction":
            return frame.drop(columns="prediction")
        case "unknown class":
            return frame.replace({"prediction": {"gold": "golt"}})
        case "no probabilities":
            return frame.assign(**{"7": 10.0})
        case "words":
            return frame.assign(**{"7": "many"})
        case "more columns":
            return frame.assign(remark="x")
        case "semicolons":
            return frame.to_csv(sep=";")
        case "empty":
            return ""
    return "\x00\xff\n1"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", r"2 of 36 chips are missing: R0C3, R1C8\. Give the grid that these chips were exported with"),
        ("double", "R0C4 is named more than once"),
        ("foreign", r"cropX_12_Y_0.jpg is no chip of the grid of 3 rows and 12 columns"),
        ("other naming", r"otsu_image_04_01\.png, .*\(12 in all\) are no chip"),
        ("mixed", "named in several ways at once"),
        ("no prediction", "has no column prediction, only film, gold, 7"),
        ("unknown class", "prediction golt is none of the classes film, gold, 7"),
        ("no probabilities", "the columns film, gold, 7 are no probabilities: they do not sum to 1"),
        ("words", "a probability is no number"),
        ("more columns", "has the columns film, gold, 7, prediction, remark"),
        ("semicolons", "36 rows and 1 columns; a few-shot result has"),
        ("empty", "cannot be read as CSV"),
        ("rubbish", "has 1 rows and 1 columns; a few-shot result has"),
    ],
)
def test_what_is_no_result_of_these_chips(tmp_path: Path, kind: str, message: str):
    made = changed(kind)
    path = tmp_path / "r.csv"
    if isinstance(made, str):
        path.write_text(made, encoding="utf-8")
    else:
        written(made, path)
    with pytest.raises(FileFormatError, match=message) as caught:
        read_labels(path, REGIONS)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_no_file(tmp_path: Path):
    for read in (lambda p: read_labels(p, REGIONS), read_support):
        with pytest.raises(FileFormatError, match="does not exist"):
            read(tmp_path / "none.csv")
        with pytest.raises(FileFormatError, match="is a folder"):
            read(tmp_path)


def test_support(tmp_path: Path):
    path = tmp_path / "support.json"
    path.write_text('\ufeff{"film": ["R1C2", "R4C4"], "été": ["R0C3"]}', encoding="utf-8")
    assert read_support(path) == {"film": ["R1C2", "R4C4"], "été": ["R0C3"]}
    for text in ("{}", "[]", '{"film": "R1C2"}', '{"film": [1]}', "null"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(FileFormatError, match="holds no labels; they look like"):
            read_support(path)
    path.write_text('{"film": ', encoding="utf-8")
    with pytest.raises(FileFormatError, match="cannot be read as JSON"):
        read_support(path)
