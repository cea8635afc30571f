"""Masks: one picture of labels to the class of every pixel, and what is wrong with some."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from runner.data.images.geometry.affine import IGNORED
from runner.data.images.geometry.placement import Placement
from runner.data.images.opened import opened
from runner.data.images.pixels import upright
from runner.data.images.segmentation.class_table import ClassTable, numbered
from runner.errors import RunnerError

# A mask of more values than this, or of colours without a table, is a photograph or was blurred when it was saved.
MOST_VALUES = 64
NAMED = 6
BLUR = "are they saved as JPEG, or made smaller with smoothing? Masks need PNG and exact values"
UNKNOWN = -1


class MaskError(Exception):
    """A mask that cannot be used; the message says why, without its name."""


def mask_size(path: Path) -> tuple[int, int]:
    """Return width and height of a mask; raises what Pillow raises."""
    with opened(path) as image:
        return image.size


def raw_mask(path: Path) -> np.ndarray:
    """Return what a mask holds: integers (H, W), or colours uint8 (H, W, 3).

    Values of a palette are its indices; a picture of colours that are all grey holds values.

    Raises:
        MaskError: its values are no whole numbers.
        Exception: what Pillow raises for a damaged file.
    """
    with opened(path) as image:
        image.load()
        image = upright(image)
        if image.mode == "P":
            return np.asarray(image)
        if image.mode == "1":
            return np.asarray(image, dtype=np.uint8)
        if image.mode == "F":
            raise MaskError("it holds floats, and classes are whole numbers")
        if image.mode in ("L", "LA", "La") or image.mode.startswith("I"):
            return np.asarray(image.getchannel(0) if len(image.getbands()) > 1 else image)
        colours = np.asarray(image.convert("RGB"))
    grey = bool((colours[..., 0] == colours[..., 1]).all() and (colours[..., 1] == colours[..., 2]).all())
    return colours[..., 0] if grey else colours


def coloured_mask(path: Path) -> np.ndarray:
    """Return the colours of a mask, uint8 (H, W, 3); raises what Pillow raises."""
    with opened(path) as image:
        image.load()
        return np.asarray(upright(image).convert("RGB"))


def classes_of(path: Path, table: ClassTable) -> np.ndarray:
    """Return the class of every pixel, uint8 (H, W), `IGNORED` where none counts.

    Raises:
        MaskError: a value or colour stands for no class.
        Exception: what Pillow raises for a damaged file.
    """
    if table.colours:
        packed = _packed(coloured_mask(path))
        return _looked_up(packed, {int(_packed(np.array(key))): each for key, each in table.colours.items()}, table)
    held = raw_mask(path)
    if held.ndim == 3:
        raise MaskError("it holds colours, and no file says what they stand for: see classes.csv in the documentation")
    return _looked_up(held, table.values, table)


def _looked_up(held: np.ndarray, known: Mapping[int, int], table: ClassTable) -> np.ndarray:
    if held.dtype == np.uint8:  # a look at every pixel, not a sort of them
        row = np.full(256, UNKNOWN, dtype=np.int16)
        for value, number in known.items():
            if 0 <= value < 256:
                row[value] = number
        found = row[held]
    else:
        values, places = np.unique(held, return_inverse=True)
        found = np.array([known.get(int(each), UNKNOWN) for each in values], dtype=np.int16)[places].reshape(held.shape)
    if (found == UNKNOWN).any():
        raise MaskError(_strangers(held[found == UNKNOWN], table))
    return found.astype(np.uint8)


def _strangers(held: np.ndarray, table: ClassTable) -> str:
    """Return what to say of values that stand for no class."""
    values, counts = np.unique(held, return_counts=True)
    order = counts.argsort()[::-1]
    if table.colours:
        shown = ", ".join(str(_unpacked(int(values[index]))) for index in order[:NAMED])
        return f"the colours {shown} ({int(counts.sum()):,} pixels) stand for no class of {table.where}"
    shown = ", ".join(str(int(values[index])) for index in order[:NAMED])
    if len(values) > MOST_VALUES:
        return f"it holds {len(values)} values that stand for no class ({shown} …): {BLUR}"
    known = sorted(set(table.values) - {IGNORED})
    span = f"{known[0]} to {known[-1]}" if known == list(range(known[0], known[-1] + 1)) else ", ".join(map(str, known))
    hint = ""
    if values.tolist() == [len(table.names)] and known[0] == 0:
        hint = "; are they counted from 0 here and from 1 there?"
    many = f"the labels {shown} go" if len(values) > 1 else f"the label {shown} goes"
    return f"{many} beyond the classes {span} ({int(counts.sum()):,} pixels, {table.where}){hint}"


def surveyed(paths: Sequence[Path]) -> ClassTable:
    """Return the classes that masks hold for which nothing names any, by looking.

    Values 0 and 255 alone are ground and object. Else 255 counts for nothing, and values up to `MOST_VALUES` are the
    classes' numbers; larger ones are grey levels, each a class.

    Raises:
        RunnerError: they hold colours, or so many values that they are no labels.
    """
    values: set[int] = set()
    colours: dict[tuple[int, ...], int] = {}
    for path in paths:
        try:
            held = raw_mask(path)
        except Exception:  # which is told when the masks are read
            continue
        if held.ndim == 2:
            values.update(np.unique(held).tolist())
            if len(values) > MOST_VALUES + 1:
                raise RunnerError(f"{path}: masks up to this one hold {len(values)} different values: {BLUR}.")
            continue
        packed, counts = np.unique(_packed(held), return_counts=True)
        if len(packed) > 10 * MOST_VALUES:
            raise RunnerError(f"{path} holds {len(packed):,} different colours: {BLUR}.")
        for each, count in zip(packed.tolist(), counts.tolist(), strict=True):
            colours[_unpacked(each)] = colours.get(_unpacked(each), 0) + count
    if colours:
        raise _without_table(paths[0].parent, colours)
    return _of_values(sorted(values))


def _of_values(found: list[int]) -> ClassTable:
    ground = ("background", "foreground")
    if found == [0, IGNORED]:
        return ClassTable(ground, {0: 0, IGNORED: 1}, where="masks of 0 and 255")
    labels = [each for each in found if each != IGNORED] or [0]
    if labels[-1] <= 1:
        return numbered(ground, "masks of 0 and 1")
    if labels[-1] < MOST_VALUES:
        return numbered(map(str, range(labels[-1] + 1)), "no file names them")
    numbers = {value: number for number, value in enumerate(found)}
    return ClassTable(tuple(map(str, found)), numbers, where="grey levels that no file names")


def _without_table(folder: Path, colours: dict[tuple[int, ...], int]) -> RunnerError:
    """Return the refusal of coloured masks that nothing explains, with the file that would."""
    ordered = sorted(colours, key=lambda each: -colours[each])
    lines = "\n".join(f"  name{number},{','.join(map(str, each))}" for number, each in enumerate(ordered[:NAMED], 1))
    more = f"\n  and {len(ordered) - NAMED} more" if len(ordered) > NAMED else ""
    return RunnerError(
        f"{folder}: masks hold {len(ordered)} colours, and no file says what they stand for. "
        f"Write classes.csv into the folder of the set, with your names:\n{lines}{more}"
    )


def resampled(mask: np.ndarray, place: Placement) -> np.ndarray:
    """Return a mask (height, width) as it lies in its square, uint8 (size, size); bars count for nothing."""
    columns, across = place.sources(0)
    rows, down = place.sources(1)
    found = mask[rows[:, None], columns]
    found[~(down[:, None] & across)] = IGNORED
    return found


def _packed(colours: np.ndarray) -> np.ndarray:
    """Return colours (…, 3) as one number each."""
    wide = colours.astype(np.int32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


def _unpacked(value: int) -> tuple[int, int, int]:
    return value >> 16, (value >> 8) & 255, value & 255
