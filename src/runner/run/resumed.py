"""Resume with other settings: what was is kept, what changes is written down, and the run goes on."""

import shutil
import time

from omegaconf import DictConfig, OmegaConf

from runner.compression.methods import METHODS, PHASES
from runner.errors import RunnerError
from runner.files import write_text
from runner.run.changes import Changes, changes_of, of_the_training
from runner.tracking import checkpoints, layout
from runner.tracking.identity import HISTORY
from runner.tracking.resumptions import Resumption, append
from runner.tracking.run_directory import RunDirectory
from runner.tracking.services import sent
from runner.tracking.signals import STOP_REQUEST

EPOCHS = "trainer.max_epochs"
LONGER = (EPOCHS, "trainer.max_steps", "callbacks.early_stopping.")
# Files that a kept result is made of, beside its checkpoints and artifacts.
KEPT = (
    layout.CONFIG,
    layout.OVERRIDES,
    layout.ENVIRONMENT,
    layout.STATUS,
    layout.METRICS,
    layout.RESULT,
    layout.RESUMED,
)


def change(record: RunDirectory, config: DictConfig, texts: list[str], config_dir: str | None) -> Resumption:
    """Change the configuration of a run that is not going on, and return what that was.

    Of a finished run the result until now is kept as a run of its own, in `earlier/1` and so on.

    Raises:
        RunnerError: what can't be changed, by name, or nothing is left to do.
    """
    begun, done = record.overrides(), list(record.status.get("done", []))
    finished = record.status.get("state") == "done"
    longer = any(text.lstrip("+").startswith(LONGER) for text in texts)
    left = done[: done.index("fit")] if longer and "fit" in done else done
    changes = changes_of(config, begun, texts, left, config_dir, str(record.path))
    if not changes:
        raise RunnerError(f"{' '.join(texts)}: this run has these settings already, so nothing would change.")
    trained, step = progress(record, config, changes, finished=finished, done=done)
    training = of_the_training(changes)
    said = in_words(trained, {key: each for key, each in changes.items() if key in typed(texts)})
    history = in_words(trained, {key: each for key, each in training.items() if key in typed(texts)})
    earlier = keep_result(record) if (record.path / layout.RESULT).is_file() else ""
    before, after = ({key: getattr(each, side) for key, each in changes.items()} for side in ("before", "after"))
    found = Resumption(texts, trained, step, before, after, bool(training), earlier, time.time(), said)
    append(record.path, found)
    (record.path / layout.RESULT).unlink(missing_ok=True)
    if left != done:
        forget_results(record, left)
    forget_begun(record, changes)
    write(record, config, changes, begun, texts, history if step and training else "")
    return found


def progress(
    record: RunDirectory, config: DictConfig, changes: Changes, *, finished: bool, done: list[str]
) -> tuple[int, int]:
    """Return the epochs and the steps that training has done.

    Raises:
        RunnerError: the changes leave nothing to do, fewer epochs than there were, or nothing that can go on.
    """
    training, place = of_the_training(changes), record.path
    weights_way = f"start from its weights: checkpoint={place}"
    if "fit" not in config.stages and training:
        raise RunnerError(f"{place}: its stages {list(config.stages)} do not use {', '.join(training)}.")
    if finished and "fit" not in done:
        raise RunnerError(f"{place}: this run is finished, and trained nothing that could go on; {weights_way}.")
    last = record.path / layout.CHECKPOINTS / f"{checkpoints.LAST}.ckpt"
    content = checkpoints.read_checkpoint(last) if last.is_file() else {}
    if training and "fit" in done and "training" not in content:
        raise RunnerError(f"{place}: kept no state of its training (checkpoints/last.ckpt), so {weights_way}.")
    counts = content["loops"]["fit_loop"]["epoch_progress"]["current"] if "loops" in content else {}
    begun, ended = int(counts.get("ready", 0)), int(counts.get("processed", 0))
    wanted = changes[EPOCHS].after if EPOCHS in changes else config.trainer.max_epochs
    if wanted is not None and wanted != -1 and wanted < begun:
        raise RunnerError(f"{EPOCHS}={wanted}: this run has trained for {begun} epochs already; they stay.")
    if "fit" in done and (training or finished):
        if config.cross_validation.folds:
            raise RunnerError(f"{place}: each of its folds was trained as it was, so {weights_way}.")
        if not any(key.startswith(LONGER) for key in changes) or wanted == ended:
            raise RunnerError(
                f"{place}: this run's training is finished, after {ended} epochs. To train on with its optimizer's "
                f"state add {EPOCHS}={ended + 1} or more; for anything else {weights_way}."
            )
    return ended, int(content.get("global_step", 0))


