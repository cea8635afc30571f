"""What was found in a user's files, in sentences and as the settings that suit them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.callbacks.watch.symptoms import class_counts, class_notices
from runner.data.images.geometry.placement import size_as_seen
from runner.data.module import DataModule

# So many classes are named with their counts.
NAMED = 12
# Of a large set so many pictures tell what size the others have.
LOOKED_AT = 256
# An epoch of fewer steps than this says little: batches become smaller, down to the least.
STEPS, LEAST_BATCH, MOST_BATCH = 8, 8, 64


@dataclass(frozen=True)
class Found:
    """What there is, a sentence each, and what the templates of this kind are filled with."""

    lines: list[str]
    values: dict[str, str]


def described(datamodule: DataModule) -> list[str]:
    """Return what splits, classes and the reading of a data module that is set up say, a sentence each."""
    sizes = ", ".join(f"{len(samples):,} {name}" for name, samples in datamodule.splits.items())
    return [
        f"Divided into {sizes}.",
        *class_lines(datamodule),
        *datamodule.remarks,
        *(notice.text for notice in class_notices(datamodule, balanced=False)),
    ]


def class_lines(datamodule: DataModule) -> Iterator[str]:
    """Yield the classes with their counts over all splits, where each sample has one."""
    names = datamodule.class_names or ()
    counts = [class_counts(samples, len(names)) for samples in datamodule.splits.values() if names]
    known = [each for each in counts if each is not None]
    if known:
        total = [int(each) for each in sum(known[1:], start=known[0])]
        listed = [f"{name} ({count:,})" for name, count in zip(names, total, strict=True)]
        more = f" and {len(listed) - NAMED:,} more" if len(listed) > NAMED else ""
        yield f"{len(names)} classes: {', '.join(listed[:NAMED])}{more}."


def weights(datamodule: DataModule) -> str:
    """Return the line of an experiment that weighs classes, where the rarest hardly counts; else nothing."""
    unequal = any(notice.kind == "unequal_classes" for notice in class_notices(datamodule, balanced=False))
    return "task: {class_weights: balanced}" if unequal else ""


def batch_size(datamodule: DataModule) -> int:
    """Return a power of two that leaves an epoch several steps."""
    fitting = len(datamodule.splits["train"]) // STEPS
    return max(LEAST_BATCH, min(MOST_BATCH, 1 << max(fitting.bit_length() - 1, 0)))


def picture_sizes(paths: Sequence[Path]) -> list[tuple[int, int]]:
    """Return width and height of pictures spread over the set, as their headers say; damaged ones are passed over."""
    count = min(LOOKED_AT, len(paths))
    found = []
    for index in range(count):
        try:
            found.append(size_as_seen(paths[index * len(paths) // count]))
        except Exception:  # what Pillow raises for a damaged file is of any kind; reading the set tells of it
            continue
    return found


def size_line(sizes: Iterable[tuple[int, int]]) -> str:
    """Return the range of sizes in a sentence."""
    ordered = sorted(sizes, key=lambda each: each[0] * each[1])
    if not ordered:
        return "No picture tells its size."
    (least, most), middle = (ordered[0], ordered[-1]), ordered[len(ordered) // 2]
    if least == most:
        return f"Every picture that was looked at has {most[0]}x{most[1]} pixels."
    return f"Pictures have {least[0]}x{least[1]} to {most[0]}x{most[1]} pixels, the middle one {middle[0]}x{middle[1]}."


def side(sizes: Sequence[tuple[int, int]], least: int, most: int) -> int:
    """Return a side for the network's images: about the middle picture's shorter one, a multiple of 32."""
    shorter = sorted(min(size) for size in sizes) or [least]
    return max(least, min(most, round(shorter[len(shorter) // 2] / 32) * 32))
