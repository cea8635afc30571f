"""A search: Optuna proposes settings, runs answer with their metric, hopeless ones are stopped early."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from runner.config import overrides
from runner.errors import RunnerError
from runner.report.ranking.outcome import validation_name
from runner.sweep.best import write_experiment
from runner.sweep.execution import Execution
from runner.sweep.jobs import Planner, SweepJob
from runner.sweep.plan import Plan
from runner.sweep.progress import folds, history, latest
from runner.sweep.record import DONE, Entry, Sweep
from runner.sweep.space import corners, distributions, texts_of
from runner.sweep.start import register, without_invalid
from runner.tracking.console import console
from runner.tracking.signals import request_stop

if TYPE_CHECKING:
    from optuna import Study, Trial

JOURNAL = "search.log"
# Seconds between two looks at the metrics of running jobs.
EVERY = 0.3


def search(planned: Plan, record: Sweep, runner: Execution) -> None:
    """Run trials until there are as many as asked for, those of an earlier start of this search included.

    Raises:
        RunnerError: Optuna is not installed or refuses the space, or no run in this space could start.
    """
    Search(planned, record, runner).run()


class Search:
    """One study. Trial n is job n of the sweep."""

    # Of the cross-validation that a trial is judged by; 0 where it is judged by its validation data.
    folds: int = 0

    def __init__(self, planned: Plan, record: Sweep, runner: Execution) -> None:
        self.planned, self.record, self.runner = planned, record, runner
        self.settings: dict[str, Any] = planned.sweep["search"]
        optuna = imported()
        self.planner = Planner(planned.config_dir)
        self.space = distributions(planned.space, self.planner.known)
        varying = [each.text for each in planned.space]
        self.fixed = [text for text in planned.command if text not in varying]
        first = self.check()
        config = first.plain
        assert config is not None  # it has no mistakes
        self.monitor: str = config["task"]["monitor"]
        self.folds = int(config["cross_validation"]["folds"])
        refuse_unless_validated(config, self.folds)
        self.larger = config["task"]["monitor_mode"] == "max"
        self.study = study_in(record, self.settings, self.larger)
        self.states = optuna.trial.TrialState
        self.trials: dict[int, Trial] = {}
        self.reported: set[tuple[int, int]] = set()
        # The study is asked here and by the thread that watches.
        self.lock = threading.Lock()

    def check(self) -> SweepJob:
        """Compose every end of the space before the first run starts; raises RunnerError with what cannot run."""
        jobs = [self.job(number, point) for number, point in enumerate(corners(self.space))]
        return without_invalid(jobs, "refuse")[0][0]

    def job(self, number: int, parameters: dict[str, Any]) -> SweepJob:
        """Return the job that tries these parameters."""
        parsed = overrides.parse([*self.fixed, *texts_of(parameters)])[0]
        varying = [key.lstrip("+") for key in parameters]
        return self.planner.job(number, parsed, varying)

    def run(self) -> None:
        """Go on with what an earlier start left, then asks for more."""
        self.runner.announce(self.settings["trials"], sum(each.state.is_finished() for each in self.study.trials))
        with self.runner.session(), Watcher(self.watch):
            for number in self.unfinished():
                self.start(self.job(number, self.study.trials[number].params))
            while len(self.study.trials) < self.settings["trials"] and not self.runner.stopped:
                with self.lock:
                    trial = self.study.ask(self.space)
                self.trials[trial.number] = trial
                self.start(self.job(trial.number, trial.params))
            while self.runner.running:
                self.collect()
            self.conclude()
            self.runner.test_chosen()

    def unfinished(self) -> list[int]:
        """Trials that a killed search left without an answer; what their runs have answered meanwhile is told."""
        left = []
        for trial in self.study.trials:
            known = trial.number in self.record.entries
            if trial.state == self.states.RUNNING and not (known and self.record.refresh(trial.number) == DONE):
                left.append(trial.number)
            elif known:
                self.runner.jobs[trial.number] = self.job(trial.number, trial.params)
                if trial.state == self.states.RUNNING:
                    self.tell(self.record.entries[trial.number])
        return left

    def start(self, job: SweepJob) -> None:
        """Enter a job into the sweep and hands it to the launcher when that has room."""
        while len(self.runner.running) >= self.runner.launcher.jobs:
            self.collect()
        register(self.record, [job])
        self.runner.jobs[job.number] = job
        self.runner.submit(job)

    def collect(self) -> None:
        """Wait for a job and tells the study what it measured."""
        for entry in self.runner.collect():
            self.tell(entry)

    def tell(self, entry: Entry) -> None:
        """What the network that the run ended with reached on validation data, or that there is none."""
        value = self.outcome(entry.number)[1]
        stopped = self.record.status(entry.number).get("stopped")
        with self.lock:
            if (trial := self.trials.pop(entry.number, None)) is not None:
                for step, metric in self.steps(entry.number).items():
                    self.report(trial, step, metric)
            if entry.state != DONE or value is None:
                self.study.tell(entry.number, state=self.states.FAIL)
            elif stopped:
                self.study.tell(entry.number, state=self.states.PRUNED)
            else:
                self.study.tell(entry.number, value)

    def outcome(self, number: int) -> tuple[str, float | None]:
        """Return the metric that a trial is judged by, the mean over folds where there are any, and its value."""
        metrics = self.record.status(number).get("metrics") or {}
        name = validation_name(metrics, self.monitor)
        return (name, metrics[name]) if name is not None else (self.monitor, None)

    def steps(self, number: int) -> dict[int, float]:
        """Return the metric after each epoch of a trial; with folds the mean over those that are done, after each."""
        directory = self.record.directory(number)
        return folds(directory, self.monitor) if self.folds else history(directory, self.monitor)

    def watch(self) -> None:
        """Report the running trials' metrics to the study and stops those that it calls hopeless."""
        if not self.settings["prune"]:
            return
        with self.lock:
            for number, trial in list(self.trials.items()):
                step, metric = self.now(number)
                if metric is None:
                    continue
                self.report(trial, step, metric)
                if trial.should_prune():
                    what = "folds" if self.folds else "epochs"
                    reason = f"hopeless: {self.monitor} {metric:.4g} after {step} {what}"
                    request_stop(self.record.directory(number), reason)

    def now(self, number: int) -> tuple[int, float | None]:
        """Return how many epochs, or folds, of a running trial are done, and its metric after them."""
        directory = self.record.directory(number)
        if self.folds:
            return max(folds(directory, self.monitor).items(), default=(0, None))
        found = latest(directory, self.monitor)
        return found.epochs, found.metric

    def report(self, trial: "Trial", epoch: int, metric: float) -> None:
        """Tell the study of an epoch, once."""
        if (trial.number, epoch) not in self.reported:
            self.reported.add((trial.number, epoch))
            trial.report(metric, epoch)

    def conclude(self) -> None:
        """Print the best parameters and write them as an experiment."""
        complete = [trial for trial in self.study.trials if trial.state == self.states.COMPLETE]
        if not complete:
            self.runner.chosen = []
            words = f"No run measured {self.monitor}, so there are no best settings."
            hint = "" if self.folds else " Without validation data, cross_validation.folds=5 measures it."
            console.print(words + hint, style="bold red", soft_wrap=True)
            return
        best = self.study.best_trial
        self.runner.chosen = [best.number]
        reached = f"{self.outcome(best.number)[0]} {best.value:.4g}"
        command = write_experiment(self.record, best.number, reached, self.planner.known)
        console.print(f"Best: {reached} in run {best.number}", markup=False)
        for text in texts_of(best.params):
            console.print(f"  {text}", markup=False)
        console.print(f"Run it again   {command}", soft_wrap=True, markup=False)


