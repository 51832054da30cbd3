"""One measurement in a process of its own: ``python -m prefix_tree.child job.json result.json``."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from prefix_tree.meter import peak_memory
from prefix_tree.plan import Job


def main() -> None:
    """Run the function that the first file names, and write what it gives to the second."""
    given, result = map(Path, sys.argv[1:])
    request: dict[str, Any] = json.loads(given.read_text(encoding="utf-8"))
    module, _, function = request["run"].rpartition(".")
    run = getattr(importlib.import_module(f"prefix_tree.{module}"), function)
    arguments = [Job.from_record(request["job"])] if request["job"] else []
    record = run(*arguments, **request["options"])
    record["peak"] = peak_memory()
    result.write_text(json.dumps(record), encoding="utf-8")


if __name__ == "__main__":
    main()
