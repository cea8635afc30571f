"""MODEL_CARD.md: what a network is for, what it was made of, how good it is, and where it ends."""

from collections.abc import Iterator, Mapping
from typing import Any

from runner.files.text import markdown, markdown_code
from runner.report.ranking.wilson import is_share, wilson
from runner.serving.description import Description
from runner.tracking.result import TESTED, RunResult

# Settings that say what the network was made of.
TOLD = ("seed", "data.root", "data.image_size", "optimizer.lr", "trainer.max_epochs", "data.batch_size")

METHODS = ("pruning", "factorization", "distillation", "quantization")


def card(description: Description, result: RunResult, environment: Mapping[str, Any]) -> str:
    """Return the card as Markdown."""
    return "\n".join([*lines(description, result, environment), ""])


def lines(about: Description, result: RunResult, environment: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a card."""
    choices = {key: value for key, value in result.choices.items() if value not in ("none", "default")}
    yield f"# {markdown(about.name)}"
    yield ""
    yield f"Task: {markdown(about.task.replace('_', ' '))} of {markdown(about.takes)} data."
    if about.classes:
        yield f"Classes: {', '.join(markdown(each) for each in about.classes)}."
    yield from ["", "## How good it is", ""]
    yield from metrics(about, result)
    yield from ["", "## How it was made", "", "| setting | value |", "|---|---|"]
    for key in ("data", "model", "optimizer", "scheduler", "augmentation"):
        if key in choices:
            yield f"| {key} | {markdown(str(choices[key]))} |"
    for key in TOLD:
        if (value := result.settings.get(key)) is not None:
            yield f"| {markdown(key)} | {markdown(str(value))} |"
    yield f"| parameters | {result.parameters:,} |"
    yield from ["", "## What was done to it", ""]
    made = [f"{key}={choices[key]}" for key in METHODS if key in choices]
    done = ", ".join(map(markdown_code, made)) or "Nothing: float32 as trained"
    yield f"{done}; exported as {about.format}, {about.about}."
    yield from ["", "## Where it ends", ""]
    yield "- It was tested on data like its training data; on other data nothing is known of it."
    if about.classes:
        yield "- It knows no classes but these, and answers one of them whatever it is shown."
    yield "- Its probabilities were not calibrated."
    if about.alone:
        yield "- It quantizes its inputs a batch at a time, so each sample is answered by itself."
    yield from ["", "## Where it was made", ""]
    versions = environment.get("versions", {})
    told = [f"{name} {versions[name]}" for name in ("runner", "torch", "torchvision") if name in versions]
    cpu = environment.get("cpu", {}).get("model", "an unknown processor")
    python = str(environment.get("python", "?"))
    yield f"Python {markdown(python)}, {markdown(', '.join(told))}, on {markdown(str(cpu))}."
    yield f"Identity of the run: {markdown_code(result.identity)}; SHA-256 of the file: {markdown_code(about.sha256)}."


def metrics(about: Description, result: RunResult) -> Iterator[str]:
    """Yield a table of the metrics of the test split, shares with their intervals."""
    count = max(0, int(result.metrics.get(TESTED) or 0))
    yield f"On {count:,} test samples:" if count else "On the test split:"
    yield from ["", "| metric | value | 95 % interval |", "|---|---|---|"]
    for name, value in about.metrics.items():
        told = count and is_share(name) and 0 <= value <= 1
        between = "{:.4f} – {:.4f}".format(*wilson(value, count)) if told else ""
        yield f"| {markdown(name)} | {value:.4f} | {between} |"
