"""QAT: what must survive preparation, Lightning, copies, checkpoints and conversion."""

import copy
from dataclasses import replace

import pytest
import torch
from pytorch_lightning.utilities.model_helpers import _ModuleMode
from torch import Tensor, nn
from torch.nn import functional
from torchao.quantization.pt2e import move_exported_model_to_eval, move_exported_model_to_train, qat_utils
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_qat_pt2e

from runner.compression.quantization.backends.observers import Numerics
from runner.compression.quantization.backends.quantizers import build
from runner.compression.quantization.backends.selection import Selection
from runner.compression.quantization.graph import modes
from runner.compression.quantization.graph.capture import capture
from runner.compression.quantization.program.norms import quick_fusion
from runner.compression.quantization.program.qat import FakeQuantizedNetwork
from runner.compression.quantization.recipes import QATRecipe, Recipe
from runner.errors import RunnerError
from runner.measure.error import sqnr

# Eight bits on any machine: nothing is compiled here, so that no product can overflow.
NUMERICS = Numerics(activation_observer="moving_average", reduce_range=False)
BATCH_NORM, DROPOUT = torch.ops.aten.batch_norm.default, torch.ops.aten.dropout.default


def nodes(graph: torch.fx.GraphModule, target: object) -> list[torch.fx.Node]:
    return [node for node in graph.graph.nodes if node.target == target]


def scales(prepared: FakeQuantizedNetwork) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in prepared.graph.state_dict().items() if name.endswith("scale")}


@pytest.fixture(scope="module")
def template(network: nn.Module, images: Tensor) -> FakeQuantizedNetwork:
    return QATRecipe(numerics=NUMERICS).prepare(network, [images])


@pytest.fixture
def prepared(template: FakeQuantizedNetwork) -> FakeQuantizedNetwork:
    return copy.deepcopy(template)


@pytest.fixture(scope="module")
def upstream(network: nn.Module, images: Tensor) -> torch.fx.GraphModule:
    """What torchao alone makes of the network: the reference for what is worked around."""
    chosen = Selection().resolve(network, "qat")
    with quick_fusion():
        prepared = prepare_qat_pt2e(capture(network, images), build("x86_inductor", "qat", NUMERICS, chosen))
    move_exported_model_to_eval(prepared)
    prepared(images)
    return prepared


def test_batch_norm_constants_and_dropout_rate_survive_preparation(prepared: FakeQuantizedNetwork) -> None:
    constants = sorted((node.args[6], node.args[7]) for node in nodes(prepared.graph, BATCH_NORM))
    assert constants == [(0.03, 1e-3), (0.1, 1e-5), (0.1, 1e-2)]
    assert [node.args[1:] for node in nodes(prepared.graph, DROPOUT)] == [(0.3, True)]
    prepared.eval()
    assert [node.args[1:] for node in nodes(prepared.graph, DROPOUT)] == [(0.3, False)]


def test_upstream_still_resets_batch_norm_and_dropout(upstream: torch.fx.GraphModule) -> None:
    """ao#2980, ao#4107: when this fails, upstream is mended and modes.restore_batch_norm can go."""
    move_exported_model_to_train(upstream)
    assert {node.args[7] for node in nodes(upstream, BATCH_NORM)} == {1e-5}
    assert [node.args[1] for node in nodes(upstream, DROPOUT)] == [0.5]
    move_exported_model_to_eval(upstream)


def test_small_variances_keep_35_db_through_prepare_and_convert(
    network: nn.Module, images: Tensor, prepared: FakeQuantizedNetwork, upstream: torch.fx.GraphModule, monkeypatch
) -> None:
    expected = network(images)
    assert sqnr(expected, prepared.eval()(images)) > 35
    assert sqnr(expected, prepared.convert()(images)) > 35
    # The network holds two-dimensional convolutions only: tracing upstream's patterns of the others takes ten seconds.
    fold = qat_utils._fold_conv_bn_qat_helper
    monkeypatch.setattr(
        qat_utils,
        "_fold_conv_bn_qat_helper",
        lambda graph, convolution, *rest, **options: (
            fold(graph, convolution, *rest, **options) if convolution is functional.conv2d else graph
        ),
    )
    assert sqnr(expected, convert_pt2e(copy.deepcopy(upstream))(images)) < 25  # without the corrections


def test_conversion_folds_with_the_epsilon_of_the_network(
    network: nn.Module, images: Tensor, prepared: FakeQuantizedNetwork
) -> None:
    prepared.constants = {name: replace(it, eps=1e-5) for name, it in prepared.constants.items()}
    assert sqnr(network(images), prepared.eval().convert()(images)) < 25


def test_training_mode_equals_the_float_network_in_training_mode(fresh: nn.Module, images: Tensor) -> None:
    graph = capture(fresh, images)
    modes.set_training(graph, True)
    fresh.train()
    torch.manual_seed(3)
    expected = fresh(images)
    torch.manual_seed(3)
    assert torch.equal(graph(images), expected)
    assert torch.equal(graph.get_buffer("norm.running_var"), fresh.norm.running_var)


