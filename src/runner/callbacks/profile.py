"""A profile of a few training steps: a trace to look at and the dearest operators as a table."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from rich.table import Table
from torch.profiler import ProfilerActivity, profile, schedule

from runner.tracking.console import console

ROWS = 10


class ProfileSteps(Callback):
    """Profile of `active` steps after `wait` and `warmup` ones, written to `trace.json` in `directory`.

    The trace opens in chrome://tracing, ui.perfetto.dev and TensorBoard's trace viewer.
    """

    def __init__(self, directory: str, wait: int = 5, warmup: int = 2, active: int = 10) -> None:
        self.directory = Path(directory)
        self.schedule = schedule(wait=wait, warmup=warmup, active=active, repeat=1)
        self.profiler: profile | None = None
        self.written = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        self.profiler = profile(
            activities=activities, schedule=self.schedule, on_trace_ready=self.write, record_shapes=True
        )
        self.profiler.start()

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        if self.profiler is not None:
            self.profiler.step()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.profiler is not None:
            self.profiler.stop()
            self.profiler = None
        if not self.written and trainer.is_global_zero:
            console.print(
                f"No profile: training ended after {trainer.global_step} steps, before any was recorded. "
                "Raise trainer.max_epochs, or lower callbacks.profile.wait and callbacks.profile.warmup.",
                soft_wrap=True,
            )

    def write(self, finished: profile) -> None:
        """Save the trace and print the operators that took longest."""
        self.written = True
        self.directory.mkdir(parents=True, exist_ok=True)
        finished.export_chrome_trace(str(self.directory / "trace.json"))
        averages = finished.key_averages()
        table = Table(title=f"The {ROWS} dearest operators", title_justify="left")
        for heading in ("operator", "own CPU ms", "calls", "share"):
            table.add_column(heading, justify="left" if heading == "operator" else "right")
        total = sum(event.self_cpu_time_total for event in averages) or 1.0
        for each in sorted(averages, key=lambda each: -each.self_cpu_time_total)[:ROWS]:
            own = each.self_cpu_time_total
            table.add_row(each.key, f"{own / 1000:.2f}", str(each.count), f"{own / total:.1%}")
        console.print(table)
