"""MaskFolder: the user's own pictures with a mask of classes each."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from runner.data.images import inspection, stored
from runner.data.images.annotated.folder import LISTED, AnnotatedFolder
from runner.data.images.class_folders import enumerated
from runner.data.images.decode import in_silence, reason
from runner.data.images.geometry.affine import IGNORED
from runner.data.images.geometry.placement import Placement
from runner.data.images.segmentation.class_table import ClassTable
from runner.data.images.segmentation.mask_layout import MaskedPicture, MaskSet, masks_of
from runner.data.images.segmentation.mask_values import MaskError, classes_of, mask_size, resampled
from runner.data.images.segmentation.segmentation import SegmentationDataModule
from runner.data.module import Source
from runner.errors import RunnerError

NOT_READ = "Of {:,} masks {:,} were read, the headers of the others: wrong labels inside of one are found by the run."


class MaskFolder(AnnotatedFolder, SegmentationDataModule):
    """Pictures and masks below `root`, where they lie and what they hold found out by looking; see `mask_layout`.

    A mask holds a class for each pixel, by value, by index of its palette, or by colour; 255 counts for nothing.
    classes.csv (name,r,g,b or value,name), classes.txt (a name a line) and what labelling tools write name the classes.
    Parts called train, val and test are used as they are; what is missing is set aside from train.

    Args:
        on_broken, memory_limit_gb: see `AnnotatedFolder`; masks are always kept in memory.
    """

    def masks(self) -> MaskSet:
        """Return pictures and masks, as they lie."""
        return masks_of(self.root)

    def load(self) -> Source:
        """MaskedPicture pictures and masks, look at them and decode them; `remarks` name classes and what was left out.

        Raises:
            RunnerError: there are none, or some cannot be used and are not left out.
        """
        found = self.masks()
        problems, self.remarks = list(found.problems), list(found.remarks)
        pairs, places = self._looked_at(found.pairs, problems)
        images, broken = self.pixels([each.picture for each in pairs])
        targets, counts, wrong = self._read(pairs, places, found.table)
        problems += [f"{pairs[row].picture}: {why}" for row, why in broken.items()]
        problems += [f"{pairs[row].mask}: {why}" for row, why in wrong.items()]
        left_out = self.settle(problems, len(found.pairs) + len(found.problems))
        whole = [row for row in range(len(pairs)) if row not in broken]  # as `images` holds them
        kept = [index for index, row in enumerate(whole) if row not in wrong]
        if not kept:
            raise RunnerError(f"{self.root}: no picture can be used.")
        rows = [whole[index] for index in kept]
        self._say(found.table, counts[rows].sum(0), len(rows))
        self.remarks += [left_out] if left_out else []
        parts = [pairs[row].part for row in rows]
        images = images if len(kept) == len(whole) else stored.without(images, set(range(len(whole))) - set(kept))  # type: ignore[arg-type]
        return Source(images, targets[rows], class_names=found.table.names, **_parts(parts))

    def _looked_at(
        self, pairs: list[MaskedPicture], problems: list[str]
    ) -> tuple[list[MaskedPicture], list[Placement]]:
        """Return the pairs of which both can be opened and are of one size, and where each will lie in its square."""

        def look(path: Path) -> tuple[int, int] | str:
            try:
                return mask_size(path)
            except Exception as error:  # what Pillow raises for a damaged file is of any kind
                return reason(error)

        with in_silence(), ThreadPoolExecutor(stored.workers(self.num_workers)) as pool:
            sizes = list(pool.map(look, [each.mask for each in pairs]))
        good, places = [], []
        for pair, place, size in zip(pairs, self.places([each.picture for each in pairs]), sizes, strict=True):
            if isinstance(place, str):
                problems.append(f"{pair.picture}: {place}")
            elif isinstance(size, str):
                problems.append(f"{pair.mask}: {size}")
            elif size != (place.width, place.height):
                turned = size == (place.height, place.width)
                hint = "; its EXIF turns the picture, and the mask was made of the unturned one" if turned else ""
                own = f"{pair.picture.name} is {place.width}x{place.height}"
                problems.append(f"{pair.mask}: is {size[0]}x{size[1]}, but {own}{hint}")
            else:
                good.append(pair)
                places.append(place)
        return good, places

    def _read(
        self, pairs: list[MaskedPicture], places: list[Placement], table: ClassTable
    ) -> tuple[Tensor, np.ndarray, dict[int, str]]:
        """Return masks uint8 (N, size, size), the pixels of each class (N, 256) in their own size, and what is wrong.

        Where nothing is trained, the first ones only are read; the others count for nothing.
        """
        read = min(len(pairs), inspection.QUICKLY) if self.dry_run else len(pairs)
        size = self.image_size
        masks = np.full((len(pairs), size, size), IGNORED, dtype=np.uint8)
        counts = np.zeros((len(pairs), 256), dtype=np.int64)

        def decode(row: int) -> str | None:
            try:
                classes = classes_of(pairs[row].mask, table)
            except MaskError as error:
                return str(error)
            except Exception as error:  # what Pillow raises for a damaged file is of any kind
                return reason(error)
            masks[row], counts[row] = resampled(classes, places[row]), np.bincount(classes.ravel(), minlength=256)
            return None

        with in_silence(), ThreadPoolExecutor(stored.workers(self.num_workers)) as pool:
            wrong = {row: why for row, why in enumerate(pool.map(decode, range(read))) if why is not None}
        if read < len(pairs):
            self.remarks.append(NOT_READ.format(len(pairs), read))
        return torch.from_numpy(masks), counts, wrong

    def _say(self, table: ClassTable, counts: np.ndarray, pictures: int) -> None:
        """Add remarks: the classes by value, name and share of the pixels, and what counts for nothing."""
        total = max(int(counts.sum()), 1)
        classes = [
            f"{table.keys(number)} {name} ({counts[number] / total:.1%})" for number, name in enumerate(table.names)
        ]
        more = f", and {len(classes) - LISTED} more" if len(classes) > LISTED else ""
        ignored = f"; {counts[IGNORED] / total:.1%} count for nothing" if counts[IGNORED] else ""
        self.remarks.append(
            f"Masks ({table.where}): {pictures:,} pictures, classes by share of the pixels: "
            f"{', '.join(classes[:LISTED])}{more}{ignored}."
        )
        if empty := [name for number, name in enumerate(table.names) if not counts[number]]:
            self.remarks.append(f"No pixel is of class {enumerated(empty)}.")


def _parts(parts: list[str]) -> dict[str, Tensor]:
    """Return the rows of val and test, where they were set aside."""
    if not any(part in ("", "train") for part in parts):
        raise RunnerError("No folder is called train: call one so, or put all pictures into one part.")
    return {
        part: torch.tensor([row for row, each in enumerate(parts) if each == part], dtype=torch.int64)
        for part in ("val", "test")
        if part in parts
    }
