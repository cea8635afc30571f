"""Networks of another shape than the configuration builds, from plain settings that a checkpoint can hold."""
