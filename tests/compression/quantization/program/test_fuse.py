"""Fusing convolutions with batch norms for fine-tuning: each of torchao's patterns is traced once, and where needed."""

import torch
from torch import nn
from torchao.quantization.pt2e import qat_utils
from torchao.quantization.pt2e.quantize_pt2e import prepare_qat_pt2e

from runner.compression.quantization.backends.quantizers import build
from runner.compression.quantization.backends.selection import Selection
from runner.compression.quantization.graph.capture import capture
from runner.compression.quantization.program import norms
from runner.compression.quantization.program.norms import quick_fusion
from runner.compression.quantization.recipes import QATRecipe


def test_patterns_are_traced_once_and_fuse_the_same_every_time(monkeypatch):
    monkeypatch.setattr(norms, "_TRACED", {})
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 1, bias=False))
    quantizer = build("x86_inductor", "qat", QATRecipe().numerics, Selection().resolve(network, "qat"))
    traced, trace = [], qat_utils._get_aten_graph_module_for_pattern

    def counting(pattern, *rest, **options):
        traced.append(pattern)
        return trace(pattern, *rest, **options)

    monkeypatch.setattr(qat_utils, "_get_aten_graph_module_for_pattern", counting)
    graphs = []
    for _ in range(2):
        with quick_fusion():
            graphs.append(prepare_qat_pt2e(capture(network, torch.randn(2, 2, 4, 4)), quantizer))
    assert len(traced) == 3 * (1 + torch.cuda.is_available())  # of conv2d alone
    assert graphs[0].code == graphs[1].code
    assert sum(node.target is torch.ops.aten.div.Tensor for node in graphs[1].graph.nodes) == 2
    assert qat_utils._get_aten_graph_module_for_pattern is counting
