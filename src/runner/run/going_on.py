"""Go on with a run that stopped, or with what a finished one put off."""

import os
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from runner.config import content, plugins, resolvers
from runner.config.recorded import recorded_config, refuse_mistakes, tell_places
from runner.errors import RunnerError
from runner.run.launch import do
from runner.tracking import layout, run_directory
from runner.tracking.result import RunResult, damage
from runner.tracking.run_directory import RunDirectory


def go_on(directory: Path, texts: Sequence[str] = (), config_dir: str | None = None) -> RunResult:
    """Return a run that stopped, from its last checkpoint to its end; of one that put off stages, these.

    Args:
        texts: overrides to change settings by; with more epochs a finished run trains on.
        config_dir: a directory of the user's own that holds choices of the run.

    Raises:
        RunnerError: there is no run, its configuration is damaged, it is finished or still going on, or a setting that
            it keeps is to change.
    """
    record = RunDirectory(directory, primary=int(os.environ.get("LOCAL_RANK", "0")) == 0)
    resolvers.register()
    record.config()  # where there is no run, nothing is written
    with record.held(), recorded_config(record, keys_of(texts)) as config:
        if record.primary:
            make_ready(record, config, texts, config_dir)
            tell_places(config)
        os.environ[run_directory.ENVIRONMENT_VARIABLE] = str(record.path)
        # Left unresolved so that ${run_directory:} means where the directory lies now.
        OmegaConf.set_struct(config, True)
        return do(config, record, resume=True)


def make_ready(record: RunDirectory, config: DictConfig, texts: Sequence[str], config_dir: str | None) -> None:
    """Refuse what cannot be gone on with, and change the settings that are to be others."""
    if wrong := damage(record.path / layout.STATUS):
        raise RunnerError(
            f"{record.path / layout.STATUS}: damaged ({wrong}). Remove it, and the run goes on from its last "
            "checkpoint; what it noted of finished stages is done again."
        )
    plugins.allowed(config.runner.plugins or [], str(record.path))
    refuse_finished(record, changed=bool(texts))
    if texts:
        from runner.run import resumed
        from runner.tracking.console import console

        found = resumed.change(record, config, list(texts), config_dir)
        refuse_mistakes(config, record, keys_of(texts))
        for line in resumed.told(found, config):
            console.print(line, markup=False, soft_wrap=True)
    content.refuse_other_content(config, str(record.path))
    if record.status.get("state") == "done":  # what it put off is to be done now, also after an interruption
        record.update_status(released=True)


def keys_of(texts: Sequence[str]) -> list[str]:
    """Return the keys that overrides name."""
    return [text.lstrip("+").partition("=")[0] for text in texts]


def refuse_finished(record: RunDirectory, *, changed: bool) -> None:
    """Raise RunnerError when the run is finished with no stage put off, and no setting is to change."""
    status = record.status
    if status.get("state") == "done" and not changed and not status.get("held"):
        raise RunnerError(
            f"{record.path}: this run is finished. Start from its weights with checkpoint={record.path}, train it for "
            "more epochs with trainer.max_epochs=… behind this command, or read its result.json."
        )
