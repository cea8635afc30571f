"""Networks with an embedding before their graph layers and a head behind: MPNN, GGNN, jumping knowledge, deep GCN."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch_geometric.nn import DeepGCNLayer, GatedGraphConv, GENConv, JumpingKnowledge, MessagePassing

from runner.models.graph.convolution import GraphConvolution
from runner.models.graph.stack import GraphNet, on_default_device, sparse_dropout


class EmbeddedNet(GraphNet):
    """A linear embedding, graph layers, and a linear layer to the outputs.

    Args:
        layers: modules that keep `hidden` features.
        activation: after every layer.
        join: how the outputs of all layers become one (jumping knowledge); the last one's alone by default.
        joined: features after `join`.
        norm: before the head.
    """

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        hidden: int,
        layers: Sequence[nn.Module],
        dropout: float,
        *,
        activation: Callable[[Tensor], Tensor] = nn.Identity(),  # noqa: B008 - it has no state
        join: nn.Module | None = None,
        joined: int | None = None,
        norm: nn.Module | None = None,
    ) -> None:
        super().__init__(layers, dropout, activation)
        self.embedding = nn.Linear(in_features, hidden)
        self.join, self.norm = join, norm
        self.head = nn.Linear(joined or hidden, num_outputs)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        propagation: Tensor | None = None,
    ) -> Tensor:
        """Map float (nodes, in_features), int64 (2, edges) to float (nodes, num_outputs); see GraphNet."""
        x = F.relu(self.embedding(sparse_dropout(x, self.dropout, self.training)))
        outputs = []
        for number, layer in enumerate(self.layers):
            x = self.activation(layer(x, edge_index, **self.extras(number, edge_weight, propagation)))
            outputs.append(x)
        x = outputs[-1] if self.join is None else self.join(outputs)
        x = x if self.norm is None else F.relu(self.norm(x))
        return self.head(F.dropout(x, self.dropout, self.training))


class MessageLayer(MessagePassing):
    """Messages from an MLP over both ends of an edge, averaged, and a GRU cell that takes them in.

    The message function M(h_i, h_j) and the update U(h_i, m_i) of Gilmer et al. 2017, equations 1 and 2.
    """

    def __init__(self, features: int) -> None:
        super().__init__(aggr="mean")
        self.messages = nn.Sequential(nn.Linear(2 * features, features), nn.ReLU(), nn.Linear(features, features))
        self.cell = nn.GRUCell(features, features)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Map float (nodes, features) to the same shape; where no edge ends, the message is 0."""
        return self.cell(self.propagate(edge_index, x=x), x)

    def message(self, x_i: Tensor, x_j: Tensor) -> Tensor:
        """Return float (edges, features): what source j tells target i."""
        return self.messages(torch.cat([x_i, x_j], -1))


def mpnn(
    in_features: int, num_outputs: int, hidden: int = 32, num_layers: int = 2, dropout: float = 0.5
) -> EmbeddedNet:
    """Build a message-passing network with a message function of our own (Gilmer et al. 2017)."""
    layers = [MessageLayer(hidden) for _ in range(num_layers)]
    return EmbeddedNet(in_features, num_outputs, hidden, layers, dropout)


def ggnn(in_features: int, num_outputs: int, hidden: int = 32, steps: int = 2, dropout: float = 0.5) -> EmbeddedNet:
    """Build a gated graph network: `steps` rounds through the same GRU (Li et al. 2016)."""
    layer = on_default_device(GatedGraphConv(hidden, num_layers=steps), "weight")
    return EmbeddedNet(in_features, num_outputs, hidden, [layer], dropout)


def jumping_knowledge(
    in_features: int, num_outputs: int, hidden: int = 32, num_layers: int = 4, join: str = "cat", dropout: float = 0.5
) -> EmbeddedNet:
    """Build graph convolutions whose outputs all reach the head: `join` is cat, max or lstm (Xu et al. 2018)."""
    layers = [GraphConvolution(hidden, hidden) for _ in range(num_layers)]
    joined = hidden * num_layers if join == "cat" else hidden
    knowledge = JumpingKnowledge(join, channels=hidden, num_layers=num_layers)
    return EmbeddedNet(
        in_features, num_outputs, hidden, layers, dropout, activation=F.relu, join=knowledge, joined=joined
    )


def deep_gcn(
    in_features: int, num_outputs: int, hidden: int = 32, num_layers: int = 14, dropout: float = 0.5
) -> EmbeddedNet:
    """Build many layers with residual connections, normalised before each (Li et al. 2020, DeeperGCN, "res+")."""

    def block() -> nn.Module:
        convolution = GENConv(hidden, hidden, aggr="softmax", learn_t=True, num_layers=2, norm="layer")
        return DeepGCNLayer(convolution, nn.LayerNorm(hidden), nn.ReLU(), block="res+", dropout=dropout)

    return EmbeddedNet(
        in_features, num_outputs, hidden, [block() for _ in range(num_layers)], dropout, norm=nn.LayerNorm(hidden)
    )
