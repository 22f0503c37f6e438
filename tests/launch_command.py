"""Launch an experiment from a JSON argument, in a process that tests can kill.

python tests/launch_command.py '{"experiment": {...}, "seeds": [0, 1], "options": {...}}'
"""

import json
import sys
from pathlib import Path

from repro.errors import ReproError
from repro.experiment import Experiment
from repro.launch.local import launch
from repro.launch.progress import Display


def main() -> int:
    request = json.loads(sys.argv[1])
    options = request["options"] | {"root": Path(request["root"])}
    try:
        with Display(interval=0.5) as display:
            outcome = launch(
                Experiment(**request["experiment"]),
                request["seeds"],
                on_progress=display.update,
                say=display.say,
                **options,
            )
    except ReproError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(outcome.folder.path)
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
