"""ImageFolder: the user's own images, one folder a class."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from runner.data.batches import Rows
from runner.data.images import copies, inspection, stale, stored
from runner.data.images.class_folders import Layout, image_layout
from runner.data.images.decode import in_silence
from runner.data.images.image import ImageDataModule
from runner.data.images.inspection import Look
from runner.data.images.listing import Listing, list_images
from runner.data.images.pixels import find_ranges
from runner.data.images.stored import LazyImages
from runner.data.module import Source
from runner.errors import RunnerError


class ImageFolder(ImageDataModule):
    """Images in `root/<class>/*`, or divided by the user in `root/{train,val,test}/<class>/*`, by any usual names.

    Of the user's division, `train` is needed; a missing `val` or `test` is set aside from it. All images are
    decoded once, in threads: into memory if they take at most `memory_limit_gb` GB, else into a file below the
    directory `cache`, which later runs on the same images read. Where nothing is trained, only headers are read.

    Args:
        cache: a directory, used for small sets too; `auto` for `default_cache()`; or `none`: what does not fit into
            memory is decoded batch by batch in `num_workers` processes, in every epoch.
        on_broken: what to do about files that are no whole images: `skip` leaves them out, `fail` refuses the set,
            `auto` skips where they are at most one in a hundred.
        value_range: black and white of images of more than 8 bits; null finds them in the training images.
    """

    def __init__(
        self,
        *,
        root: str,
        memory_limit_gb: float = 4.0,
        cache: str = "auto",
        on_broken: str = "auto",
        value_range: Sequence[float] | None = None,
        **image: Any,
    ) -> None:
        super().__init__(**image)
        self.root, self.memory_limit_gb = Path(root).expanduser(), memory_limit_gb
        self.cache, self.on_broken = cache, inspection.check_on_broken(on_broken)
        self.remarks: list[str] = []
        self.names: list[str] = []
        self.copies: list[list[int]] = []
        if value_range is not None:
            self.appearance = replace(self.appearance, ranges=_given(value_range))

    def listed(self) -> tuple[Layout, Listing]:
        """Return how the set is laid out, and its images; RunnerError where the folders are not those of classes."""
        layout = image_layout(self.root)
        return layout, list_images(layout)

    def load(self) -> Source:
        """List the images of all splits, look at them and decode them; `remarks` say what is unusual.

        Raises:
            RunnerError: the folders are not those of classes, or images are broken and not left out.
        """
        layout, listing = self.listed()
        threads = stored.workers(self.num_workers)
        with in_silence():
            looks = inspection.inspect_all(listing.paths, threads)
            self._find_ranges(layout, listing, looks, threads)
            names = [listing.name(path) for path in listing.paths]
            unusual = inspection.remarks(names, looks, self.appearance.ranges)
            self.remarks = [*layout.remarks, *listing.remarks, *unusual]
            images, broken = self._images(listing, looks, threads)
        self._leave_out(layout, listing, broken)
        if self.dry_run and len(looks) > inspection.QUICKLY:
            self.remarks.append(inspection.NOT_DECODED.format(len(looks)))
        whole = [look for row, look in enumerate(looks) if row not in broken]
        self.copies = copies.groups_of_copies(listing.paths, whole)
        self.names = [listing.name(path) for path in listing.paths]
        return _source(layout, listing, images)

    def setup(self, stage: str | None = None) -> None:
        """Set up as in ImageDataModule; then look whether a picture is in several parts, or in several classes."""
        if self.splits:
            return
        super().setup(stage)
        everyone = self.splits["train"].row_targets[torch.arange(len(self.names))]
        assert isinstance(everyone, torch.Tensor)
        self.remarks = [*self.remarks, *copies.remarks(self.names, self.copies, self.splits, everyone)]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; images that were decoded with other ranges are decoded again."""
        before = self.appearance
        super().load_state_dict(state_dict)
        if self.splits and self.appearance != before:
            self.splits = {}
            self.setup()

    def _find_ranges(self, layout: Layout, listing: Listing, looks: list[Look], threads: int) -> None:
        """Find what is black and white in the training images of more than 8 bits, unless that is known."""
        if self.appearance.ranges or not any(look.kind for look in looks):
            return
        rows = [row for row, look in enumerate(looks) if not look.broken]
        whole = replace_rows(listing, rows)
        training = self.divide(_source(layout, whole, LazyImages(whole.paths, self.appearance)))["train"].indices
        chosen = [rows[number] for number in training.tolist()]
        ranges = find_ranges([(listing.paths[row], looks[row].kind) for row in chosen if looks[row].kind], threads)
        others = {look.kind for look in looks if look.kind} - set(ranges)
        if others:  # a kind that only held-out images are of
            rest = [(listing.paths[row], looks[row].kind) for row in rows if looks[row].kind in others]
            ranges = {**find_ranges(rest, threads), **ranges}
        self.appearance = replace(self.appearance, ranges=ranges)

    def _images(self, listing: Listing, looks: list[Look], threads: int) -> tuple[Rows, dict[int, str]]:
        """Return all images but the broken ones, and why those are, by row of the listing."""
        if self.dry_run:
            if self.cache not in ("auto", "none"):
                stored.check_place(Path(self.cache).expanduser())
            return self._lazily(listing, looks)
        paths, appearance = listing.paths, self.appearance
        fits = stored.size_in_bytes(len(paths), appearance) <= self.memory_limit_gb * 1e9
        if fits and self.cache in ("auto", "none"):
            found = stored.decode_in_memory(paths, appearance, threads)
        elif self.cache == "none":
            return self._lazily(listing, looks)
        else:
            try:
                found = self._on_disk(listing, threads)
            except stored.CacheRefusedError as error:
                if self.cache != "auto":
                    raise
                self.remarks.append(f"{error} Until then every batch is decoded anew, in data.num_workers processes.")
                return self._lazily(listing, looks)
        broken = found.broken | {row: look.broken for row, look in enumerate(looks) if look.broken}
        return stored.without(found.images, set(broken)), dict(sorted(broken.items()))

    def _on_disk(self, listing: Listing, threads: int) -> stored.Decoded:
        """Return images from the cache; say where it is, and drop what it holds of earlier states of this folder."""
        directory = default_cache() if self.cache == "auto" else Path(self.cache).expanduser()
        names = [listing.name(path) for path in listing.paths]
        found = stored.decode_to_disk(names, listing.paths, self.appearance, directory, threads)
        assert isinstance(found.images, stored.StoredImages)
        place = found.images.file.parent
        freed = stale.keep_only(place, self.root, self.appearance)
        if freed:
            self.remarks.append(
                f"Dropped the decoded images of an earlier state of {self.root} ({freed / 1e9:.1f} GB)."
            )
        if self.cache == "auto":
            size = stored.size_in_bytes(len(names), self.appearance) / 1e9
            whole = stale.size_of(directory) / 1e9
            together = f", with those of other sets {whole:.1f} GB" if whole > 1.1 * size else ""
            self.remarks.append(
                f"Decoded images lie in {directory} ({size:.1f} GB{together}); data.cache=none keeps none, and the "
                "directory may be deleted at any time when no run reads it."
            )
        return found

    def _lazily(self, listing: Listing, looks: list[Look]) -> tuple[Rows, dict[int, str]]:
        broken = inspection.try_doubtful(
            listing.paths, looks, self.appearance, inspection.QUICKLY if self.dry_run else None
        )
        rows = [row for row in range(len(listing.paths)) if row not in broken]
        return LazyImages([listing.paths[row] for row in rows], self.appearance), broken

    def _leave_out(self, layout: Layout, listing: Listing, broken: dict[int, str]) -> None:
        """Take broken images off the list and say so.

        Raises:
            RunnerError: there are too many of them, or a class has no others.
        """
        if not broken:
            return
        total = len(listing.paths)
        if inspection.is_refused(self.on_broken, len(broken), total):
            raise inspection.refuse({str(listing.paths[row]): why for row, why in broken.items()}, total)
        self.remarks.append(
            inspection.left_out({listing.name(listing.paths[row]): why for row, why in broken.items()}, total)
        )
        listing.keep([row for row in range(total) if row not in broken])
        first = next(iter(layout.parts))
        left = {number for number, part in zip(listing.classes, listing.parts, strict=True) if part == first}
        for number, name in enumerate(layout.classes):
            if number not in left:
                raise RunnerError(f"{layout.parts[first] / name} holds no image that can be read. Mend its files.")


