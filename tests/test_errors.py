from __future__ import annotations

import inspect

from zhmcq import errors


def drawn_tree() -> dict[str, str]:
    """Each error of the module's drawing, with the one it hangs on."""
    assert errors.__doc__ is not None
    lines = [line[4:] for line in errors.__doc__.splitlines() if line.startswith("    ")]
    above: list[tuple[int, str]] = []
    parents: dict[str, str] = {}
    for line in lines:
        name = line.strip("│├└─ ").split(" ")[0]
        depth = line.index(name)
        while above and above[-1][0] >= depth:
            above.pop()
        parents[name] = above[-1][1] if above else "Exception"
        above.append((depth, name))
    return parents


def test_the_drawing_is_the_tree() -> None:
    classes = dict(inspect.getmembers(errors, inspect.isclass))
    assert drawn_tree() == {name: cls.__bases__[0].__name__ for name, cls in classes.items()}


def test_every_error_is_public_and_derives_from_one() -> None:
    classes = dict(inspect.getmembers(errors, inspect.isclass))
    assert errors.__all__ == sorted(classes)
    for cls in classes.values():
        assert issubclass(cls, errors.ZhmcqError)
        assert cls.__doc__


def test_errors_are_also_the_builtin_ones_that_callers_expect() -> None:
    assert issubclass(errors.QuestionError, ValueError)
    assert issubclass(errors.SettingsError, ValueError)
    assert issubclass(errors.SplitError, ValueError)
    assert issubclass(errors.UnknownNameError, LookupError)
    assert issubclass(errors.OutputExistsError, FileExistsError)
    assert issubclass(errors.OutOfMemoryError, MemoryError)
