"""Named factories with near-name suggestions and plugins from other packages."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar, cast

from zhmcq.errors import PluginError, UnknownNameError

__all__ = ["Registry"]

T = TypeVar("T")
Factory = TypeVar("Factory", bound=Callable[..., Any])


class Registry(Generic[T]):
    """Factories of one kind of plugin, by name.

    Names come from two places: :meth:`register` in this process, and the entry-point group of
    installed packages, which is read at the first look-up and loaded one entry at a time, so that
    a broken plugin breaks only the one who asks for it.

    Args:
        kind: What is registered, in the singular, for error messages (``"prompt"``).
        group: The entry-point group (``"zhmcq.prompts"``).
        method: The method every instance must have (``"render"``).
    """

    def __init__(self, kind: str, group: str, method: str) -> None:
        self.kind = kind
        self.group = group
        self.method = method
        self._factories: dict[str, Callable[..., T]] = {}

    def register(self, name: str, *, replace: bool = False) -> Callable[[Factory], Factory]:
        """Return a decorator that registers a class or function under ``name``.

        Args:
            name: The name by which :meth:`get` finds the factory.
            replace: Whether a factory of the same name may be replaced.

        Raises:
            PluginError: If the name is taken and ``replace`` is false, or is no name.
        """
        if not isinstance(name, str) or not name:
            raise PluginError(
                f"expected the name of a {self.kind} as text, found {name!r}: write "
                f'@register_{self.kind}("a-name") above the class'
            )
        if name in self._factories and not replace:
            raise PluginError(
                f"a {self.kind} named {name!r} is registered already "
                f"({self._factories[name]!r}); choose another name or pass replace=True"
            )

        def decorate(factory: Factory) -> Factory:
            self._factories[name] = cast("Callable[..., T]", factory)
            return factory

        return decorate

    def names(self) -> list[str]:
        """All known names, sorted; those of entry points included, loaded or not."""
        return sorted({*self._factories, *(entry.name for entry in entry_points(group=self.group))})

    def get(self, name_or_instance: str | T, **options: Any) -> T:
        """Build the plugin of that name, or hand an instance back as it is.

        Args:
            name_or_instance: A registered name, or an object with the method of this kind.
            options: Keyword arguments for the factory.

        Raises:
            UnknownNameError: If nothing is registered under the name.
            PluginError: If the factory breaks, refuses the options, or makes something else.
        """
        if not isinstance(name_or_instance, str):
            if options:
                raise PluginError(
                    f"{self.kind} options {sorted(options)} can be given with a name only, "
                    f"not with an instance of {type(name_or_instance).__name__}"
                )
            return self._checked(name_or_instance, f"the {self.kind} that was given")
        factory = self._find(name_or_instance)
        try:
            made = factory(**options)
        except Exception as error:
            raise PluginError(
                f"{self.kind} {name_or_instance!r} could not be made with options "
                f"{options!r}: {type(error).__name__}: {error}"
            ) from error
        return self._checked(made, f"{self.kind} {name_or_instance!r}")

    def _find(self, name: str) -> Callable[..., T]:
        if name in self._factories:
            return self._factories[name]
        for entry in entry_points(group=self.group):
            if entry.name == name:
                try:
                    factory = cast("Callable[..., T]", entry.load())
                except Exception as error:
                    raise PluginError(
                        f"{self.kind} {name!r} ({entry.value}) could not be loaded: "
                        f"{type(error).__name__}: {error}; the other {self.kind}s still work"
                    ) from error
                self._factories[name] = factory
                return factory
        known = {one.casefold(): one for one in self.names()}
        near = difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.5)
        hint = f" Did you mean {known[near[0]]!r}?" if near else ""
        raise UnknownNameError(
            f"no {self.kind} is named {name!r}; known: {', '.join(self.names())}.{hint}"
        )

    def _checked(self, made: T, what: str) -> T:
        if isinstance(made, type) and hasattr(made, self.method):
            raise PluginError(f"{what} must be an object, but it is a class: {made.__name__}(…)")
        if isinstance(made, type) or not callable(getattr(made, self.method, None)):
            raise PluginError(
                f"{what} must be an object with a {self.method}() method, "
                f"but it is {made!r} of type {type(made).__name__}"
            )
        return made
