"""What hosted models return for a request: the text of the reply, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["cell_text", "failure", "id_text", "reply_text"]

# Where hosted models' results hold the text of the reply, by the fields on the way to it.
_ON_THE_WAY = ("body", "message", "choices", "candidates", "output", "content", "parts", "text")
_FIRST_ONLY = ("choices", "candidates")
_NOT_SAID = frozenset(
    ("reasoning", "thinking", "redacted_thinking", "tool_use", "tool_call", "function_call")
)
_DEEPEST = 12
_OK = range(200, 300)


def failure(record: Mapping[str, Any], value: Any) -> str:
    """Why a request of a batch has no reply; ``""`` if it has one."""
    if error := record.get("error"):
        return f"the request failed: {_shown(error)}"
    if not isinstance(value, Mapping):
        return ""
    code = value.get("status_code", 200)
    if isinstance(code, int) and code not in _OK:
        return f"the request failed with status {code}"
    if value.get("error"):
        return f"the request failed: {_shown(value['error'])}"
    if value.get("type") in ("errored", "canceled", "expired"):
        return f"the request was not answered: {value['type']}"
    return ""


def _shown(error: Any) -> str:
    message = error.get("message", error) if isinstance(error, Mapping) else error
    return f"{message!s:.200}"


def reply_text(value: Any, depth: int = 0) -> str:
    """The text of a reply as hosted models' interfaces wrap it; ``""`` if there is none.

    OpenAI's ``response.body.choices[0].message.content`` (or ``output[].content[].text``),
    Anthropic's ``result.message.content[].text`` and Gemini's
    ``response.candidates[0].content.parts[].text`` are told by the names on the way.
    """
    if isinstance(value, str):
        return value
    if depth > _DEEPEST:
        return ""
    if isinstance(value, Mapping):
        if value.get("type") in _NOT_SAID or value.get("thought") is True:
            return ""
        for name in _ON_THE_WAY:
            if (inner := value.get(name)) is not None:
                first = name in _FIRST_ONLY and isinstance(inner, list)
                return reply_text(inner[:1] if first else inner, depth + 1)
        return ""
    if isinstance(value, list):
        turns = [item for item in value if isinstance(item, Mapping) and "role" in item]
        if any(turn["role"] != "assistant" for turn in turns):  # a chat: its last answer
            value = [turn for turn in turns if turn["role"] == "assistant"][-1:]
        return "".join(reply_text(item, depth + 1) for item in value)
    return ""


def cell_text(value: Any) -> str:
    """A cell as text: an empty one, which pandas reads as NaN, is an empty reply."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return value if isinstance(value, str) else id_text(value)


def id_text(value: Any) -> str:
    """An id as text; 101.0, as which pandas reads a column of numbers with gaps, is 101."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
