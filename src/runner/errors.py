"""RunnerError: what a user can cause, told once and without a traceback."""

import difflib
import errno
from collections.abc import Iterable, Iterator
from pathlib import Path

EXIT_USER_ERROR = 2
# What a system says where a disk or a limit is at its end, in words with the way out.
NO_ROOM = {
    errno.ENOSPC: "the disk is full. Make room",
    errno.EDQUOT: "your share of the disk is used up. Make room",
    errno.EFBIG: "a file would become larger than the limit (ulimit -f) or its file system allows. Raise the limit",
    errno.EROFS: "the disk can only be read. Make it writable",
    errno.EIO: "the disk fails to read or write. Look after it",
    errno.ESTALE: "the disk is not connected any more. Connect it",
    errno.EMFILE: "too many files are open. Raise the limit (ulimit -n 4096), or set data.num_workers=0",
    errno.ENFILE: "too many files are open on this machine. Close some",
    errno.ENOMEM: "there is no memory left. Choose a smaller network, or lower data.batch_size or data.num_workers",
}
# How torch says it, on CPUs and GPUs.
NO_MEMORY = ("can't allocate memory", "not enough memory", "CUDA out of memory")


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


def system_trouble(error: BaseException, directory: Path | None = None) -> str:
    """Return in words that a disk or the memory is full, files are gone or a limit is reached; empty for another error.

    Args:
        directory: where the run writes: what can't be written there, or is gone, is no fault of the program.
    """
    for each in chain(error):
        if isinstance(each, OSError) and each.errno in NO_ROOM:
            return NO_ROOM[each.errno]
        if "Too many open files" in str(each):  # as torch says it
            return NO_ROOM[errno.EMFILE]
        if isinstance(each, MemoryError) or any(words in str(each) for words in NO_MEMORY):
            return NO_ROOM[errno.ENOMEM]
    inside = (
        directory is not None and isinstance(error, OSError) and str(error.filename or "").startswith(str(directory))
    )
    if inside and isinstance(error, PermissionError):
        return f"{error.filename} can't be written ({error.strerror}). Change its permissions"
    if inside and isinstance(error, FileNotFoundError):
        return f"{error.filename} is gone: somebody removed it while the run went on. Put it back"
    return ""


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that led to it, each once: an error raised again may come to stand in its own chain."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
