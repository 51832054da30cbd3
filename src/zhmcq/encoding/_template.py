"""Chat templates are programs of strangers: rendered as transformers does, within bounds.

jinja's sandbox keeps a template from the machine, and does not keep it from running for years or
filling the memory: loops nest, macros call themselves, texts double. Here every iteration, call,
filter and operation is paid for out of a budget, and no value may outgrow a limit. What can grow
in one step is looked at before it is computed.

What a template renders is what ``apply_chat_template`` of transformers 5.23 renders, whose
variables, filters and functions are given here, but for the clock, which is the caller's.
"""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.filters import FILTERS
from jinja2.meta import find_undeclared_variables
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

__all__ = ["BoundedTemplate", "OverBudgetError", "TemplateRefusedError"]

MAX_SOURCE = 1_000_000  # characters; the longest templates of today have 30,000
# A value has its characters, digits and items. The templates of today spend a few thousand steps.
MAX_VALUE = 200_000
BUDGET = 200_000  # steps; every 20 characters, digits or items of a value are one more
SECONDS = 5.0  # of the thread's processor time
MAX_DEPTH = 32  # of lists in lists
MAX_INDENT = 8
# Without those that make long texts of short ones, none of which a chat needs.
FILTER_NAMES = set(FILTERS) - {
    "batch",
    "center",
    "filesizeformat",
    "format",
    "pprint",
    "random",
    "slice",
    "sum",
    "urlize",
    "wordwrap",
    "xmlattr",
}
REFUSED_METHODS = {
    "center",
    "encode",
    "expandtabs",
    "format_map",
    "ljust",
    "maketrans",
    "rjust",
    "translate",
    "zfill",
}
WIDE_FORMAT = re.compile(r"\d{4,}|\*|\{[^{}]*\{")  # a width that is large, or given by a value


class TemplateRefusedError(Exception):
    """A template cannot be compiled or rendered; the message says why."""


class OverBudgetError(TemplateRefusedError):
    """Rendering would take longer, or more memory, than any real template needs."""


class BoundedTemplate:
    """A compiled template. Threads may share it.

    Args:
        source: The template's text.

    Attributes:
        variables: The names that it reads and does not set itself.

    Raises:
        TemplateRefusedError: If it cannot be compiled.
    """

    def __init__(self, source: str) -> None:
        if len(source) > MAX_SOURCE:
            raise TemplateRefusedError(
                f"it has {len(source)} characters; expected {MAX_SOURCE} or fewer"
            )
        environment = _Environment()
        try:
            self.variables = frozenset(find_undeclared_variables(environment.parse(source)))
            self._compiled = environment.from_string(source)
        except Exception as error:  # jinja's own, and RecursionError or MemoryError of Python's
            raise TemplateRefusedError(_reason(error)) from error

    def render(self, variables: Mapping[str, Any]) -> str:
        """The text that it makes of the variables.

        Raises:
            OverBudgetError: If that takes more steps, time or memory than a template needs.
            TemplateRefusedError: If it raises any other error.
        """
        before = _meter.set(_Meter(variables))
        try:
            return self._compiled.render(variables)
        except TemplateRefusedError:
            raise
        except Exception as error:  # a template may do anything
            raise TemplateRefusedError(_reason(error)) from error
        finally:
            _meter.reset(before)


