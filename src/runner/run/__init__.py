"""One run from its configuration to its result: the order of the stages, and the process around it."""
