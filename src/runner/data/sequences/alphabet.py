"""Text as tokens: ASCII codes of names, with accents taken off, and what cannot be written that way refused."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from runner.errors import RunnerError

if TYPE_CHECKING:
    from torch import Tensor

PADDING = 0
# Letters that are no plain letter with an accent; as passports write them (ICAO 9303-3).
SPELLED_OUT = str.maketrans(
    {"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe"}
    | {"ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "’": "'", "‘": "'", "–": "-"}
)


def plain(text: str) -> str:
    """Return the text without accents and outer spaces: `Müller` becomes `Muller`, `Łukasz` `Lukasz`."""
    parts = unicodedata.normalize("NFKD", text.strip().translate(SPELLED_OUT))
    return "".join(character for character in parts if not unicodedata.combining(character))


def encode(texts: Sequence[str], places: Sequence[str], width: int, alphabet: str | None = None) -> Tensor:
    """Encode texts as uint8 (n, width), padded with 0 on the right; see `encode_bytes`."""
    import torch

    rows = encode_bytes(texts, places, width, alphabet)
    return torch.frombuffer(rows, dtype=torch.uint8).reshape(len(texts), width) if texts else empty(width)


def encode_bytes(texts: Sequence[str], places: Sequence[str], width: int, alphabet: str | None = None) -> bytearray:
    """Encode texts, `width` bytes each, padded with 0 on the right.

    Args:
        places: where each text stands, for messages.
        width: the longest text allowed.
        alphabet: the characters that are tokens 1, 2, …; None for ASCII, whose codes are the tokens.

    Raises:
        RunnerError: a text is empty, too long, or has a character outside the alphabet; its place is named.
    """
    rows = bytearray(len(texts) * width)
    for index, (text, place) in enumerate(zip(texts, places, strict=True)):
        tokens = codes(text, place, alphabet)
        if len(tokens) > width:
            raise RunnerError(
                f"{place}: '{text}' has {len(tokens)} characters; at most {width} are read. "
                f"Shorten it, or train with data.max_length={len(tokens)}."
            )
        rows[index * width : index * width + len(tokens)] = tokens
    return rows


def codes(text: str, place: str, alphabet: str | None = None) -> bytes:
    """Return the tokens of one text, from 1 to 127; raises RunnerError where it is empty or has other characters."""
    written = plain(text) if alphabet is None else text.strip()
    if not written:
        raise RunnerError(f"{place}: the text is empty. Fill it in, or remove the line.")
    known = alphabet if alphabet is not None else [chr(code) for code in range(32, 127)]
    strange = sorted({character for character in written if character not in known})
    if strange:
        shown = ", ".join(f"'{character}' (U+{ord(character):04X})" for character in strange)
        words = "ASCII letters, once accents are taken off" if alphabet is None else ", ".join(alphabet)
        raise RunnerError(f"{place}: '{text}' has {shown}; the vocabulary is {words}. Write it in these.")
    return (
        written.encode("ascii") if alphabet is None else bytes(alphabet.index(character) + 1 for character in written)
    )


def decode(tokens: Iterable[int], alphabet: str | None = None) -> str:
    """Decode tokens (T,) to text; padding is left out."""
    kept = [int(token) for token in tokens if token != PADDING]
    return "".join(chr(token) if alphabet is None else alphabet[token - 1] for token in kept)


def empty(width: int) -> Tensor:
    """Return no text at all: uint8 (0, width)."""
    import torch

    return torch.zeros(0, width, dtype=torch.uint8)
