"""What networks are chosen by: their metrics on validation data, recorded whatever stages a run has."""

from runner.job.context import Context
from runner.job.networks import Networks
from runner.report.ranking.outcome import phase_of, validation_name

# Stages after which a run has trained weights; without them it was given some, or nothing is to be measured.
UNTRAINED = {"cross_validate", "overfit"}


def on_validation(context: Context, networks: Networks) -> dict[str, float]:
    """Return the metrics on validation data of the smaller network, and the monitored one of what it was made of.

    Recipes are chosen by these, so that test data chooses nothing. `compressed/val/accuracy` and the like; where there
    is no validation data, `compressed/train/accuracy`, so that nobody takes one for the other.
    """
    task, phase = networks.task, networks.phase
    monitor = context.config.task.monitor.replace("val/", f"{context.validation}/")
    metrics = {f"{phase}/{name}": value for name, value in context.measured(task, task.network).items()}
    if networks.trained is not None and f"baseline/{monitor}" not in context.results.metrics:
        metrics[f"baseline/{monitor}"] = context.monitored(task, networks.trained)
    return metrics


def what_is_missing(context: Context, networks: Networks, done: list[str]) -> dict[str, float]:
    """Return the metrics on validation data of the network that a run ended with, where no stage measured them.

    Of a run that only tests, or makes smaller what it does not test. Nothing where nothing was trained, and nothing for
    a network as it was trained where there is no validation data.
    """
    if not {*done} - UNTRAINED:
        return {}
    metrics, monitor = context.results.metrics, context.config.task.monitor
    if networks.phase != "test":
        known = phase_of(metrics) == networks.phase and validation_name(metrics, monitor)
        return {} if known else on_validation(context, networks)
    if validation_name(metrics, monitor):
        return {}
    return context.measured(networks.task, networks.task.network) if context.validation == "val" else {}
