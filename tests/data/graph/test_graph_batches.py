"""Graphs as data: edges in order, batches side by side, and what happens to bad input."""

import json
import logging

import pytest
import torch

from runner.data.graph import cora
from runner.data.graph.generated import SHAPES, GeneratedGraphs
from runner.data.graph.graph import coalesce
from runner.data.graph.graph_level import pack_graphs
from runner.data.graph.karate import KNOWN, Karate
from runner.data.graph.node_level import LabelledGraph, NodeDataModule
from runner.data.graph.toy import ToyGraph
from runner.data.graph.tu import Mutag
from runner.errors import RunnerError


def module_of(graph, num_classes=2, **options):
    """A data module over a graph that is given."""

    class Given(NodeDataModule):
        def read_graph(self):
            return graph

    return Given(num_classes=num_classes, **options)


def path_graph(edges, targets, train, test, **options):
    return LabelledGraph(
        x=torch.eye(len(targets)),
        edge_index=torch.tensor(edges).T,
        targets=torch.tensor(targets),
        train=torch.tensor(train),
        val=torch.tensor([], dtype=torch.int64),
        test=torch.tensor(test),
        class_names=("a", "b", "c")[: max(targets) + 1],
        **options,
    )


def test_edges_are_sorted_by_target_and_each_once():
    edges, weight = coalesce(torch.tensor([[2, 0, 0, 1, 1], [1, 2, 1, 1, 1]]), torch.tensor([1.0, 2, 3, 4, 5]), 3)
    assert edges.tolist() == [[0, 1, 2, 0], [1, 1, 1, 2]]
    assert weight.tolist() == [3, 5, 1, 2], "of the self-loop given twice the last weight counts"


@pytest.mark.parametrize("edge", [(0, 3), (-1, 0)])
def test_an_edge_out_of_range_is_named(edge):
    graph = path_graph([(0, 1), edge], [0, 1, 0], [0], [1, 2])
    with pytest.raises(RunnerError, match=rf"Edge 1 goes from node {edge[0]} to node {edge[1]}.*0 to 2"):
        module_of(graph).setup()


def test_edges_that_are_no_pairs_are_refused():
    with pytest.raises(RunnerError, match="pairs of node numbers"):
        coalesce(torch.zeros(3, 4, dtype=torch.int64), None, 5)


def test_a_class_that_training_never_saw_is_told_and_kept(caplog):
    data = module_of(path_graph([(0, 1), (1, 0)], [0, 1, 2], [0, 1], [2]), num_classes=3)
    with caplog.at_level(logging.WARNING):
        data.setup()
    assert "No training node is of class c" in caplog.text
    assert data.splits["test"].targets.tolist() == [2]


def test_another_number_of_classes_than_declared_is_refused():
    with pytest.raises(RunnerError, match=r"data\.num_classes is 3, but the data has 2"):
        module_of(path_graph([(0, 1)], [0, 1], [0], [1]), num_classes=3).setup()


def test_the_whole_graph_is_asked_for_a_split():
    data = Karate()
    data.setup()
    graph, targets = next(iter(data.test_dataloader()))
    assert graph.x.shape == (34, 34) and len(graph) == len(targets) == 30
    assert set(graph.seeds.tolist()) == set(range(34)) - set(KNOWN)
    assert targets.tolist() == data.splits["train"].row_targets[graph.seeds].tolist()


def test_karate_is_symmetric_and_its_leaders_took_different_sides():
    data = Karate()
    data.setup()
    edges = {tuple(edge) for edge in data.graph.edge_index.T.tolist()}
    assert len(edges) == 156 and {edge[::-1] for edge in edges} == edges
    assert data.splits["train"].targets.tolist() == [0, 1, 0, 1]
    assert torch.bincount(data.splits["train"].row_targets).tolist() == [17, 17]


def test_karates_communities_are_pygs():
    data = Karate(num_classes=4, weighted=False)
    data.setup()
    assert data.splits["train"].targets.tolist() == [1, 3, 0, 2] and data.graph.edge_weight is None


def test_the_toy_graph_has_four_nodes_and_six_edges():
    data = ToyGraph(num_classes=2)
    data.setup()
    assert data.graph.edge_index.shape == (2, 6) and data.graph.x.flatten().tolist() == [1, 2, 3, 4]
    assert data.splits["test"].targets.tolist() == [0, 0, 1, 0]


def test_folds_divide_training_and_validation_nodes():
    data = ToyGraph(num_classes=2)
    data.setup()
    data.use_all_for_training()
    assert data.splits["train"].indices.tolist() == [0, 1, 2, 3] and len(data.splits["val"]) == 0


def test_graphs_lie_side_by_side():
    rows = pack_graphs(
        [
            (torch.tensor([[1.0], [2]]), torch.tensor([[0], [1]])),
            (torch.empty(0, 1), torch.empty(2, 0, dtype=torch.int64)),
            (torch.tensor([[3.0], [4], [5]]), torch.tensor([[0, 1], [2, 2]])),
        ]
    )
    batch = rows[torch.tensor([2, 1, 0])]
    assert batch.x.flatten().tolist() == [3, 4, 5, 1, 2]
    assert batch.edge_index.tolist() == [[0, 1, 3], [2, 2, 4]]
    assert batch.batch.tolist() == [0, 0, 0, 2, 2] and batch.size == len(batch) == 3


