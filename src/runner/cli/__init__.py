"""The command line: arguments, help, Hydra's own flags, and the sub-commands."""
