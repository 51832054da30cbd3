"""Chats as token ids: what the trainer supervises and the predictor scores of a chat prompt."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from zhmcq.encoding._chat_probe import Layout, Roles, TemplateFault, probe
from zhmcq.encoding._chat_writer import ANOTHER_PROMPT, ChatRefusedError, ChatWriter
from zhmcq.encoding._template import TemplateRefusedError
from zhmcq.prompts import Message

__all__ = ["Chat", "today"]

# A template may tell weekdays from weekends, or seasons: each day of a week, and others of a year.
OTHER_DAYS = (*range(1, 8), *range(40, 401, 40))


def today() -> datetime.date:
    """The date of this machine's clock."""
    return datetime.date.today()


class Chat:
    """Encodes chats, and the answers to them. Threads may share it.

    Args:
        writer: Writes chats with the tokenizer's template.
    """

    def __init__(self, writer: ChatWriter) -> None:
        self._writer = writer
        self._layouts: dict[Roles, Layout] = {}
        self._dated: dict[Roles, bool] = {}

    @property
    def writes_date(self) -> bool:
        """Whether the text of a chat that was written so far depends on the date."""
        return any(list(self._dated.values()))

    @property
    def ends(self) -> set[int]:
        """The ids that ended the answers so far."""
        return {layout.end for layout in list(self._layouts.values())}

    @property
    def variables(self) -> frozenset[str]:
        """The names that the template reads; none if it cannot be read itself."""
        try:
            return self._writer.variables
        except (ChatRefusedError, TemplateRefusedError):
            return frozenset()

    def faults(self, roles: Roles) -> tuple[TemplateFault, ...]:
        """What is wrong with the template for chats of these roles; found once.

        Args:
            roles: The roles of a prompt's messages.
        """
        return self._layout(roles).faults

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Ids of a chat, up to where its answer begins.

        Raises:
            ChatRefusedError: If the template refuses the messages, or writes their texts otherwise.
        """
        text = self._writer.written(messages, to_answer=True)
        for message in messages:
            if self._writer.marked(message.content).strip() not in text:
                raise ChatRefusedError(
                    f"the chat template leaves out or changes the text of the {message.role} "
                    f"message {message.content[:20]!r}…: {ANOTHER_PROMPT}"
                )
        self._note_date(messages, text)
        return self._writer.ids(text)

    def answer(self, text: str, roles: Roles) -> list[int]:
        """Ids of an answer and its end, as they follow the ids of a prompt of these roles."""
        layout = self._layout(roles)
        return [*self._writer.codec.continuation(layout.before + text + layout.after), layout.end]

    def _note_date(self, messages: Sequence[Message], text: str) -> None:
        """Find out whether the text would be another one on another date, once for each roles."""
        roles = tuple(message.role for message in messages)
        if roles in self._dated:
            return
        if "strftime_now" not in self._writer.variables:
            self._dated[roles] = False
            return
        self._dated[roles] = any(
            self._written_before(messages, days) != text for days in OTHER_DAYS
        )

    def _written_before(self, messages: Sequence[Message], days: int) -> str | None:
        """The chat as it would have been written so many days before; ``None`` if refused."""
        writer = self._writer
        date = writer.date - datetime.timedelta(days=days)
        try:
            return ChatWriter(writer.codec, writer.arguments, date).written(
                messages, to_answer=True
            )
        except ChatRefusedError:
            return None

    def _layout(self, roles: Roles) -> Layout:
        if roles not in self._layouts:
            self._layouts[roles] = probe(self._writer, roles)
        return self._layouts[roles]
