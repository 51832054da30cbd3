"""Prompts: a question becomes text or chat messages, and the candidate answers to it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from zhmcq.errors import PluginError, PromptMismatchError, UnknownNameError
from zhmcq.prompts.rendered import Candidate, Message, Normalization, Prompt, RenderedPrompt
from zhmcq.prompts.templates import (
    ChatPrompt,
    ClozePrompt,
    ExamPrompt,
    SimplifiedClozePrompt,
    SimplifiedExamPrompt,
)
from zhmcq.questions import Question
from zhmcq.registry import Registry

__all__ = [
    "Candidate",
    "ChatPrompt",
    "ClozePrompt",
    "ExamPrompt",
    "Message",
    "Normalization",
    "Prompt",
    "RenderedPrompt",
    "SimplifiedClozePrompt",
    "SimplifiedExamPrompt",
    "describe_prompt",
    "get_prompt",
    "prompt_names",
    "recall_prompt",
    "register_prompt",
]

F = TypeVar("F", bound=Callable[..., Any])

_registry: Registry[Prompt] = Registry("prompt", "zhmcq.prompts", "render")

for _template in (
    ChatPrompt,
    ClozePrompt,
    ExamPrompt,
    SimplifiedClozePrompt,
    SimplifiedExamPrompt,
):
    _registry.register(_template.name)(_template)


def register_prompt(name: str, *, replace: bool = False) -> Callable[[F], F]:
    """Return a decorator that registers a prompt class (or factory function) under ``name``.

    Args:
        name: The name by which every place that takes a prompt finds it.
        replace: Whether a prompt of the same name may be replaced.

    Raises:
        PluginError: If the name is taken and ``replace`` is false.
    """
    return _registry.register(name, replace=replace)


def get_prompt(name_or_instance: str | Prompt, **options: Any) -> Prompt:
    """The prompt of that name, made with ``options``; an instance is handed back as it is.

    Raises:
        UnknownNameError: If there is no prompt of that name; the message lists the known ones.
        PluginError: If the prompt cannot be made, or has no ``render`` method.
    """
    return _registry.get(name_or_instance, **options)


def prompt_names() -> list[str]:
    """The names of all prompts, those of installed plugins included."""
    return _registry.names()


_PROBES = (
    Question("probe-1", "誰去了圖書館？", ("小明", "小華", "小美"), "小明去了圖書館。"),
    Question("probe-2", "水的化學式是？", ("CO2", "H2O"), labels=("1", "2"), answer=(1,)),
    Question(
        "probe-3",
        "小明到哪裡去？",
        ("圖書館", "學校", "公園", "市場"),
        "小明上午在學校，下午到公園去。",
        answer=(2,),
    ),
)


def describe_prompt(given: str | Prompt) -> Mapping[str, Any]:
    """What an adapter remembers of the prompt it was trained with.

    Args:
        given: A registered name, or an instance.

    Returns:
        ``name`` (``""`` for an instance that has none), ``options`` (the fields of a dataclass)
        and ``sha256`` of three made-up questions as it renders them, by which a later change of
        the template is noticed.

    Raises:
        PluginError: If an option cannot be kept as json, or the prompt can render none of the
            made-up questions.
    """
    prompt = get_prompt(given)
    name = given if isinstance(given, str) else str(getattr(prompt, "name", ""))
    options: dict[str, Any] = {}
    if dataclasses.is_dataclass(prompt) and not isinstance(prompt, type):
        options = {f.name: getattr(prompt, f.name) for f in dataclasses.fields(prompt) if f.init}
    try:
        # As they will be read again: a tuple becomes a list, and so it is one from the beginning.
        options = json.loads(json.dumps(options))
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"the options of prompt {name!r} are to be remembered as json, but {options!r} cannot "
            f"be ({error}): use texts, numbers, truth values and lists of them"
        ) from error
    renderings: list[Any] = []
    failures: list[str] = []
    for probe in _PROBES:
        try:
            rendered = prompt.render(probe)
            candidates = [candidate.text for candidate in rendered.candidates]
            renderings.append([rendered.input_text, candidates, rendered.normalization])
        except Exception as error:  # a plugin may raise anything, and need not take every question
            failures.append(f"{type(error).__name__}: {error}")
            renderings.append(type(error).__name__)
    if len(failures) == len(_PROBES):
        raise PluginError(
            f"expected the prompt {name or type(prompt).__name__!r} to render at least one of "
            f"{len(_PROBES)} made-up questions (with 3, 2 and 4 options), found "
            f"{'; '.join(failures)}"
        )
    text = json.dumps(renderings, ensure_ascii=False)
    return {
        "name": name,
        "options": options,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def recall_prompt(name: str, options: Mapping[str, Any], sha256: str) -> Prompt:
    """The prompt that :func:`describe_prompt` described.

    Raises:
        PromptMismatchError: If it has no name, is not registered here, or asks otherwise now.
    """
    if not name:
        raise PromptMismatchError(
            "the adapter was trained with a prompt that has no name: give it again (prompt=…)"
        )
    try:
        prompt = get_prompt(name, **options)
    except UnknownNameError as error:
        raise PromptMismatchError(
            f"the adapter was trained with the prompt {name!r}, which is not registered here: "
            "import the module that registers it, install its package, or give prompt=…"
        ) from error
    except PluginError as error:
        raise PromptMismatchError(
            f"the prompt {name!r} cannot be made as when the adapter was trained: {error}; use "
            "the version of then, or give prompt=…"
        ) from error
    now = describe_prompt(prompt)["sha256"]
    if now != sha256:
        raise PromptMismatchError(
            f"the prompt {name!r} asks otherwise than when the adapter was trained (SHA-256 "
            f"{now[:12]}… now, {sha256[:12]}… then): use the version of then, or give prompt=…"
        )
    return prompt
