"""Chat messages → the text that a template makes of them on one date → token ids."""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zhmcq.encoding._template import BoundedTemplate, OverBudgetError, TemplateRefusedError
from zhmcq.errors import EncodingError
from zhmcq.prompts import Message

if TYPE_CHECKING:
    from zhmcq.encoding._tokens import TokenCodec

__all__ = ["ANOTHER_PROMPT", "ChatRefusedError", "ChatWriter", "MissingTemplateError"]

ANOTHER_PROMPT = "use a plain-text prompt, such as 'zh-exam'"
# Noncharacters of Unicode, which no text has.
START, END = "\ufdd0", "\ufdd1"


class ChatRefusedError(EncodingError):
    """The chat template refuses a chat, or does not write what it says."""


class MissingTemplateError(ChatRefusedError):
    """There is no chat template."""


class ChatWriter:
    """How a tokenizer's chat template writes chats. Threads may share it.

    Args:
        codec: How the tokenizer writes texts.
        arguments: Variables for the template (``{"enable_thinking": False}``).
        date: What the template's clock says.
    """

    def __init__(
        self, codec: TokenCodec, arguments: Mapping[str, Any], date: datetime.date
    ) -> None:
        self.codec = codec
        self.arguments = dict(arguments)
        self.date = date

    @property
    def variables(self) -> frozenset[str]:
        """The names that the template reads.

        Raises:
            TemplateRefusedError: If it cannot be compiled.
            MissingTemplateError: If there is none.
        """
        return self._template.variables

    def written(self, messages: Sequence[Message], *, to_answer: bool) -> str:
        """The chat as text, the control tokens in its messages marked.

        Args:
            messages: The turns.
            to_answer: Whether the turn that is to be answered is opened.

        Raises:
            ChatRefusedError: If the template refuses them.
        """
        try:
            try:
                return self._rendered(messages, to_answer=to_answer)
            except OverBudgetError:
                raise
            except TemplateRefusedError:
                # Some templates (Gemma's, Mistral's) know no system role: the instruction then
                # stands before the user's text.
                if len(messages) < 2 or messages[0].role != "system":
                    raise
                first, second, *others = messages
                joined = Message(second.role, f"{first.content}\n\n{second.content}")
                return self._rendered((joined, *others), to_answer=to_answer)
        except TemplateRefusedError as error:
            raise ChatRefusedError(f"the chat template refuses the prompt: {error}") from error

    def marked(self, value: Any) -> Any:
        """The value with a mark before and after each control token in its texts."""
        if isinstance(value, str):
            bare = value.replace(START, "").replace(END, "")
            return self.codec.control_tokens.sub(rf"{START}\g<0>{END}", bare)
        if isinstance(value, dict):
            return {key: self.marked(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.marked(part) for part in value]
        return value

    def ids(self, text: str) -> list[int]:
        """Ids of a text of the template's, in which marked control tokens are text.

        A template may cut a text between its marks. A mark that lost its partner still keeps what
        stands on both sides from becoming one token.
        """
        first, *others = re.split(f"({START}[^{START}{END}]*{END}|[{START}{END}])", text)
        ids = self.codec.written(first)
        for piece in others:
            bare = piece.strip(START + END)
            if bare and bare != piece:
                ids += self.codec.continuation(bare)
            elif bare:
                ids += self.codec.written_on(bare)
        return ids

    @functools.cached_property
    def _template(self) -> BoundedTemplate:
        """The compiled template.

        Raises:
            MissingTemplateError: If there is none.
            TemplateRefusedError: If it cannot be compiled.
        """
        tokenizer = self.codec.tokenizer
        templates: Any = tokenizer.chat_template
        if not templates:
            raise MissingTemplateError(
                "expected a tokenizer with a chat template for this prompt, found none; a base "
                "model answers better with a plain-text prompt such as 'zh-exam' or 'zh-cloze'"
            )
        if isinstance(templates, dict) and "default" not in templates:
            names = ", ".join(f"{name!r:.40}" for name in sorted(templates)[:5])
            raise MissingTemplateError(
                f"expected one chat template, or one that is named 'default', found {names}: set "
                "tokenizer.chat_template to the text of the one to use, and save the tokenizer"
            )
        source: Any = tokenizer.get_chat_template()
        if not isinstance(source, str):
            raise TemplateRefusedError(f"expected a text, found {source!r:.40}")
        return _compiled(source)

    def _rendered(self, messages: Sequence[Message], *, to_answer: bool) -> str:
        midnight = datetime.datetime.combine(self.date, datetime.time())
        variables = {
            **self.codec.tokenizer.special_tokens_map,
            "strftime_now": midnight.strftime,
            **self.marked(self.arguments),
            "messages": [
                {"role": message.role, "content": self.marked(message.content)}
                for message in messages
            ],
            "tools": None,
            "documents": None,
            "add_generation_prompt": to_answer,
        }
        return self._template.render(variables)


@functools.lru_cache(maxsize=8)
def _compiled(source: str) -> BoundedTemplate:
    """A template, compiled once for all the encoders of a process."""
    return BoundedTemplate(source)
