"""What a back end must bring along."""

import pytest

from runner.compression.quantization.backends.support import BackEnd
from runner.errors import RunnerError


class WithoutQuantizer(BackEnd):
    """A user's back end that lacks the one method it must have."""


def test_a_back_end_without_a_quantizer_is_told_what_it_lacks():
    with pytest.raises(RunnerError, match=r"WithoutQuantizer does not define part\(numerics, recipe\)"):
        WithoutQuantizer(("static",), "inductor").part(None, "static")
