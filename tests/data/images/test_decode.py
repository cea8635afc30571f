"""Decoding: what Pillow opens becomes what a person sees, in 8 bits, square, whatever its mode, format or frames."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from runner.data.images.appearance import Appearance, parse_colour
from runner.data.images.decode import decode_image
from runner.data.images.listing import image_suffixes
from runner.data.images.pixels import as_seen
from runner.errors import RunnerError

ORANGE = (200, 100, 50)
WHITE = (255, 255, 255)


def seen(image: Image.Image, background=WHITE) -> tuple[int, int, int]:
    """The colour of a picture's first pixel."""
    return as_seen(image, background, {}).convert("RGB").getpixel((0, 0))


def orange(mode: str) -> Image.Image:
    picture = Image.new("RGB", (4, 4), ORANGE)
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        return ImageCms.applyTransform(picture, ImageCms.buildTransform(srgb, lab, "RGB", "LAB"))
    return picture.convert("RGBA").convert(mode) if mode == "RGBa" else picture.convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"])
def test_every_mode_of_colour_shows_the_same_colour(mode):
    found = seen(orange(mode))
    assert found == pytest.approx(ORANGE, abs=2)


def test_two_grey_modes_and_palettes_show_what_they_hold():
    assert seen(Image.new("1", (2, 2), 1)) == WHITE
    assert seen(Image.new("L", (2, 2), 77)) == (77,) * 3
    palette = Image.new("P", (2, 2), 3)
    palette.putpalette([0, 0, 0, 9, 9, 9, 8, 8, 8, *ORANGE])
    assert seen(palette) == ORANGE
    palette.info["transparency"] = 3
    assert seen(palette) == WHITE


@pytest.mark.parametrize(
    ("mode", "pixel", "expected"),
    [
        ("RGBA", (255, 0, 0, 0), (1, 2, 3)),
        ("RGBA", (255, 0, 0, 255), (255, 0, 0)),
        ("LA", (90, 0), (1, 2, 3)),
        ("LA", (90, 255), (90, 90, 90)),
        ("La", (0, 0), (1, 2, 3)),
        ("RGBa", (0, 0, 0, 0), (1, 2, 3)),
        ("PA", (5, 0), (1, 2, 3)),
    ],
)
def test_the_background_is_seen_through_transparent_pixels(mode, pixel, expected):
    assert seen(Image.new(mode, (2, 2), pixel), (1, 2, 3)) == expected


