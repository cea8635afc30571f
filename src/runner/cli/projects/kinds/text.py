"""Texts with a class each, in a table or in a file of lines for each class."""

import json
from pathlib import Path
from statistics import median

from runner.cli.projects.kinds.found import Found, batch_size, described, weights
from runner.data.sequences.alphabet import plain
from runner.data.sequences.labelled import labelled_texts
from runner.data.sequences.texts import Texts

ASCII = 128
# A text may be somewhat longer than all that were seen.
ROOM = 1.25


def look(place: Path, target: str | None) -> Found:
    """Return what there is in labelled texts; raises RunnerError where they can't be trained on.

    Args:
        place: a table, or a folder with a file for each class.
        target: the table's column of classes; None: the last.
    """
    rows = labelled_texts(place, None, target)
    lengths = [len(plain(text)) for text, _, _ in rows]
    names = {label for _, label, _ in rows}
    most = round(max(lengths) * ROOM)
    texts = Texts(root=str(place), label=target, max_length=most, num_tokens=ASCII, num_classes=len(names))
    texts.setup()
    twice = len(rows) - len({text for text, _, _ in rows})
    return Found(
        [
            f"{len(rows):,} texts of {min(lengths)} to {max(lengths)} characters, the middle one {median(lengths):g}; "
            f"up to {most} will be read.",
            *([f"{twice:,} texts are there more than once, and may be in several splits."] if twice else []),
            *described(texts),
        ],
        {
            "label": json.dumps(target, ensure_ascii=False),
            "max_length": str(most),
            "batch_size": str(batch_size(texts)),
            "more": weights(texts),
        },
    )
