"""python -m runner schema: JSON schemas of the YAML files of every group, for editors."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from runner.cli.columns import say
from runner.config import catalog
from runner.errors import RunnerError, did_you_mean
from runner.files import write_text

DESCRIPTION = (
    "Writes a JSON schema for the YAML files of every group: their keys with what comments say of them, choices, types "
    "and ranges, as checks have them. An editor with the YAML language server takes one from a file's first line: "
    "# yaml-language-server: $schema=../../schema/model.json"
)
EXAMPLE = "examples:\n  python -m runner schema --output schema\n  python -m runner schema model"


def main(arguments: Sequence[str]) -> int:
    """Print one schema, or write them all; raises RunnerError for an unknown group and an unwritable place."""
    parser = argparse.ArgumentParser(
        "python -m runner schema",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("group", nargs="?", help="print the schema of this group alone")
    parser.add_argument("--output", "-o", type=Path, default=Path("schema"), metavar="FOLDER", help="by default schema")
    parser.add_argument("--config-dir", "-cd", help="a directory of your own with further choices")
    options = parser.parse_args(arguments)
    directories = catalog.config_directories(options.config_dir)
    known = catalog.choices(directories)

    from runner.cli.schemas.groups import schemas

    found = schemas(known, directories)
    if options.group is not None:
        if options.group not in known:
            raise RunnerError(f"{options.group}: there is no such group.{did_you_mean(options.group, known)}")
        print(json.dumps(found[options.group], indent=2))
        return 0
    try:
        for group, schema in found.items():
            path = options.output / f"{group or 'config'}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps(schema, indent=2) + "\n")
    except OSError as error:
        raise RunnerError(f"--output {options.output}: cannot be written ({error.strerror}).") from None
    say(f"{len(found)} schemas: {options.output}")
    return 0
