"""Pruning: the trained network without what matters least, in rounds of pruning and fine-tuning."""

import copy
from dataclasses import replace

from runner.compression.pruning.recipe import PruningRecipe
from runner.compression.pruning.schedules import amounts
from runner.errors import RunnerError
from runner.job.build import build
from runner.job.context import Context
from runner.job.networks import Networks, StageResult
from runner.stages.parts.distillation import check_teacher
from runner.stages.parts.early_weights import find
from runner.stages.parts.pruning_context import pruning_context
from runner.stages.parts.pruning_record import record
from runner.stages.parts.pruning_rounds import PruningRun, Round, dense_round, finish, kept, prune_once
from runner.tracking import checkpoints


def prune(context: Context, networks: Networks) -> StageResult:
    """Prune by the chosen recipe and schedule, and put the smaller network into the task.

    Every finished round lies in `checkpoints/pruned/`, the last one's network is `checkpoints/pruned.ckpt`.

    Raises:
        RunnerError: the network does not suit the recipe.
    """
    networks = networks.with_baseline()
    rounds = do_rounds(context, networks, recipe_of(context))
    last, steps = rounds[-1], networks.steps + sum(made.steps for made in rounds)
    checkpoint = finish(context, last, steps)
    networks = networks.made_smaller(last.network, last.structure, checkpoints.PRUNED)
    metrics, artifacts = record(context, networks.task, rounds)
    return StageResult(metrics, artifacts, replace(networks, steps=steps, checkpoint=checkpoint))


def do_rounds(context: Context, networks: Networks, recipe: PruningRecipe) -> list[Round]:
    """Return the dense network and what each round made of it; rounds that an interrupted run finished are kept."""
    settings = context.config.pruning
    run = PruningRun(context, networks, pruning_context(context, networks), list(networks.task.structure))
    made, shares, steps = [dense_round(run)], amounts(settings.schedule, recipe.target, settings.rounds), networks.steps
    for number, amount in context.signals.between(enumerate(shares, 1)):
        last = number == len(shares)
        made.append(kept(run, number) or prune_once(run, recipe, made[-1], amount, steps, last=last))
        steps += made[-1].steps
    return made


def recipe_of(context: Context) -> PruningRecipe:
    """Return the configured recipe; raise RunnerError for settings that mean nothing."""
    recipe = build(context.config.pruning, "recipe")
    assert isinstance(recipe, PruningRecipe)
    return recipe


def preflight(context: Context, networks: Networks) -> None:
    """Find, before any training, what pruning would refuse after it: prune the untrained network once.

    Raises:
        RunnerError: settings that mean nothing, a network that does not suit, a target that would empty a layer, a
            layer to skip that is not there, a teacher that cannot teach, or early weights that nobody kept.
    """
    config = context.config
    recipe = recipe_of(context)
    trains = bool({"fit", "cross_validate"} & set(config.stages))
    epoch = config.pruning.get("rewind_epoch")
    if epoch is not None and not trains and find(context, epoch) is None:
        raise RunnerError(
            f"pruning=lottery goes back to the weights after epoch {epoch} of training, and checkpoint="
            f"{config.checkpoint} holds none: they are kept by a run that trains with pruning=lottery and "
            f"pruning.rewind_epoch={epoch}. Put fit before prune, or use pruning=magnitude."
        )
    check_teacher(context, networks)
    if context.dry_run or (trains and not context.resumed):
        found = pruning_context(context, networks)
        recipe.preflight(replace(found, early=copy.deepcopy(networks.task.network)))
