"""The rules across fields and groups: which network takes which data, which stages need what."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.compression.quantization.backends import support
from runner.config.catalog import Known
from runner.config.constraints import show
from runner.config.schema import SECTIONS, AdaRound, Config, Run
from runner.errors import RunnerError, did_you_mean

# Hydra's `instantiate` is only ever given targets below these; user code joins through runner.plugins.
ALLOWED_TARGETS = (
    "runner.callbacks.",
    "runner.compression.",
    "runner.data.",
    "runner.models.",
    "runner.sweep.launchers.",
    "runner.tasks.",
    "runner.tracking.",
    "torch.nn.",
    "torch.optim.",
    "torchvision.models.",
    "torchvision.transforms.",
    "timm.",
    "torchmetrics.",
    "pytorch_lightning.",
    "torch_geometric.nn.",
)
# A run is made of these; only an unusual command line can leave one out.
NEEDED = ("model", "data", "task", "optimizer", "trainer")


def stage_names() -> list[str]:
    """The stages: one for each file of `runner/stages`."""
    folder = Path(__file__).resolve().parents[1] / "stages"
    return sorted(path.stem for path in folder.glob("[!_]*.py"))


def check_sections(config: Config) -> Iterator[str]:
    """What every run needs is there, and sections are sections."""
    for section in NEEDED:
        if not isinstance(config.get(section), dict):
            yield f"{section}={show(config.get(section))}: a run needs one. See: python -m runner list {section}"
    for section in ("runner", "cross_validation", "expected"):
        if not isinstance(config.get(section), dict):
            yield f"{section}={show(config.get(section))}: must be a section; override its keys: {section}.key=value."
    for section in ("scheduler", "callbacks", "logger"):
        if not isinstance(config.get(section) or {}, dict):
            yield f"{section}={show(config.get(section))}: must be a section. See: python -m runner list {section}"


def unknown_keys(config: Config, catalog: Known) -> Iterator[str]:
    """Top-level keys that nothing reads; an experiment file can bring them in unnoticed."""
    known = {*Run.__dataclass_fields__, *SECTIONS, *catalog} - {""}
    names = ", ".join(sorted(known))
    for key in config:
        if key not in known:
            yield f"{key}: there is no such section or key.{did_you_mean(key, known)} Known: {names}."


def check_stages(config: Config) -> Iterator[str]:
    """Stages exist, are not empty, and have weights to work on."""
    stages, known = config["stages"], stage_names()
    if not isinstance(stages, list):
        return  # its type has a message of its own
    unknown = [str(stage) for stage in stages if stage not in known]
    for stage in unknown:
        yield f"stages: there is no stage {stage}; known: {', '.join(known)}.{did_you_mean(stage, known)}"
    if not stages:
        yield f"stages=[] leaves nothing to do; choose from {', '.join(known)}."
    elif not unknown and not {"fit", "cross_validate"} & set(stages) and not has_weights(config):
        yield (
            f"stages=[{','.join(map(str, stages))}] needs trained weights: "
            "add checkpoint=RUN_DIRECTORY (or a .ckpt file), or put fit first."
        )
    if "cross_validate" in stages and not config["cross_validation"]["folds"]:
        yield "The stage cross_validate needs cross_validation.folds=5 or another number."


def has_weights(config: Config) -> bool:
    """Whether the network starts trained: from a checkpoint, or pretrained by its library."""
    model = config["model"]
    return bool(config["checkpoint"] or model.get("weights") or model.get("pretrained"))


def check_pair(config: Config, chosen: Mapping[str, str], catalog: Known) -> Iterator[str]:
    """The network takes this kind of data and suits this task; otherwise names networks that do."""
    model, data, task = config["model"], config["data"], config["task"]
    pair = f"model={chosen.get('model')} data={chosen.get('data')}"
    takes, tasks = model.get("takes"), model.get("tasks")
    if takes and data.get("kind") not in takes:
        yield (
            f"{pair}: this network takes {' or '.join(takes)} data, not {data.get('kind')}. "
            f"Networks that take it: {', '.join(suitable(catalog, data.get('kind'), task['name']))}."
        )
    elif tasks and task["name"] not in tasks:
        yield (
            f"{pair} task={task['name']}: this network is for {' or '.join(tasks)}. "
            f"Networks that suit: {', '.join(suitable(catalog, data.get('kind'), task['name']))}."
        )


def check_sampling(config: Config, chosen: Mapping[str, str]) -> Iterator[str]:
    """A strategy that samples layer by layer has a network that takes its estimates, with as many layers."""
    data, model = config["data"], config["model"]
    if not data.get("estimates_layers"):
        return
    strategy = f"data/sampling={chosen.get('data/sampling')}"
    sizes, layers = (data.get("sampling") or {}).get("sizes"), model.get("num_layers")
    if not model.get("propagates"):
        yield (
            f"{strategy} model={chosen.get('model')}: estimates sums over neighbours layer by layer, and this network "
            "does not take the estimates. Use model=gcn, or data/sampling=neighbor."
        )
    elif isinstance(sizes, list) and len(sizes) != layers:
        yield f"data.sampling.sizes={sizes}: needs one number for each of the network's {layers} layers."


def suitable(catalog: Known, kind: Any, task: str) -> list[str]:
    """Names of the networks whose YAML declares that they take this kind of data and suit this task."""
    from omegaconf import OmegaConf

    names = []
    for name, choice in catalog.get("model", {}).items():
        declared: Any = OmegaConf.load(choice.path)
        if kind in (declared.get("takes") or [kind]) and task in (declared.get("tasks") or [task]):
            names.append(name)
    return names


def check_task(config: Config, chosen: Mapping[str, str]) -> Iterator[str]:
    """The data yields what the task predicts."""
    task, data, name = config["task"]["name"], config["data"], chosen.get("data")
    classes = data.get("num_classes")
    if task not in (data.get("tasks") or [task]):
        yield f"task={task} data={name}: the targets of this data are for {' or '.join(data['tasks'])}."
        return
    if data.get("kind") not in (config["task"].get("takes") or [data.get("kind")]):
        takes = " or ".join(config["task"]["takes"])
        yield f"task={task} data={name}: this task is for {takes} data, not {data.get('kind')}."
        return
    if "num_classes" in data and classes is None and task != "regression":
        return  # the count could not be found, and the reason has a message of its own
    if task == "binary_classification" and classes != 2:
        yield f"task=binary_classification data={name}: needs data of two classes, this has {classes or 'none'}."
    if task == "classification" and not classes:
        yield f"task=classification data={name}: this data has no classes; use task=regression."
    if task == "regression" and not data.get("num_targets"):
        yield f"task=regression data={name}: this data has no numbers to predict; use task=classification."


def check_quantization(config: Config) -> Iterator[str]:
    """The back end is installed and can do the recipe; stages that need a recipe have one."""
    quantization = config["quantization"]
    kind = quantization["kind"]
    if kind == "none":
        if "compress" in (config["stages"] or []):
            yield "The stage compress needs a recipe: add quantization=ptq_static (see: runner list quantization)."
        return
    if config["data"].get("kind") == "graphs":
        yield (
            "quantization: what is compressed takes one tensor, and batches of graphs are several, of sizes that "
            "differ from batch to batch: networks over whole graphs stay in float (quantization=none). Networks over "
            "the nodes of one graph can be quantized: static, dynamic or qat."
        )
    if kind == "qat" and config["data"].get("kind") == "graph" and not sees_all(config):
        yield "quantization=qat fine-tunes a network that is bound to its whole graph: use data/sampling=full with it."
    if config["compile"]:
        yield "compile=true trains a compiled network, which cannot be captured again: leave it out with quantization."
    if quantization.get("activation") == "int8" and (quantization["bits"] != 8 or quantization["group_size"]):
        yield (
            f"quantization.activation=int8 multiplies whole rows in integers: it needs bits=8 and group_size=null, not "
            f"bits={quantization['bits']} and group_size={show(quantization['group_size'])}."
        )
    if "backend" not in quantization:
        return
    try:
        support.check(quantization["backend"]["name"], kind)
        support.check_mixture(kind, quantization["per_layer"] or {})
    except RunnerError as error:
        yield f"quantization: {error}"
    yield from check_corrections(kind, quantization.get("corrections"))


def check_corrections(kind: str, corrections: Any) -> Iterator[str]:
    """The corrections mean something under the recipe, and AdaRound knows its settings."""
    if not isinstance(corrections, dict):
        return
    chosen = [name for name in support.CORRECTIONS["static"] if corrections.get(name) not in (None, False)]
    try:
        support.check_corrections(kind, chosen)
    except RunnerError as error:
        yield f"quantization.{error}"
    settings = corrections.get("adaround")
    for key in settings if isinstance(settings, dict) else ():
        if key not in (known := AdaRound.__dataclass_fields__):
            yield (
                f"quantization.corrections.adaround.{key}: there is no such key.{did_you_mean(str(key), known)} "
                f"Known: {', '.join(known)}."
            )


def check_pruning(config: Config) -> Iterator[str]:
    """Pruning suits the data and what happens around it; the stage prune has a recipe, and comes before compress."""
    pruning, stages = config["pruning"], config["stages"] or []
    kind = pruning["kind"]
    if kind == "none":
        if "prune" in stages:
            yield "The stage prune needs a recipe: add pruning=channel (see: runner list pruning)."
        return
    if "prune" in stages and "compress" in stages[: stages.index("prune")]:
        yield "stages: compress comes before prune, and a quantized program cannot be pruned; put prune first."
    if config["compile"]:
        yield "compile=true trains a compiled network, which cannot be pruned: leave it out with pruning."
    if config["data"].get("kind") == "graphs":
        yield (
            "pruning: its rounds are measured on networks of one tensor, and batches of graphs are several: networks "
            "over whole graphs stay dense (pruning=none)."
        )
    elif kind == "channel" and config["data"].get("kind") == "graph":
        yield (
            "pruning=channel: Torch-Pruning traces networks of one tensor, and networks over graphs take several; use "
            "pruning=magnitude."
        )
    if kind != "channel" and pruning["importance"] == "bn_scale":
        yield (
            f"pruning.importance=bn_scale: batch norm scales whole channels, and pruning={kind} takes single weights: "
            "use it with pruning=channel, or l1, l2 or taylor."
        )
    if kind == "semi_structured" and pruning["keep"] >= pruning["group"]:
        yield (
            f"pruning.keep={pruning['keep']}: must be below pruning.group={pruning['group']}; sparse tensor cores "
            "take 2 of 4."
        )
    epoch, epochs = pruning.get("rewind_epoch"), config["trainer"].get("max_epochs")
    if epoch is not None and isinstance(epochs, int) and epoch > epochs:
        yield f"pruning.rewind_epoch={epoch}: training has trainer.max_epochs={epochs} epochs; go back to one of them."


def sees_all(config: Config) -> bool:
    """Whether every training batch sees the whole graph."""
    sampling = config["data"].get("sampling") or {}
    return str(sampling.get("_target_", "")).endswith(".FullGraph")


def check_targets(config: Any, plugins: list[str], where: str = "") -> Iterator[str]:
    """Every `_target_` lies in an allowed package."""
    if isinstance(config, dict):
        target = config.get("_target_")
        if target is not None and not is_allowed(str(target), plugins):
            yield (
                f"{where}._target_={target}: not in an allowed package "
                f"({', '.join(prefix.rstrip('.') for prefix in ALLOWED_TARGETS)}). "
                f"For code of your own add runner.plugins=[{str(target).split('.')[0]}]."
            )
        for key, value in config.items():
            yield from check_targets(value, plugins, f"{where}.{key}" if where else str(key))
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from check_targets(value, plugins, f"{where}[{index}]")


def is_allowed(target: str, plugins: list[str]) -> bool:
    """Whether a dotted name begins with an allowed package or a plugin."""
    return target.startswith(ALLOWED_TARGETS) or any(target.startswith(f"{plugin}.") for plugin in plugins)
