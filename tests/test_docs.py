"""Every command of README, CONTRIBUTING and docs runs, as do their snippets; tables, links and pictures are true."""

import csv
import os
import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits

from runner.cli.main import main
from runner.config import catalog
from runner.errors import RunnerError
from tests.support import box_labels, mask_sets

REPOSITORY = Path(__file__).resolve().parents[1]
CONTRIBUTING = REPOSITORY / "CONTRIBUTING.md"
PAGES = [REPOSITORY / "README.md", CONTRIBUTING, *sorted((REPOSITORY / "docs").glob("*.md"))]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
README_LINES = 180


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", TEXTS[page], flags=re.DOTALL)


def commands(page: Path) -> list[str]:
    """Return the runner's commands in the bash blocks of a page."""
    return [
        line for block in blocks(page, "bash") for line in block.splitlines() if line.startswith("python -m runner")
    ]


# What several pages say runs once. What others contribute lies in a directory of its own.
COMMANDS = list(dict.fromkeys(line for page in PAGES if page != CONTRIBUTING for line in commands(page)))
# These draw their pictures for TensorBoard, a second each; what a kind of data draws is tested beside its task.
DRAWN = commands(REPOSITORY / "README.md")
# Two seeds of three and one rate of two: the picture beside the command shows all of them. Fewer epochs of nine runs.
SHORTER = {"seed=1,2,3": "seed=1,2", "lr=0.01,0.003": "lr=0.01", "max_epochs=50": "max_epochs=2"}
# What makes a run short: a tiny pass through every stage. Modes of their own are kept, with fewer epochs.
SHORT = ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.limit_val_batches=2"]
SHORT += ["trainer.limit_test_batches=2"]
# Compression is tested whole in tests/stages; here its commands are only kept from compiling for minutes.
SHORT_INT8 = ["benchmark.batch_sizes=[1]", "benchmark.runs=3", "benchmark.bf16=false", "export.formats=[program]"]
SHORT_INT8 += ["quantization.calibration.batches=1"]
# One recipe of them all that compiles nothing: the search for a goal finds one that does.
SHORT_SWEEP = ["sweep.recipes=['quantization=bf16']", *SHORT_INT8[:-1]]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with everything that the commands of README and docs mention."""
    folder = tmp_path_factory.mktemp("docs")
    for page in PAGES:
        if page != CONTRIBUTING:
            write_snippets(page, folder)
    images(folder)
    table(folder / "houses.csv")
    flats(folder)
    box_labels.yolo(folder / "my_boxes")
    box_labels.coco(folder / "my_coco")
    mask_sets.folders(folder / "my_masks")
    words(folder / "my_words")
    return folder


def write_snippets(page: Path, folder: Path) -> None:
    """Write the Python and YAML blocks of a page where their first lines say."""
    for block in [*blocks(page, "python"), *blocks(page, "yaml")]:
        first, rest = block.split("\n", 1)
        target = folder / first.removeprefix("# ")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(rest, encoding="utf-8")


def images(folder: Path) -> None:
    """my_images/<class>/*.png, photos/{train,valid,test}/<class>/*.png, people/<digit>/*.png, and two to ask about."""
    from PIL import Image

    digits = load_digits()
    for index, (pixels, label) in enumerate(zip(digits.images[:60], digits.target[:60], strict=True)):
        image = Image.fromarray((pixels * 16).clip(0, 255).astype("uint8")).resize((32, 32))
        part = "train" if index < 20 else "valid" if index < 30 else "test"
        for place in ("my_images", f"photos/{part}"):
            target = folder / place / ("even" if label % 2 == 0 else "odd") / f"{index}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            image.save(target)
        target = folder / "people" / str(label) / f"{index}.png"
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


def flats(folder: Path) -> None:
    """flats.csv as docs/tables.md shows it, with gaps; flats_run, trained on it; new_flats.csv to ask about."""
    lines = []
    for index in range(60):
        district = "" if index % 10 == 2 else ("north", "old town", "harbour")[index % 3]
        area = "" if index % 9 == 1 else f"{60 + 7 * index % 50},5"
        day = f"{1930 + 3 * index % 90}-0{1 + index % 9}-15"
        lines.append(
            f"{1001 + index};{district};{day};{('true', 'false')[index % 5 > 3]};{area};{280 + 11 * index % 70}"
        )
    header = "id;district;built;garden;area;price"
    (folder / "flats.csv").write_text("\n".join([header, *lines]) + "\n")
    (folder / "new_flats.csv").write_text(
        "area;garden;built;district\n88,0;true;2001-03-01;suburb\n;;1950-06-01;north\n"
    )


def words(folder: Path) -> None:
    """my_words/{animals,plants}.txt, a word a line."""
    folder.mkdir()
    (folder / "animals.txt").write_text("".join(f"{name}{number}\n" for name in ("cat", "dog") for number in range(20)))
    (folder / "plants.txt").write_text("".join(f"{name}{number}\n" for name in ("oak", "fern") for number in range(20)))


@pytest.fixture(scope="module")
def flats_directory(place):
    """A short run on flats.csv, in which `predict` is tried."""
    before = Path.cwd()
    os.chdir(place)
    try:
        chosen = ["data=csv", "data.root=flats.csv", "data.target=price", "data.missing=median"]
        assert main(["hydra.run.dir=flats_trained", *chosen, *SHORT]) == 0
    finally:
        os.chdir(before)
    return place / "flats_trained"


@pytest.fixture(scope="module")
def people_directory(place):
    """A short run of metric learning on the digits as if they were people."""
    before = Path.cwd()
    os.chdir(place)
    try:
        chosen = ["data=embedding_folder", "data.root=people", "data.image_size=32", "logger=none"]
        assert main(["hydra.run.dir=people_trained", *chosen, *SHORT]) == 0
    finally:
        os.chdir(before)
    return place / "people_trained"


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
def test_every_command_runs(
    command, place, mnist_data, run_directory, quantized_directory, sweep_directory, monkeypatch, request
):
    monkeypatch.chdir(place)
    # Fashion-MNIST comes in the same files, and is looked for in the same folder.
    monkeypatch.setenv("RUNNER_DATA", str(mnist_data / "MNIST"))
    monkeypatch.setenv("RUNNER_OFFLINE", "1")
    arguments = shlex.split(command)[3:]
    if "my_detector" in command:  # tried whole in tests/stages/test_detection_runs.py
        arguments = ["check", *arguments]
    if arguments[:2] == ["predict", "flats_run"]:
        arguments[1] = str(request.getfixturevalue("flats_directory"))
    if arguments[:2] == ["predict", "people_run"]:
        arguments[1] = str(request.getfixturevalue("people_directory"))
    arguments = [each.replace("RUN_DIRECTORY/artifacts", f"{quantized_directory}/artifacts") for each in arguments]
    arguments = [each.replace("ANOTHER_RUN_DIRECTORY", str(quantized_directory)) for each in arguments]
    arguments = [each.replace("RUN_DIRECTORY", str(run_directory)) for each in arguments]
    arguments = [each.replace("SWEEP_DIRECTORY", str(sweep_directory)) for each in arguments]
    if arguments[:1] == ["resume"] and len(arguments) > 2:
        copy = shutil.copytree(run_directory, place / "resumed")
        epochs = [each.replace("max_epochs=40", "max_epochs=2") for each in arguments[2:]]
        assert main(["resume", str(copy), *epochs]) == 0
        return
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
    quiet = sweeps or (is_run and "verify" not in arguments and command not in DRAWN)
    short += ["logger=csv"] if quiet and "logger" not in kept else []
    for whole, part in SHORTER.items():
        arguments = [each.replace(whole, part) for each in arguments]
    short += (
        SHORT_INT8[:-1] if any(method in command for method in ("quantization=", "pruning=", "factorization=")) else []
    )
    short += SHORT_INT8[-1:] if "quantization=ptq" in command or "quantization=qat" in command else []
    short += ["pruning.rounds=1", "pruning.fine_tune.epochs=1"] if "pruning=" in command else []
    # One of them all is measured as well, the one that asks for it; benchmarks compile every program.
    short += unmeasured(command) if "stages=" not in command and not sweeps else []
    short += ["sweep.grid=['distillation=none,logits']"] if "sweep=distillation" in command else []
    short += ["quantization.fine_tune.epochs=1"] if "quantization=qat" in command else []
    short += [*SHORT_SWEEP] if "sweep=compression" in command else []
    short += ["data.samples=120"] if "shapes" in command and "data.samples" not in kept else []
    short += ["trainer.max_epochs=20"] if "mode=overfit" in command else []
    assert main([*arguments, *short]) == 0


def unmeasured(command: str) -> list[str]:
    """The stages that make a network small, without the benchmark, which compiles every program."""
    methods = {"pruning=": "prune", "factorization=": "factorize", "quantization=": "compress"}
    stages = [stage for method, stage in methods.items() if method in command]
    return [f"stages=[fit,test,{','.join(f'{stage},test' for stage in stages)}]"] if stages else []


@pytest.mark.parametrize("command", commands(CONTRIBUTING))
def test_every_part_that_is_contributed_joins(command, contributed, monkeypatch):
    monkeypatch.chdir(contributed)
    arguments = shlex.split(command)[3:]
    assert main([*arguments, *(SHORT if "=" in arguments[0] else [])]) == 0


@pytest.fixture(scope="module")
def contributed(tmp_path_factory):
    """A directory with the snippets of CONTRIBUTING; what was imported from it is forgotten afterwards."""
    folder = tmp_path_factory.mktemp("contributing")
    forget()
    write_snippets(CONTRIBUTING, folder)
    yield folder
    forget()


def forget() -> None:
    """Another directory's package of the same name is another package."""
    for name in [each for each in sys.modules if each.split(".")[0] == "my_package"]:
        del sys.modules[name]


def test_the_table_of_groups_is_true():
    page = TEXTS[REPOSITORY / "docs" / "running.md"]
    listed = page.split("<!-- groups -->")[1].split("<!-- /groups -->")[0]
    rows = dict(re.findall(r"^\| `([\w/]+)` \| (.+) \|$", listed, flags=re.MULTILINE))
    known = catalog.choices([catalog.own_config_directory()])
    assert rows == {group: ", ".join(f"`{name}`" for name in choices) for group, choices in known.items()}


def test_the_readme_is_short():
    assert len(TEXTS[REPOSITORY / "README.md"].splitlines()) <= README_LINES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.is_file(), target
        assert not anchor or anchor in anchors(TEXTS[found]), target


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_readme():
    readme = TEXTS[REPOSITORY / "README.md"]
    assert [page.name for page in PAGES[1:] if f"{page.name})" not in readme] == []


def test_the_picture_of_rooms_is_drawn_from_todays_imports():
    drawing = runpy.run_path(str(REPOSITORY / "docs" / "rooms.py"))
    drawn = drawing["draw"](drawing["read_graph"]())
    assert (REPOSITORY / "docs" / "rooms.svg").read_text(encoding="utf-8") == drawn, "make docs draws it anew"


@pytest.fixture(autouse=True)
def same_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
