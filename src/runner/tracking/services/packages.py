"""What each service is called and which package it needs, found without importing any."""

from importlib.util import find_spec

# By the extra that installs it: the name for people, and the module.
SERVICES = {
    "mlflow": ("MLflow", "mlflow"),
    "wandb": ("Weights & Biases", "wandb"),
    "aim": ("Aim", "aim"),
    "comet": ("Comet", "comet_ml"),
    "neptune": ("Neptune", "neptune"),
}


def lacking(title: str, module: str, extra: str) -> str:
    """Return the message about a package that is not installed; empty where it is."""
    return "" if find_spec(module) else f"{title} is not installed here: pip install 'runner[{extra}]'"
