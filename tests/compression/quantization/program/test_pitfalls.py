"""Upstream bugs that are still there: a failure here means that a work-around can be looked at again."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch._inductor import config as inductor
from torch.export import Dim, export
from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e
from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import (
    X86InductorQuantizer,
    get_default_x86_inductor_quantization_config,
)
from torchvision.models.resnet import BasicBlock

from runner.compression.quantization.graph.capture import capture
from runner.compression.quantization.graph.operators import quantized_operators
from runner.compression.quantization.program.lower import kernel_names
from runner.compression.quantization.recipes import QATRecipe, StaticRecipe


def x86() -> X86InductorQuantizer:
    return X86InductorQuantizer().set_global(get_default_x86_inductor_quantization_config())


def quantized_by_upstream(network: nn.Module, inputs: Tensor, strict: bool) -> bool:
    """Whether torchao's own quantizer takes both convolutions of a captured residual block."""
    program = export(network, (inputs,), dynamic_shapes=({0: Dim("batch", min=2)},), strict=strict)
    try:
        prepared = prepare_pt2e(program.module(), x86())
    except ValueError as error:
        assert "more than one output" in str(error)
        return False
    convolutions = [node for node in prepared.graph.nodes if node.target == torch.ops.aten.conv2d.default]
    return all(str(node.args[0]).startswith("activation_post_process") for node in convolutions)


def test_upstream_quantizes_a_residual_block_in_strict_capture_only() -> None:
    """Why capture() is strict: the block's one ReLU is used twice, which only strict capture tells apart."""
    torch.manual_seed(0)
    block, inputs = BasicBlock(4, 4).eval(), torch.randn(4, 4, 6, 6)
    assert quantized_by_upstream(block, inputs, strict=True)
    assert not quantized_by_upstream(block, inputs, strict=False)
    program = StaticRecipe().apply(block, [inputs]).program
    assert len(quantized_operators(program)) == 2


def test_upstream_runs_unfrozen_packages_in_float(perceptron: nn.Module, rows: Tensor, tmp_path: Path) -> None:
    """ao#4566: why save_aot freezes."""
    seen: list[str] = []
    program = StaticRecipe().apply(perceptron, [rows]).program
    note = {"post_grad_custom_post_pass": lambda graph: seen.extend(kernel_names(graph))}
    with torch.no_grad(), inductor.patch(**note, force_disable_caches=True):
        exported = export(program, (rows,), strict=True)
        torch._inductor.aoti_compile_and_package(exported, package_path=str(tmp_path / "unfrozen.pt2"))
    assert seen
    assert not [name for name in seen if "qlinear" in name]


def test_the_tutorials_way_to_freeze_batch_norm_finds_nothing_to_freeze(network: nn.Module, images: Tensor) -> None:
    """It looks for these operators and sets their `training`; the graph holds another one, which ours switches."""
    sought = (torch.ops.aten._native_batch_norm_legit.default, torch.ops.aten.cudnn_batch_norm.default)
    prepared = QATRecipe().prepare(network, [images])
    norms = [node for node in prepared.graph.graph.nodes if node.target == torch.ops.aten.batch_norm.default]
    assert len(norms) == 3
    assert not [node for node in prepared.graph.graph.nodes if node.target in sought]
    prepared.follow_schedule(0, None, 0)
    assert not any(node.args[5] for node in norms)
    assert not [node for node in capture(network, images).graph.nodes if node.target in sought]
