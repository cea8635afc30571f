"""What every run imports, for the process whose forks the jobs are: to import this module is to prepare that process.

None of it starts a thread or a GPU context (Lightning has torch count GPUs by NVML), so that forking it is safe.
"""

import importlib

from runner.run import lean_imports

lean_imports.install()
for name in (
    "runner.run.launch",
    "runner.run.run",
    "runner.stages.fit",
    "runner.stages.test",
    "torch.utils.tensorboard",
):
    importlib.import_module(name)
