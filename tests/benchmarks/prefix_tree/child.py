"""One measurement in a process of its own: ``python -m prefix_tree.child job.json result.json``."""

from __future__ import annotations

import importlib
import json
import resource
import sys
from pathlib import Path
from typing import Any

from prefix_tree.meter import peak_memory
from prefix_tree.plan import Job
from zhmcq.modeling._memory import is_out_of_memory

__all__ = ["NO_ROOM", "measure"]

NO_ROOM = "does not fit in memory"


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Run what a request names; where memory runs out, that is the result.

    Args:
        request: ``run``: a function of this package, as ``module.function``. ``job``: the fields
            of a ``Job``, or ``None``. ``options``: further arguments of the function.
    """
    module, _, function = request["run"].rpartition(".")
    run = getattr(importlib.import_module(f"prefix_tree.{module}"), function)
    arguments = [Job.from_record(request["job"])] if request["job"] else []
    try:
        record: dict[str, Any] = run(*arguments, **request["options"])
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return {"failed": NO_ROOM}
    return {**record, "peak": peak_memory()}


def main() -> None:
    """Run the request of the first file, and write the result to the second."""
    given, result = map(Path, sys.argv[1:])
    request: dict[str, Any] = json.loads(given.read_text(encoding="utf-8"))
    if sys.platform == "linux":
        # Beyond it an allocation fails here; without it the system may end other processes.
        resource.setrlimit(resource.RLIMIT_AS, (request["memory"], request["memory"]))
    result.write_text(json.dumps(measure(request)), encoding="utf-8")


if __name__ == "__main__":
    main()
