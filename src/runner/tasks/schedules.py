"""Learning-rate schedules that torch does not have ready-made; each is asked once a step.

A schedule takes the optimizer and, where it must know the end, `total_steps`, which the task fills in.
"""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR


def cosine(optimizer: Optimizer, total_steps: int, final_fraction: float = 0.0) -> LambdaLR:
    """Go from the optimizer's rate to `final_fraction` of it along half a cosine (Loshchilov & Hutter 2017, eq. 5)."""
    return warmup_cosine(optimizer, total_steps, warmup_fraction=0.0, final_fraction=final_fraction)


def warmup_cosine(
    optimizer: Optimizer, total_steps: int, warmup_fraction: float = 0.1, final_fraction: float = 0.0
) -> LambdaLR:
    """Rise linearly over the first `warmup_fraction` of all steps, then follow half a cosine to `final_fraction`."""
    warmup = round(warmup_fraction * total_steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = min((step - warmup) / max(total_steps - warmup, 1), 1.0)
        return final_fraction + (1 - final_fraction) * (1 + math.cos(math.pi * progress)) / 2

    return LambdaLR(optimizer, factor)


def one_cycle(
    optimizer: Optimizer,
    total_steps: int,
    warmup_fraction: float = 0.3,
    start_fraction: float = 0.04,
    final_fraction: float = 4e-6,
    cycle_momentum: bool = True,
) -> OneCycleLR:
    """Go up to the optimizer's rate and down again along cosines, momentum the other way (Smith & Topin 2018).

    Fractions are of the optimizer's rate; the defaults are torch's. Momentum (or Adam's first beta) moves between
    0.95 and 0.85 where the optimizer has one, unless `cycle_momentum` is false.
    """
    return OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=total_steps,
        pct_start=warmup_fraction,
        cycle_momentum=cycle_momentum and bool(optimizer.defaults.get("momentum") or optimizer.defaults.get("betas")),
        div_factor=1 / start_fraction,
        final_div_factor=start_fraction / final_fraction,
    )
