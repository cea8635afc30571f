"""A quick look at image files: their first and last bytes and their headers, without decoding their pixels."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from PIL import Image

from runner.data.images.appearance import Appearance, ValueRanges
from runner.data.images.class_folders import enumerated, printable
from runner.data.images.decode import UnreadableImageError, decoded, reason
from runner.data.images.opened import opened
from runner.data.images.pixels import kind_of_values
from runner.errors import RunnerError

JPEG = b"\xff\xd8\xff"
# What a whole file of a kind begins with, and what it has among its last bytes.
ENDS = {JPEG: b"\xff\xd9", b"\x89PNG": b"IEND", b"GIF8": b"\x3b"}
FIRST, LAST = 1024, 16
# A set of at most so many files is decoded even where nothing is trained; of a larger one, so many that look cut off.
QUICKLY = 256
NOT_DECODED = (
    "Of {:,} images only beginnings and ends were looked at: damage inside of one is found when it is decoded."
)
# The share of what cannot be used that `on_broken=auto` leaves out: a little of very much is usual, much means that
# something went wrong when the set was copied or made.
FEW = 0.01
ON_BROKEN = ("auto", "skip", "fail")
# So many files are handed to a thread at once: a hand-over takes as long as a look.
PART = 256


@dataclass(frozen=True, slots=True)
class Look:
    """What a quick look tells.

    Attributes:
        broken: why the file is no whole image; empty where nothing says so.
        kind: "integer" or "float" for values of more than 8 bits, else empty.
        frames: whether there are several.
        narrowed: whether Pillow keeps 8 of the 16 bits of each colour.
        doubtful: whether the end looks cut off.
        ends: how many bytes there are, the last of them, and a sum over the first: other for nearly every two pictures.
    """

    broken: str = ""
    kind: str = ""
    frames: bool = False
    narrowed: bool = False
    doubtful: bool = False
    ends: tuple[int, bytes, int] = (0, b"", 0)


def check_on_broken(value: str) -> str:
    """Return a value of `data.on_broken`; raises RunnerError where it is none."""
    if value not in ON_BROKEN:
        raise RunnerError(f"data.on_broken={value}: must be one of {', '.join(ON_BROKEN)}.")
    return value


def is_refused(on_broken: str, broken: int, total: int) -> bool:
    """Return whether a set is refused of which so much cannot be used."""
    return broken > 0 and (on_broken == "fail" or (on_broken == "auto" and broken > FEW * total))


def inspect(path: Path) -> Look:
    """Return what a quick look at a file tells; a JPEG that ends as one is not even opened by Pillow."""
    try:
        with path.open("rb", buffering=0) as file:
            first = file.read(FIRST) or b""
            size = file.seek(0, 2)
            file.seek(-min(size, LAST), 2)
            last = file.read(LAST) or b""
    except OSError as error:
        return Look(broken=error.strerror or str(error))
    if not first:
        return Look(broken="the file is empty")
    ends = (size, last, crc32(first))
    doubtful = any(first.startswith(start) and end not in last for start, end in ENDS.items())
    if first.startswith(JPEG):
        return Look(doubtful=doubtful, ends=ends)
    try:
        with opened(path) as image:
            kind = kind_of_values(image.mode) or ""
            return Look("", kind, _several(image), _is_narrowed(image), doubtful, ends)
    except Exception as error:  # what Pillow raises for a damaged file is of any kind
        return Look(broken=reason(error))


def inspect_all(paths: Sequence[Path], workers: int) -> list[Look]:
    """Return what a quick look at each file tells."""
    Image.init()  # here, since threads that load Pillow's formats at the same time get in each other's way
    with ThreadPoolExecutor(workers) as pool:
        parts = [paths[start : start + PART] for start in range(0, len(paths), PART)]
        return [look for looks in pool.map(lambda part: list(map(inspect, part)), parts) for look in looks]


def try_doubtful(
    paths: Sequence[Path], looks: Sequence[Look], appearance: Appearance, most: int | None = QUICKLY
) -> dict[int, str]:
    """Return why files can't be decoded, by row: of a small set of all that can't, else of those that look cut off.

    Of these the first `most` are tried.
    """
    rows = [row for row, look in enumerate(looks) if not look.broken and (look.doubtful or len(paths) <= QUICKLY)]
    broken = {row: look.broken for row, look in enumerate(looks) if look.broken}
    for row in rows[:most]:
        try:
            decoded(paths[row], appearance)
        except UnreadableImageError as error:
            broken[row] = str(error)
    return dict(sorted(broken.items()))


def remarks(names: Sequence[str], looks: Sequence[Look], ranges: ValueRanges) -> list[str]:
    """Return what a person should know of how unusual images are read, in sentences."""
    said = []
    for kind, (low, high) in ranges.items():
        deep = [name for name, look in zip(names, looks, strict=True) if look.kind == kind]
        rest = f", the other {len(names) - len(deep):,} as they are" if len(deep) < len(names) else ""
        if deep:
            said.append(
                f"{_counted(len(deep))} of {_values(kind)}: read with {low:g} as black and {high:g} as white{rest}. "
                "Set data.value_range=[BLACK,WHITE] for others."
            )
    for told, flag in (
        ("The first frame or page is used of {} with several", "frames"),
        ("The upper 8 of the 16 bits of each colour are used of {}", "narrowed"),
    ):
        some = [name for name, look in zip(names, looks, strict=True) if getattr(look, flag)]
        if some:
            said.append(f"{told.format(_counted(len(some)))} ({enumerated(some)}).")
    return said


def refuse(broken: dict[str, str], total: int) -> RunnerError:
    """Return the refusal of a set with broken images, given by their paths with why."""
    if len(broken) == 1:
        path, why = next(iter(broken.items()))
        return RunnerError(
            f"{printable(path)} can't be read as an image ({why}). Mend or remove the file, "
            "or leave it out with data.on_broken=skip."
        )
    named = enumerated(f"{path} ({why})" for path, why in broken.items())
    return RunnerError(
        f"{len(broken):,} of {total:,} files can't be read as images: {named}. Mend or remove them, "
        "or leave them out with data.on_broken=skip."
    )


def left_out(broken: dict[str, str], total: int) -> str:
    """Return the sentence about broken images that are left out."""
    named = enumerated(f"{name} ({why})" for name, why in broken.items())
    return f"Left out {len(broken):,} of {total:,} images, which can't be read: {named}."


def _counted(images: int) -> str:
    return f"{images:,} image{'s' if images != 1 else ''}"


def _values(kind: str) -> str:
    return "floats" if kind == "float" else "integers of more than 8 bits"


def _several(image: Image.Image) -> bool:
    return bool(getattr(image, "is_animated", False)) and image.format != "MPO"  # whose first picture is the picture


def _is_narrowed(image: Image.Image) -> bool:
    """Return whether the file stores 16 bits for each of several channels, which Pillow's modes don't have."""
    return len(image.getbands()) > 1 and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))
