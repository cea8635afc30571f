"""NodeClassification and GraphClassification: classes of nodes, and of whole graphs."""

import inspect
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from runner.data.graph.graph import Graph
from runner.data.module import DataModule
from runner.models.graph.bound import BoundNetwork
from runner.tasks.classification import Classification
from runner.tasks.evaluation_outputs import EvaluationOutputs

if TYPE_CHECKING:  # matplotlib, which only pictures need
    from matplotlib.figure import Figure


class NodeClassification(Classification):
    """Classification of the n nodes that a `Graph` is asked for: logits (n, num_classes), targets int64 (n,).

    Loss and metrics are taken over the nodes a batch asks for. Those a sampler took with another probability count
    accordingly (`Graph.importance`), and a batch that asks for none has loss 0.
    """

    def describe(self, datamodule: DataModule) -> None:
        """Take over what the data knows, and keep the whole graph for its pictures."""
        super().describe(datamodule)
        self.data = (datamodule,)  # in a tuple: nothing that Lightning should move or save

    def call(self, network: nn.Module, inputs: Graph) -> Tensor:
        """Return logits of the nodes asked for; a network that takes nothing but features knows its graph itself."""
        known = inspect.signature(network.forward).parameters
        if "edge_index" not in known:
            return network(inputs.x[None])[0][inputs.seeds]
        outputs: Tensor
        if inputs.propagation is None:
            outputs = network(inputs.x, inputs.edge_index, inputs.edge_weight)
        elif "propagation" in known:
            outputs = network(inputs.x, inputs.edge_index, propagation=inputs.propagation)
        else:  # the sampler's self-loops are no neighbours
            other = inputs.edge_index[0] != inputs.edge_index[1]
            outputs = network(inputs.x, inputs.edge_index[:, other])
        return outputs[inputs.seeds]

    def answering(self) -> None:
        """Return None: files of a network bound to its graph answer for (1, nodes, num_classes) at once."""

    def standalone(self) -> nn.Module:
        """Return the network bound to its graph; one that is bound already as it is."""
        network = super().standalone()
        if "edge_index" not in inspect.signature(network.forward).parameters:
            return network
        graph: Graph = self.data[0].graph  # type: ignore[attr-defined]
        return BoundNetwork(network, graph.edge_index, graph.edge_weight, len(graph.x)).eval()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return mean cross-entropy in nats; 0 where there is nothing to average."""
        return super().loss(outputs, targets) if len(targets) else outputs.sum()

    def training_loss(self, inputs: Graph, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss with each node counting as much as its sampler says."""
        if inputs.importance is None or not len(targets):
            return self.loss(outputs, targets)
        smoothing, weights = self.label_smoothing, self.class_weights
        each = F.cross_entropy(outputs, targets, weights, label_smoothing=smoothing, reduction="none")
        return (each * inputs.importance).sum()

    def figures(self, outputs: EvaluationOutputs) -> dict[str, "Figure"]:
        """Return confusion matrix and accuracy of each class; the graph, its degrees and its adjacency matrix."""
        return super().figures(outputs) | self.pictures()

    def pictures(self) -> dict[str, "Figure"]:
        """Return the graph of this task's data as the network sees it now."""
        from runner.tasks.figures import graphs

        datamodule: Any = self.data[0]
        graph: Graph = datamodule.graph
        everyone = graph.with_seeds(torch.arange(len(graph.x))).to(self.device)
        with torch.no_grad():
            predicted = self(everyone).argmax(1).cpu()
        true, names = datamodule.splits["train"].row_targets, self.class_names or ()
        trained = datamodule.splits["train"].indices
        return {
            "graph": graphs.labelled_graph(graph.edge_index, true, predicted, names, trained, graph.edge_weight),
            "degrees": graphs.degrees(graph.edge_index, len(true)),
            "adjacency": graphs.adjacency(graph.edge_index, true, names),
        }


class GraphClassification(Classification):
    """Classification of the n graphs of a `Graph`: logits (n, num_classes), targets int64 (n,).

    A network may have something to add to the loss of its last forward pass: its `penalty`, 0-d.
    """

    def call(self, network: nn.Module, inputs: Graph) -> Tensor:
        """Return logits of the graphs."""
        outputs: Tensor = network(inputs.x, inputs.edge_index, batch=inputs.batch, size=inputs.size)
        return outputs

    def training_loss(self, inputs: Graph, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy in nats, with the network's own penalty."""
        penalty = getattr(self.network, "penalty", None)
        loss = self.loss(outputs, targets)
        return loss if penalty is None else loss + penalty

    def figures(self, outputs: EvaluationOutputs) -> dict[str, "Figure"]:
        """Return confusion matrix and accuracy of each class; some graphs with both classes."""
        from runner.tasks.figures import graphs

        drawn = super().figures(outputs)
        graph = outputs.samples
        if not isinstance(graph, Graph) or graph.batch is None:
            return drawn
        names = outputs.class_names or tuple(map(str, range(self.num_classes)))
        true, predicted = outputs.targets[: graph.size], outputs.predictions["class"][: graph.size]
        grid = graphs.graph_grid(graph.edge_index, graph.batch, true, predicted, names)
        return {**drawn, "graphs": grid}
