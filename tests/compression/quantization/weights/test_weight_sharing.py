"""k-means and Huffman: what each promises, and both together as a network and a file."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from torch import nn

from runner.compression.files.packed import save_packed
from runner.compression.quantization.weights.huffman import LONGEST, STRETCH, Coded, code_lengths, decode, encode
from runner.compression.quantization.weights.kmeans import cluster, nearest
from runner.compression.quantization.weights.shared import SharedWeight
from runner.compression.quantization.weights.shared_weights import SharedWeightsRecipe
from runner.errors import RunnerError
from runner.measure.error import sqnr


@settings(max_examples=100)
@given(st.lists(st.integers(0, 15), max_size=60))
def test_symbols_come_back_exactly(symbols: list[int]) -> None:
    array = np.array(symbols, dtype=np.int64)
    assert decode(encode(array, 16)).tolist() == symbols


@pytest.mark.parametrize("count", [STRETCH - 1, STRETCH, STRETCH + 1, 3 * STRETCH + 5])
def test_stretches_of_any_length_come_back_exactly(count: int) -> None:
    symbols = np.random.default_rng(count).geometric(0.3, count).clip(max=200)
    assert np.array_equal(decode(encode(symbols, 256)), symbols)


def test_codes_have_the_textbook_lengths_and_reach_the_entropy() -> None:
    assert code_lengths(np.array([45, 13, 12, 16, 9, 5])).tolist() == [1, 3, 3, 3, 4, 4]  # Cormen et al., section 16.3
    symbols = np.random.default_rng(0).binomial(20, 0.3, 20_000)
    shares = np.bincount(symbols) / len(symbols)
    entropy = -(shares[shares > 0] * np.log2(shares[shares > 0])).sum()
    assert entropy <= 8 * len(encode(symbols, 21).bits) / len(symbols) < entropy + 0.1


def test_very_rare_symbols_get_codes_of_bounded_length_and_come_back() -> None:
    counts = np.array([2**each for each in range(24)])
    assert code_lengths(counts).max() <= LONGEST
    symbols = np.repeat(np.arange(14), 2 ** np.arange(14))
    assert np.array_equal(decode(encode(symbols, 14)), symbols)


def test_bits_that_are_no_code_are_refused() -> None:
    coded = encode(np.arange(50) % 7, 7)
    with pytest.raises(ValueError, match="no code"):
        decode(Coded(np.ones(7, np.uint8), coded.bits, coded.offsets, 50))
    with pytest.raises(ValueError, match="do not end where they should"):
        decode(Coded(coded.lengths, coded.bits[:4], coded.offsets, 50))
    with pytest.raises(ValueError, match="offsets"):
        decode(Coded(coded.lengths, coded.bits, coded.offsets, 5000))


def test_centres_are_those_of_scikit_learn_from_the_same_start() -> None:
    values = np.random.default_rng(0).standard_t(5, 800)
    start = np.linspace(values.min(), values.max(), 8)
    theirs = KMeans(8, init=start[:, None], n_init=1, tol=0, max_iter=300).fit(values[:, None])
    assert cluster(values, 8) == pytest.approx(np.sort(theirs.cluster_centers_[:, 0]), abs=1e-9)


def test_few_values_are_kept_exactly() -> None:
    values = np.array([1.5, -2.0, 1.5, 0.25])
    centres = cluster(values, 16)
    assert centres.tolist() == [-2.0, 0.25, 1.5]
    assert centres[nearest(values, centres)].tolist() == values.tolist()
    assert cluster(np.zeros(0), 4).size == 0


@pytest.mark.parametrize(("clusters", "least"), [(4, 5), (16, 17), (256, 40)])
def test_each_layer_has_at_most_so_many_values_and_answers_follow(clusters, least, mixed, pictures) -> None:
    small = SharedWeightsRecipe(clusters).apply(mixed)
    for layer in small.coded_layers:
        assert len(layer.weight().unique()) <= clusters
    assert sqnr(mixed(pictures), small(pictures)) > least
    assert (small.title, small.recipe) == ("kmeans", "sharing")


def test_weights_that_were_pruned_stay_zero(tmp_path) -> None:
    weight = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    weight[:, ::2] = 0
    stored = SharedWeight.of(weight, 4)
    assert (stored()[:, ::2] == 0).all()
    assert len(stored.values) == 4


def test_the_file_takes_fewer_bits_a_weight_than_an_index(tmp_path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(256, 256, bias=False))
    network[0].weight.data = torch.distributions.StudentT(4.0).sample((256, 256))
    path = save_packed(SharedWeightsRecipe(16).apply(network), tmp_path / "packed")
    assert path.stat().st_size < 0.9 * 256 * 256 * 4 / 8


def test_numbers_of_clusters_beyond_a_byte_are_refused(mixed) -> None:
    for clusters in (1, 257):
        with pytest.raises(RunnerError, match=f"clusters={clusters}: must be from 2 to 256"):
            SharedWeightsRecipe(clusters)
    with pytest.raises(RunnerError, match="quantized already"):
        SharedWeightsRecipe().apply(SharedWeightsRecipe().apply(mixed))
