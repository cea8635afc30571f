"""The zoo's page is what was walked, and a small member of each library still comes out as the page says."""

import json

import pytest

from tests.zoo import BY_NAME, MEMBERS, PAGE, RECIPES, ROWS, Member
from tests.zoo.page import keys, page
from tests.zoo.walk import walk

CONTENT = json.loads(ROWS.read_text(encoding="utf-8"))


def test_every_family_of_torchvision_and_forty_of_timm_are_in_the_zoo():
    families = {
        library: {each.family for each in MEMBERS if each.library == library} for library in ("torchvision", "timm")
    }
    assert len(families["torchvision"]) == 20
    assert len(families["timm"]) >= 40
    assert len(BY_NAME) == len(MEMBERS)


def test_the_page_is_what_was_walked():
    assert PAGE.read_text(encoding="utf-8") == page(CONTENT["rows"])
    assert set(CONTENT["rows"]) <= set(keys())


def test_what_was_walked_is_reckoned_up():
    rows = {
        keys()[0]: {"outcome": "works", "why": "", "sqnr_db": 30.4, "share": 0.98, "operators": 3, "seconds": 4},
        keys()[1]: {"outcome": "refused", "why": "quantization: no a|b", "seconds": 2},
    }
    text = page(rows)
    assert f"{len(keys()) - 2} not walked, 1 refused, 1 works" in text
    assert "| torchvision | alexnet (AlexNet) | 64 | works, 30 dB, 98.0% int8 (4 s) | refused (2 s) | – |" in text
    assert "- torchvision/alexnet `qat`: quantization: no a\\|b" in text


@pytest.mark.parametrize(
    ("member", "recipe", "outcome"),
    [
        (Member("timm", "VisionTransformer", "vit_tiny_patch16_224", 32, {"depth": 1}), "ptq_static", "works"),
        (Member("torchvision", "SqueezeNet", "squeezenet1_1", 32), "ptq_dynamic", "refused"),
    ],
)
def test_a_sample_of_the_zoo(member, recipe, outcome):
    ((name, row),) = walk(member, [recipe])
    assert (row["outcome"], name) == (outcome, recipe), row["why"]
    assert recipe in RECIPES
    assert (outcome == "works") == (not row["why"])
