"""AnnotatedFolder: pictures of the user's own whose labels lie in files beside them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from runner.data.batches import Rows
from runner.data.images import inspection, stored
from runner.data.images.decode import in_silence, reason
from runner.data.images.geometry.placement import Placement, placement, size_as_seen
from runner.data.images.image import ImageDataModule
from runner.data.images.stored import LazyImages
from runner.errors import RunnerError

NAMED, LISTED = 5, 30


class AnnotatedFolder(ImageDataModule):
    """Pictures below `root`, looked at before they are decoded; what cannot be used is counted and named.

    Args:
        on_broken: what to do about labels and pictures that cannot be used: `skip` leaves them out, `fail` refuses the
            set, `auto` skips where they are at most one in a hundred.
        memory_limit_gb: a larger set is decoded anew for every batch, in `num_workers` processes.
    """

    def __init__(self, *, root: str, on_broken: str = "auto", memory_limit_gb: float = 4.0, **image: Any) -> None:
        super().__init__(**image)
        self.root, self.on_broken = Path(root).expanduser(), inspection.check_on_broken(on_broken)
        self.memory_limit_gb = memory_limit_gb
        self.remarks: list[str] = []

    def places(self, paths: Sequence[Path]) -> list[Placement | str]:
        """Return where each picture will lie in its square, or why it cannot be opened; reads headers only."""

        def look(path: Path) -> Placement | str:
            try:
                return placement(*size_as_seen(path), self.image_size, self.appearance.fit)
            except Exception as error:  # what Pillow raises for a damaged file is of any kind
                return reason(error)

        with in_silence(), ThreadPoolExecutor(stored.workers(self.num_workers)) as pool:
            return list(pool.map(look, paths))

    def pixels(self, paths: Sequence[Path]) -> tuple[Rows, dict[int, str]]:
        """Return all pictures but the broken ones, and why those are, by row."""
        if self.dry_run or stored.size_in_bytes(len(paths), self.appearance) > self.memory_limit_gb * 1e9:
            return LazyImages(paths, self.appearance), {}
        with in_silence():
            found = stored.decode_in_memory(paths, self.appearance, stored.workers(self.num_workers))
        return stored.without(found.images, set(found.broken)), found.broken

    def settle(self, problems: Sequence[str], total: int) -> str:
        """Return the sentence about what is left out, "" where nothing is.

        Raises:
            RunnerError: it is too much to be left out, by `on_broken`.
        """
        if inspection.is_refused(self.on_broken, len(problems), total):
            listed = "\n".join(f"  {each}" for each in problems[:NAMED])
            more = f"\n  and {len(problems) - NAMED:,} more" if len(problems) > NAMED else ""
            raise RunnerError(
                f"{len(problems):,} of {total:,} labels and pictures cannot be used:\n{listed}{more}\n"
                "Mend them, or leave them out with data.on_broken=skip."
            )
        if not problems:
            return ""
        return f"Left out {len(problems):,} labels or pictures that cannot be used: {'; '.join(problems[:NAMED])}."
