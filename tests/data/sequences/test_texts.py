"""Texts of the user's own: two layouts, their counts, and what is wrong with some."""

import pytest

from runner.data.sequences.labelled import count_text_classes, labelled_texts, longest_text
from runner.data.sequences.texts import Texts
from runner.errors import RunnerError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "tree.txt").write_text("oak\nbirch\n\nÉrable\n", encoding="utf-8")
    (tmp_path / "words" / "animal.txt").write_text("cat\ndog\n")
    return tmp_path / "words"


def table(tmp_path, text):
    path = tmp_path / "texts.csv"
    path.write_text(text)
    return path


def test_a_file_of_lines_for_each_class(folder):
    rows = labelled_texts(folder)
    assert [(text, label) for text, label, _ in rows] == [
        ("cat", "animal"),
        ("dog", "animal"),
        ("oak", "tree"),
        ("birch", "tree"),
        ("Érable", "tree"),
    ]
    assert rows[-1][2] == f"{folder / 'tree.txt'}, line 4"
    assert (count_text_classes(folder), longest_text(folder)) == (2, 6)


def test_columns_are_the_first_and_the_last_unless_named(tmp_path):
    path = table(tmp_path, "word;size;kind\n007;1;a\ncat;2;b\ndog;1;b\n008;2;a\n")
    assert [row[:2] for row in labelled_texts(path)] == [("007", "a"), ("cat", "b"), ("dog", "b"), ("008", "a")]
    assert [row[1] for row in labelled_texts(path, None, "size")] == ["1", "2", "1", "2"]
    assert labelled_texts(path, "kind", "size")[1] == ("b", "2", f"{path}, line 3")


def test_a_changed_file_is_read_again(tmp_path):
    path = table(tmp_path, "text,label\none,a\ntwo,b\nsix,a\nten,b\n")
    assert longest_text(path) == 3
    path.write_text("text,label\nthree,a\ntwo,b\nsix,a\nten,b\n")
    assert longest_text(path) == 5


def test_the_module_reads_codes_and_classes_in_order(folder):
    texts = Texts(root=str(folder), max_length=6, num_tokens=128, num_classes=2)
    source = texts.load()
    assert source.class_names == ("animal", "tree")
    assert source.targets.tolist() == [0, 0, 1, 1, 1]
    assert bytes(source.inputs[-1].tolist()) == b"Erable"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("text,label\none,a\n,b\ntwo,a\nsix,b\n", r"line 3: has no text"),
        ("text,label\none,a\ntwo,\nsix,b\nten,b\n", r"line 3: has no class"),
        ("text,label\none,a\ntwo,a\n", "every text is of class a"),
        ("text,label\none,1\ntwo,2\nsix,3\n", "3 texts are of 3 classes"),
        ("text\none\ntwo\n", "has one column, text. Texts are a table"),
    ],
)
def test_what_no_classifier_can_learn_is_refused(tmp_path, text, words):
    with pytest.raises(RunnerError, match=words):
        labelled_texts(table(tmp_path, text))


def test_places_without_texts_are_refused(tmp_path):
    with pytest.raises(RunnerError, match="there is no such file or folder"):
        labelled_texts(tmp_path / "nowhere")
    with pytest.raises(RunnerError, match=r"holds 0 files that end in .txt"):
        labelled_texts(tmp_path)
