"""Where the masks of a set lie: beside folders of pictures, or beside the pictures, found out by looking."""

import os
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from runner.data.images.annotated.stamps import Stamps, stamps
from runner.data.images.class_folders import NEUTRAL, SPLITS, is_visible
from runner.data.images.detection.labels import part_of
from runner.data.images.listing import image_suffixes
from runner.data.images.segmentation.class_table import ClassTable, find_table
from runner.data.images.segmentation.mask_values import surveyed
from runner.errors import RunnerError

LAYOUTS = (
    "images/ beside masks/ (each may be divided into train/, val/ and test/, or lie in such folders), "
    "JPEGImages/ beside SegmentationClass/, train/ beside train_masks/, or a.jpg beside a.png or a_mask.png"
)
# Words in a folder's name that say that it holds masks, and such that it holds other things than classes.
MASKS = frozenset(
    {
        *("mask", "masks", "label", "labels", "labelled", "annotation", "annotations", "annot", "annots", "trimap"),
        *("trimaps", "segmentation", "segmentations", "segmentationclass", "seg", "gt", "groundtruth", "truth"),
        *("target", "targets", "png"),
    }
)
OTHERS = frozenset({"segmentationobject", "instances", "panoptic"})
# Words that say nothing of which pictures a folder holds.
PICTURES = NEUTRAL | {"jpegimages", "jpg", "jpeg", "input", "inputs", "raw", "original"}
# What a mask's name has behind its picture's.
ENDING = re.compile(
    r"[_\-. ](?:masks?|seg|segmentation|labels?|labelids|gt|groundtruth|annotations?|l|p)$", re.IGNORECASE
)
# Masks that are looked at where no file names the classes, and how deep folders lie.
SURVEY, DEEPEST = 500, 5


@dataclass(frozen=True)
class MaskedPicture:
    """A picture, its mask, and the part of the set that it is of, "" where it is not divided."""

    picture: Path
    mask: Path
    part: str


@dataclass
class MaskSet:
    """All pictures of a set that have a mask.

    Attributes:
        table: what the masks' values stand for.
        problems: pictures without a mask, each with its path.
        remarks: what a person should know, in sentences.
    """

    pairs: list[MaskedPicture]
    table: ClassTable
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def masks_of(root: str | Path) -> MaskSet:
    """Return the pictures and masks below `root`.

    Raises:
        RunnerError: there are none, or what they hold cannot be told.
    """
    place = Path(root).expanduser()
    if not place.is_dir():
        raise RunnerError(f"data.root={root}: there is no such folder.")
    place = place.absolute()
    return _read(place, stamps(place, lambda path: path.is_dir() or path.suffix in (".txt", ".csv")))


def count_mask_classes(root: str | Path) -> int:
    """Return how many classes the masks have; for `data.num_classes`."""
    return len(masks_of(root).table.names)


