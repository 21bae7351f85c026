"""`python -m workers.local TRIAL RESULT`: run a trial.

TRIAL is the JSON of a farm.trial.Trial, RESULT a file for the JSON of the pipeline at its end.
"""

import json
import sys
from contextlib import ExitStack
from pathlib import Path

from farm.errors import FarmError, Refused
from farm.settings import Settings
from farm.trial import Trial
from workers.docker import DockerEngine
from workers.local.interruption import Interruption
from workers.local.run import LocalRun
from workers.local.scratch import Scratch


def main() -> int:
    """Be the program: 0 when a result was written, 2 refused, 3 when the engine or git is at fault."""
    given, result = (Path(argument) for argument in sys.argv[1:])
    trial = Trial.model_validate_json(given.read_text())
    settings = Settings.load()
    interruption = Interruption()
    try:
        with Scratch.open(settings.home) as scratch, ExitStack() as last:
            engine = DockerEngine(registries=settings.registries)
            run = LocalRun(trial, settings, engine, scratch, check=interruption.check, last=last)
            pipeline = run.pipeline()
    except FarmError as error:
        sys.stdout.flush()
        sys.stderr.write(f"error: {error}\n")
        return 2 if isinstance(error, Refused) else 3
    result.write_text(json.dumps(pipeline.document()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
