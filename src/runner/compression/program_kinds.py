"""Kinds of program, as file formats tell what they can hold and recipes what they make."""

# Not quantized; ranges known beforehand; measured as they come; some layers this way, some that.
FLOAT, STATIC, DYNAMIC, BOTH = KINDS = ("float", "static", "dynamic", "static and dynamic")
# Weights in few bits, or the whole network in another number format.
WEIGHTS = "weight-only"


def kind_of(recipes: set[str]) -> str:
    """Return the kind of program that layers of these recipes (static, dynamic, qat, float) make together."""
    if "dynamic" not in recipes:
        return STATIC
    return BOTH if recipes & {"static", "qat"} else DYNAMIC