@lru_cache(maxsize=2)
def _read(root: Path, state: Stamps) -> MaskSet:
    """Read once until something changes: a configuration asks for the number of classes before the data is read."""
    folders = _folders(root)
    if not folders:
        raise RunnerError(f"{root} holds no pictures. Known layouts: {LAYOUTS}.")
    holds_masks = {folder: _words(root, folder) & MASKS for folder in folders}
    listed = _listed(root)
    found = MaskSet([], ClassTable(()))
    beside = {_key(root, folder): names for folder, names in folders.items() if holds_masks[folder]}
    for folder, names in folders.items():
        if holds_masks[folder]:
            continue
        masks = beside.get(_key(root, folder))
        if masks is None and len(folders) - len(beside) == 1 == len(beside):
            masks = next(iter(beside.values()))  # one folder of each: they belong together, whatever they are called
        if masks is None and beside:
            found.remarks.append(f"{folder} has no folder of masks: its {len(names):,} pictures are not used.")
            continue
        _pair(found, names, masks, part_of(" ".join(folder.relative_to(root).parts)), listed)
    if not found.pairs:
        raise RunnerError(f"{root}: no picture has a mask. Known layouts: {LAYOUTS}.")
    found.pairs.sort(key=lambda each: (each.part, each.picture))
    found.table = find_table(root) or surveyed([each.mask for each in found.pairs[:: len(found.pairs) // SURVEY + 1]])
    return found


def _folders(root: Path) -> dict[Path, dict[str, list[Path]]]:
    """Return the folders below `root` that hold pictures, with these by their names without suffix."""
    suffixes, found = image_suffixes(), dict[Path, dict[str, list[Path]]]()
    for place, inner, files in os.walk(root):
        folder = Path(place)
        depth = len(folder.relative_to(root).parts)
        inner[:] = sorted(
            each for each in inner if depth < DEEPEST and is_visible(each) and each.casefold() not in OTHERS
        )
        for name in sorted(files):
            path = folder / name
            if is_visible(name) and path.suffix.lower() in suffixes:
                found.setdefault(folder, {}).setdefault(path.stem, []).append(path)
    return found


def _words(root: Path, folder: Path) -> set[str]:
    """Return the words of a folder's place below `root`, in small letters; `trainannot` is two."""
    plain = " ".join(folder.relative_to(root).parts).casefold()
    plain = re.sub(r"([a-z])(annot|masks?|labels?|gt)\b", r"\1 \2", plain)
    return set(re.findall(r"[a-z]+", plain)) | set(re.findall(r"\d+", plain))


def _key(root: Path, folder: Path) -> frozenset[str]:
    """Return the words that a folder of pictures and that of its masks share; parts by one name each."""
    words = _words(root, folder) - MASKS - PICTURES
    return frozenset(next((part for part, names in SPLITS.items() if word in names), word) for word in words)


def _listed(root: Path) -> dict[str, str]:
    """Return the part of each picture by its name, as VOC's ImageSets/Segmentation lists them; empty without lists."""
    folder = next(iter(sorted(root.glob("**/ImageSets/Segmentation"))), None)
    if folder is None:
        return {}
    listed: dict[str, str] = {}
    known = {part_of(path.stem): path for path in sorted(folder.glob("*.txt")) if path.stem != "trainval"}
    for part, path in known.items():
        names = path.read_text(encoding="utf-8", errors="replace").split()
        listed |= {Path(name).stem: part for name in names}
    return listed


def _pair(
    found: MaskSet,
    names: dict[str, list[Path]],
    masks: dict[str, list[Path]] | None,
    part: str,
    listed: dict[str, str],
) -> None:
    """Add the pictures of a folder with their masks; `masks` None: these lie among the pictures."""
    if masks is None:
        pictures, masks = _apart(names)
        if not masks:
            found.problems += [f"{path}: there is no mask beside it" for paths in names.values() for path in paths]
            return
    else:
        pictures = names
    by_name = {**{ENDING.sub("", stem): paths for stem, paths in masks.items()}, **masks}
    for stem, paths in pictures.items():
        if listed and stem not in listed:
            continue  # of no part: the lists say what is used
        if len(paths) > 1:
            found.problems.append(f"{paths[1]}: {paths[0].name} has the same name")
        of_it = by_name.get(stem, by_name.get(ENDING.sub("", stem), []))
        if not of_it:
            near = next(iter(masks.values()))[0]
            found.problems.append(f"{paths[0]}: there is no mask {near.with_name(stem + near.suffix)}")
        elif len(of_it) > 1:
            found.problems.append(f"{paths[0]}: {of_it[0].name} and {of_it[1].name} could both be its mask")
        else:
            found.pairs.append(MaskedPicture(paths[0], of_it[0], listed.get(stem, part)))


def _apart(names: dict[str, list[Path]]) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    """Return pictures and masks of one folder: `a_mask.png` beside `a.jpg`, or `a.png` beside `a.jpg`."""
    ended = {stem: paths for stem, paths in names.items() if ENDING.search(stem) and ENDING.sub("", stem) in names}
    if ended:
        return {stem: paths for stem, paths in names.items() if stem not in ended}, ended
    twice = {stem: paths for stem, paths in names.items() if len(paths) == 2}
    masks = {stem: [path for path in paths if path.suffix.lower() == ".png"] for stem, paths in twice.items()}
    masks = {stem: paths for stem, paths in masks.items() if len(paths) == 1}
    pictures = {
        stem: [path for path in paths if stem not in masks or path not in masks[stem]] for stem, paths in names.items()
    }
    return pictures, masks
