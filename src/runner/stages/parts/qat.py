"""Fine-tuning under rounding: what is fake-quantized is trained on, with its own moments to freeze."""

from runner.callbacks.freeze_schedule import FreezeSchedule
from runner.compression.quantization.program.qat import FakeQuantizedNetwork
from runner.job.context import Context
from runner.job.networks import Networks
from runner.stages.parts.fine_tune import Tuning
from runner.stages.parts.fine_tune import fine_tune as fine_tune_float
from runner.tracking import checkpoints

FOLDER = checkpoints.FINE_TUNED


def fine_tune(context: Context, networks: Networks, network: FakeQuantizedNetwork) -> Tuning:
    """Train a fake-quantized network; its best weights stay in it."""
    settings = context.config.quantization.fine_tune
    schedule = FreezeSchedule(network, settings.observers_after, settings.batch_norm_after)
    return fine_tune_float(context, networks, network, FOLDER, epochs=settings.epochs, lr=settings.lr, extra=[schedule])
