"""A step of training on all cores, beside nobody and beside a busy process a core, by how long threads wait awake."""

import os
import subprocess
import sys
from statistics import median

from runner.measure.machine import SPINS, THREADS, WAITING, cores, share_cores

ROUNDS, SECONDS = 5, 2.0
PROGRAM = """
import sys, time
from statistics import median
import torch
from torch import nn

torch.manual_seed(0)
first = (nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
second = (nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
network = nn.Sequential(*first, *second, nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10))
network = network.to(memory_format=torch.channels_last)
optimizer = torch.optim.AdamW(network.parameters())
inputs, targets = torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,))
times, end = [], time.perf_counter() + float(sys.argv[1])
while time.perf_counter() < end:
    began = time.perf_counter()
    optimizer.zero_grad()
    nn.functional.cross_entropy(network(inputs), targets).backward()
    optimizer.step()
    times.append(time.perf_counter() - began)
print(median(times[len(times) // 4 :]))
"""
BUSY = "while True: pass"


def step(settings: dict[str, str]) -> float:
    """Seconds of one step, in a process of its own: OpenMP reads its settings once."""
    environment = {name: value for name, value in os.environ.items() if name not in (SPINS, THREADS, WAITING)}
    command = [sys.executable, "-c", PROGRAM, str(SECONDS)]
    done = subprocess.run(command, env=environment | settings, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Measures the three in turns, and prints ours against the better of OpenMP's own two."""
    ours: dict[str, str] = {}
    share_cores(ours)
    ways = {"runner": ours, "active": {}, "passive": {WAITING: "passive"}}
    for count, most in ((0, 1.03), (int(cores()), 1.3)):
        others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
        try:
            rounds = [{way: step(settings) for way, settings in ways.items()} for _ in range(ROUNDS)]
        finally:
            for each in others:
                each.kill()
        times = {way: median(each[way] for each in rounds) for way in ways}
        ratio = times["runner"] / min(times["active"], times["passive"])
        told = ", ".join(f"{way} {seconds * 1000:.1f} ms" for way, seconds in times.items())
        print(f"a step beside {count} busy processes: {told}: {ratio:.2f} of the better policy (at most {most:g})")
