"""What a stranger calls his things is text wherever it is shown: nothing is drawn, linked, computed or obeyed."""

import csv
import io
import json
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.table import Table
from rich.text import Text

from runner.files import csv_text, json_text
from runner.files.text import UNSEEN, cell, markdown, markdown_code, one_line, visible
from runner.tracking.console import TextConsole

HOSTILE = st.text(
    st.sampled_from("a1 |`*_~$<>[]()!\\&#:@./-=+\n\r\t\x00\x07\x1b\x7f\x9b\u200b\u202e\u2028\ud800\U000e0041{}'\",;")
    | st.characters(),
    max_size=24,
)
FEW = settings(max_examples=150, derandomize=True, database=None)


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[31mred",  # colours, and whatever else a terminal does on command
        "\x1b]8;;http://evil.example\x07click\x1b]8;;\x07",  # a link
        "\x9b2J",
        "a\rb",  # writes over what stands there
        "a\bb",
        "\u202egnp.exe",  # reads backwards
        "\u2066a",
        "a\u200bb",
        "a\u2028b",
        "\ud800",  # no encoding has it
        "\U000e0041",
    ],
)
def test_what_steers_a_terminal_is_written_out(text):
    shown = visible(text)
    assert not UNSEEN.search(shown) and shown.startswith(("\\", "a\\"))
    shown.encode()


def test_what_is_readable_stays_as_it_is():
    for text in ("Größe µ λ 中文 عربي", "👩\u200d💻", "a\tb\nc", "optimizer.lr=0.01"):
        assert visible(text) == text


@FEW
@given(HOSTILE)
def test_no_text_holds_a_character_that_cannot_be_seen(text):
    for shown in (visible(text), one_line(text), markdown(text), markdown_code(text)):
        shown.encode()
        strange = {each for each in shown if unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp")} - {"\n", "\t"}
        assert not strange
    assert len(one_line(text).splitlines()) <= 1


@FEW
@given(HOSTILE)
def test_markdown_shows_a_text_and_makes_nothing_of_it(text):
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = reader.parse(f"| head | other |\n| --- | --- |\n| {markdown(text)} | end |\n")
    first = [each for each in tokens if each.type == "inline"][2]
    assert {each.type for each in first.children} <= {"text", "text_special"}
    assert "".join(each.content for each in first.children).strip() == one_line(text).strip()
    assert len([each for each in tokens if each.type == "td_open"]) == 2


@FEW
@given(HOSTILE.filter(str.strip))
def test_a_path_is_one_piece_of_code(text):
    tokens = MarkdownIt("commonmark").parse(f"- {markdown_code(text)}: failed\n")
    (line,) = [each for each in tokens if each.type == "inline"]
    code, rest = line.children
    assert (code.type, rest.content) == ("code_inline", ": failed")
    assert code.content.strip() == one_line(text).strip()


@pytest.mark.parametrize(
    "text", ["http://evil.example", "https://a.b", "www.evil.example", "me@evil.example", "see #12"]
)
def test_markdown_makes_no_link_of_an_address(text):
    assert markdown(text) != text and markdown(text).replace("\\", "") == text


def test_usual_names_stay_readable_in_markdown():
    for text in ("optimizer.lr", "max_epochs", "val/accuracy", "0.8500 ± 0.0707", "[0.21, 1.48]", "-0.5", "1e-05"):
        assert markdown(text) == text


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1"])
def test_a_spreadsheet_computes_nothing(text):
    assert cell(text) == f"'{visible(text)}"


@pytest.mark.parametrize("value", ["-1", "+2.5", "-1e-3", ".5", "-inf", "nan", "1+1", "a=b", "", -1.5, 3, None, True])
def test_numbers_and_harmless_text_stay_as_they_are_in_csv(value):
    assert cell(value) is value


@FEW
@given(st.lists(HOSTILE, min_size=1, max_size=3, unique=True), HOSTILE)
def test_no_cell_of_a_csv_file_begins_a_formula(names, value):
    text = csv_text([dict.fromkeys(names, value)])
    text.encode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len(rows) == 2 and all(len(row) == len(names) for row in rows)
    number = re.compile(r"[+-]?(\d|\.\d|inf|nan)", re.IGNORECASE)
    assert all(each[:1] not in set("=+-@\t\r\n") or number.match(each) for row in rows for each in row)


@FEW
@given(HOSTILE)
def test_json_is_the_same_value_and_steers_nothing(text):
    written = json_text({"name": text})
    written.encode()
    assert not UNSEEN.search(written)
    assert json.loads(written)["name"].encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")


def printed(*things):
    sink = io.StringIO()
    console = TextConsole(file=sink, force_terminal=True, width=200, color_system="standard")
    for thing in things:
        console.print(thing)
    return sink.getvalue()


def test_a_console_takes_nothing_for_markup():
    table = Table(title="[red]title[/red]")
    table.add_column("[link=http://evil.example]head[/link]")
    table.add_row("[bold]cell[/bold] :smile:")
    table.add_row(Text("[dim]text[/dim]"))
    shown = printed("[red]line[/red]", table, "[/]")
    for text in ("[red]line[/red]", "[red]title[/red]", "[link=http://evil.example]head[/link]", ":smile:", "[/]"):
        assert text in shown
    assert "\x1b]8" not in shown


@FEW
@given(HOSTILE)
def test_a_console_writes_its_own_commands_only(text):
    table = Table()
    table.add_row(text, Text(text, "bold"))
    shown = re.sub(r"\x1b\[[\d;]*m", "", printed(text, Text(text, "red"), table))
    assert not UNSEEN.search(shown)
