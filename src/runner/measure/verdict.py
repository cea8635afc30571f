"""What a benchmark's numbers mean, in words: does int8 pay here, and against what?"""

from collections.abc import Mapping

# A difference smaller than this is within what repeated measurements show.
TELLING = 1.05


def verdict(median_ms: Mapping[str, float], batch: int) -> list[str]:
    """Sentences about one batch size.

    Args:
        median_ms: median latency by program: `eager`, `compiled`, perhaps `bf16` and `int8`, or `int8_openvino` where
            int8 runs in another runtime only.
        batch: the batch size measured.
    """
    eager, compiled = median_ms["eager"], median_ms["compiled"]
    name = next((name for name in median_ms if name.partition("_")[0] == "int8"), None)
    sentences = []
    if name is None:
        return [f"Batch {batch}: compiling makes the float network {eager / compiled:.2f} times as fast as eager."]
    int8 = median_ms[name]
    gain = compiled / int8
    if gain < TELLING:
        loss = "slower" if gain < 1 / TELLING else "no faster"
        sentences.append(
            f"Batch {batch}: {name} is {loss} than compiled float32 here ({int8:.3g} against {compiled:.3g} ms). "
            "Networks of few channels spend their time on calls, not on arithmetic: int8 saves bytes, not time."
        )
    else:
        sentences.append(f"Batch {batch}: {name} is {gain:.2f} times as fast as compiled float32.")
    if eager / compiled > max(gain, TELLING):
        sentences.append(
            f"Batch {batch}: compiling alone is worth {eager / compiled:.2f}, more than {name} adds ({gain:.2f}); "
            f"against eager float32 it would look {eager / int8:.2f} times as fast."
        )
    bf16 = median_ms.get("bf16")
    if bf16 is not None and bf16 * TELLING < int8:
        sentences.append(f"Batch {batch}: bfloat16 is faster still ({bf16:.3g} ms) and needs no calibration.")
    return sentences
