"""Chat messages → token ids, as the model's own template writes them on one date.

A template is the program of a model's author, and some do other than a question needs: they drop
the system turn, leave the answer inside a thinking block, or end no turn. So a template is first
given made-up turns of the same roles, whose texts are known, and what it makes of them shows where
an answer stands, what ends it, and what is wrong.
"""

from __future__ import annotations

import datetime
import functools
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import eq
from typing import TYPE_CHECKING, Any

from zhmcq.encoding._template import BoundedTemplate, OverBudgetError, TemplateRefusedError
from zhmcq.errors import EncodingError
from zhmcq.prompts import Message

if TYPE_CHECKING:
    from zhmcq.encoding._tokens import TokenCodec

__all__ = ["TEMPLATE_RULES", "Chat", "ChatRefusedError", "TemplateFault", "today"]

logger = logging.getLogger(__name__)

Roles = tuple[str, ...]

TEMPLATE_RULES = {
    "template_missing": "the tokenizer has no chat template",
    "template_fails": "the chat template cannot be read, or refuses every question",
    "template_unbounded": "the chat template takes more steps, time or memory than any real one",
    "system_dropped": "the chat template leaves the system message out",
    "text_changed": "the chat template cuts or changes the text of a message",
    "generation_prompt_missing": "the chat template does not open the turn that is to be answered",
    "thinking_open": "the chat template opens a thinking block, in which an answer would stand",
    "thinking_block_missing": "the chat template closes a thinking block before each answer, which "
    "its generation prompt lacks",
    "answer_displaced": "the chat template writes an answer elsewhere than after its generation "
    "prompt",
    "turn_end_missing": "the chat template writes no control token that ends an answer",
}
# Faults of where an answer stands. A model that replies freely writes what its template would.
OF_ANSWERS = {
    "generation_prompt_missing",
    "thinking_open",
    "thinking_block_missing",
    "answer_displaced",
    "turn_end_missing",
}
OF_PLACES = OF_ANSWERS - {"turn_end_missing"}
THINKING_ARGUMENTS = ("enable_thinking", "thinking")
THINKING = re.compile(
    r"<\|?(?P<close>/)?(?:\w+:)?(?:think|thinking|thought|reasoning)\|?>|\[(?P<end>/)?THINK\]"
)
CLOSED_BLOCK = re.compile(r"<(\w+)>\s*</\1>\s*$")
ANOTHER_PROMPT = "use a plain-text prompt, such as 'zh-exam'"
# Noncharacters of Unicode, which no text has.
START, END = "\ufdd0", "\ufdd1"
# As odd as a question's text may be, and as no template writes by itself.
MADE_UP = (
    "第{index}則《{role}》：\n"
    "Tea & “rice” <b>＋</b> 'x' \"y\" {{z}}  3\\4%\n\n（Ａ）甲乙\n1. ⑤ 丙丁\n"
) + "春眠不覺曉，處處聞啼鳥。" * 200
REPLY = "卯9Q"


def today() -> datetime.date:
    """The date of this machine's clock."""
    return datetime.date.today()


class ChatRefusedError(EncodingError):
    """The chat template refuses a chat, or does not write what it says."""


