"""The packed file: really small, read bit for bit into a model without float weights, refused when it is none."""

import math
import zipfile

import pytest
import torch
from torch import nn

from runner.compression.files.packed import load_packed, read, save_packed
from runner.compression.quantization.weights.float8 import Float8Recipe
from runner.compression.quantization.weights.number_formats import FormatRecipe
from runner.compression.quantization.weights.shared_weights import SharedWeightsRecipe
from runner.compression.quantization.weights.weight_only import WeightOnlyRecipe
from runner.errors import RunnerError
from runner.models.resnet import ResidualNet

INT4 = WeightOnlyRecipe(bits=4, group_size=32, skip=("head",))


@pytest.fixture(scope="module")
def saved(mixed, tmp_path_factory):
    small = INT4.apply(mixed)
    return small, save_packed(small, tmp_path_factory.mktemp("packed") / "int4.packed", {"classes": ["a", "b"]})


@pytest.mark.parametrize(
    "recipe",
    [
        WeightOnlyRecipe(),
        WeightOnlyRecipe(activation="bfloat16"),
        WeightOnlyRecipe(activation="int8"),
        INT4,
        WeightOnlyRecipe(bits=2, group_size=16, rounding="mse"),
        SharedWeightsRecipe(7),
        Float8Recipe(),
        FormatRecipe(),
    ],
    ids=lambda recipe: f"{recipe.kind}-{getattr(recipe, 'bits', '')}-{getattr(recipe, 'activation', '')}",
)
def test_what_is_read_answers_bit_for_bit(recipe, mixed, pictures, tmp_path) -> None:
    small = recipe.apply(mixed)
    loaded = load_packed(save_packed(small, tmp_path / "packed"), type(mixed))
    assert torch.equal(loaded(pictures), small(pictures))
    assert (loaded.title, loaded.recipe, loaded.remarks) == (small.title, small.recipe, small.remarks)
    assert loaded.proof() == small.proof()


def test_the_file_says_what_it_is_and_keeps_the_callers_values(saved) -> None:
    header, _ = read(saved[1])
    assert header.metadata == {"classes": ["a", "b"]}
    assert header.settings == {"bits": 4, "group_size": 32, "activation": "float32", "rounding": "nearest"}
    assert (header.title, header.recipe) == ("int4_weights", "weight")


@pytest.mark.parametrize(("bits", "most"), [(8, 0.27), (4, 0.17), (2, 0.105)])
def test_files_of_the_teaching_network_are_really_smaller(bits: int, most: float, tmp_path) -> None:
    network = ResidualNet(1, 28, 10)
    torch.save(network.state_dict(), tmp_path / "float.pt")
    recipe = WeightOnlyRecipe(bits=bits, group_size=None if bits == 8 else 32)
    packed = save_packed(recipe.apply(network), tmp_path / "packed")
    assert packed.stat().st_size <= most * (tmp_path / "float.pt").stat().st_size


def test_reading_never_makes_a_float_weight(tmp_path, tensor_memory) -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(1024, 1024), nn.ReLU(), nn.Conv2d(64, 64, 7))

    small = WeightOnlyRecipe(bits=4, group_size=32).apply(build())
    path = save_packed(small, tmp_path / "packed")
    with tensor_memory() as memory:
        loaded = load_packed(path, build)
    assert loaded.network[0].weight.codes.numel() == 1024 * 1024 // 2
    assert memory.largest_float <= 64 * 64 * 49 // 32 * 2 + 1024 * 1024 // 32 * 2  # the scales
    assert memory.peak <= 1.1 * path.stat().st_size


def test_codes_of_integers_begin_where_their_kernel_can_read_them(tmp_path) -> None:
    """A tensor of 3 bytes before them would move them off: the kernel then ends the process (torch 2.14.1)."""

    class Odd(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Linear(16, 3), nn.Linear(3, 32), nn.Linear(32, 5))
            self.register_buffer("odd", torch.ones(3, dtype=torch.int8))

    small = WeightOnlyRecipe(activation="bfloat16").apply(Odd())
    loaded = load_packed(save_packed(small, tmp_path / "packed"), Odd)
    assert [layer.weight.codes.data_ptr() % 16 for layer in loaded.network] == [0, 0, 0]
    assert torch.equal(loaded(torch.ones(2, 16)), small(torch.ones(2, 16)))


def test_tied_weights_are_kept_once_and_stay_tied(tmp_path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.scale, self.inner = nn.Embedding(50, 8), nn.LayerNorm(8), nn.Linear(8, 8)
            self.again = nn.LayerNorm(8)
            self.again.weight = self.scale.weight

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.again(self.inner(self.scale(self.embedding(tokens))))

    small = WeightOnlyRecipe().apply(Tied())
    loaded = load_packed(save_packed(small, tmp_path / "packed"), Tied)
    assert loaded.network.again.weight is loaded.network.scale.weight
    tokens = torch.arange(12).view(2, 6)
    assert torch.equal(loaded(tokens), small(tokens))


def test_a_file_of_another_network_is_refused_in_words(saved) -> None:
    with pytest.raises(RunnerError, match=r"does not fit Sequential, as this run builds it: .*stem"):
        load_packed(saved[1], lambda: nn.Sequential(nn.Linear(3, 3)))
    narrow = type(saved[0].network)

    def wider() -> nn.Module:
        network = narrow()
        network.fc = nn.Linear(6 * 4 * 5, 64)
        return network

    with pytest.raises(RunnerError, match="does not fit Mixed"):
        load_packed(saved[1], wider)


def test_a_network_with_more_in_it_than_the_file_is_refused(saved) -> None:
    def more() -> nn.Module:
        network = type(saved[0].network)()
        network.extra = nn.Linear(2, 2)
        return network

    with pytest.raises(RunnerError, match=r"lacks extra\.weight, extra\.bias"):
        load_packed(saved[1], more)


def test_damaged_and_foreign_files_are_refused(saved, mixed, tmp_path) -> None:
    content = saved[1].read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    torch.save(mixed.state_dict(), tmp_path / "weights.pt")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a", "b")
    files = {"cut": content[:-100], "flipped": bytes(flipped), "empty": b"", "text": b"hello"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    for name in (*files, "weights.pt", "other.zip"):
        with pytest.raises(RunnerError, match=r"damaged|no packed file"):
            load_packed(tmp_path / name, type(mixed))
    with pytest.raises(RunnerError, match="There is no file"):
        load_packed(tmp_path / "missing", type(mixed))


def test_a_header_that_speaks_of_more_than_there_is_is_refused(mixed, tmp_path, monkeypatch) -> None:
    from runner.compression.files import packed as file

    def too_many(network: nn.Module) -> dict[str, torch.Tensor]:
        return {name: each if each.dim() else each.view(1) for name, each in made(network).items()}

    made = file.file_tensors
    monkeypatch.setattr(file, "file_tensors", too_many)
    path = save_packed(WeightOnlyRecipe().apply(mixed), tmp_path / "packed")
    with pytest.raises(RunnerError, match="num_batches_tracked"):
        load_packed(path, type(mixed))


def test_pickled_objects_are_never_loaded(tmp_path) -> None:
    torch.save({"format": "runner.packed.1", "header": math.sqrt}, tmp_path / "evil")
    with pytest.raises(RunnerError, match="damaged or no packed file"):
        load_packed(tmp_path / "evil", lambda: nn.Linear(1, 1))
