"""Try whether a network can be quantized before it is trained, and find the layers at fault where it can't."""

import contextlib
import io
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from runner.compression.quantization.program.verify import FloatOperatorsError, listed
from runner.errors import RunnerError

# Quantizes with these layers left in float, or raises whatever comes.
Attempt = Callable[[frozenset[str]], object]


def try_out(attempt: Attempt, layers: Iterable[str], back_end: object) -> None:
    """Run `attempt` with no layer in float, and where it fails look for the layers to leave in float so that it works.

    Raises:
        RunnerError: it fails: names the layers and the override that works, or says that none does.
    """
    failure = _failure(attempt, frozenset())
    if failure is None or _is_of_values(failure):
        return
    names = [name for name in dict.fromkeys(layers) if name]  # what stands in no layer has no name to skip
    said = failure.layers if isinstance(failure, FloatOperatorsError) else frozenset[str]()
    if said and _failure(attempt, said) is None:
        raise RunnerError(_told(failure, said, back_end)) from failure
    everything = frozenset(names)
    faulty = _faulty(attempt, names, everything) if len(names) > 1 else names
    if 0 < len(faulty) < len(names) and _failure(attempt, frozenset(faulty)) is None:
        raise RunnerError(_told(failure, faulty, back_end)) from failure
    if isinstance(failure, RunnerError) and not isinstance(failure, FloatOperatorsError):
        raise failure
    raise RunnerError(_told(failure, (), back_end)) from failure


def _is_of_values(failure: Exception) -> bool:
    """Return whether values that are not finite are at fault, which training may yet change."""
    return isinstance(failure, AssertionError) and "nan" in str(failure).lower()


def _faulty(attempt: Attempt, layers: list[str], everything: frozenset[str]) -> list[str]:
    """Return those of `layers` that fail with all others in float, halving groups that fail: few attempts for few."""
    if _failure(attempt, everything - frozenset(layers)) is None:
        return []
    if len(layers) == 1:
        return layers
    half = len(layers) // 2
    return [*_faulty(attempt, layers[:half], everything), *_faulty(attempt, layers[half:], everything)]


def _failure(attempt: Attempt, skipped: frozenset[str]) -> Exception | None:
    try:
        with quiet():
            attempt(skipped)
    except Exception as error:
        return error
    return None


@contextmanager
def quiet() -> Iterator[None]:
    """Keep torch from telling of failures that are told once, here."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def explained(back_end: object) -> Iterator[None]:
    """Let no failure of a quantizer or a compiler out but as a RunnerError with a way out."""
    try:
        yield
    except RunnerError:
        raise
    except Exception as error:
        raise RunnerError(_told(error, None, back_end)) from error


def _told(failure: Exception, layers: Iterable[str] | None, back_end: object) -> str:
    whole = str(failure).strip() or type(failure).__name__
    reason = whole if isinstance(failure, RunnerError) else f"{type(failure).__name__}: {whole.splitlines()[0]}"
    reason = reason.split(". Leave them")[0].rstrip(".")
    if layers:
        way = f"It works with quantization.skip={listed(layers)}, which leaves that in float."
    else:
        way = "Use quantization=none or quantization=weight_int8, or another quantization/backend."
        tried = "No selection of layers to leave in float mends it. "
        way = f"{tried}{way}" if layers is not None else f"Leave the layer in float (quantization.skip=[LAYER]). {way}"
    return f"quantization: {back_end} cannot quantize this network ({reason}). {way}"