def test_a_bad_edge_names_its_graph():
    with pytest.raises(RunnerError, match="Graph 1: Edge 0 goes from node 0 to node 7"):
        pack_graphs([(torch.zeros(1, 1), torch.tensor([[0], [0]])), (torch.zeros(2, 1), torch.tensor([[0], [7]]))])


def test_the_same_seed_generates_the_same_graphs():
    first, second, other = (
        GeneratedGraphs(num_classes=6, graphs_a_class=4, generator_seed=seed).load().inputs for seed in (0, 0, 1)
    )
    assert torch.equal(first.edge_index, second.edge_index)
    assert not torch.equal(first.nodes, other.nodes) or not torch.equal(first.edge_index, other.edge_index)


def test_generated_shapes_without_noise_are_what_they_are_called():
    source = GeneratedGraphs(num_classes=6, graphs_a_class=3, noise=0.0).load()
    degrees = {}
    for number, target in enumerate(source.targets.tolist()):
        graph = source.inputs[torch.tensor([number])]
        degrees.setdefault(SHAPES[target], []).append(torch.bincount(graph.edge_index[1], minlength=len(graph.x)))
    assert all(bool((each == 2).all()) for each in degrees["cycle"])
    assert all(int((each == 1).sum()) == len(each) - 1 for each in degrees["star"])
    assert all(int(each.sum()) == 2 * (len(each) - 1) for each in degrees["tree"])
    assert all(int(each.max()) == len(each) - 1 and int(each.min()) == 3 for each in degrees["wheel"])
    assert all(int(each.max()) == 3 and int((each == 2).sum()) == 4 for each in degrees["ladder"])


def test_a_graph_of_the_users_own_is_read(tmp_path):
    path = tmp_path / "ring.json"
    path.write_text(json.dumps({"nodes": 3, "edges": [[0, 1], [1, 2], [2, 0]]}))
    graph = GeneratedGraphs(num_classes=6).read([path])
    assert graph.size == 1 and graph.edge_index.shape == (2, 6)
    assert graph.x.argmax(1).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no json", "not a graph as JSON"),
        ('{"nodes": 2, "edges": [[0, 5]]}', "Edge 0 goes from node 0 to node 5"),
        ('{"nodes": 2, "edges": [[0, 1]], "x": [[1]]}', "must hold the features of its 2 nodes"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, words):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(RunnerError, match=words):
        GeneratedGraphs(num_classes=6).read([path])


def test_mutag_is_read_where_its_files_lie_and_they_stay_as_they_are(tmp_path):
    folder = tmp_path / "MUTAG" / "raw"
    folder.mkdir(parents=True)
    (folder / "MUTAG_A.txt").write_text("1, 2\n2, 1\n3, 4\n4, 3\n4, 5\n5, 4\n")
    (folder / "MUTAG_graph_indicator.txt").write_text("1\n1\n2\n2\n2\n")
    (folder / "MUTAG_graph_labels.txt").write_text("1\n-1\n")
    (folder / "MUTAG_node_labels.txt").write_text("0\n1\n0\n6\n1\n")
    before = sorted(tmp_path.rglob("*"))
    source = Mutag(root=str(tmp_path), num_classes=2).load()
    assert source.targets.tolist() == [1, 0]
    graph = source.inputs[torch.tensor([1])]
    assert graph.x.argmax(1).tolist() == [0, 6, 1] and graph.x.shape == (3, 7)
    assert graph.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert sorted(tmp_path.rglob("*")) == before


def test_missing_files_say_where_they_were_looked_for(tmp_path, monkeypatch):
    import torch_geometric.datasets

    def no_network(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(torch_geometric.datasets, "TUDataset", no_network)
    with pytest.raises(RunnerError, match=r"MUTAG is not there and could not be downloaded \(no network\)") as error:
        Mutag(root=str(tmp_path), num_classes=2).load()
    assert str(tmp_path / "MUTAG" / "raw") in str(error.value)


def test_cora_is_planetoids(request):
    shared = request.config.rootpath.parent / "shared" / "data"
    if not (shared / "Cora" / "raw").is_dir():
        pytest.skip("the real Cora files are only on development machines")
    before = sorted(shared.glob("Cora/*"))
    data = cora.Cora(root=str(shared), num_classes=7)
    data.setup()
    assert [len(each) for each in data.splits.values()] == [140, 500, 1000]
    assert data.graph.x.shape == (2708, 1433) and data.graph.edge_index.shape == (2, 10556)
    assert torch.allclose(data.graph.x.sum(1), torch.ones(2708))
    assert torch.bincount(data.splits["train"].targets).tolist() == [20] * 7
    assert sorted(shared.glob("Cora/*")) == before


def test_a_cora_file_that_is_not_the_published_one_is_not_loaded(tmp_path):
    for name in cora.PUBLISHED:
        (tmp_path / name).write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(RunnerError, match=r"ind\.cora\.allx: not the published file"):
        cora.Cora(root=str(tmp_path), num_classes=7).setup()
