"""The schemas know every key of every YAML, take all of them, and refuse the mistakes that checks refuse."""

from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from runner.cli.main import main
from runner.cli.schemas.comments import comments
from runner.cli.schemas.groups import HYDRAS, OPEN, schemas
from runner.config import catalog
from tests.config.test_mistakes import test_a_mistake_is_explained as explained

CONF = catalog.own_config_directory()
FILES = sorted(CONF.rglob("*.yaml"))
# What needs two keys, a look at data, or a command line: no YAML of one group can show it.
BEYOND = (
    *("modle=", "=3", "a=(b", "seed=1,2", "model=cnn,mlp", "~", "model@", "hydra.", "stages=[test]", "model=linear"),
    *("model=resnet", "data=digits", "data=line", "data=csv", "model._target_", "optimizer={", "model=mlp"),
    *("optimizer.lr=${nope}", "seed=${oc", "quantization=qat", "model=null", "data=hours"),
)


@pytest.fixture(scope="module")
def found():
    return schemas(catalog.choices([CONF]), [CONF])


def group_of(path):
    group = path.parent.relative_to(CONF).as_posix()
    return "" if group == "." else group


def lacking(content: Any, schema: Any, place: str = ""):
    """The keys of a section that a schema does not have."""
    for key, value in content.items():
        if key in HYDRAS or place.split(".")[0] in OPEN:
            continue
        options = [schema, *schema.get("anyOf", [])]
        here = next((each["properties"][key] for each in options if key in each.get("properties", {})), None)
        if here is None:
            yield f"{place}{key}"
        elif isinstance(value, dict) and here and key not in OPEN:
            yield from lacking(value, here, f"{place}{key}.")


def test_every_schema_is_one(found):
    for schema in found.values():
        Draft202012Validator.check_schema(schema)


def test_every_key_of_every_file_is_known_and_taken(found):
    for path in FILES:
        group, content = group_of(path), yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        if group.split("/")[0] not in OPEN:
            assert list(lacking(content, found[group])) == [], path
        errors = [error.message[:200] for error in Draft202012Validator(found[group]).iter_errors(content)]
        assert errors == [], path


MISTAKES = [row[0] for row in explained.pytestmark[0].args[1] if not row[0][0].startswith(BEYOND)]


def test_mistakes_of_the_list_are_refused(found):
    validator = Draft202012Validator(found["experiment"])
    assert len(MISTAKES) > 25
    for overrides in MISTAKES:
        assert not validator.is_valid(as_yaml(overrides)), overrides


def as_yaml(overrides):
    """The experiment that says what a command line says."""
    content: dict[str, Any] = {"defaults": []}
    groups = {*catalog.choices([CONF])}
    for text in overrides:
        key, _, value = text.partition("=")
        if key in groups and not isinstance(plain := yaml.safe_load(value), (int, list, type(None))):
            content["defaults"].append({f"override /{key}": plain})
            continue
        if key in groups and isinstance(plain, list):
            content["defaults"] += [{f"override /{key}": each} for each in plain]
            continue
        node = content
        *sections, last = key.split(".")
        for section in sections:
            node = node.setdefault(section, {})
        node[last] = yaml.safe_load(value)
    return content


def test_a_class_of_ones_own_has_keys_of_its_own_but_known_ones_are_judged(found):
    validator = Draft202012Validator(found["optimizer"])
    assert validator.is_valid({"_target_": "my_package.Mine", "lr": 0.1, "sharpness": 3})
    assert not validator.is_valid({"_target_": "my_package.Mine", "lr": -0.1})
    assert not validator.is_valid({"_target_": "torch.optim.Adam", "learning_rate": 0.1})


def test_descriptions_are_the_comments(found):
    assert "share of the" in found["pruning"]["properties"]["ratio"]["description"]
    assert found["optimizer"]["properties"]["lr"]["description"] == "Must be above 0."
    assert comments("# head\n\n# above\na: 1\nb:\n  c: 2  # behind\n") == {"a": "above", "b.c": "behind"}


def test_the_command_writes_and_prints(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["schema", "--output", "s"]) == 0
    assert (tmp_path / "s" / "quantization" / "backend.json").is_file()
    assert main(["schema", "optimizer"]) == 0
    assert '"exclusiveMinimum": 0' in capsys.readouterr().out
    assert main(["schema", "optimiser"]) == 2
    assert "Did you mean optimizer" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["schema", "--output", "file/x"]) == 2
