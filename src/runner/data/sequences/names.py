"""Names and FakeNames: surnames and the country each comes from."""

import csv
import gzip
import hashlib
import io
import urllib.request
import zlib
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import torch
from filelock import FileLock

from runner.data.module import Source
from runner.data.offline import refuse_offline
from runner.data.sequences.alphabet import encode, plain
from runner.data.sequences.sequence import SequenceDataModule
from runner.errors import RunnerError
from runner.files.reading import unpack

PARTS = ("train", "test")
SHIPPED = "fake_names and hello"
# The files of "PyTorch Zero to All" at one commit, with the SHA-256 of what is inside.
SOURCE = "https://raw.githubusercontent.com/hunkim/PyTorchZeroToAll/8440894e621e3922a394da25b4a0806bdabee21c/data"
CHECKSUMS = {
    "train": "408687cf9cf917854cf9b7e860e482499009cf0b5aa7b2f2a47e2f560cbc0521",
    "test": "28ad30296998ee57bb43ef9c5ed21327f0a453210a86b7d30251daa9336b2a7f",
}
Labelled = list[tuple[str, str, str]]  # text, country, place


class Names(SequenceDataModule):
    """13,374 training and 6,700 test surnames from 18 countries; classes in alphabetical order.

    `names_train.csv` and `names_test.csv`, plain or .gz, in `root` or `root/names`: lines of "name","country".
    The same layout of other names works as well, with data.num_classes and data.max_length to suit.

    Source: S. Kim, "PyTorch Zero to All", after S. Robertson, "Classifying names with a character-level RNN".
    """

    def __init__(self, *, root: str, **sequence: Any) -> None:
        super().__init__(**sequence)
        self.root = Path(root)

    def load(self) -> Source:
        """Read both files, downloading them first if need be."""
        folder = self._find()
        if folder is None:
            folder = self._download()
        training, test = (read_labelled(_file(folder, part)) for part in PARTS)
        countries = sorted({country for _, country, _ in training})
        if unseen := sorted({country for _, country, _ in test} - set(countries)):
            raise RunnerError(
                f"{_file(folder, 'test')}: training never saw {', '.join(unseen)}, so no network can answer that. "
                "Add such names to the training file, or remove them from the test file."
            )
        return source_of([*training, *test], countries, self.max_length, test_from=len(training))

    def _places(self) -> list[Path]:
        return [self.root, self.root / "names"]

    def _find(self) -> Path | None:
        return next((place for place in self._places() if all(_file(place, part).is_file() for part in PARTS)), None)

    def _download(self) -> Path:
        folder = self.root / "names"
        refuse_offline("The names")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".Names.lock"):
                for part in PARTS:
                    download(part, folder)
        except OSError as error:  # no network, full disk, no permission, other content than expected
            looked = "\n".join(f"  {place}" for place in self._places())
            raise RunnerError(
                f"The names are not there and could not be downloaded ({error}).\nLooked in:\n{looked}\n"
                "Put names_train.csv.gz and names_test.csv.gz into one of these folders, or set data.root "
                f"to where they are.\nThese datasets ship and need no download: {SHIPPED}."
            ) from error
        return folder


class FakeNames(SequenceDataModule):
    """Surnames from the locales of the Faker library: an offline stand-in for `Names`, not the same data.

    At most `most` names a country, in alphabetical order; classes in alphabetical order of the countries.
    """

    locales: ClassVar[dict[str, str]] = {
        "Croatian": "hr_HR",
        "Czech": "cs_CZ",
        "Dutch": "nl_NL",
        "English": "en_GB",
        "Estonian": "et_EE",
        "Finnish": "fi_FI",
        "French": "fr_FR",
        "German": "de_DE",
        "Irish": "ga_IE",
        "Italian": "it_IT",
        "Spanish": "es_ES",
        "Swedish": "sv_SE",
    }

    def __init__(self, *, most: int = 400, **sequence: Any) -> None:
        super().__init__(**sequence)
        self.most = most

    def load(self) -> Source:
        """Read the installed library and nothing else."""
        rows: Labelled = []
        for country, locale in self.locales.items():
            provider = import_module(f"faker.providers.person.{locale}").Provider
            names = sorted({plain(name) for name in provider.last_names})
            fitting = [name for name in names if len(name) <= self.max_length]
            rows += [(name, country, f"Faker's {locale}") for name in fitting[:: max(1, len(fitting) // self.most)]]
        return source_of(rows, sorted(self.locales), self.max_length)


def source_of(rows: Labelled, countries: Sequence[str], width: int, test_from: int | None = None) -> Source:
    """Return names and class numbers; rows from `test_from` on are set aside for the test."""
    texts, labels, places = zip(*rows, strict=True)
    position = {country: index for index, country in enumerate(countries)}
    return Source(
        inputs=encode(texts, places, width),
        targets=torch.tensor([position[label] for label in labels]),
        test=None if test_from is None else torch.arange(test_from, len(rows)),
        class_names=tuple(countries),
    )


def read_labelled(path: Path) -> Labelled:
    """Return the lines "name","country" of a file, plain or .gz; raises RunnerError naming a bad line."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), skipinitialspace=True)
    rows: Labelled = []
    for row in reader:
        place = f"{path}, line {reader.line_num}"
        if not row:
            continue
        if len(row) != 2 or not row[1].strip():
            raise RunnerError(f'{place}: expected "name","country", found {len(row)} values. Mend the line.')
        rows.append((row[0], row[1].strip(), place))
    if not rows:
        raise RunnerError(f'{path} is empty. It needs lines of "name","country".')
    return rows


def download(part: str, folder: Path) -> None:
    """Download one file unless it is there; raises OSError where it cannot be had or holds something else."""
    target = folder / f"names_{part}.csv.gz"
    if target.is_file():
        return
    with urllib.request.urlopen(f"{SOURCE}/{target.name}", timeout=30) as answer:
        content = answer.read()
    try:
        found = hashlib.sha256(gzip.decompress(content)).hexdigest()
    except (EOFError, zlib.error) as error:
        raise OSError(f"{target.name} arrived damaged: {error}") from error
    if found != CHECKSUMS[part]:
        raise OSError(f"{target.name} is not what it was: SHA-256 {found[:12]}…, expected {CHECKSUMS[part][:12]}…")
    target.write_bytes(content)


def _file(folder: Path, part: str) -> Path:
    """Return a part's file: the plain one where there is one, else the .gz."""
    plain_file = folder / f"names_{part}.csv"
    return plain_file if plain_file.is_file() else plain_file.with_suffix(".csv.gz")


def _text(path: Path) -> str:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return unpack(file, path.stat().st_size).decode("utf-8-sig")
    except (EOFError, zlib.error, ValueError, OSError) as error:
        raise RunnerError(f"{path} can't be read ({error}). Delete it and run again to download.") from error
