"""Every command of the README runs, and its table of groups is true."""

import csv
import os
import re
import shlex
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits

from runner.cli.main import main
from runner.config import catalog
from runner.errors import RunnerError

REPOSITORY = Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("python -m runner")]
# What makes a run short: a tiny pass through every stage. Modes of their own are kept, with fewer epochs.
SHORT = ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.limit_val_batches=2"]
SHORT += ["trainer.limit_test_batches=2"]
# Compression is tested whole in tests/stages; here its commands are only kept from compiling for minutes.
SHORT_INT8 = ["benchmark.batch_sizes=[1]", "benchmark.runs=3", "benchmark.bf16=false", "export.formats=[program]"]
SHORT_INT8 += ["quantization.calibration.batches=1"]
# One recipe of them all, and nothing that compiles a second time.
SHORT_SWEEP = ["sweep.recipes=['quantization=ptq_dynamic']", *SHORT_INT8[:-1]]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with everything the README's commands mention."""
    folder = tmp_path_factory.mktemp("readme")
    package, text = folder / "my_package", dict(re.findall(r"```(python|yaml)\n(.*?)```", README, flags=re.DOTALL))
    package.mkdir()
    (package / "net.py").write_text(text["python"])
    (folder / "conf" / "model").mkdir(parents=True)
    (folder / "conf" / "model" / "two_layers.yaml").write_text(text["yaml"])
    images(folder)
    table(folder / "houses.csv")
    return folder


def images(folder: Path) -> None:
    """my_images/<class>/*.png and two digits to ask about."""
    from PIL import Image

    digits = load_digits()
    for index, (pixels, label) in enumerate(zip(digits.images[:60], digits.target[:60], strict=True)):
        image = Image.fromarray((pixels * 16).clip(0, 255).astype("uint8")).resize((32, 32))
        target = folder / "my_images" / ("even" if label % 2 == 0 else "odd") / f"{index}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        image.save(target)
        if label in (4, 7):
            image.save(folder / ("four.png" if label == 4 else "seven.png"))


def table(path: Path) -> None:
    """houses.csv: price is a number, city a class."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["rooms", "area", "price", "city"])
        for index in range(60):
            writer.writerow([index % 5 + 1, 40 + index, 1000 * (index % 5) + 20 * index, index % 2])


@pytest.fixture(scope="module")
def run_directory(place):
    """A short finished run on digits."""
    before = Path.cwd()
    os.chdir(place)
    try:
        assert main(["hydra.run.dir=trained", *SHORT]) == 0
    finally:
        os.chdir(before)
    return place / "trained"


@pytest.fixture(scope="module")
def quantized_directory(place, run_directory):
    """The same network in int8, exported."""
    before = Path.cwd()
    os.chdir(place)
    try:
        stages = ["stages=[compress,export]", "quantization=ptq_static", *SHORT_INT8]
        assert main(["hydra.run.dir=quantized", f"checkpoint={run_directory}", *stages]) == 0
    finally:
        os.chdir(before)
    return place / "quantized"


@pytest.fixture(scope="module")
def sweep_directory(place):
    """A sweep of four short runs."""
    before = Path.cwd()
    os.chdir(place)
    try:
        assert main(["-m", "model=cnn,mlp", "seed=1,2", "hydra.sweep.dir=swept", *SHORT]) == 0
    finally:
        os.chdir(before)
    return place / "swept"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs(command, place, run_directory, quantized_directory, sweep_directory, monkeypatch):
    monkeypatch.chdir(place)
    shared = REPOSITORY.parent / "shared" / "data"
    if "mnist" in command and "fashion" not in command:
        if not shared.is_dir():
            pytest.skip("MNIST is not here and tests do not download")
        monkeypatch.setenv("RUNNER_DATA", str(shared))
    if "fashion" in command and not Path("/usr/share/datasets/fashion-mnist").is_dir():
        pytest.skip("Fashion-MNIST is not here and tests do not download")
    arguments = shlex.split(command)[3:]
    arguments = [each.replace("RUN_DIRECTORY/artifacts", f"{quantized_directory}/artifacts") for each in arguments]
    arguments = [each.replace("ANOTHER_RUN_DIRECTORY", str(quantized_directory)) for each in arguments]
    arguments = [each.replace("RUN_DIRECTORY", str(run_directory)) for each in arguments]
    arguments = [each.replace("SWEEP_DIRECTORY", str(sweep_directory)) for each in arguments]
    if arguments[:1] == ["resume"]:
        with pytest.raises(RunnerError, match="finished"):
            from runner.cli.commands.resume import main as resume

            resume(arguments[1:])
        return
    is_run = not arguments or "=" in arguments[0] or arguments[0] in ("-m", "verify")
    unlike_itself = "verify" in arguments or "mode=overfit" in arguments or "mode=profile" in arguments
    sweeps = "-m" in arguments
    kept = [each.split("=")[0] for each in arguments]
    short = [each for each in SHORT if each.split("=")[0] not in kept] if is_run and not unlike_itself else []
    short += ["logger=csv"] if "-m" in arguments and "logger" not in kept else []
    # Two seeds of three: the picture beside the command shows all of them.
    arguments = [each.replace("seed=1,2,3", "seed=1,2") for each in arguments]
    short += (
        SHORT_INT8[:-1] if any(method in command for method in ("quantization=", "pruning=", "factorization=")) else []
    )
    short += SHORT_INT8[-1:] if "quantization=ptq" in command or "quantization=qat" in command else []
    short += ["pruning.rounds=1", "pruning.fine_tune.epochs=1"] if "pruning=" in command else []
    # One of them all is measured as well; benchmarks compile every program.
    short += unmeasured(command) if "quantization=ptq_static" not in command and not sweeps else []
    short += ["sweep.grid=['distillation=none,logits']"] if "sweep=distillation" in command else []
    short += ["quantization.fine_tune.epochs=1"] if "quantization=qat" in command else []
    short += [*SHORT_SWEEP] if "sweep=compression" in command else []
    assert main([*arguments, *short]) == 0


def unmeasured(command: str) -> list[str]:
    """The stages that make a network small, without the benchmark, which compiles every program."""
    methods = {"pruning=": "prune", "factorization=": "factorize", "quantization=": "compress"}
    stages = [stage for method, stage in methods.items() if method in command]
    return [f"stages=[fit,test,{','.join(f'{stage},test' for stage in stages)}]"] if stages else []


def test_the_table_of_groups_is_true():
    listed = README.split("<!-- groups -->")[1].split("<!-- /groups -->")[0]
    rows = dict(re.findall(r"^\| `([\w/]+)` \| (.+) \|$", listed, flags=re.MULTILINE))
    known = catalog.choices([catalog.own_config_directory()])
    assert rows == {group: ", ".join(f"`{name}`" for name in choices) for group, choices in known.items()}


def test_the_picture_is_there():
    for path in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (REPOSITORY / path).is_file()


@pytest.fixture(autouse=True)
def same_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
