"""Plugins of one kind by their names: those registered here and those of installed packages."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from zhmcq.errors import PluginError, UnknownNameError

__all__ = ["Registry"]

T = TypeVar("T")
Factory = TypeVar("Factory", bound=Callable[..., Any])


class Registry(Generic[T]):
    """Factories of one kind of plugin, by name.

    Names come from two sources: :meth:`register` in this process, and an entry-point group of
    the installed packages. An entry point is loaded when its name is used and not before, so that a
    broken plugin disturbs nobody who does not use it.

    Args:
        kind: What is registered, in the singular, for error messages (``"prompt"``).
        group: The entry-point group (``"zhmcq.prompts"``).
        method: The method that every instance must have (``"render"``).
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
            replace: Whether another factory of the same name may be replaced.

        Raises:
            PluginError: If ``name`` is not a name, or is taken and ``replace`` is false. The
                decorator raises it for anything that cannot be called, and for a class that has
                another name already.
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
            self._add(name, factory)
            return factory

        return decorate

    def names(self) -> list[str]:
        """All known names, sorted; those of entry points included, loaded or not."""
        return sorted({*self._factories, *(entry.name for entry in entry_points(group=self.group))})

    def get(self, name_or_instance: str | T, **options: Any) -> T:
        """Make the plugin of that name, or return an instance as it is.

        Args:
            name_or_instance: A registered name, or an object with the method of this kind.
            options: Keyword arguments for the factory.

        Raises:
            UnknownNameError: If nothing is registered under the name.
            PluginError: If an instance lacks the method or is given with options, or if the
                factory breaks, refuses the options, or makes something without the method.
        """
        if not isinstance(name_or_instance, str):
            if options:
                raise PluginError(
                    f"{self.kind} options {sorted(options)} can be given with a name only, "
                    f"not with an instance of {type(name_or_instance).__name__}"
                )
            return self._checked(name_or_instance, f"the {self.kind}")
        factory = self._find(name_or_instance)
        try:
            instance = factory(**options)
        except Exception as error:
            raise PluginError(
                f"{self.kind} {name_or_instance!r} could not be made with options "
                f"{options!r}: {type(error).__name__}: {error}"
            ) from error
        return self._checked(instance, f"{self.kind} {name_or_instance!r}")

    def name_of(self, instance: T) -> str | None:
        """The name under which the class of ``instance`` is registered.

        The class itself has to be registered: a subclass does not inherit the name, since it
        would be found again as its base class. What a registered function made has no name.

        Args:
            instance: A plugin, however it was made.

        Returns:
            The name, or ``None`` if the class has none.
        """
        cls = type(instance)
        for name, factory in self._factories.items():
            if factory is cls:
                return name
        package = cls.__module__.partition(".")[0]
        for entry in entry_points(group=self.group):
            same_package = entry.module.partition(".")[0] == package
            if same_package and entry.name not in self._factories:
                try:
                    factory = self._load(entry)
                except PluginError:
                    continue  # another plugin of the package is broken, which does not matter here
                if factory is cls:
                    return entry.name
        return None

    @contextmanager
    def isolated(self) -> Iterator[Registry[T]]:
        """Undo at the end of a ``with`` block whatever was registered or replaced in it.

        Inside the block the registry starts with the names that it had before. Plugins of
        installed packages that were loaded inside are forgotten with the rest.
        """
        before = dict(self._factories)
        try:
            yield self
        finally:
            self._factories = before

    def _add(self, name: str, factory: Callable[..., Any]) -> None:
        if not callable(factory):
            raise PluginError(
                f"expected a class or function as {self.kind} {name!r}, found {factory!r} of type "
                f"{type(factory).__name__}"
            )
        if isinstance(factory, type):
            for other_name, other in self._factories.items():
                if other is factory and other_name != name:
                    raise PluginError(
                        f"the class {factory.__qualname__} is registered already as {self.kind} "
                        f"{other_name!r}: a class has one name, by which its instances are found; "
                        f"for {name!r} register a subclass, or a function that makes one"
                    )
        self._factories[name] = factory

    def _find(self, name: str) -> Callable[..., T]:
        if name in self._factories:
            return self._factories[name]
        for entry in entry_points(group=self.group):
            if entry.name == name:
                return self._load(entry)
        names = self.names()
        by_folded_name = {known.casefold(): known for known in names}
        near = difflib.get_close_matches(name.casefold(), by_folded_name, n=1, cutoff=0.5)
        hint = f" Did you mean {by_folded_name[near[0]]!r}?" if near else ""
        raise UnknownNameError(
            f"no {self.kind} is named {name!r}; known: {', '.join(names)}.{hint}"
        )

    def _load(self, entry: EntryPoint) -> Callable[..., T]:
        try:
            factory = cast("Callable[..., T]", entry.load())
            # The module may use the decorator as well, with the same name.
            self._add(entry.name, factory)
        except Exception as error:
            raise PluginError(
                f"{self.kind} {entry.name!r} ({entry.value}) could not be loaded: "
                f"{type(error).__name__}: {error}; the other {self.kind}s still work"
            ) from error
        return factory

    def _checked(self, instance: T, description: str) -> T:
        expected = f"expected {description} to be an object with a {self.method}() method"
        if isinstance(instance, type) and hasattr(instance, self.method):
            raise PluginError(
                f"{expected}, found the class {instance.__name__}: write {instance.__name__}(…)"
            )
        if isinstance(instance, type) or not callable(getattr(instance, self.method, None)):
            raise PluginError(
                f"{expected} (or a registered name), found {instance!r} of type "
                f"{type(instance).__name__}"
            )
        return instance
