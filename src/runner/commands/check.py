"""python -m runner check: would this run work?"""

import argparse
from collections.abc import Sequence

from runner.config.compose import Composed, compose

DESCRIPTION = (
    "Composes and validates a run, builds its network without memory for the weights, "
    "then sends one tiny batch through the real thing. Trains nothing, writes nothing."
)
EXAMPLE = "example:\n  python -m runner check model=resnet data=digits optimizer.lr=0.01"
SAMPLES = 2


def main(arguments: Sequence[str]) -> int:
    """Prints what was found; raises RunnerError with everything that is wrong."""
    parser = argparse.ArgumentParser(
        "python -m runner check",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", help="as for a run: group=choice, key=value")
    parser.add_argument("--config-dir", "-cd", help="a directory of your own with further choices")
    options = parser.parse_args(arguments)
    composed = compose(options.overrides, options.config_dir)
    print("composes   " + " ".join(f"{group}={choice}" for group, choice in composed.chosen.items()))
    check(composed)
    return 0


def check(composed: Composed) -> None:
    """Builds and tries; each line is printed as soon as it is known."""
    import pytorch_lightning as pl
    import torch

    from runner.assemble import build_data, build_task
    from runner.build import build, plugins

    config = composed.config
    with plugins(list(config.runner.plugins)):
        with torch.device("meta"):
            network = build(config, "model")
        print(f"builds     {sum(each.numel() for each in network.parameters()):,} parameters")
        pl.seed_everything(config.seed, workers=True, verbose=False)
        datamodule = build_data(config)
        sizes = ", ".join(f"{len(samples):,} {name}" for name, samples in datamodule.splits.items())
        print(f"data       {sizes}")
        task = build_task(config, datamodule)
        inputs, targets = datamodule.splits["train"].head(SAMPLES)
        batch = datamodule.training_batch((inputs, targets))
        outputs = task.network(batch[0])
        print(f"one batch  {tuple(batch[0].shape)} in, {tuple(outputs.shape)} out, loss {task.loss_on(batch):.4g}")
