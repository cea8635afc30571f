"""A picture with a colour profile is read in the colours that the profile means."""

import pytest
from PIL import Image, ImageCms

from runner.data.images.decode import decode_image
from tests.support.pictures import profile_of_swapped_colours

PICTURE = Image.new("RGB", (4, 4), (200, 60, 20))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def colour(path, channels: int = 3) -> list[int]:
    return decode_image(path, 2, channels)[:, 0, 0].tolist()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_the_colours_are_those_that_the_profile_means(tmp_path, suffix):
    PICTURE.save(tmp_path / f"p{suffix}", icc_profile=profile_of_swapped_colours())
    assert colour(tmp_path / f"p{suffix}") == pytest.approx([60, 200, 16], abs=8)


def test_grey_is_made_of_the_colours_that_are_meant(tmp_path):
    PICTURE.save(tmp_path / "p.png", icc_profile=profile_of_swapped_colours())
    assert colour(tmp_path / "p.png", 1) == pytest.approx([136], abs=3)


@pytest.mark.parametrize(
    ("mode", "options", "expected"),
    [
        ("P", {}, [57, 201, 12]),
        ("RGBA", {}, [57, 201, 12]),
        ("RGB", {"transparency": (200, 60, 20)}, [255, 255, 255]),
    ],
)
def test_palettes_and_transparency_stay_what_they_are(tmp_path, mode, options, expected):
    PICTURE.convert(mode).save(tmp_path / "p.png", icc_profile=profile_of_swapped_colours(), **options)
    assert colour(tmp_path / "p.png") == pytest.approx(expected, abs=8)


@pytest.mark.parametrize(
    ("mode", "profile"),
    [("RGB", SRGB), ("RGB", b"no profile"), ("L", profile_of_swapped_colours()), ("CMYK", SRGB)],
)
def test_srgbs_profile_a_damaged_one_and_one_of_other_colours_change_nothing(tmp_path, mode, profile):
    for name, given in (("with", profile), ("without", None)):
        PICTURE.convert(mode).save(tmp_path / f"{name}.tif", icc_profile=given)
    assert colour(tmp_path / "with.tif") == colour(tmp_path / "without.tif")