def default_cache() -> Path:
    """Return where decoded images are kept: RUNNER_CACHE, else the user's directory for caches."""
    if named := os.environ.get("RUNNER_CACHE"):
        return Path(named) / "images"
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "runner" / "images"


def replace_rows(listing: Listing, rows: list[int]) -> Listing:
    """Return a listing of these rows only."""
    chosen = replace(listing)
    chosen.keep(rows)
    return chosen


def _source(layout: Layout, listing: Listing, images: Rows) -> Source:
    """Return images with their classes, and the rows of val and test where the user set them aside."""
    parts = {
        part: torch.tensor([row for row, each in enumerate(listing.parts) if each == part], dtype=torch.int64)
        for part in layout.parts
        if part in ("val", "test")
    }
    targets = torch.tensor(listing.classes, dtype=torch.int64)
    return Source(images, targets, class_names=layout.classes, **parts)


def _given(value: Sequence[float]) -> dict[str, tuple[float, float]]:
    """Return the range that the user gave, for every kind of values."""
    numbers = [float(each) for each in value]
    if len(numbers) != 2 or not numbers[0] < numbers[1]:
        raise RunnerError(f"data.value_range={list(value)}: give two numbers, black and then white: [0,4095].")
    return {"integer": (numbers[0], numbers[1]), "float": (numbers[0], numbers[1])}
