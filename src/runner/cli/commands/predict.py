"""python -m runner predict: what a trained network says about files of your own."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from runner.cli.columns import say
from runner.cli.pictures import Written
from runner.config import plugins
from runner.config.recorded import recorded_config, tell_places
from runner.errors import RunnerError
from runner.files.text import one_line
from runner.tracking import layout
from runner.tracking.result import RunResult
from runner.tracking.run_directory import RunDirectory, owner

DESCRIPTION = (
    "Predicts for image files, the rows of CSV files, lines of text or graphs as JSON, with the best weights of a run. "
    "A run on a graph also answers without inputs: for all nodes of its graph, or for its test graphs."
)
EXAMPLE = """examples:
  python -m runner predict outputs/runs/2026-01-31/12-00-00-cnn-digits four.png seven.png
  python -m runner predict outputs/runs/2026-01-31/12-00-00-yolo-box_folder a.jpg --draw drawn -o boxes.json"""
BATCH = 256


def main(arguments: Sequence[str]) -> int:
    """Print one row an input (an object, where these are looked for), or write them as CSV."""
    parser = argparse.ArgumentParser(
        "python -m runner predict",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run directory, or a file among its artifacts")
    parser.add_argument("inputs", nargs="*", type=Path, metavar="INPUT", help="files: images, CSV, text or JSON")
    parser.add_argument("--output", "-o", type=Path, help="write CSV, or JSON by its suffix, instead of a table")
    parser.add_argument("--draw", type=Path, metavar="FOLDER", help="write pictures with the boxes or masks found")
    parser.add_argument("--trust", action="store_true", help="load native code although no result.json vouches for it")
    options = parser.parse_args(plugins.without(arguments))
    if missing := [str(path) for path in options.inputs if not path.is_file()]:
        raise RunnerError(f"{', '.join(missing)}: there is no such file.")
    if options.output is not None and not options.output.parent.is_dir():
        raise RunnerError(f"--output {options.output}: there is no directory {options.output.parent}.")
    if options.draw is not None and not options.inputs:
        raise RunnerError("--draw: name the pictures to draw on after the run directory.")
    if options.draw is not None and options.draw.is_file():
        raise RunnerError(f"--draw {options.draw}: is a file. Name a folder.")
    written = Written(options.draw)
    rows = predict(options.run, options.inputs, trust=options.trust, notice=written)
    if options.output is None:
        show(rows)
    else:
        write(options.output, rows, written)
        say(f"{len(rows)} predictions: {options.output}")
    if options.draw is not None:
        say(f"{len(written.written)} pictures: {options.draw}")
    return 0


def write(output: Path, rows: list[dict[str, Any]], written: Written) -> None:
    """Write rows as CSV, or, where `output` ends in .json, as a list; boxes and masks in COCO's format."""
    from runner.files import write_csv, write_json

    if output.suffix.lower() != ".json":
        write_csv(output, rows)
    else:
        write_json(output, rows if written.annotations is None else written.annotations.content)


def predict(
    run: Path, paths: Sequence[Path], *, trust: bool = False, notice: Callable[..., None] | None = None
) -> list[dict[str, Any]]:
    """Return one row for every input, or for every object found: the file (or its row), and what the task says of it.

    Args:
        trust: load a file of native code although the run's result.json doesn't hold its hash.
        notice: is called with each file, data module, task, the network's outputs, and the rows of each input in it.

    Raises:
        RunnerError: not a run directory or artifact, no checkpoint, or an input that cannot be read.
    """
    import torch

    from runner.job.assemble import SPARSE_SUFFIX, restore
    from runner.job.build import allowing

    record, exported, weights = RunDirectory(run), None, None
    if not run.is_dir():
        record = owner(run, "which say how inputs are read")
        exported, weights = (None, run) if run.suffix == SPARSE_SUFFIX else (run, None)
    rows: list[dict[str, Any]] = []
    with (
        recorded_config(record) as config,
        allowing(config.runner.plugins or [], str(record.path)),
        torch.inference_mode(),
    ):
        if exported is not None and not trust:
            refuse_unknown_code(exported, record, config)
        if not paths or config.checkpoint:  # for inputs of one's own it seldom needs its data
            tell_places(config)
        datamodule, task = restore(config, record.path, weights)
        if not paths:
            program = exported_network(exported, task, config) if exported is not None else None
            return own_rows(datamodule, task, program)
        answer = exported_network(exported, task, config) if exported is not None else batches(task)
        if exported is not None:
            datamodule.fix_shape()
        for path in paths:
            inputs = datamodule.read([path])
            outputs = answer(datamodule.transform(inputs))
            found = [datamodule.as_given(path, each) for each in task.answers(outputs)]
            if notice is not None:
                notice(path, datamodule, task, outputs, found)
            pairs = zip(datamodule.names_of(path, inputs), found, strict=True)
            rows += [{"input": name, **row} for name, each in pairs for row in each]
    return rows


