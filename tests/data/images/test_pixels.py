"""Images of more than 8 bits: one range for a whole set, the same in training and prediction, and said once."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from runner.data.images.pixels import natural_range, scaled
from runner.errors import RunnerError
from tests.support.pictures import fill, image_data, read_data, sixteen_bits

DEEP = {"dark": 6_000, "light": 40_000}


def floats(level: int) -> Image.Image:
    return Image.fromarray(np.full((6, 6), level / 100, dtype=np.float32))


def means(data, split: str = "train") -> dict[str, set[int]]:
    """By class, the greys of its images."""
    samples = data.splits[split]
    greys = samples.inputs.float().mean(dim=(1, 2, 3)).round().int()
    return {name: set(greys[samples.targets == row].tolist()) for row, name in enumerate(data.class_names)}


@pytest.mark.parametrize(
    ("low", "high", "kind", "expected"),
    [
        (3_000, 43_000, "integer", (0, 65535)),
        (0, 65535, "integer", (0, 65535)),
        (0, 3_500, "integer", (0, 4095)),
        (10, 200, "integer", (0, 255)),
        (0, 1_000_000, "integer", (0, 1_000_000)),
        (-5, 300, "integer", (-5, 300)),
        (0.0, 0.9, "float", (0, 1)),
        (0.0, 0.2, "float", (0.0, 0.2)),
        (0.0, 255.0, "float", (0, 255)),
        (280.5, 310.5, "float", (280.5, 310.5)),
        (7, 7, "integer", (0, 255)),
        (-3, -3, "integer", (-3, -2)),
    ],
)
def test_a_range_is_that_of_the_bits_that_are_filled_or_of_the_values(low, high, kind, expected):
    assert natural_range(low, high, kind) == expected


def test_values_are_rounded_and_cut_off_at_both_ends():
    values = np.array([-1, 0, 1, 500, 1000, 2000], dtype=np.int32)
    assert scaled(values, (0, 1000)).tolist() == [0, 0, 0, 128, 255, 255]


def test_sixteen_bits_look_like_the_same_pictures_in_eight(tmp_path):
    deep = read_data(fill(tmp_path / "deep", 10, {"dark": 20 * 257, "light": 200 * 257}, draw=sixteen_bits))
    flat = read_data(fill(tmp_path / "flat", 10, {"dark": 20, "light": 200}))
    assert (deep.splits["train"].inputs.int() - flat.splits["train"].inputs.int()).abs().max() <= 9
    assert all(max(means(deep)["dark"]) < 25 < 195 < min(greys) for greys in [means(deep)["light"]])


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_range_is_found_once_and_said(tmp_path, dry_run):
    fill(tmp_path, 10, DEEP, draw=sixteen_bits)
    data = image_data(tmp_path)
    data.dry_run = dry_run
    data.setup()
    assert data.appearance.ranges == {"integer": (0, 65535)}
    assert means(data) == {"dark": {23}, "light": {156}}
    assert data.remarks == [
        "20 images of integers of more than 8 bits: read with 0 as black and 65535 as white. "
        "Set data.value_range=[BLACK,WHITE] for others."
    ]


def test_the_range_is_that_of_the_training_images(tmp_path):
    fill(tmp_path / "train", 5, {"dark": 100, "light": 4_000}, draw=sixteen_bits)
    fill(tmp_path / "test", 5, {"dark": 100, "light": 60_000}, draw=sixteen_bits)
    data = read_data(tmp_path)
    assert data.appearance.ranges == {"integer": (0, 4095)}
    assert means(data, "test") == {"dark": {6}, "light": {255}}


def test_prediction_reads_by_the_range_of_training(tmp_path):
    fill(tmp_path / "train", 5, {"dark": 100, "light": 400}, suffix=".tif", draw=floats)
    fill(tmp_path / "test", 5, {"dark": 100, "light": 200}, suffix=".tif", draw=floats)
    trained = read_data(tmp_path)
    assert trained.appearance.ranges == {"float": (1.0, pytest.approx(4.04))}
    predicting = image_data(tmp_path)
    predicting.load_state_dict(trained.state_dict())
    lone = predicting.read([tmp_path / "test" / "light" / "04.tif"])
    assert lone.unique().tolist() == [round(1.04 / 3.04 * 255)]
    with pytest.raises(RunnerError, match="holds floats, and no range is known"):
        image_data(tmp_path).read([tmp_path / "test" / "light" / "04.tif"])


def test_weights_that_are_tested_on_another_set_keep_the_range_that_they_were_trained_with(tmp_path):
    trained = read_data(fill(tmp_path / "a", 10, {"dark": 0, "light": 4_000}, draw=sixteen_bits))
    other = read_data(fill(tmp_path / "b", 10, {"dark": 0, "light": 800}, draw=sixteen_bits))
    assert other.appearance.ranges == {"integer": (0, 1023)}
    other.load_state_dict(trained.state_dict())
    assert other.appearance.ranges == {"integer": (0, 4095)}
    assert means(other)["light"] == {50}


def test_a_range_can_be_given(tmp_path):
    data = read_data(fill(tmp_path, 10, DEEP, draw=sixteen_bits), value_range=[0, 60_000])
    assert means(data)["light"] == {170}
    with pytest.raises(RunnerError, match=r"data\.value_range=\[3, 3\]: give two numbers"):
        image_data(tmp_path, value_range=[3, 3])


def test_images_of_8_bits_beside_deeper_ones_stay_as_they_are_and_are_counted(tmp_path):
    fill(tmp_path, 5, DEEP, draw=sixteen_bits)
    fill(tmp_path, 3, {"dark": 20, "light": 150}, suffix=".bmp")
    data = read_data(tmp_path)
    assert "10 images of integers of more than 8 bits" in data.remarks[0]
    assert "the other 6 as they are" in data.remarks[0]
    assert {20, 21, 22} & means(data)["dark"] and {150, 151, 152} & means(data)["light"]


def test_integers_and_floats_have_ranges_of_their_own(tmp_path):
    fill(tmp_path, 10, DEEP, draw=sixteen_bits)
    fill(tmp_path, 10, {"dark": 10, "light": 80}, suffix=".tif", draw=floats)
    assert read_data(tmp_path).appearance.ranges == {"integer": (0, 65535), "float": (0, 1)}


def test_animated_images_are_said_once(tmp_path):
    fill(tmp_path, 6)
    for level, name in enumerate(("cat/a.gif", "dog/b.gif")):
        Image.new("L", (6, 6), level).save(tmp_path / name, save_all=True, append_images=[Image.new("L", (6, 6), 200)])
    assert read_data(tmp_path).remarks == [
        "The first frame or page is used of 2 images with several (cat/a.gif, dog/b.gif)."
    ]


def png_of_16_bits_a_colour(level: int) -> bytes:
    """A PNG of 6x6 pixels of one colour, red, green and blue of 16 bits each: Pillow writes none."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    lines = (b"\0" + struct.pack(">3H", level, level, level) * 6) * 6
    header = struct.pack(">2I5B", 6, 6, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_colours_of_16_bits_keep_the_upper_eight_and_that_is_said(tmp_path):
    fill(tmp_path, 4)
    (tmp_path / "cat" / "deep.png").write_bytes(png_of_16_bits_a_colour(200 * 256 + 77))
    data = read_data(tmp_path, validation_fraction=0.0, test_fraction=0.0)
    assert data.remarks == ["The upper 8 of the 16 bits of each colour are used of 1 image (cat/deep.png)."]
    assert means(data)["cat"] == {60, 61, 62, 63, 200}


def test_sets_of_8_bits_say_and_keep_nothing(tmp_path):
    data = read_data(fill(tmp_path, 6))
    assert data.remarks == [] and "value_ranges" not in data.state_dict()
