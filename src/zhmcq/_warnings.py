"""Warnings of other libraries that are of no concern to the user, ignored for a while."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

__all__ = ["ignored_warnings"]

_lock = threading.Lock()
_uses: Counter[Any] = Counter()  # by filter, how many blocks need it now


@contextlib.contextmanager
def ignored_warnings(
    message: str = "", category: type[Warning] = Warning, module: str = ""
) -> Iterator[None]:
    """Ignore warnings while the block runs; several threads may be in such blocks.

    ``warnings.catch_warnings`` saves the filters of the whole process and puts them back. Of two
    threads the one that began later puts back the filters of the other, which then stay for good.
    Here a block adds one filter and takes out that one.

    Args:
        message: A pattern that a warning's text has to match from its start; any by default.
        category: The kind of warning.
        module: A pattern for the name of the module that warns; any by default.
    """
    with _lock:
        warnings.filterwarnings("ignore", message, category, module)
        added = warnings.filters[0]
        _uses[added] += 1
    try:
        yield
    finally:
        with _lock:
            _uses[added] -= 1
            if not _uses[added]:
                del _uses[added]
                filters: Any = warnings.filters
                with contextlib.suppress(ValueError):  # somebody else's catch_warnings took it
                    filters.remove(added)