@dataclass(frozen=True, slots=True)
class TemplateFault:
    """What is wrong with a chat template, whatever the question.

    Attributes:
        rule: One of the names in ``TEMPLATE_RULES``, or ``"bos_doubled"``.
        reason: What was expected and found, and what to do.
    """

    rule: str
    reason: str

    @property
    def of_answers(self) -> bool:
        """Whether it is about where an answer stands, and not about the prompt."""
        return self.rule in OF_ANSWERS


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where an answer stands: after the prompt and ``before``, and before ``after`` and ``end``.

    Attributes:
        before: Whitespace between the prompt and the answer.
        after: Whitespace between the answer and its end.
        end: The id that ends the turn.
        faults: What is wrong with the template.
    """

    before: str
    after: str
    end: int
    faults: tuple[TemplateFault, ...]


class Chat:
    """How a tokenizer's chat template writes chats. Threads may share it.

    Args:
        codec: How the tokenizer writes texts.
        arguments: Variables for the template (``{"enable_thinking": False}``).
        date: What the template's clock says.
    """

    def __init__(
        self, codec: TokenCodec, arguments: Mapping[str, Any], date: datetime.date
    ) -> None:
        self.date = date
        self._codec = codec
        self._arguments = dict(arguments)
        self._layouts: dict[Roles, _Layout] = {}
        self._dated: dict[Roles, bool] = {}

    @property
    def writes_date(self) -> bool:
        """Whether the text of a chat that was written so far depends on the date."""
        return any(list(self._dated.values()))

    @property
    def ends(self) -> set[int]:
        """The ids that ended the answers so far."""
        return {layout.end for layout in list(self._layouts.values())}

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
        text = self._written(messages, to_answer=True)
        for message in messages:
            if self._marked(message.content).strip() not in text:
                raise ChatRefusedError(
                    f"the chat template leaves out or changes the text of the {message.role} "
                    f"message {message.content[:20]!r}…: {ANOTHER_PROMPT}"
                )
        self._note_date(messages, text)
        return self._ids(text)

    def answer(self, text: str, roles: Roles) -> list[int]:
        """Ids of an answer and its end, as they follow the ids of a prompt of these roles."""
        layout = self._layout(roles)
        return [*self._codec.continuation(layout.before + text + layout.after), layout.end]

    @functools.cached_property
    def _template(self) -> BoundedTemplate:
        """The compiled template.

        Raises:
            _MissingError: If there is none.
            TemplateRefusedError: If it cannot be compiled.
        """
        tokenizer, reason = self._codec.tokenizer, "none"
        try:
            source = tokenizer.get_chat_template() if tokenizer.chat_template else ""
        except ValueError as error:  # several templates, of which none is the default
            source, reason = "", str(error).split(".")[0]
        if not source:
            raise _MissingError(
                f"expected a tokenizer with a chat template for this prompt, found {reason}; a "
                "base model answers better with a plain-text prompt such as 'zh-exam' or 'zh-cloze'"
            )
        return _compiled(source)

    def _written(self, messages: Sequence[Message], *, to_answer: bool) -> str:
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

    def _rendered(self, messages: Sequence[Message], *, to_answer: bool) -> str:
        midnight = datetime.datetime.combine(self.date, datetime.time())
        variables = {
            **self._codec.tokenizer.special_tokens_map,
            "strftime_now": midnight.strftime,
            **self._marked(self._arguments),
            "messages": [
                {"role": message.role, "content": self._marked(message.content)}
                for message in messages
            ],
            "tools": None,
            "documents": None,
            "add_generation_prompt": to_answer,
        }
        return self._template.render(variables)

    def _marked(self, value: Any) -> Any:
        """The value with a mark before and after each control token in its texts."""
        if isinstance(value, str):
            bare = value.replace(START, "").replace(END, "")
            return self._codec.control_tokens.sub(rf"{START}\g<0>{END}", bare)
        if isinstance(value, dict):
            return {key: self._marked(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._marked(part) for part in value]
        return value

    def _ids(self, text: str) -> list[int]:
        """Ids of a text of the template's, in which marked control tokens are text.

        A template may cut a text between its marks. A mark that lost its partner still keeps what
        stands on both sides from becoming one token.
        """
        first, *others = re.split(f"({START}[^{START}{END}]*{END}|[{START}{END}])", text)
        ids = self._codec.written(first)
        for piece in others:
            bare = piece.strip(START + END)
            if bare and bare != piece:
                ids += self._codec.continuation(bare)
            elif bare:
                ids += self._codec.written_on(bare)
        return ids

    def _note_date(self, messages: Sequence[Message], text: str) -> None:
        """Find out whether the text would be another one on another date, once for each roles."""
        roles = tuple(message.role for message in messages)
        if roles in self._dated:
            return
        if "strftime_now" not in self._template.variables:
            self._dated[roles] = False
            return
        other = Chat(self._codec, self._arguments, _another_date(self.date))
        try:
            self._dated[roles] = other._written(messages, to_answer=True) != text
        except ChatRefusedError:
            self._dated[roles] = True

    def _layout(self, roles: Roles) -> _Layout:
        if roles not in self._layouts:
            self._layouts[roles] = self._probed(roles)
        return self._layouts[roles]

    def _probed(self, roles: Roles) -> _Layout:
        """What the template makes of made-up turns."""
        usual_end = self._codec.end
        turns = tuple(_made_up(index, role) for index, role in enumerate(roles))
        try:
            prompt = self._written(turns, to_answer=True)
        except _MissingError as error:
            return _Layout("", "", usual_end, (TemplateFault("template_missing", str(error)),))
        except ChatRefusedError as error:
            over = isinstance(error.__cause__, OverBudgetError)
            rule = "template_unbounded" if over else "template_fails"
            return _Layout("", "", usual_end, (TemplateFault(rule, str(error)),))
        self._warn_of_unread_arguments()
        faults = list(self._faults_of_prompt(turns, prompt))
        try:
            unopened = self._written(turns, to_answer=False)
            whole = self._written((*turns, Message("assistant", REPLY)), to_answer=False)
        except ChatRefusedError as error:
            reason = f"expected the chat template to write an answer, found that it fails: {error}"
            fault = TemplateFault("answer_displaced", f"{reason}; {ANOTHER_PROMPT}")
            return _Layout("", "", usual_end, (*faults, fault))
        head, reply, tail = whole.rpartition(REPLY)
        if not reply:
            reason = "expected the chat template to write an assistant's answer, found none"
            fault = TemplateFault("answer_displaced", f"{reason}; {ANOTHER_PROMPT}")
            return _Layout("", "", usual_end, (*faults, fault))
        before, misplaced = self._before_answer(turns, prompt, unopened, head, roles)
        after, end = self._end(tail)
        if misplaced is not None:
            faults.append(misplaced)
        if end is None:
            faults.append(
                TemplateFault(
                    "turn_end_missing",
                    "expected the chat template to end an answer with a control token, found "
                    f"{tail[:40]!r}: the model could not learn where to stop; {ANOTHER_PROMPT}",
                )
            )
        return _Layout(before, after, usual_end if end is None else end, tuple(faults))

    def _warn_of_unread_arguments(self) -> None:
        unread = sorted(self._arguments.keys() - self._template.variables)
        if unread:
            logger.warning(
                "the chat template does not read %s, which template_arguments gives it; it reads "
                "%s",
                " and ".join(map(repr, unread)),
                ", ".join(sorted(self._template.variables)),
            )

    def _faults_of_prompt(self, turns: Sequence[Message], prompt: str) -> Iterator[TemplateFault]:
        """Whether the texts of all turns are in the prompt, and how it begins."""
        for turn in turns:
            if turn.content.strip() in prompt:
                continue
            beginning = turn.content.split("\n", 1)[0]
            if turn.role == "system" and beginning not in prompt:
                yield TemplateFault(
                    "system_dropped",
                    "expected the chat template to write the system message, which says how to "
                    f"answer, found it left out: {ANOTHER_PROMPT}, or one that gives the "
                    "instruction in the user's message",
                )
            else:
                yield TemplateFault(
                    "text_changed",
                    f"expected the chat template to write the {turn.role} message as it is, found "
                    f"it cut or changed: {ANOTHER_PROMPT}",
                )
            return
        bos = self._codec.tokenizer.bos_token
        if bos and prompt.startswith(2 * str(bos)):
            yield TemplateFault(
                "bos_doubled",
                f"expected the chat template to begin with BOS once, found it twice ({bos}{bos}): "
                f"take one out of the template, or {ANOTHER_PROMPT}",
            )

    def _before_answer(
        self, turns: Sequence[Message], prompt: str, unopened: str, head: str, roles: Roles
    ) -> tuple[str, TemplateFault | None]:
        """What stands between a prompt and its answer, and what is wrong with that.

        Args:
            turns: The made-up turns.
            prompt: How the template writes them, with its generation prompt.
            unopened: The same without.
            head: What stands before the answer in the chat with an answer.
            roles: The turns' roles.

        Returns:
            Whitespace, and the fault.
        """
        opening = prompt[prompt.rfind(turns[-1].content.strip()) :]
        if _is_open(opening):
            return "", TemplateFault(
                "thinking_open",
                "expected the chat template's generation prompt to end where the answer begins, "
                f"found that it ends in an open thinking block ({opening[-20:]!r}): "
                f"{self._remedy(roles)}",
            )
        if not head.startswith(prompt):
            # An empty block that only the generation prompt has says: answer now.
            prompt = CLOSED_BLOCK.sub("", prompt)
        between = head[len(prompt) :]
        if head.startswith(prompt) and not between.strip():
            return self._seam(prompt, between), None
        if prompt == unopened:
            return "", TemplateFault(
                "generation_prompt_missing",
                "expected the chat template to open the turn that is to be answered, found that it "
                f"ignores add_generation_prompt, and writes {between[:40]!r} before an answer: "
                f"{ANOTHER_PROMPT}",
            )
        if THINKING.search(between):
            return "", TemplateFault(
                "thinking_block_missing",
                "expected answers to stand right after the chat template's generation prompt, "
                f"found a thinking block before them ({between[:40]!r}): {self._remedy(roles)}",
            )
        return "", TemplateFault(
            "answer_displaced",
            "expected answers to stand right after the chat template's generation prompt "
            f"({prompt[-20:]!r}), found {head[-20:]!r} before them: {ANOTHER_PROMPT}",
        )

    def _seam(self, prompt: str, between: str) -> str:
        """The whitespace before an answer, or nothing where the token before it swallows it."""
        ids = self._ids(prompt)
        whole = self._ids(prompt + between + REPLY)
        if between and whole == [*ids, *self._codec.continuation(REPLY)]:
            return ""
        return between

    def _end(self, tail: str) -> tuple[str, int | None]:
        """The whitespace after an answer and the id that ends it; ``None`` without one."""
        match = self._codec.control_tokens.search(tail)
        if match is None or tail[: match.start()].strip():
            return "", None
        *before, end = self._codec.written_on(tail[: match.end()])
        return tail[: match.start()] if before else "", end

    def _remedy(self, roles: Roles) -> str:
        """How an answer can stand after the thinking, in words."""
        for name in THINKING_ARGUMENTS:
            if name in self._template.variables and name not in self._arguments:
                other = Chat(self._codec, {**self._arguments, name: False}, self.date)
                if not {fault.rule for fault in other.faults(roles)} & OF_PLACES:
                    return (
                        f"give the prompt template_arguments={{{name!r}: False}}, with which the "
                        "template opens no thinking"
                    )
        return (
            "no argument of the template closes it, so that answers cannot be scored in its "
            f"chats: {ANOTHER_PROMPT}, or let the model reply with mode='generate'"
        )


@functools.lru_cache(maxsize=8)
def _compiled(source: str) -> BoundedTemplate:
    """A template, compiled once for all the encoders of a process."""
    return BoundedTemplate(source)


class _MissingError(ChatRefusedError):
    """There is no chat template."""


def _made_up(index: int, role: str) -> Message:
    text = MADE_UP.replace("{index}", str(index + 1)).replace("{role}", role)
    return Message(role, text)  # type: ignore[arg-type]


def _is_open(text: str) -> bool:
    """Whether a thinking block is open at the end of a text."""
    last = None
    for match in THINKING.finditer(text):
        last = match
    return last is not None and not (last["close"] or last["end"])


def _another_date(date: datetime.date) -> datetime.date:
    """A date that differs in its year, month, day, day of the week and of the year."""

    def parts(day: datetime.date) -> tuple[int, ...]:
        return (day.year % 100, day.month, day.day, day.weekday(), day.timetuple().tm_yday)

    for days in range(400, 500):
        other = date - datetime.timedelta(days=days)
        if not any(map(eq, parts(date), parts(other))):
            return other
    raise AssertionError(f"no date is like {date} in nothing")
