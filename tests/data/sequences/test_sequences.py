"""Sequences: texts to tokens and back, batches with little padding in a reproducible order, and refused input."""

import csv
import gzip
import io
import urllib.request

import pytest
import torch

from runner.data.sequences import names as names_module
from runner.data.sequences.alphabet import decode, encode, plain
from runner.data.sequences.buckets import BucketLoader
from runner.data.sequences.hello import Hello
from runner.data.sequences.names import FakeNames, Names, download
from runner.errors import RunnerError

SIZES = {"max_length": 20, "num_tokens": 128}
TRAINING = [(name, country) for country in ("Italian", "Polish") for name in ("Rossi", "Kos", "Verdi", "Bo", "Mazur")]


def write(folder, training=TRAINING, test=(("Bianchi", "Italian"), ("Nowak", "Polish")), suffix=".csv"):
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in (("train", training), ("test", test)):
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
        content = text.getvalue().encode()
        (folder / f"names_{part}{suffix}").write_bytes(gzip.compress(content) if suffix == ".csv.gz" else content)
    return folder


def names(folder, **options):
    return Names(root=str(folder), **{"num_classes": 2, **SIZES, **options})


def test_accents_are_taken_off_and_letters_of_their_own_spelled_out():
    assert [plain(text) for text in ("Müller", "Łukasz", " Strauß ", "Ångström", "O’Neill", "Đorđe")] == [
        "Muller",
        "Lukasz",
        "Strauss",
        "Angstrom",
        "O'Neill",
        "Dorde",
    ]


def test_tokens_are_ascii_codes_padded_on_the_right():
    tokens = encode(["Bo", "Ada"], ["here"] * 2, 4)
    assert tokens.tolist() == [[66, 111, 0, 0], [65, 100, 97, 0]]
    assert [decode(each) for each in tokens] == ["Bo", "Ada"]
    assert encode([], [], 4).shape == (0, 4)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Иванов", r"texts.txt, line 1: 'Иванов' has .*'И' \(U\+0418\)"),
        ("王", r"'王' \(U\+738B\); the vocabulary is ASCII letters"),
        ("", "line 1: the text is empty"),
        ("  ", "line 1: the text is empty"),
        ("Wolfeschlegelsteinhausen", "has 24 characters; at most 20 are read.*data.max_length=24"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_with_its_place(tmp_path, text, complaint):
    (tmp_path / "texts.txt").write_text(f"{text}\n", encoding="utf-8")
    with pytest.raises(RunnerError, match=complaint):
        names(tmp_path).read([tmp_path / "texts.txt"])


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_names_are_read_plain_or_compressed_and_the_test_file_is_the_test(tmp_path, suffix):
    data = names(write(tmp_path / "names", suffix=suffix).parent, validation_fraction=0.2)
    data.setup()
    assert data.class_names == ("Italian", "Polish")
    assert {split: len(samples) for split, samples in data.splits.items()} == {"train": 8, "val": 2, "test": 2}
    assert [decode(each) for each in data.splits["test"].inputs] == ["Bianchi", "Nowak"]
    assert data.splits["test"].targets.tolist() == [0, 1]
    assert sorted(data.splits["val"].targets.tolist()) == [0, 1], "stratified"


def test_classes_that_training_never_saw_are_refused(tmp_path):
    write(tmp_path, test=[("Bianchi", "Italian"), ("Novak", "Czech"), ("Toth", "Hungarian")])
    with pytest.raises(RunnerError, match=r"names_test\.csv: training never saw Czech, Hungarian"):
        names(tmp_path).setup()


def test_another_number_of_classes_is_told(tmp_path):
    with pytest.raises(RunnerError, match=r"num_classes is 18, but the data has 2 classes. Set data.num_classes=2"):
        names(write(tmp_path), num_classes=18).setup()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('"Rossi","Italian"\n"Kos"\n', 'names_train.csv, line 2: expected "name","country", found 1 values'),
        ('"","Italian"\n"Kos","Polish"\n', "names_train.csv, line 1: the text is empty"),
        ('"Rossi",""\n', "names_train.csv, line 1: expected"),
        ("", "names_train.csv is empty"),
        (b"\xff\xfe\x00", "names_train.csv can't be read"),
    ],
)
def test_a_damaged_file_is_told_with_its_line(tmp_path, content, complaint):
    write(tmp_path)
    raw = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "names_train.csv").write_bytes(raw)
    with pytest.raises(RunnerError, match=complaint):
        names(tmp_path).setup()


class ModelCall(io.BytesIO):
    """What urlopen gives."""


def test_names_are_downloaded_once_and_checked(tmp_path, monkeypatch):
    asked = []
    content = gzip.compress(b'"Rossi","Italian"\n"Kos","Polish"\n')

    def urlopen(url, timeout):
        asked.append(url)
        return ModelCall(content)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    with pytest.raises(OSError, match=r"names_train\.csv\.gz is not what it was"):
        download("train", tmp_path)
    assert not (tmp_path / "names_train.csv.gz").exists()
    expected = names_module.hashlib.sha256(gzip.decompress(content)).hexdigest()
    monkeypatch.setattr(names_module, "CHECKSUMS", {"train": expected, "test": expected})
    data = names(tmp_path, validation_fraction=0.0)
    data.setup()
    names(tmp_path).load()
    assert [url.rsplit("/", 1)[1] for url in asked[1:]] == ["names_train.csv.gz", "names_test.csv.gz"]
    assert len(data.splits["train"]) == 2


