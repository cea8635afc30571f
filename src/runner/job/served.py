"""A worker process that serves with the run's own objects: formats that need torch, data and tasks of anybody's.

It reads files as `predict` does. The server starts `python -m runner.job.served DESCRIPTOR [runner.plugins=[…]]`.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from runner.compression.files.formats import run_in_batches
from runner.compression.meta import without_values
from runner.config import plugins
from runner.config.recorded import recorded_config
from runner.errors import RunnerError
from runner.files import csv_text
from runner.job.assemble import restore
from runner.job.build import allowing
from runner.job.predictor import Predictor, predictor, usable_format
from runner.measure import nested
from runner.measure.structure import restore as restored
from runner.serving.description import Description
from runner.serving.limits import Limits
from runner.serving.model import Model, Reply, Request, TensorModel, answer_of, prediction, refusal, uploads_of
from runner.serving.reader import Forms, Upload
from runner.serving.readers import reader_from
from runner.serving.tensors import json_object
from runner.serving.worker import refuse_changed, work
from runner.tasks.answers import answers_from
from runner.tracking.run_directory import owner


def load(description: Description, threads: int, limits: Limits) -> Any:
    """Return what answers: plain values around a program of torch, or the run's own objects around it."""
    torch.set_num_threads(threads)
    if description.sha256:
        refuse_changed(description)
    if description.intake is not None and description.answers is not None:
        reader = reader_from(description.intake, limits)
        return Model(description, program_of(description), reader, answers_from(description.answers), limits)
    return RunModel(description, limits)


def program_of(description: Description) -> Callable[[Sequence[Any]], list[Any]]:
    """Return an exported file's program over NumPy arrays."""
    path = Path(description.file)
    record = owner(path, "which say how inputs are read")
    with recorded_config(record) as config, allowing(config.runner.plugins or [], str(record.path)):
        # Whether it is what the run wrote was seen to when it was chosen, and by its hash just now.
        form = usable_format(path, record, config, trust=True)
        program = form.load(path, lambda: without_values(restore(config, record.path)[1].standalone()))

    def run(arrays: Sequence[Any]) -> list[Any]:
        inputs = restored(description.inputs, (torch.from_numpy(each.copy()) for each in arrays))
        outputs = run_in_batches(form.batch, program, inputs, nested.samples(inputs))
        return [each.numpy() for each in nested.tensors(outputs)]

    return run


class ValuesAsFiles(Forms):
    """Values in JSON as the files that say the same, which the run's data reads as `predict` does."""

    form = '{"rows": [{"column": 1.5}]}, {"texts": ["…"]}, {"graph": {"nodes": 3, "edges": [[0, 1]]}}, or files'
    accept = "*"

    def uploads(self, value: dict[str, Any]) -> list[Upload]:
        """Return values in JSON as the files that say the same; raises RunnerError where they are none of the forms."""
        match value:
            case {"rows": [{}, *_] as rows} if all(isinstance(each, dict) for each in rows):
                return [Upload("rows.csv", "text/csv", csv_text(rows).encode())]
            case {"texts": [str(), *_] as texts} if all(isinstance(each, str) for each in texts):
                return [Upload("texts.txt", "text/plain", "\n".join(texts).encode())]
            case {"graph": dict() as graph}:
                return [Upload("graph.json", "application/json", json.dumps(graph).encode())]
            case {"graphs": [{}, *_] as graphs}:
                return [
                    Upload(f"graph{row}.json", "application/json", json.dumps(each).encode())
                    for row, each in enumerate(graphs)
                ]
        raise RunnerError(f"Expected {self.form}.")


class RunModel:
    """Answers one request after the other with the run's own data module and task."""

    def __init__(self, description: Description, limits: Limits) -> None:
        self.description, self.limits, self.reader = description, limits, ValuesAsFiles()
        self.held = ExitStack()
        self.predictor: Predictor = self.held.enter_context(predictor(Path(description.file), trust=True))
        self.own: list[dict[str, Any]] | None = None
        self.model = TensorModel(description, self.run, limits) if description.inputs else None

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        """Return the outputs for the arrays of a batch."""
        inputs = restored(self.description.inputs, (torch.from_numpy(each.copy()) for each in arrays))
        with torch.inference_mode():
            outputs = self.predictor.outputs(inputs)
        return [each.numpy() for each in nested.tensors(outputs)]

    def warm_up(self) -> float | None:
        """See Model.warm_up."""
        if self.predictor.datamodule.own_samples is not None:
            self.own_rows()
        return None if self.model is None else self.model.warm_up()

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """See Model.answer."""
        return [self._answered(each) for each in requests]

    def own_rows(self) -> list[dict[str, Any]]:
        """Return the answers for the samples of the run's own graph, computed once."""
        if self.own is None:
            self.own = self.predictor.own_rows()
        return self.own

    def _answered(self, request: Request) -> Reply:
        try:
            if request.kind == "infer":
                if self.model is None:
                    raise RunnerError(
                        f"{self.description.name} takes no tensors: POST /predict/{self.description.name}."
                    )
                return self.model.answer([request])[0]
            return self._predicted(request)
        except RunnerError as error:
            return refusal(400, str(error))

    def _predicted(self, request: Request) -> Reply:
        if files := uploads_of(request):
            return answer_of(self.description, self._rows(files))
        value = json_object(request.parts[0])
        rows = self._chosen(value["nodes"]) if "nodes" in value else self._rows(self.reader.uploads(value))
        return answer_of(self.description, rows)

    def _chosen(self, nodes: Any) -> list[dict[str, Any]]:
        """Return the answers for nodes of the run's own graph."""
        rows = self.own_rows()
        fine = isinstance(nodes, list) and all(type(each) is int and 0 <= each < len(rows) for each in nodes)
        if not fine:
            raise RunnerError(f"nodes: must be numbers from 0 to {len(rows) - 1}.")
        return [{"input": str(each), **rows[each]} for each in nodes]

    def _rows(self, files: Sequence[Upload]) -> list[dict[str, Any]]:
        """Return the answers to files, which the run's data reads from a folder of their own."""
        found: list[dict[str, Any]] = []
        with tempfile.TemporaryDirectory() as folder:
            for number, each in enumerate(files):
                place = Path(folder, str(number), Path(each.name.replace("\\", "/")).name or "file")
                place.parent.mkdir()
                place.write_bytes(each.content)
                try:
                    answers = self.predictor.answers(place)
                except RunnerError as error:
                    raise RunnerError(str(error).replace(str(place), each.name)) from error
                named = [(name.replace(str(place), each.name), rows) for name, rows in answers]
                found += [prediction(self.description, *each) for each in named]
        return found


if __name__ == "__main__":
    plugins.enable(sys.argv[2:])
    work(load, int(sys.argv[1]))
