"""Pictures of anybody: bounded by their pixels before these are decoded, in formats that start no other program."""

import struct
import zlib

import pytest
from PIL import Image, ImageFile

from runner.data.images.decode import UnreadableImageError, decode_image, reason
from runner.data.images.inspection import inspect
from runner.data.images.opened import drawn_formats, opened
from runner.errors import RunnerError


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


SIDE = 100_000
HEADERS = {
    "png": b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(bytes(1000))),
    "bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, SIDE, SIDE, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(46),
    "gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x4c\x01\0;",
    "ppm": b"P6\n100000 100000\n255\n" + bytes(100),
    "tga": struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 65535, 65535, 24, 0) + bytes(100),
    "sgi": struct.pack(">HBBHHHH", 474, 0, 1, 3, 65535, 65535, 3) + bytes(600),
    "pcx": struct.pack("<BBBBHHHH", 10, 5, 1, 8, 0, 0, 65534, 65534) + bytes(53) + b"\x01" + bytes(1000),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_of_too_many_pixels_is_refused_before_they_are_decoded(tmp_path, monkeypatch, name):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("it was decoded"))
    path = tmp_path / f"x.{name}"
    path.write_bytes(HEADERS[name])
    with pytest.raises(RunnerError, match=r"it unpacks to more than 179 million pixels"):
        decode_image(path, 8, 3)


def saved(image, path, form):
    try:
        image.save(path, form)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError):
        return False  # of another size or mode than the format takes, or it needs a program
    return True


def test_every_format_is_bounded_by_its_header(tmp_path, monkeypatch):
    Image.init()
    image, found = Image.new("RGB", (64, 64), "red"), []
    forms = [form for form in Image.SAVE if form in drawn_formats() and saved(image, tmp_path / form, form)]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("it was decoded"))
    for form in forms:
        with pytest.raises(Image.DecompressionBombError), opened(tmp_path / form):
            found.append(form)
    assert found == [] and {"PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "ICO"} <= {*forms}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_picture_just_below_the_bound_is_read(tmp_path, monkeypatch):
    Image.new("RGB", (20, 10), "red").save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode_image(tmp_path / "x.png", 4, 3).shape == (3, 4, 4)


@pytest.mark.parametrize("name", ["x.png", "x.eps", "x.jpg"])
def test_postscript_starts_no_program_whatever_it_is_called(tmp_path, monkeypatch, name):
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a program was started"))
    (tmp_path / name).write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    )
    with pytest.raises(RunnerError, match="can't be read as an image"):
        decode_image(tmp_path / name, 8, 3)


def test_text_of_a_picture_that_unpacks_without_end_is_no_picture(tmp_path):
    bomb = zlib.compress(bytes(2**27), 9)
    text = b"a\0\0" + bomb
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(4 * 13)))
    content = b"\x89PNG\r\n\x1a\n" + header + chunk(b"zTXt", text) + body + chunk(b"IEND", b"")
    (tmp_path / "x.png").write_bytes(content)
    try:
        decode_image(tmp_path / "x.png", 4, 3)
    except RunnerError as error:
        assert "can't be read as an image" in str(error)
    inspect(tmp_path / "x.png")


def test_the_reason_says_how_many_pixels_there_may_be():
    assert reason(Image.DecompressionBombError()) == "it unpacks to more than 179 million pixels"
    assert issubclass(UnreadableImageError, Exception)
