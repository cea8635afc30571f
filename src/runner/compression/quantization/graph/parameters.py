"""Read and replace the parameters of a captured graph by their dotted names."""

from typing import Any

from torch import Tensor, nn
from torch.fx import GraphModule


def value_of(graph: GraphModule, node: Any) -> Tensor:
    """Return the tensor that a get_attr node reads, without gradient."""
    found: Any = graph
    for part in str(node.target).split("."):
        found = getattr(found, part)
    return found.detach()


def put(graph: GraphModule, name: str, value: Tensor) -> None:
    """Replace the parameter of dotted `name` by a copy of `value`, which takes no gradient."""
    owner, _, attribute = name.rpartition(".")
    setattr(graph.get_submodule(owner), attribute, nn.Parameter(value.detach().clone(), requires_grad=False))
