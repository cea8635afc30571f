"""A run imports what it uses: few of the runner's own modules, whatever others there are."""

import json
import subprocess
import sys

PROGRAM = """
import json, sys
from importlib import import_module
from runner.cli.main import main
from runner.run import lean_imports

lean_imports.install()


def imported():
    return sorted(name for name, module in sys.modules.items()
                  if name.startswith("runner.") and not hasattr(module, "__path__"))


small = ["model=resnet", "data=digits", "model.channels=[4,8]", "trainer=cpu"]
limits = [f"trainer.limit_{split}_batches=1" for split in ("train", "val", "test")]
assert main([*small, *limits, "trainer.max_epochs=1", "logger=csv"]) == 0
plain = imported()
for stage in ("compress", "analyse", "benchmark", "export"):
    import_module(f"runner.stages.{stage}")
from runner.compression.quantization import recipes, settings
from runner.job.formats import known_formats

known_formats()
print(json.dumps([plain, imported()]))
"""
# The most that may be there at the end of a run, and with the stages, recipe and file formats of quantization=qat.
PLAIN, QUANTIZED = 88, 159


def test_a_run_imports_few_modules(tmp_path):
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    plain, quantized = json.loads(done.stdout.splitlines()[-1])
    assert len(plain) <= PLAIN, plain
    assert len(quantized) <= QUANTIZED, quantized
    unused = ("runner.compression.pruning.", "runner.compression.quantization.corrections.making", "runner.serving.")
    assert not [name for name in plain if name.startswith(("runner.compression.quantization.", *unused))]
    assert not [name for name in quantized if name.startswith(unused[:2])]
