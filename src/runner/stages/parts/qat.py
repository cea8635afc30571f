"""Fine-tuning under rounding: what is fake-quantized is trained on, with its own moments to freeze."""

from runner.callbacks.freeze_schedule import FreezeSchedule
from runner.compression.quantization.program.qat import FakeQuantizedNetwork
from runner.job.job import Job
from runner.stages.parts.fine_tune import fine_tune as train_on
from runner.tracking import checkpoints

FOLDER = checkpoints.FINE_TUNED


def fine_tune(job: Job, network: FakeQuantizedNetwork) -> None:
    """Quantization-aware training; the best weights stay in `network`."""
    settings = job.config.quantization.fine_tune
    schedule = FreezeSchedule(network, settings.observers_after, settings.batch_norm_after)
    metrics = train_on(job, network, FOLDER, epochs=settings.epochs, lr=settings.lr, extra=[schedule])
    job.metrics |= {f"{FOLDER}/{name}": each for name, each in metrics.items()}
