"""The layout of a run directory: the name of every file and folder in it, spelled here and nowhere else."""

CONFIG = "config.yaml"  # resolved
OVERRIDES = "overrides.yaml"  # what the command line said
ENVIRONMENT = "environment.json"
STATUS = "status.json"  # starting, running, done, failed or interrupted
METRICS = "metrics.csv"
FOLDS = "cross_validation.json"  # the metrics of each finished fold
RESULT = "result.json"
REPORT = "report.md"  # what was run and what came of it, in one page
LOG = "run.log"
CHECKPOINTS = "checkpoints"
TENSORBOARD = "tensorboard"
ARTIFACTS = "artifacts"
ADAPTER = "adapter"  # what fine-tuning added to its base, alone
SERVING = "serving.json"  # among the artifacts: how exported files are served
TRACKING = "tracking.json"  # how far tracking services were told of the run
COMET = "comet"  # Comet's archives where there is no key
SWEEP = "sweep.json"  # in the directory of a sweep: its jobs
RESUMED = "resumed.yaml"  # the times it was resumed with other settings
EARLIER = "earlier"  # what it came to before each of them, as run directories
# Files that are written to where they lie; all others are written beside and renamed, or are new each time.
IN_PLACE = (STATUS, METRICS, LOG)
