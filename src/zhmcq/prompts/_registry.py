"""Prompts by name, and how an adapter remembers the prompt that it was trained with."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from zhmcq.errors import PluginError, PromptMismatchError, UnknownNameError
from zhmcq.prompts._protocol import Prompt
from zhmcq.questions import Question
from zhmcq.registry import Registry

if TYPE_CHECKING:
    from zhmcq.manifest import PromptRecord

__all__ = [
    "PROBES",
    "PROMPTS",
    "describe_prompt",
    "get_prompt",
    "prompt_names",
    "recall_prompt",
    "register_prompt",
    "rendering_sha256",
    "renders_chat",
]

Factory = TypeVar("Factory", bound=Callable[..., Any])

PROMPTS: Registry[Prompt] = Registry("prompt", "zhmcq.prompts", "render")

#: Made-up questions. Adapters remember a hash of how their prompt renders them, so that a change
#: here makes every adapter's prompt look changed.
PROBES = (
    Question("probe-1", "誰去了圖書館？", ("小明", "小華", "小美"), "小明去了圖書館。"),
    Question("probe-2", "水的化學式是？", ("CO2", "H2O"), labels=("1", "2"), answer=(1,)),
    Question(
        "probe-3",
        "小明到哪裡去？",
        ("圖書館", "學校", "公園", "市場"),
        "小明上午在學校，下午到公園去。",
        answer=(2,),
    ),
    Question("probe-4", "下列何者不是水果？", ("香蕉", "白菜", "蘋果"), "我買了白菜和水果。"),
)


def register_prompt(name: str, *, replace: bool = False) -> Callable[[Factory], Factory]:
    """Return a decorator that registers a prompt class, or a function that makes a prompt.

    Only this decorator gives a prompt its name: an instance of a registered class is found
    by its class. The decorator stands above ``@dataclass``.

    Args:
        name: The name by which every argument that takes a prompt finds it.
        replace: Whether another prompt of the same name may be replaced.

    Raises:
        PluginError: If the name is taken and ``replace`` is false. The decorator raises it for a
            class that has another name already.
    """
    return PROMPTS.register(name, replace=replace)


def get_prompt(name_or_instance: str | Prompt, **options: Any) -> Prompt:
    """Make the prompt of that name, or return an instance as it is.

    Args:
        name_or_instance: A name of :func:`prompt_names`, or an object with a ``render`` method.
        options: Keyword arguments for the prompt (``labels="甲乙丙丁"``).

    Raises:
        UnknownNameError: If no prompt has the name; the message lists the known ones.
        PluginError: If the prompt cannot be made with these options, or has no ``render`` method.
    """
    return PROMPTS.get(name_or_instance, **options)


def prompt_names() -> list[str]:
    """The names of all prompts, those of installed packages included, sorted."""
    return PROMPTS.names()


def describe_prompt(prompt: str | Prompt) -> PromptRecord:
    """Describe a prompt so that :func:`recall_prompt` can make it again.

    What is remembered of a registered prompt are its name and its options, the keyword arguments
    that make it again: what its method ``remembered_options()`` returns, if it has one, or the
    init fields of a dataclass, or nothing for a class whose constructor takes no arguments.

    Args:
        prompt: A registered name, or an instance.

    Returns:
        The record. Its name and options are empty for an instance whose class is not registered.

    Raises:
        UnknownNameError: If no prompt has the name.
        PluginError: If the options of a registered class cannot be seen or are not JSON, or if
            the prompt can render none of the made-up questions.
    """
    instance = get_prompt(prompt)
    registered_name = PROMPTS.name_of(instance)
    name = prompt if isinstance(prompt, str) else registered_name or ""
    options: dict[str, Any] = {}
    # What a registered function made is made again by its name alone.
    if registered_name is not None and name == registered_name:
        hidden = _hidden_arguments(instance)
        if not hidden:
            options = _as_json(_visible_options(instance), name)
        elif not isinstance(prompt, str):  # a name alone makes it without arguments
            cls = type(instance).__qualname__
            raise PluginError(
                f"prompt {name!r} is to be remembered with its options, but what the constructor "
                f"of {cls} was given for {', '.join(hidden)} cannot be seen: make {cls} a "
                "dataclass with these fields, or give it a method remembered_options() that "
                "returns them by name"
            )
    from zhmcq.manifest import PromptRecord  # pydantic, which finding a prompt does not need

    return PromptRecord(
        name=name,
        options=options,
        sha256=rendering_sha256(instance),
        chat=renders_chat(instance),
    )


def recall_prompt(record: PromptRecord) -> Prompt:
    """Make the prompt that :func:`describe_prompt` described.

    Raises:
        PromptMismatchError: If the record has no prompt, or one without a name; if its prompt is
            not registered here, cannot be made with its options, or renders differently now.
    """
    name = record.name
    if not record.sha256:
        raise PromptMismatchError(
            "the adapter was made by another tool, which does not record how it puts questions to "
            "the model: give the prompt that it was trained with (prompt=…)"
        )
    if not name:
        raise PromptMismatchError(
            "the adapter was trained with a prompt that has no name: give it again (prompt=…)"
        )
    try:
        prompt = get_prompt(name, **record.options)
        sha256 = rendering_sha256(prompt)
    except UnknownNameError as error:
        raise PromptMismatchError(
            f"the adapter was trained with the prompt {name!r}, which is not registered here: "
            "import the module that registers it, install its package, or give prompt=…"
        ) from error
    except PluginError as error:
        raise PromptMismatchError(
            f"the prompt {name!r} cannot be made as when the adapter was trained: {error}; use "
            "the version of that time, or give prompt=…"
        ) from error
    if sha256 != record.sha256:
        raise PromptMismatchError(
            f"the prompt {name!r} renders differently than when the adapter was trained (SHA-256 "
            f"{sha256[:12]}… now, {record.sha256[:12]}… then): use the version of that time, or "
            "give prompt=…"
        )
    return prompt


def rendering_sha256(prompt: Prompt) -> str:
    """A hash of :data:`PROBES` as the prompt renders them, which changes with the template.

    Raises:
        PluginError: If the prompt can render none of them.
    """
    renderings: list[Any] = []
    failures: list[str] = []
    for probe in PROBES:
        try:
            rendered = prompt.render(probe)
            candidates = [candidate.text for candidate in rendered.candidates]
            rendering: list[Any] = [rendered.input_text, candidates, rendered.normalization]
            if rendered.least_likely:
                rendering.append("least_likely")
            if rendered.template_arguments:
                rendering.append(json.dumps(rendered.template_arguments, sort_keys=True))
            renderings.append(rendering)
        except Exception as error:  # a plugin may raise anything, and need not take every question
            failures.append(f"{type(error).__name__}: {error}")
            renderings.append(type(error).__name__)
    if len(failures) == len(PROBES):
        raise PluginError(
            f"expected the prompt {type(prompt).__name__} to render at least one of "
            f"{len(PROBES)} made-up questions (with 2 to 4 options), found "
            f"{'; '.join(failures)}"
        )
    return hashlib.sha256(json.dumps(renderings, ensure_ascii=False).encode()).hexdigest()


def renders_chat(prompt: Prompt) -> bool:
    """Whether the prompt renders any of :data:`PROBES` as messages, for a chat template."""
    for probe in PROBES:
        with contextlib.suppress(Exception):  # as in rendering_sha256
            if not isinstance(prompt.render(probe).prompt, str):
                return True
    return False


def _visible_options(prompt: Prompt) -> dict[str, Any]:
    """The keyword arguments that make the prompt again, as far as they can be seen."""
    remembered = getattr(prompt, "remembered_options", None)
    if callable(remembered):
        options = remembered()
        if not isinstance(options, Mapping):
            raise PluginError(
                f"expected remembered_options() of {type(prompt).__qualname__} to return a "
                f"dictionary of keyword arguments, found {options!r}"
            )
        return dict(options)
    if not dataclasses.is_dataclass(prompt):
        return {}
    fields = dataclasses.fields(prompt)
    return {field.name: getattr(prompt, field.name) for field in fields if field.init}


def _hidden_arguments(prompt: Prompt) -> list[str]:
    """The arguments of the prompt's constructor whose values cannot be seen."""
    if callable(getattr(prompt, "remembered_options", None)):
        return []
    visible = _visible_options(prompt)
    try:
        parameters = inspect.signature(type(prompt)).parameters
    except ValueError:  # a subclass of some built-in type
        return ["any argument"]
    return [name for name in parameters if name not in visible]


def _as_json(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The options as they will be read again, with lists where there were tuples."""
    try:
        text = json.dumps(options, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"the options of prompt {name!r} are to be remembered as JSON, but {options!r} cannot "
            f"be ({error}): use texts, numbers, truth values and lists of them"
        ) from error
    loaded: dict[str, Any] = json.loads(text)
    return loaded
