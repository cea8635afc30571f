"""Training with LoRA: a step of the runner against one of a plain loop around peft's model of the same network."""

import statistics
import time

import peft
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from runner.compression.finetuning.layers import choose
from runner.compression.finetuning.settings import AdaptersSettings
from runner.config.compose import compose
from runner.job.assemble import build_data
from runner.job.build import build
from tests.benchmarks.training import train

STEPS, ROUNDS, MOST = 12, 3, 1.05
NETWORK = ("experiment=transfer_digits", "model.weights=null", "finetune=lora", "scheduler=none")
QUIET = ("trainer=cpu", "trainer.max_epochs=2", "trainer.check_val_every_n_epoch=3", "callbacks=[]", "logger=csv")


def main() -> None:
    """Print the seconds of a step on each side, the median of rounds taken in turn, and the ratio."""
    through_runner(), plain()
    rounds = [(through_runner(), plain()) for _ in range(ROUNDS)]
    ours, loop = (statistics.median(each) for each in zip(*rounds, strict=True))
    print(
        f"A step of model=efficientnet_lite0 finetune=lora on 32 images of 64x64, median of {ROUNDS} rounds of {STEPS}:"
    )
    print(f"  runner     {1000 * ours:6.1f} ms")
    print(f"  plain peft {1000 * loop:6.1f} ms: the runner takes {ours / loop:.2f} times as long (at most {MOST:g})")


def through_runner() -> float:
    """Return the seconds of a step in the second epoch of a run, its log included."""
    times = train([*NETWORK, *QUIET, f"trainer.limit_train_batches={STEPS}"])
    return (times[-1] - times[-2]) / STEPS


def plain() -> float:
    """Return the seconds of a step: peft's model with the same layers and head, batch normalisation resting alike."""
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
    begin = 0.0
    for step, rows in enumerate(torch.randperm(len(images)).split(size)[: STEPS + 1]):
        if step == 1:  # the first one allocates
            begin = time.perf_counter()
        loss = F.cross_entropy(model(images[rows]), targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (time.perf_counter() - begin) / STEPS
