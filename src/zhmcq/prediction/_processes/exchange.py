"""Values that processes leave each other under names, as json in torch's key-value store."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zhmcq._visible import visible
from zhmcq.errors import PredictionError

if TYPE_CHECKING:
    from torch.distributed import Store  # type: ignore[attr-defined]  # has no stub

__all__ = ["Exchange"]

PART = 1_000_000  # characters that are stored at once; the store refuses 8 MB
MAX_QUOTED = 300  # characters of torch's error


class Exchange:
    """Named values, each written once and whole when its name appears.

    Args:
        store: Where they are; other programs that use it see them under ``zhmcq/``.
        prefix: Keeps their names apart from those of other exchanges in the same store.
    """

    def __init__(self, store: Store, prefix: str = "") -> None:
        self._store = store
        self._prefix = prefix

    def within(self, name: str) -> Exchange:
        """An exchange in the same store whose names begin with this one."""
        return Exchange(self._store, f"{self._prefix}{name}/")

    def put(self, name: str, value: Any) -> None:
        """Leave a value that json can hold.

        Raises:
            PredictionError: If the store cannot be reached any more, as for every method.
        """
        text = json.dumps(value)  # ASCII, so that a character is a byte
        starts = range(0, len(text), PART)
        with _reachable():
            for number, start in enumerate(starts):
                self._store.set(self._key(f"{name}.{number}"), text[start : start + PART])
            self._store.set(self._key(name), str(len(starts)))

    def has(self, name: str) -> bool:
        """Whether there is a value of that name."""
        with _reachable():
            there: bool = self._store.check([self._key(name)])
        return there

    def get(self, name: str) -> Any:
        """The value of a name that is there; of json's types, whatever was put."""
        with _reachable():
            parts = range(int(self._store.get(self._key(name))))
            texts = [self._store.get(self._key(f"{name}.{number}")) for number in parts]
        return json.loads(b"".join(texts))

    def drop(self, name: str) -> None:
        """Remove the value of a name, if there is one."""
        if not self.has(name):
            return
        with _reachable():
            for number in range(int(self._store.get(self._key(name)))):
                self._store.delete_key(self._key(f"{name}.{number}"))
            self._store.delete_key(self._key(name))

    def count(self, name: str, more: int = 0) -> int:
        """Add to the counter of that name, which begins at 0, and give it."""
        with _reachable():
            total: int = self._store.add(self._key(name), more)
        return total

    def _key(self, name: str) -> str:
        return f"zhmcq/{self._prefix}{name}"


@contextlib.contextmanager
def _reachable() -> Iterator[None]:
    """Turn torch's errors of communication into ours."""
    try:
        yield
    except RuntimeError as error:  # torch's errors of stores are such
        raise PredictionError(
            "another process cannot be reached: it has ended, or did not make this call. Under a "
            "launcher every process has to call predict, with the same arguments "
            f"({type(error).__name__}: {visible(str(error)):.{MAX_QUOTED}})"
        ) from error