def study_in(record: Sweep, settings: dict[str, Any], larger: bool) -> "Study":
    """Return the study whose journal lies in the sweep's directory, new or begun earlier.

    Raises:
        RunnerError: the sampler needs a package that is not installed.
    """
    optuna = imported()
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    record.save()
    # A search that goes on must not draw the same numbers again.
    random = {"seed": settings["seed"] + len(record.entries)}
    startup = {"n_startup_trials": settings["startup_trials"]}
    samplers: dict[str, Callable[[], Any]] = {
        "tpe": lambda: optuna.samplers.TPESampler(**random, **startup, constant_liar=True),
        "random": lambda: optuna.samplers.RandomSampler(**random),
        "gp": lambda: optuna.samplers.GPSampler(**random, **startup),
        "cmaes": lambda: optuna.samplers.CmaEsSampler(**random, **startup),
    }
    try:
        sampler = samplers[settings["sampler"]]()
    except ImportError as error:
        raise RunnerError(f"sweep.search.sampler={settings['sampler']}: {error}") from None
    return optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(record.path / JOURNAL))),
        study_name="search",
        direction="maximize" if larger else "minimize",
        sampler=sampler,
        pruner=optuna.pruners.MedianPruner(**startup, n_warmup_steps=1),
        load_if_exists=True,
    )


def imported() -> Any:
    """Return the package optuna, quiet.

    Raises:
        RunnerError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise RunnerError("sweep=search needs Optuna, which is not installed: pip install 'runner[search]'") from None
    logging.getLogger("optuna").setLevel(logging.WARNING)
    return optuna


def refuse_unless_validated(config: Mapping[str, Any], folds: int) -> None:
    """Raise RunnerError where the data keeps nothing that a search could choose by."""
    if config["data"].get("validation_fraction") == 0 and not folds and not config["data"].get("root"):
        raise RunnerError(
            f"sweep=search chooses by {config['task']['monitor']}, and data.validation_fraction=0 leaves no validation "
            "data. Give it a share, or let each run be judged by its folds: cross_validation.folds=5."
        )


class Watcher:
    """A thread that calls `look` again and again, as long as its context lasts."""

    def __init__(self, look: Callable[[], None]) -> None:
        self.look, self.over = look, threading.Event()
        self.thread = threading.Thread(target=self.loop, daemon=True)

    def loop(self) -> None:
        while not self.over.wait(EVERY):
            self.look()

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.thread.join()