def _reason(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    name = "" if type(error) is TemplateError else f"{type(error).__name__}: "
    message = getattr(error, "message", None) or str(error)  # jinja's text shows the line as well
    text = f"{name}{message}{f' (line {line})' if line else ''}"[:500]
    return "".join(char if char.isprintable() else " " for char in text)  # it is a stranger's


class _Meter:
    """What one rendering may still spend."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        given = _weight(dict(variables), 10**9)
        self.max_value = MAX_VALUE + 4 * given
        self._steps = BUDGET + 10 * given
        self._deadline = time.thread_time() + SECONDS
        self._written = 0

    def spend(self, weight: int = 0) -> None:
        """Pay for one step that makes a value of this weight."""
        if weight > self.max_value:
            raise OverBudgetError(
                f"it makes a value of more than {self.max_value} characters or items"
            )
        self._steps -= 1 + weight // 20
        if self._steps < 0:
            raise OverBudgetError(f"it takes more than {BUDGET} steps")
        if self._steps % 16 == 0 and time.thread_time() > self._deadline:
            raise OverBudgetError(f"it takes more than {SECONDS:g} seconds")

    def value(self, value: Any) -> Any:
        """Pay for a value that was made."""
        self.spend(_weight(value, self.max_value))
        return value

    def output(self, value: Any) -> Any:
        """Pay for a value that is written."""
        self._written += _weight(value, self.max_value)
        self.spend(self._written)
        return value

    def iterate(self, values: Any) -> Iterator[Any]:
        """The values, each a step."""
        for value in values:
            self.spend()
            yield value


# The rendering in progress. Without one, jinja is compiling, and would compute constants.
_meter: ContextVar[_Meter] = ContextVar("meter")


def _weight(value: Any, enough: int, depth: int = 0) -> int:
    """Characters, digits and items, counted anew wherever they stand again; no more than enough."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, int):
        return value.bit_length() // 3
    if not isinstance(value, dict | list | tuple | set | frozenset):
        return 0  # which texts show by a name, and not by its contents
    if depth > MAX_DEPTH:
        raise OverBudgetError(f"it makes lists in lists, {depth} deep")
    total = len(value)
    parts = (part for pair in value.items() for part in pair) if isinstance(value, dict) else value
    for part in parts:
        total += _weight(part, enough, depth + 1)
        if total > enough:
            break
    return total


class _Marks(NodeTransformer):
    """Has every loop, and every expression that jinja computes by itself, pay for what it does."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 (jinja's name)
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "_iterate")
        return node

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.nodes = [
            _filtered(
                nodes.Const(part.data, lineno=part.lineno)
                if isinstance(part, nodes.TemplateData)
                else part,
                "_output",
            )
            for part in node.nodes
        ]
        return node

    def _value(self, node: nodes.Expr) -> nodes.Node:
        self.generic_visit(node)
        if getattr(node, "ctx", "load") != "load":
            return node
        return _filtered(node, "_value")

    visit_Concat = visit_List = visit_Tuple = visit_Dict = _value  # noqa: N815


def _filtered(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


class _Generation(Extension):
    """``{% generation %}``, which marks what an assistant said, and changes no text."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Namespace(Namespace):
    """``namespace()``, shown without its contents, which could be endless."""

    def __init__(*args: Any, **attributes: Any) -> None:
        self, given = args[0], dict(*args[1:], **attributes)
        for name in given:
            _Namespace._check_name(name)
        Namespace.__init__(self, given)

    def __setitem__(self, name: str, value: Any) -> None:
        _Namespace._check_name(name)
        super().__setitem__(name, value)

    def __repr__(self) -> str:
        return "<Namespace>"

    @staticmethod
    def _check_name(name: object) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise TemplateError(f"expected names without an underscore at first, found {name!r}")


class _Dict:
    """``dict()``, without the methods of the class, which could change what is given."""

    def __call__(self, *args: Any, **items: Any) -> dict[Any, Any]:
        return dict(*args, **items)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%", "**"])

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        filters = {**FILTERS, "tojson": _tojson}
        self.filters = {name: _refused(name) for name in FILTERS}
        self.filters |= {name: _metered(name, filters[name]) for name in FILTER_NAMES}
        self.filters["_iterate"] = lambda values: _meter.get().iterate(values)
        self.filters["_value"] = lambda value: _meter.get().value(value)
        self.filters["_output"] = lambda value: _meter.get().output(value)
        del self.globals["lipsum"]
        self.globals.update(dict=_Dict(), namespace=_Namespace, raise_exception=_raise_exception)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Marks().visit(super()._parse(source, name, filename))
        return tree

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str) and attr in REFUSED_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        meter = _meter.get()
        meter.spend()
        formatting = getattr(__obj, "__wrapped__", None)  # what the sandbox makes of str.format
        owner, name = getattr(__obj, "__self__", None), getattr(__obj, "__name__", "")
        if isinstance(text := getattr(formatting, "__self__", None), str):
            _check_format(text)
        elif isinstance(owner, str):
            if name == "replace":
                _check_replace(meter, owner, *args)
            elif name == "join":
                args = (_checked_join(meter, owner, *args),)
        elif isinstance(__obj, LoopContext):  # {% for … recursive %}
            args = tuple(meter.iterate(arg) for arg in args)
        result = super().call(__context, __obj, *args, **kwargs)
        return meter.value(result)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        meter = _meter.get()
        if operator == "*":
            for value, count in ((left, right), (right, left)):
                if isinstance(value, str | list | tuple) and isinstance(count, int):
                    meter.spend(_weight(value, meter.max_value) * max(count, 0))
        elif operator == "**":
            if not (abs(left) <= 10**9 and abs(right) <= 64):
                raise OverBudgetError(f"it computes {left!r:.20} ** {right!r:.20}")
        elif operator == "%" and isinstance(left, str):
            _check_format(left)
        return meter.value(super().call_binop(context, operator, left, right))


def _metered(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, which pays for its result, and is looked at before where it can multiply."""
    skipped = 1 if hasattr(function, "jinja_pass_arg") else 0

    @functools.wraps(function)
    def metered(*args: Any, **kwargs: Any) -> Any:
        meter = _meter.get()
        meter.spend()
        head, (value, *others) = args[:skipped], args[skipped:]
        if name == "replace":
            _check_replace(meter, str(value), *others, **kwargs)
        elif name == "join":
            separator = kwargs.get("d", others[0] if others else "")
            value = _checked_join(meter, str(separator), value)
        elif name in ("indent", "tojson"):
            widths = [*others, *kwargs.values()]
            if any(isinstance(width, int) and width > MAX_INDENT for width in widths) or any(
                isinstance(width, str) and len(width) > MAX_INDENT for width in widths
            ):
                raise OverBudgetError(f"it indents by more than {MAX_INDENT} characters")
        return meter.value(function(*head, value, *others, **kwargs))

    return metered


def _refused(name: str) -> Callable[..., Any]:
    """In place of a filter that is not given."""

    def refuse(*_: Any, **__: Any) -> None:
        raise TemplateRefusedError(f"it uses the filter {name!r}, which is not given to templates")

    return refuse


def _check_replace(
    meter: _Meter, text: str, old: Any = "", new: Any = "", *_: Any, **named: Any
) -> None:
    old, new = str(named.get("old", old)), str(named.get("new", new))
    meter.spend(len(text) + text.count(old) * max(0, len(new) - len(old)))


def _checked_join(meter: _Meter, separator: str, values: Any) -> Any:
    if isinstance(values, Undefined):
        return values
    parts = values if isinstance(values, str) else list(meter.iterate(values))
    meter.spend(_weight(parts, meter.max_value) + len(separator) * len(parts))
    return parts


def _check_format(text: str) -> None:
    if len(text) > MAX_VALUE // 10 or WIDE_FORMAT.search(text):
        raise OverBudgetError(f"it formats values to a large or unknown width ({text!r:.40})")


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # Unlike jinja's it escapes no HTML.
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise_exception(message: str) -> None:
    raise TemplateError(message)