def test_lightning_restoring_modes_by_assignment_restores_the_graph(prepared: FakeQuantizedNetwork) -> None:
    saved = _ModuleMode()
    saved.capture(prepared)
    assert prepared.eval() is prepared
    assert not any(node.args[5] for node in nodes(prepared.graph, BATCH_NORM))
    saved.restore(prepared)  # Lightning 2.6.6 assigns .training; it never calls .train()
    assert all(node.args[5] for node in nodes(prepared.graph, BATCH_NORM))
    assert all(node.args[2] for node in nodes(prepared.graph, DROPOUT))


def test_exported_graphs_still_refuse_train_and_eval(
    prepared: FakeQuantizedNetwork, upstream: torch.fx.GraphModule
) -> None:
    """pytorch#151726: the reason for FakeQuantizedNetwork.train."""
    with pytest.raises(NotImplementedError):
        upstream.train()
    assert prepared.train().training and not prepared.eval().training


def test_validation_moves_no_range(prepared: FakeQuantizedNetwork, images: Tensor) -> None:
    before = scales(prepared)
    prepared.eval()(10 * images)
    assert all(torch.equal(before[name], value) for name, value in scales(prepared).items())
    prepared.train()(10 * images)
    assert any(not torch.equal(before[name], value) for name, value in scales(prepared).items())


def test_frozen_batch_norm_and_observers_stay_through_training_steps(
    prepared: FakeQuantizedNetwork, images: Tensor
) -> None:
    prepared.follow_schedule(epoch=2, observers_after=1, batch_norm_after=2)
    variance = prepared.graph.get_buffer("norm.running_var").clone()
    before = scales(prepared)
    prepared(5 * images)
    assert torch.equal(prepared.graph.get_buffer("norm.running_var"), variance)
    assert all(torch.equal(before[name], value) for name, value in scales(prepared).items())
    prepared.follow_schedule(epoch=0, observers_after=1, batch_norm_after=2)
    prepared(5 * images)
    assert not torch.equal(prepared.graph.get_buffer("norm.running_var"), variance)


def test_copies_switch_modes_and_convert_like_the_original(prepared: FakeQuantizedNetwork, images: Tensor) -> None:
    copied = copy.deepcopy(prepared)
    copied.eval()
    assert not any(node.args[5] for node in nodes(copied.graph, BATCH_NORM))
    assert all(node.args[5] for node in nodes(prepared.graph, BATCH_NORM))
    assert torch.equal(copied.convert()(images), prepared.convert()(images))


@pytest.mark.parametrize("observer", ["moving_average", "lsq"])
def test_checkpoints_load_into_a_network_prepared_again(network: nn.Module, images: Tensor, observer: str) -> None:
    recipe = QATRecipe(numerics=Numerics(activation_observer=observer))
    trained = recipe.prepare(network, [images])
    optimizer = torch.optim.SGD(trained.parameters(), lr=1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        trained(images).square().mean().backward()
        optimizer.step()
    again = recipe.prepare(network, [images[:4]])
    again.load_state_dict(trained.state_dict())
    assert torch.equal(again.eval()(images), trained.eval()(images))


def test_loading_plain_weights_keeps_the_smallest_scale(prepared: FakeQuantizedNetwork) -> None:
    """torchao's observers would set it to 1.2e-7 where version numbers are lacking, as after averaging."""
    expected = {name: value.clone() for name, value in prepared.state_dict().items() if name.endswith("process.eps")}
    prepared.load_state_dict(dict(prepared.state_dict()))
    assert expected
    assert all(torch.equal(prepared.state_dict()[name], value) for name, value in expected.items())


def test_a_checkpoint_of_another_recipe_is_refused(prepared: FakeQuantizedNetwork) -> None:
    state = prepared.state_dict()
    state["_extra_state"] = {"recipe_hash": "000000000000"}
    with pytest.raises(RunnerError, match="another quantization recipe"):
        prepared.load_state_dict(state)


def test_learned_ranges_move_with_the_optimizer_and_convert(network: nn.Module, images: Tensor) -> None:
    recipe: Recipe = QATRecipe(numerics=Numerics(activation_observer="lsq"))
    moved = []

    def fine_tune(prepared: FakeQuantizedNetwork) -> None:
        ranges = [value for name, value in prepared.named_parameters() if name.endswith("scale")]
        before = [value.detach().clone() for value in ranges]
        prepared(images).square().mean().backward()
        torch.optim.Adam(prepared.parameters(), lr=1e-3).step()
        moved.append(sum(not torch.equal(a, b) for a, b in zip(before, ranges, strict=True)))

    quantized = recipe.apply(network, [images], fine_tune)
    assert moved[0] == 7
    assert quantized.reach.reached == 3


def test_a_skipped_convolution_keeps_its_batch_norm_unfused(network: nn.Module, images: Tensor) -> None:
    recipe = QATRecipe(selection=Selection(skip=("conv",)))
    quantized = recipe.apply(network, [images], lambda prepared: None)
    targets = [str(node.target) for node in quantized.program.graph.nodes]
    assert quantized.reach.layers == ("stem.0", "fc")
    assert "aten.sqrt.default" not in targets  # torchao's own fusion leaves running_std arithmetic behind
    assert sqnr(network(images), quantized(images)) > 35


def test_qat_without_fine_tuning_is_refused(network: nn.Module, images: Tensor) -> None:
    with pytest.raises(RunnerError, match="fine-tuning stage"):
        QATRecipe().apply(network, [images])
