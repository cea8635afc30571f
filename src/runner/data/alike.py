"""Labels that are the same but for capitals and small letters, as several hands write them."""

from collections.abc import Iterable

NAMED = 5


def differ_in_case(labels: Iterable[str]) -> str | None:
    """Return the labels that differ in capitals only, in words: `Cat and cat, Dog and dog`; None where none do."""
    alike: dict[str, list[str]] = {}
    for label in labels:
        alike.setdefault(label.casefold(), []).append(label)
    twins = [" and ".join(each) for each in alike.values() if len(each) > 1]
    more = f" and {len(twins) - NAMED} more" if len(twins) > NAMED else ""
    return ", ".join(twins[:NAMED]) + more if twins else None