def keep_result(record: RunDirectory) -> str:
    """Keep a finished run as it is now, as a run directory inside its own; return its name."""
    folder = record.path / layout.EARLIER
    number = 1 + sum(1 for each in folder.glob("[0-9]*"))
    beside = folder / f".{number}.partial"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for name in KEPT:
        if (record.path / name).is_file():
            shutil.copy2(record.path / name, beside / name)
    if (record.path / layout.CHECKPOINTS).is_dir():
        shutil.copytree(record.path / layout.CHECKPOINTS, beside / layout.CHECKPOINTS)
    if (record.path / layout.ARTIFACTS).is_dir():  # made anew
        shutil.move(record.path / layout.ARTIFACTS, beside / layout.ARTIFACTS)
    beside.rename(folder / str(number))
    return f"{layout.EARLIER}/{number}"


def forget_results(record: RunDirectory, done: list[str]) -> None:
    """Make the stages from the training on undone."""
    status = record.status
    seconds = {stage: each for stage, each in status.get("seconds", {}).items() if stage in (*done, "fit")}
    record.update_status(
        state="interrupted", done=done, metrics={}, artifacts={}, seconds=seconds, stage=None, metrics_bytes=None
    )
    if record.status.get("stopped"):  # a search wanted no more of it; whoever resumes it does
        record.update_status(stopped=None)
        (record.path / STOP_REQUEST).unlink(missing_ok=True)
    (record.path / layout.ARTIFACTS).mkdir(exist_ok=True)
    metrics = record.path / layout.METRICS
    if metrics.is_file():  # what was tested will be tested again; the loggers forget what training does again
        lines = metrics.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        tested = tuple(f"{phase}/" for phase in ("test", *PHASES))
        write_text(metrics, "".join(line for line in lines if not metric_of(line).startswith(tested)))
        sent.shorten(record, metrics.stat().st_size)


def typed(texts: list[str]) -> set[str]:
    """Return the keys that overrides name."""
    return {text.lstrip("+").partition("=")[0] for text in texts}


def in_words(epochs: int, changes: Changes) -> str:
    """Return `epoch 20: optimizer.lr 0.003 to 0.001`."""
    return f"epoch {epochs}: " + ", ".join(f"{key} {each.before} to {each.after}" for key, each in changes.items())


def metric_of(line: str) -> str:
    """Return the metric of a row of metrics.csv."""
    return "".join(line.split(",")[2:3])


def forget_begun(record: RunDirectory, changes: Changes) -> None:
    """Remove what stages have begun whose settings are others now, so that they begin anew."""
    for method in METHODS:
        if any(key.startswith(f"{method.group}.") for key in changes):
            for name in filter(None, (method.checkpoint, method.folder)):
                (record.path / layout.CHECKPOINTS / f"{name}.ckpt").unlink(missing_ok=True)
                shutil.rmtree(record.path / layout.CHECKPOINTS / name, ignore_errors=True)


def write(
    record: RunDirectory, config: DictConfig, changes: Changes, begun: list[str], texts: list[str], said: str
) -> None:
    """Write the changed configuration, and the overrides that lead to it."""
    for key, each in changes.items():
        OmegaConf.update(config, key, each.after, merge=False, force_add=True)
    if said:
        before = config.get(HISTORY)
        OmegaConf.update(config, HISTORY, f"{before}; {said}" if before else said, force_add=True)
    keys = typed(texts)
    kept = [text for text in begun if text.lstrip("+").partition("=")[0] not in keys]
    write_text(record.path / layout.CONFIG, OmegaConf.to_yaml(config, resolve=True))
    write_text(record.path / layout.OVERRIDES, OmegaConf.to_yaml(OmegaConf.create([*kept, *texts])))


def told(found: Resumption, config: DictConfig) -> list[str]:
    """Return what a person should know of a resumption, a line each."""
    lines = [f"resumes at {found.said}"]
    scheduled = (config.get("scheduler") or {}).get("_target_")
    if found.training and found.epochs and scheduled:
        name = str(scheduled).rpartition(".")[2]
        if name == "ReduceLROnPlateau":
            lines.append("the schedule (plateau) keeps what it has seen; its rate is scaled where optimizer.lr changed")
        else:
            lines.append(f"the schedule ({name}) is that of a run with the new settings, taken up at this step")
    if found.training and found.epochs and "early_stopping" in (config.get("callbacks") or {}):
        lines.append(
            "early stopping has waited as long as it had; callbacks.early_stopping.patience=… lets it wait longer"
        )
    if found.earlier:
        lines.append(f"the result until now is kept in {found.earlier}")
    return lines
