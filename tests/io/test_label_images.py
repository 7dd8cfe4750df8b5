"""Label images of other programs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edsnb.errors import FileFormatError
from edsnb.io.label_images import read_label_image

LABELS = np.arange(12, dtype=np.int32).reshape(3, 4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
@pytest.mark.parametrize("ending", [".npy", ".tif", ".png"])
def test_whole_numbers_come_back(tmp_path, ending, dtype):
    path = tmp_path / f"labels{ending}"
    if ending == ".npy":
        np.save(path, LABELS.astype(dtype))
    elif ending == ".png" and dtype is np.int32:
        pytest.skip("PNG holds no 32 bits")
    else:
        Image.fromarray(LABELS.astype(dtype)).save(path)
    np.testing.assert_array_equal(read_label_image(path), LABELS)


def test_whole_numbers_stored_as_floats_and_extra_axes(tmp_path):
    np.save(tmp_path / "l.npy", LABELS[None].astype(np.float32))
    np.testing.assert_array_equal(read_label_image(tmp_path / "l.npy"), LABELS)


def test_palette_and_black_and_white_pictures(tmp_path):
    Image.fromarray(LABELS.astype(np.uint8), mode=None).convert("P").save(tmp_path / "p.png")
    assert read_label_image(tmp_path / "p.png").shape == (3, 4)
    Image.fromarray(LABELS > 5).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_label_image(tmp_path / "b.png"), LABELS > 5)


def test_what_is_none(tmp_path):
    np.save(tmp_path / "f.npy", LABELS + 0.5)
    (tmp_path / "l.jpg").write_bytes(b"")
    np.save(tmp_path / "o.npy", np.array([None, 1], object), allow_pickle=True)
    for name, said in (("f.npy", "one whole number"), ("l.jpg", "no label image"), ("o.npy", "cannot be read")):
        with pytest.raises(FileFormatError, match=said):
            read_label_image(tmp_path / name)
