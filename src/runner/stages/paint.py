"""Painting: the picture that style transfer ended with, as a file."""

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from runner.errors import RunnerError
from runner.files import write_with
from runner.job.context import Context
from runner.job.networks import Networks, StageResult
from runner.tasks.vision.style_transfer import StyleTransfer
from runner.tracking.console import console


def paint(context: Context, networks: Networks) -> StageResult:
    """Write `artifacts/picture.png`; its text says which network's eyes it was painted with."""
    task = networks.task
    assert isinstance(task, StyleTransfer)
    if not context.record.primary:
        return StageResult()
    picture = Image.fromarray(task.painted().permute(1, 2, 0).contiguous().numpy())
    said = f"as {task.trunk.name} sees it (weights: {task.trunk.origin})"
    text = PngInfo()
    text.add_text("Description", f"Style transfer, {said}")
    path = context.artifacts / "picture.png"
    write_with(path, lambda file: picture.save(file, "PNG", pnginfo=text, optimize=True))
    console.print(f"paint  {path.name}  {picture.width}x{picture.height}, {said}", markup=False)
    return StageResult(artifacts={"picture": context.artifact(path)})


def preflight(context: Context, networks: Networks) -> None:
    """Raise RunnerError where no picture is trained."""
    if not isinstance(networks.task, StyleTransfer):
        raise RunnerError("The stage paint writes the picture of a style transfer: experiment=style.")