def refuse_unknown_code(path: Path, record: RunDirectory, config: Any) -> None:
    """Raise RunnerError for a file of native code that is not, byte for byte, the one that its run wrote."""
    from runner.compression.files.formats import format_of
    from runner.files import sha256
    from runner.job.formats import known_formats

    known = known_formats(config)
    if not known[format_of(known, path)].native:
        return
    result = record.path / layout.RESULT
    written = RunResult.load(result).artifacts.values() if result.is_file() else ()
    if sha256(path) not in {each.sha256 for each in written}:
        raise RunnerError(
            f"{path} is native code, and {result} does not hold its hash: loading it would execute whatever it is; "
            "export it again, or add --trust where you know who wrote it."
        )


def own_rows(datamodule: Any, task: Any, program: Callable[[Any], Any] | None) -> list[dict[str, Any]]:
    """Return one row for every sample that a run on a graph has an answer for without being given anything.

    Raises:
        RunnerError: this kind of data must be given inputs, or the file has no such answers.
    """
    chosen = datamodule.own_samples
    if chosen is None:
        raise RunnerError("Nothing to predict: name the files to predict for after the run directory.")
    datamodule.setup()
    numbers = chosen()
    if program is not None:
        task.network = stand_in(program)
    samples = datamodule.splits["train"]
    outputs, targets = task(samples.rows[numbers]), samples.row_targets[numbers]
    rows = zip(numbers.tolist(), task.rows(outputs, targets), strict=True)
    return [{**datamodule.identify(number), **row} for number, row in rows]


def stand_in(program: Callable[[Any], Any]) -> Any:
    """Return an exported file's program where a network is expected."""
    from torch import nn

    class Program(nn.Module):
        def forward(self, inputs: Any) -> Any:
            return program(inputs)

    return Program()


def batches(task: Any) -> Callable[[Any], Any]:
    """Return a task's outputs for any number of inputs, batch by batch where they can be cut."""
    from runner.measure import nested

    def answer(inputs: Any) -> Any:
        return nested.concatenate([task(part) for part in nested.split(inputs, BATCH)])

    return answer


def exported_network(path: Path, task: Any, config: Any) -> Callable[[Any], Any]:
    """Return an exported file over any number of inputs; raises RunnerError where it cannot be run here.

    `task` is the run's: files that hold weights alone take its network's structure; `config` lists the formats.
    """
    from runner.compression.files.formats import format_of, run_in_batches
    from runner.compression.meta import without_values
    from runner.job.formats import known_formats

    known = known_formats(config)
    form = known[format_of(known, path)]
    if form.missing:
        raise RunnerError(f"{path}: running it needs {', '.join(form.missing)}: {form.install}")
    program = form.load(path, lambda: without_values(task.standalone()))
    return lambda inputs: run_in_batches(form.batch, program, inputs, BATCH)


def show(rows: list[dict[str, Any]]) -> None:
    """Print a plain table, a line a row."""
    if not rows:
        print("Nothing was found.")
        return
    values = [[f"{each:.4g}" if isinstance(each, float) else str(each) for each in row.values()] for row in rows]
    lines = [list(map(one_line, line)) for line in (rows[0], *values)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
