"""Tasks as Lightning modules: the loss, the metrics and the figures of one kind of problem."""
