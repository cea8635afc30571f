"""Metrics of short runs as they were when they were last looked at: one file for each task kind and two compressions.

A change that moves one of them changes what users measure: it is a mistake, or is said in the changelog and renewed by
`python -m tests.golden` (or `python -m tests.golden NAME ...`), which writes the files of this folder anew.

Why they are not compared to the last digit: the same seed gives the same numbers on one machine, but other processors
sum in other orders (AVX2, AVX-512, NEON) and other versions of torch choose other kernels. That moves a loss by some
1e-6 of itself in a step, and training carries it on for a few dozen steps: hence `LOSS`, a thousandth. A share counts
samples, of which one or two on the edge may fall to the other side: hence `SHARE`. Rounding to integers turns such a
difference into a whole step of the grid, and pruning may choose the other of two channels that are nearly equal, so
what was measured after either is given `COMPRESSED`. A wrong loss, schedule, split, augmentation or seed moves the
metrics by far more than any of these.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
LOSS, SHARE, COMPRESSED = 1e-3, 0.05, 0.05

DIGITS = ("data=digits", "data.batch_size=32", "trainer.limit_train_batches=12", "trainer.max_epochs=2")
RUNS: dict[str, tuple[str, ...]] = {
    "classification": (*DIGITS, "model=cnn", "augmentation=standard", "optimizer.lr=0.01"),
    "binary_classification": ("data=hours", "trainer.max_epochs=20"),
    "regression": ("data=diabetes", "trainer.max_epochs=3"),
    "sequence_classification": (
        "data=fake_names",
        "data.most=40",
        "model=gru",
        "model.hidden=16",
        *("trainer.max_epochs=2",),
    ),
    "sequence_labelling": ("data=hello", "optimizer.lr=0.1", "trainer.max_epochs=3"),
    "node_classification": ("data=karate", "trainer.max_epochs=5"),
    "graph_classification": (
        *("data=generated_graphs", "data.graphs_a_class=20", "trainer.max_epochs=2", "optimizer.lr=0.001"),
    ),
    "qat": (
        *DIGITS,
        *("model=cnn", "augmentation=none", "optimizer.lr=0.01", "quantization=qat", "stages=[fit,test,compress,test]"),
        *("quantization.calibration.batches=1", "quantization.fine_tune.epochs=1"),
    ),
    "channel_pruning": (
        *DIGITS,
        *("model=cnn", "augmentation=none", "optimizer.lr=0.01", "pruning=channel", "pruning.macs=0.5"),
        *("stages=[fit,test,prune,test]", "pruning.rounds=1", "benchmark.runs=2"),
    ),
}
AFTER_COMPRESSION = ("compressed/", "qat/", "pruned/", "pruning/")
