"""Training with LoRA: a step of the runner against one of a plain loop around peft's model of the same network."""

import statistics
import time

import peft
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn
from torch.nn import functional as F  # noqa: N812

from runner.compression.finetuning.layers import choose
from runner.compression.finetuning.settings import AdaptersSettings
from runner.config.compose import compose
from runner.job.assemble import build_data
from runner.job.build import build
from tests.benchmarks.training import train

STEPS, ROUNDS, MOST = 24, 3, 1.05
NETWORK = ("experiment=transfer_digits", "model.weights=null", "finetune=lora", "scheduler=none")
QUIET = ("trainer=cpu", "trainer.max_epochs=1", "trainer.check_val_every_n_epoch=2", "callbacks=[]", "logger=csv")


class Steps(Callback):
    """Seconds of each batch: forward, backward, step and what the runner does around them, without its loading."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_batch_start(self, *args: object) -> None:
        self.seconds.append(-time.perf_counter())

    def on_train_batch_end(self, *args: object) -> None:
        self.seconds[-1] += time.perf_counter()


def main() -> None:
    """Print the seconds of a step on each side, the median of all steps of rounds taken in turn, and the ratio."""
    ours, loop = [], []
    for _ in range(ROUNDS):
        ours += through_runner()
        loop += plain()
    mine, theirs = (1000 * statistics.median(each) for each in (ours, loop))
    print(f"A step of efficientnet_lite0 with LoRA, 32 images of 64x64, median of {ROUNDS} rounds of {STEPS}:")
    print(f"  runner     {mine:6.1f} ms")
    print(f"  plain peft {theirs:6.1f} ms: the runner takes {mine / theirs:.2f} times as long (at most {MOST:g})")


def through_runner() -> list[float]:
    """Return the seconds of each step of a run."""
    steps = Steps()
    train([*NETWORK, *QUIET, f"trainer.limit_train_batches={STEPS}"], steps)
    return steps.seconds


def plain() -> list[float]:
    """Return the seconds of each step: peft's model, with the same layers, head and resting batch normalisation."""
    config = compose([*NETWORK]).config
    datamodule = build_data(config)
    network = build(config, "model").to(memory_format=torch.channels_last)
    layers = choose(network, AdaptersSettings(), "classifier")
    settings = peft.LoraConfig(r=8, lora_alpha=16, target_modules=layers, modules_to_save=["classifier"])
    model = peft.get_peft_model(network, settings).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=0.001)
    samples, size = datamodule.splits["train"], config.data.batch_size
    images, targets = datamodule.transform(samples.inputs), samples.targets
    seconds = []
    for rows in torch.randperm(len(images)).split(size)[:STEPS]:
        batch, wanted = images[rows], targets[rows]
        begin = time.perf_counter()
        loss = F.cross_entropy(model(batch), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - begin)
    return seconds
