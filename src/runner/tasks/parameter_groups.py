"""Parameter groups of an optimizer: weights decay, biases and normalisation parameters don't."""

from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

# timm.optim.param_groups_weight_decay differs: a LayerNorm over several dimensions decays there, and the group without
# decay comes first, so that an optimizer's state in a checkpoint written here would reach other parameters.
NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the trainable parameters as optimizer groups: those that decay by `weight_decay`, and the rest by 0.

    Biases, the parameters of normalisation layers and every parameter of at most one dimension stay out of the
    decay (He et al. 2019, "Bag of Tricks", section 3.1); embeddings decay. A shared parameter appears once. A group
    without parameters is left out.
    """
    decayed: list[nn.Parameter] = []
    undecayed: list[nn.Parameter] = []
    seen: set[int] = set()
    for owner in module.modules():
        for name, parameter in owner.named_parameters(recurse=False):
            if not parameter.requires_grad or id(parameter) in seen:
                continue
            seen.add(id(parameter))
            free = isinstance(owner, NORMS) or parameter.ndim <= 1 or name.startswith("bias")
            (undecayed if free else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": undecayed, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def named_groups(module: nn.Module, weight_decay: float, decayed: set[str]) -> list[dict[str, Any]]:
    """Return named groups: the parameters named in `decayed` decay by `weight_decay`, all others by 0."""
    trained = {name: each for name, each in module.named_parameters() if each.requires_grad}
    groups: list[dict[str, Any]] = [
        {"params": [each for name, each in trained.items() if name in decayed], "weight_decay": weight_decay},
        {"params": [each for name, each in trained.items() if name not in decayed], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
