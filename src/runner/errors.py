"""RunnerError: what a user can cause, told once and without a traceback."""

import difflib
from collections.abc import Iterable

EXIT_USER_ERROR = 2


class RunnerError(Exception):
    """A mistake the user can mend; the command line prints the message alone and exits with status 2.

    The message says what was wrong, where, and what to do next.
    """


def nearest(word: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return the `count` names in `known` that look most like `word`, best first; empty when none is close."""
    return difflib.get_close_matches(word, list(known), n=count, cutoff=0.5)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`" Did you mean a, b?"`, or an empty string when nothing is close."""
    names = nearest(word, known)
    return f" Did you mean {', '.join(names)}?" if names else ""


def join_errors(messages: list[str]) -> RunnerError:
    """Return one error for all mistakes of a command line: the message alone, or a numbered list."""
    if len(messages) == 1:
        return RunnerError(messages[0])
    lines = [f"{len(messages)} things to mend:"]
    lines += [f"  {i}. {message}" for i, message in enumerate(messages, 1)]
    return RunnerError("\n".join(lines))
