"""What a run ended with: its metrics on validation and on test data after the last stage that changed its network."""

from collections.abc import Iterable, Mapping

from runner.compression import methods

# What a network can have been through, the last first.
PHASES = tuple(reversed(methods.PHASES))
VALIDATION, TRAINING, TEST, FOLDS = "val/", "train/", "test/", "cross_validation/"
MEAN = "/mean"


def phase_of(metrics: Mapping[str, float]) -> str:
    """Return what the run's network has been through last: `pruned`, `compressed`, …; empty for one as trained.

    Every stage that changes the network leaves metrics that begin with its phase.
    """
    begun = {name.partition("/")[0] for name in metrics}
    return next((phase for phase in PHASES if phase in begun), "")


def quantity(name: str) -> str:
    """Return what a metric measures, whatever it is measured on: `accuracy` of `cross_validation/val/accuracy/mean`."""
    return name.removesuffix(MEAN).rpartition("/")[2]


def validation_name(metrics: Mapping[str, float], monitor: str) -> str | None:
    """Return the name of the metric that says on validation data how good the network is that the run ended with.

    That of the network as it was made smaller where it was; without validation data the mean over folds; where the
    network was made smaller without either, the metric on the data that it was trained on. None where there is none.

    Args:
        monitor: such as `val/accuracy`.
    """
    phase = phase_of(metrics)
    base = monitor.removeprefix(VALIDATION)
    names = [f"{phase}/{monitor}", f"{phase}/{TRAINING}{base}"] if phase else [monitor, f"{FOLDS}{monitor}{MEAN}"]
    return next((name for name in names if name in metrics), None)


def name_on_test(metrics: Mapping[str, float], monitor: str) -> str | None:
    """Return the name of the same metric of the same network on test data; None where it was not tested."""
    name = f"{phase_of(metrics) or 'test'}/{monitor.removeprefix(VALIDATION)}"
    return name if name in metrics else None


def bases(runs: Iterable[Mapping[str, float]]) -> set[str]:
    """Return what is measured on validation or test data in any of these runs, such as `accuracy`."""
    found = {"loss"}
    for name in {name for metrics in runs for name in metrics}:
        for phase in PHASES:
            name = name.removeprefix(f"{phase}/{VALIDATION}")
        name = name.removeprefix(FOLDS).removesuffix(MEAN) if name.startswith(FOLDS) else name
        kind, slash, base = name.partition("/")
        if slash and f"{kind}/" in (VALIDATION, TEST):
            found.add(base)
        elif not slash:
            found.add(name)
    return found


def ended_with(metrics: Mapping[str, float], measured: Iterable[str]) -> dict[str, float]:
    """Return `accuracy` and `val/accuracy`: what was measured of the network that the run ended with.

    What was measured of an earlier one only (`test/accuracy` of a run that was compressed and not tested after) is no
    part of it.

    Args:
        measured: see `bases`.
    """
    phase, found = phase_of(metrics), dict[str, float]()
    for base in sorted(measured):
        if (name := f"{phase or 'test'}/{base}") in metrics:
            found[base] = metrics[name]
        of_validation = [f"{phase}/{VALIDATION}{base}"] if phase else [f"{VALIDATION}{base}", folded(base)]
        if known := next((each for each in of_validation if each in metrics), None):
            found[VALIDATION + base] = metrics[known]
        elif phase and (name := f"{phase}/{TRAINING}{base}") in metrics:
            found[TRAINING + base] = metrics[name]
    return found


def folded(base: str) -> str:
    """Return the name of a metric's mean over folds."""
    return f"{FOLDS}{VALIDATION}{base}{MEAN}"
