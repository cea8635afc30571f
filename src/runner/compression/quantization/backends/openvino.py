"""OpenVINO's quantizer, taught to leave alone what others may not touch and what it takes for something else."""

from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, Quantizer

from runner.compression.quantization.backends.observers import Numerics
from runner.compression.quantization.backends.part import Part
from runner.compression.quantization.graph.operators import ANNOTATION, TARGETS

_ATEN = torch.ops.aten
_ATTENTION = (_ATEN.scaled_dot_product_attention.default, _ATEN.softmax.int)


class ConsiderateOpenVINO(Quantizer):
    """Runs executorch's OpenVINOQuantizer around the nodes that carry an annotation already.

    It asserts that no node does, and knows no other way than names to be told what to ignore. What it writes on such
    a node all the same (the output rounded, for a neighbour) stays there in place of the mark. `symmetric`: the
    activations of networks without attention.
    """

    def __init__(self, symmetric: bool) -> None:
        self.symmetric = symmetric

    def annotate(self, model: GraphModule) -> GraphModule:
        """Annotate the nodes without an annotation."""
        marks = {node: node.meta.pop(ANNOTATION) for node in model.graph.nodes if ANNOTATION in node.meta}
        ignored = [*marks, *(node for node in model.graph.nodes if owns_other_parameters(node))]
        inner = self.fitting(model)
        inner.set_ignored_scope(names=[node.name for node in ignored], validate=False)
        inner.annotate(model)
        for node in model.graph.nodes:
            drop_sizes(node)
        for node, mark in marks.items():
            node.meta.setdefault(ANNOTATION, mark)
        return model

    def fitting(self, model: GraphModule) -> Any:
        """Return the quantizer in the mode that suits `model`.

        The one for convolutions leaves a vision transformer 10 dB,
        where the one for transformers leaves 33.
        """
        from executorch.backends.openvino.quantizer import quantizer as openvino

        modes = openvino.QuantizationMode
        attentive = any(node.target in _ATTENTION for node in model.graph.nodes)
        mode = modes.INT8_TRANSFORMER if attentive else modes.INT8_SYM if self.symmetric else modes.INT8_MIXED
        return openvino.OpenVINOQuantizer(mode=mode)

    def validate(self, model: GraphModule) -> None:
        """There is nothing to check."""


def drop_sizes(node: Node) -> None:
    """Take back what was asked for inputs that are no tensors: NNCF would round the batch size, too (3.4)."""
    note = node.meta.get(ANNOTATION)
    if note is not None:
        note.input_qspec_map = {
            source: spec for source, spec in note.input_qspec_map.items() if isinstance(source.meta.get("val"), Tensor)
        }


def owns_other_parameters(node: Node) -> bool:
    """Return whether `node` has parameters without being a convolution or a product: norms, position embeddings.

    NNCF takes them for weights, and fails on the bias of a layer norm (3.4).
    """
    own = any(source.op == "get_attr" for source in node.all_input_nodes)
    return own and node.op == "call_function" and node.target not in TARGETS


def openvino_part(numerics: Numerics, recipe: str) -> Part:
    """Return OpenVINO's quantizer, which chooses its own specs."""
    return Part(recipe, ConsiderateOpenVINO(numerics.activation_scheme == "symmetric"), QuantizationAnnotation)
