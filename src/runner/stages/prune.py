"""Pruning: the trained network without what matters least, in rounds of pruning and fine-tuning."""

import copy
from dataclasses import replace

from runner.compression.pruning.recipe import PruningRecipe
from runner.compression.pruning.schedules import amounts
from runner.errors import RunnerError
from runner.job.build import build
from runner.job.job import Job
from runner.stages.parts.early_weights import find
from runner.stages.parts.pruning_context import pruning_context
from runner.stages.parts.pruning_record import record
from runner.stages.parts.pruning_rounds import Made, dense, finish, kept, make, reopen
from runner.tracking import checkpoints


def prune(job: Job) -> None:
    """Prunes by the chosen recipe and schedule, and puts the smaller network into the task.

    Every finished round lies in `checkpoints/pruned/`, the last one's network is `checkpoints/pruned.ckpt`.

    Raises:
        RunnerError: the network is quantized already, or does not suit the recipe.
    """
    if job.compressed is not None:
        raise RunnerError(
            "The stage prune needs a float network, and this one is quantized: put prune before compress, or give it "
            "the float network (checkpoint=RUN_DIRECTORY)."
        )
    job.remember_dense()
    done = job.record.path / "checkpoints" / f"{checkpoints.PRUNED}.ckpt"
    if job.resumed and done.is_file():
        reopen(job, done)
    else:
        rounds = do_rounds(job, recipe_of(job))
        finish(job, rounds[-1])
        job.task.network, job.task.structure = rounds[-1].network, rounds[-1].structure
        record(job, rounds)
    job.replace_network(job.task.network, job.task.structure, checkpoints.PRUNED)
    job.checkpoint = done


def do_rounds(job: Job, recipe: PruningRecipe) -> list[Made]:
    """The dense network and what each round made of it; rounds that an interrupted run finished are taken over."""
    settings = job.config.pruning
    context, structure = pruning_context(job), list(job.task.structure)
    made, shares = [dense(job, context)], amounts(settings.schedule, recipe.target, settings.rounds)
    for number, amount in enumerate(shares, 1):
        finished, last = kept(job, context, number, structure), number == len(shares)
        made.append(finished or make(job, recipe, context, made[-1], amount, structure, last=last))
    return made


def recipe_of(job: Job) -> PruningRecipe:
    """The configured recipe; raises RunnerError for settings that mean nothing."""
    recipe = build(job.config.pruning, "recipe")
    assert isinstance(recipe, PruningRecipe)
    return recipe


def preflight(job: Job) -> None:
    """Finds, before any training, what pruning would refuse after it: it prunes the untrained network once.

    Raises:
        RunnerError: settings that mean nothing, a network that does not suit, a target that would empty a layer, a
            layer to skip that is not there, or early weights that nobody kept.
    """
    recipe = recipe_of(job)
    trains = bool({"fit", "cross_validate"} & set(job.config.stages))
    epoch = job.config.pruning.get("rewind_epoch")
    if epoch is not None and not trains and find(job, epoch) is None:
        raise RunnerError(
            f"pruning=lottery goes back to the weights after epoch {epoch} of training, and checkpoint="
            f"{job.config.checkpoint} holds none: they are kept by a run that trains with pruning=lottery and "
            f"pruning.rewind_epoch={epoch}. Put fit before prune, or use pruning=magnitude."
        )
    if trains and not job.resumed:
        recipe.preflight(replace(pruning_context(job), early=copy.deepcopy(job.task.network)))