def test_half_transparent_pixels_are_mixed_with_the_background(tmp_path):
    Image.new("RGBA", (2, 2), (255, 0, 0, 51)).save(tmp_path / "a.png")
    assert decode_image(tmp_path / "a.png", 2, 3)[:, 0, 0].tolist() == [255, 204, 204]
    black = decode_image(tmp_path / "a.png", 2, 3, background="black")
    assert black[:, 0, 0].tolist() == [51, 0, 0]


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_a_colour_declared_transparent_shows_the_background(tmp_path, mode):
    pixels = {"L": 90, "RGB": ORANGE, "I;16": 500}[mode]
    picture = Image.fromarray(np.full((2, 2), 500, np.uint16)) if mode == "I;16" else Image.new(mode, (2, 2), pixels)
    picture.save(tmp_path / "a.png", transparency=pixels)
    assert decode_image(tmp_path / "a.png", 2, 3, background="#010203")[:, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jp2"])
def test_sixteen_bits_are_the_upper_eight(tmp_path, suffix):
    values = np.array([[0, 65535], [128 * 257, 257]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / f"a{suffix}")
    assert decode_image(tmp_path / f"a{suffix}", 2, 1).tolist() == [[[0, 255], [128, 1]]]


def test_big_endian_integers_and_those_of_portable_greymaps_are_read_alike(tmp_path):
    Image.fromarray(np.array([[0, 65535]], dtype=">u2")).save(tmp_path / "a.tif")
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 4095\n" + np.array([0, 4095], dtype=">u2").tobytes())
    for name in ("a.tif", "a.pgm"):
        assert decode_image(tmp_path / name, 1, 1, fit="squash").item() in (127, 128)


@pytest.mark.parametrize(("suffix", "dtype"), [(".tif", "float32"), (".pfm", "float32"), (".tif", "int32")])
def test_floats_and_long_integers_are_scaled_by_the_range_of_their_set(tmp_path, suffix, dtype):
    values = np.array([[-100, 300], [100, 1000]], dtype=dtype)
    Image.fromarray(values).save(tmp_path / f"a{suffix}")
    ranges = {"float": (-100.0, 300.0), "integer": (-100.0, 300.0)}
    assert decode_image(tmp_path / f"a{suffix}", 2, 1, ranges=ranges).tolist() == [[[0, 255], [128, 255]]]
    with pytest.raises(RunnerError, match=rf"a{suffix} holds (floats|32-bit integers), and no range is known"):
        decode_image(tmp_path / f"a{suffix}", 2, 1)


def test_what_is_no_number_is_black(tmp_path):
    Image.fromarray(np.array([[np.nan, 1], [np.inf, -np.inf]], dtype=np.float32)).save(tmp_path / "a.tif")
    assert decode_image(tmp_path / "a.tif", 2, 1, ranges={"float": (0, 1)}).tolist() == [[[0, 255], [255, 0]]]


def test_zeros_are_white_where_a_tiff_says_so(tmp_path):
    Image.fromarray(np.array([[0, 65535], [65535, 0]], dtype=np.uint16)).save(tmp_path / "a.tif", tiffinfo={262: 0})
    assert decode_image(tmp_path / "a.tif", 2, 1).tolist() == [[[255, 0], [0, 255]]]


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_a_picture_is_turned_as_its_exif_says(tmp_path, mode):
    values = np.array([[0, 255], [0, 0]], dtype=np.uint8)
    picture = (
        Image.fromarray(values.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(values).convert(mode)
    )
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    picture.save(tmp_path / "a.png", exif=exif)
    assert decode_image(tmp_path / "a.png", 2, 1).tolist() == [[[0, 0], [0, 255]]]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_picture_with_damaged_exif_is_read_as_it_lies(tmp_path):
    Image.new("L", (2, 2), 9).save(tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decode_image(tmp_path / "a.png", 2, 1).unique().tolist() == [9]


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tif"])
def test_the_first_frame_counts(tmp_path, suffix):
    later = Image.new("RGB", (8, 8), (0, 0, 255))
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / f"a{suffix}", save_all=True, append_images=[later])
    red, _, blue = decode_image(tmp_path / f"a{suffix}", 1, 3).flatten().tolist()
    assert red > 240 and blue < 15


@pytest.mark.parametrize(
    ("fit", "edges"),
    [("crop", [[255, 0]] * 4), ("squash", [[255, 0]] * 4), ("pad", [[9, 9], [255, 0], [255, 0], [9, 9]])],
)
def test_a_wide_picture_is_cut_squashed_or_padded(tmp_path, fit, edges):
    halves = np.zeros((4, 8), dtype=np.uint8)
    halves[:, :4] = 255
    Image.fromarray(halves).save(tmp_path / "a.png")
    found = decode_image(tmp_path / "a.png", 4, 1, fit=fit, background=[9, 9, 9])[0]
    assert found[:, [0, 3]].tolist() == edges
    # Only what was not scaled has an edge as sharp as the picture's.
    assert (found[1].tolist() == [255, 255, 0, 0]) == (fit == "crop")


@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
@pytest.mark.parametrize("size", [(1, 400), (400, 1), (3, 3)])
def test_every_fit_makes_any_shape_square(tmp_path, fit, size):
    Image.new("RGB", size, ORANGE).save(tmp_path / "a.png")
    assert decode_image(tmp_path / "a.png", 4, 3, fit=fit, background=ORANGE).float().std(dim=(1, 2)).max() == 0


def test_padding_has_the_colour_of_the_background_in_the_middle_of_the_longer_side(tmp_path):
    Image.new("RGB", (8, 4), ORANGE).save(tmp_path / "a.png")
    found = decode_image(tmp_path / "a.png", 8, 3, fit="pad", background="blue")
    assert found[:, [0, 1, 6, 7]].unique(dim=1).shape[1] == 1 and found[:, 0, 0].tolist() == [0, 0, 255]
    assert torch.equal(found[:, 2:6], torch.tensor(ORANGE, dtype=torch.uint8)[:, None, None].expand(3, 4, 8))


def test_a_picture_that_unpacks_to_too_many_pixels_is_refused_by_name(tmp_path, monkeypatch):
    Image.new("1", (200, 200)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    with pytest.raises(
        RunnerError, match=r"a\.png can't be read as an image \(it unpacks to more than 0 million pixels"
    ):
        decode_image(tmp_path / "a.png", 4, 1)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".gif", ".tif", ".bmp", ".jp2", ".pgm"])
def test_a_cut_off_file_of_any_format_is_refused_by_name(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    path = tmp_path / f"a{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RunnerError, match=rf"a{suffix} can't be read as an image"):
        decode_image(path, 4, 1)


def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size_to_nearly_the_same(tmp_path):
    ramp = np.linspace(0, 255, 512, dtype=np.uint8)[None].repeat(512, 0)
    Image.fromarray(ramp).save(tmp_path / "a.jpg", quality=95)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    fast, exact = (decode_image(tmp_path / name, 16, 1).int() for name in ("a.jpg", "a.png"))
    assert (fast - exact).abs().max() <= 2


def test_suffixes_are_those_that_pillow_opens_and_draws():
    found = image_suffixes()
    assert found >= {
        ".jpg",
        ".jfif",
        ".jpe",
        ".avif",
        ".webp",
        ".tif",
        ".tiff",
        ".gif",
        ".bmp",
        ".jp2",
        ".pfm",
        ".apng",
    }
    assert not found & {".pdf", ".mpg", ".mpeg", ".h5", ".hdf", ".grib", ".bufr", ".eps", ".ps", ".wmf", ".txt", ""}


@pytest.mark.parametrize(
    ("value", "expected"),
    [("white", WHITE), ("#0a0B0c", (10, 11, 12)), ([1, 2, 3], (1, 2, 3)), ("rgb(9,8,7)", (9, 8, 7))],
)
def test_a_colour_is_a_name_or_numbers(value, expected):
    assert parse_colour(value) == expected


@pytest.mark.parametrize("value", ["whitish", [1, 2], [1, 2, 300], ["a", 1, 2], ""])
def test_what_is_no_colour_is_refused(value):
    with pytest.raises(RunnerError, match=r"data\.background=.*no colour\. Give a name"):
        parse_colour(value)


def test_an_unknown_fit_is_refused():
    with pytest.raises(RunnerError, match=r"data\.fit=stretch: must be one of crop, pad, squash"):
        Appearance(4, 3, fit="stretch")
