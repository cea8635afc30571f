"""Limits: what a client may ask for, and the reasons with which it is turned away."""

from dataclasses import dataclass

MEGABYTE = 2**20
# Pillow's names.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")


@dataclass(frozen=True)
class Limits:
    """What one request may hold, and how many wait.

    Attributes:
        body: bytes.
        pixels: of a picture, by its header.
        formats: of pictures, as Pillow names them.
        files: of one request.
        samples: of one request.
        queue: requests that wait for one model.
        seconds: from a request's arrival to its answer.
        max_batch: requests answered at once.
        max_delay: seconds that a request may wait for others to join it; 0 for no longer than a worker is busy.
    """

    body: int = 16 * MEGABYTE
    pixels: int = 25_000_000
    formats: tuple[str, ...] = FORMATS
    files: int = 64
    samples: int = 1024
    queue: int = 256
    seconds: float = 30.0
    max_batch: int = 16
    max_delay: float = 0.0


class RefusedError(Exception):
    """A request that is not answered: the status of HTTP, the reason, and whether it may be sent again (`retry`)."""

    def __init__(self, status: int, reason: str, *, retry: bool = False) -> None:
        super().__init__(reason)
        self.status, self.retry = status, retry
