"""By which metric runs are ranked when nobody says so, and the words that say by what they were."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runner.report.ranking.outcome import FOLDS, PHASES, TEST, TRAINING, VALIDATION, folded
from runner.report.ranking.wilson import is_share

FINAL = "final/"
# Of a training on one batch, the only figure that says how it went.
LAST = ("overfit/last_loss",)

Settings = Sequence[Mapping[str, Any]]


def usual_metric(monitored: Sequence[str], known: Sequence[str]) -> str:
    """Return what to rank by: on validation data, by the mean over folds; on test data only where there is no other.

    Args:
        monitored: what the runs were watched by (`val/accuracy`), the most frequent first.
        known: every number that some run has.
    """
    # Where networks were made smaller, what they were before is no answer to which of them is best.
    smaller = any(each.startswith(FINAL) for each in known)
    measured = [each for each in known if is_validation(each) and each.startswith(FINAL) == smaller]
    watched = [each.removeprefix(VALIDATION) for each in monitored]
    if smaller:
        wanted = [*(FINAL + each for each in monitored), *measured, *(FINAL + TRAINING + each for each in watched)]
    else:
        wanted = [*monitored, *(folded(each) for each in watched), *measured, *LAST]
    tested = [*(FINAL + each for each in watched), *(TEST + each for each in watched)]
    left = [each for each in known if is_test(each)]
    return next((each for each in [*wanted, *tested, *left, *known] if each in known), "")


def is_validation(name: str) -> bool:
    """Return whether a metric was measured on validation data (of folds, or of what a run ended with)."""
    plain = name.removeprefix(FINAL).removeprefix(FOLDS)
    return plain.startswith(VALIDATION) and not name.endswith("/std")


def is_test(name: str) -> bool:
    """Return whether a metric was measured on test data: `test/accuracy`, or `final/accuracy` of what a run ended with.

    Those of networks on the way there (`pruned/accuracy`) have no name of their own kind.
    """
    kind, slash, base = name.partition("/")
    return bool(slash) and (kind == "test" or (name.startswith(FINAL) and not base.startswith((VALIDATION, TRAINING))))


def has_interval(name: str) -> bool:
    """Return whether a metric of one run has a confidence interval: a share of its test samples."""
    kind, _, base = name.partition("/")
    return is_share(name) and (is_test(name) or (kind in PHASES and "/" not in base))


def words(name: str, mode: str, settings: Settings, *, asked: bool) -> str:
    """Return by what runs are ranked: `val/accuracy, the best checkpoint's; the highest first`.

    Args:
        settings: of the runs that have the metric, by dotted keys.
        asked: whether somebody asked for this metric.
    """
    source = next((tell(settings, asked) for holds, tell in SOURCES if holds(name)), "")
    order = "the highest first" if mode == "max" else "the lowest first"
    return "; ".join([", ".join(filter(None, (name, source))), order])


def of_checkpoints(settings: Settings, asked: bool) -> str:
    """Return which weights a validation metric is of: those of the best checkpoint, unless none was kept."""
    fitted = [each for each in settings if "fit" in (each.get("stages") or ["fit"])]
    without = [each for each in fitted if not keeps_best(each)]
    if not fitted:
        return "of the weights that the runs were given"
    if not without:
        return "the best checkpoint's"
    return "the last epoch's" if len(without) == len(settings) else "the best checkpoint's or the last epoch's"


def keeps_best(settings: Mapping[str, Any]) -> bool:
    """Return whether a run kept its best weights; one of which no callbacks are recorded is taken to have done so."""
    callbacks = [key for key in settings if key.startswith("callbacks.")]
    return not callbacks or any(key.startswith("callbacks.checkpoint.") for key in callbacks)


def of_folds(settings: Settings, asked: bool) -> str:
    """Return over how many folds the mean is."""
    counts = {each.get("cross_validation.folds") for each in settings} - {None, 0}
    return f"the mean over {counts.pop()} folds" if len(counts) == 1 else "the mean over folds"


def of_what_it_ended_with(settings: Settings, asked: bool) -> str:
    """Return whose validation metric `final/val/…` is."""
    folds = {bool(each.get("cross_validation.folds")) for each in settings}
    beside = "" if folds <= {False} else "; with folds, the mean over them"
    return f"on validation data, of the network that each run ended with{beside}"


def of_test(settings: Settings, asked: bool) -> str:
    """Return a warning: whoever chooses by the test metric has no test left."""
    return "on test data, as asked" if asked else "on test data, as no run measured validation data"


def of_training(settings: Settings, asked: bool) -> str:
    """Return a warning: on what was trained on, everything looks better than it is."""
    return "on training data" if asked else "on training data, as no run measured validation data"


SOURCES: tuple[tuple[Callable[[str], bool], Callable[[Settings, bool], str]], ...] = (
    (lambda name: name.startswith(FINAL) and is_validation(name), of_what_it_ended_with),
    (lambda name: name.startswith(FOLDS) and is_validation(name), of_folds),
    (lambda name: name.startswith(VALIDATION), of_checkpoints),
    (is_test, of_test),
    (lambda name: name.removeprefix(FINAL).startswith(TRAINING), of_training),
    (lambda name: name in LAST, lambda settings, asked: "on the batch that was trained on"),
    (lambda name: f"/{VALIDATION}" in name, lambda settings, asked: "on validation data"),
)


def tie_breakers(metric: str, known: Iterable[str]) -> list[str]:
    """Return what decides between rows of equal rank: the validation loss, then what the network costs.

    Never the test set, and no seconds, which no two runs spend alike.
    """
    names = list(dict.fromkeys(known))
    loss = [each for each in names if is_validation(each) and each.removesuffix("/mean").endswith("/loss")]
    costs = [each for each in names if each.startswith("benchmark/") and "/latency_ms/" in each]
    sizes = [each for each in names if each.startswith("bytes/")]
    parameters = [each for each in names if each == "parameters"]
    return [each for each in [*loss, *costs, *sizes, *parameters] if each != metric]
