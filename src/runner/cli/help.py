"""The text of `python -m runner --help`, written without Hydra, which takes a second for it."""

from collections.abc import Sequence

from runner.config import catalog

TEXT = """\
runner: train, test, compress and record neural networks.

Run:        python -m runner [group=choice ...] [key=value ...]
            python -m runner model=resnet data=mnist optimizer.lr=0.01 trainer.max_epochs=5
Sweep:      python -m runner -m model=cnn,mlp seed=1,2,3
Commands:   python -m runner COMMAND --help    (COMMAND: {commands})

Groups and their choices (python -m runner list GROUP says what each is):

{groups}

Every key can be overridden (key.subkey=value, +key=value for a new one); see them with --cfg job.

Options:
  -m, --multirun             a run for every combination of key=a,b
  --fresh                    with -m: start anew although the same command began a sweep earlier
  -c, --cfg job|hydra|all    print the composed configuration (--resolve: without interpolations; -p KEY: a part)
  -i, --info [all|defaults|defaults-tree|config|plugins|searchpath]
                             print how the configuration is composed
  -cd, --config-dir PATH     a directory of your own with further choices; ./conf is always looked at
  -sc, --shell-completion    eval "$(runner -sc install=bash)" completes the command `runner`; also fish, zsh
  --hydra-help, --version    Hydra's own help and version
"""


def usage(commands: Sequence[str], config_dir: str | None) -> str:
    """Return the help text, with the choices of the user's own directories."""
    known = catalog.choices(catalog.config_directories(config_dir))
    groups = "\n".join(f"{group}: {', '.join(choices)}" for group, choices in known.items())
    return TEXT.format(commands=", ".join(commands), groups=groups)