def test_names_that_cannot_be_had_say_where_to_put_them(tmp_path, monkeypatch):
    def urlopen(url, timeout):
        raise OSError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    with pytest.raises(RunnerError, match=r"(?s)no route to host.*Looked in:.*names.*need no download: fake_names"):
        names(tmp_path).load()


def test_fake_names_are_the_same_every_time_and_of_every_country():
    one, other = (FakeNames(most=30, num_classes=12, **SIZES) for _ in range(2))
    one.setup()
    other.setup()
    assert torch.equal(one.splits["train"].inputs, other.splits["train"].inputs)
    assert one.splits["test"].targets.unique().tolist() == list(range(12))
    assert one.splits["train"].inputs.max() < 128


def test_a_batch_ends_where_its_longest_sequence_does_until_its_shape_is_fixed(tmp_path):
    data = names(write(tmp_path))
    raw = encode(["Bo", "Verdi"], ["here"] * 2, 20)
    assert data.transform(raw).shape == (2, 5)
    assert data.transform(raw).dtype == torch.int64
    data.fix_shape()
    assert data.transform(raw).shape == (2, 20)


def test_texts_of_ones_own_come_from_lines_or_from_a_column(tmp_path):
    (tmp_path / "some.txt").write_text("Müller\nRossi\n", encoding="utf-8")
    (tmp_path / "some.csv").write_text("id,name\n1,Kos\n", encoding="utf-8")
    data = names(tmp_path)
    inputs = data.read([tmp_path / "some.txt", tmp_path / "some.csv"])
    assert data.names_of(tmp_path / "some.txt", inputs) == ["Muller", "Rossi", "Kos"]
    (tmp_path / "other.csv").write_text("id,nme\n1,Kos\n")
    with pytest.raises(RunnerError, match=r"no column 'name'\. Did you mean nme\?"):
        data.read([tmp_path / "other.csv"])
    (tmp_path / "none.txt").write_text("")
    with pytest.raises(RunnerError, match=r"none\.txt is empty"):
        data.read([tmp_path / "none.txt"])


def test_hello_is_one_word_and_its_answer():
    data = Hello(num_tokens=4, num_classes=4)
    data.setup()
    inputs, targets = data.splits["train"].head(1)
    assert inputs.tolist() == [[2, 1, 3, 3, 4]]
    assert targets.tolist() == [[3, 1, 2, 3, 2]]
    assert data.names_of(None, inputs) == ["hello"]


LENGTHS = torch.randint(1, 20, (200,), generator=torch.Generator().manual_seed(0))


def loader(**options) -> BucketLoader:
    """The inputs are row numbers."""
    rows = torch.arange(len(LENGTHS))
    return BucketLoader(rows, rows, rows, lengths=LENGTHS, **{"pool": 4, "batch_size": 16, **options})


def rows_of(batches) -> list[list[int]]:
    return [inputs.tolist() for inputs, _ in batches]


def test_batches_hold_neighbours_in_length_and_together_every_row():
    batches = rows_of(loader(shuffle=True))
    assert sorted(row for batch in batches for row in batch) == list(range(200))
    assert [len(batch) for batch in batches].count(16) == 12
    random = loader(shuffle=True, pool=1).padding_share()
    assert loader(shuffle=True).padding_share() < random / 2
    assert loader(shuffle=True, pool=100).padding_share() < loader(shuffle=True).padding_share()


def test_the_padding_share_is_what_the_batches_say():
    batches = rows_of(loader(shuffle=True))
    cells = sum(len(batch) * int(LENGTHS[batch].max()) for batch in batches)
    assert loader(shuffle=True).padding_share() == pytest.approx(1 - int(LENGTHS.sum()) / cells)


def test_bucketed_order_is_a_function_of_seed_and_epoch_only():
    first, second = loader(shuffle=True, seed=1), loader(shuffle=True, seed=1)
    epochs = []
    for epoch in (0, 1):
        first.sampler.set_epoch(epoch)
        epochs.append(rows_of(first))
    second.sampler.set_epoch(1)
    assert rows_of(second) == epochs[1]
    assert epochs[0] != epochs[1]
    assert rows_of(loader(shuffle=True, seed=2)) != epochs[0]


def test_without_shuffling_the_shortest_come_first():
    lengths = [int(LENGTHS[row]) for batch in rows_of(loader()) for row in batch]
    assert lengths == sorted(lengths)


def test_bucketed_batches_go_on_in_the_middle_of_an_epoch():
    original, resumed = loader(shuffle=True), loader(shuffle=True)
    iterator = iter(original)
    for _ in range(5):
        next(iterator)
    resumed.load_state_dict(original.state_dict())
    assert rows_of(resumed) == rows_of(loader(shuffle=True))[5:]


def test_ranks_share_bucketed_batches():
    ranks = [rows_of(loader(shuffle=True, rank=rank, world_size=2)) for rank in range(2)]
    assert len(ranks[0]) == len(ranks[1]) == len(loader(shuffle=True, world_size=2))
    assert sorted(row for rank in ranks for batch in rank for row in batch) == list(range(200))
    for one, other in zip(*ranks, strict=True):
        assert abs(int(LENGTHS[one].max()) - int(LENGTHS[other].max())) <= 1
