"""What a chat template does, found out with made-up turns whose texts are known.

A template is the program of a model's author, and some do other than a question needs: they drop
the system turn, leave the answer inside a thinking block, or end no turn. What one makes of the
made-up turns shows where an answer stands, what ends it, and what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from operator import eq

from zhmcq.encoding._chat_writer import (
    ANOTHER_PROMPT,
    ChatRefusedError,
    ChatWriter,
    MissingTemplateError,
)
from zhmcq.encoding._template import OverBudgetError
from zhmcq.prompts import Message

__all__ = ["TEMPLATE_RULES", "Layout", "Roles", "TemplateFault", "probe"]

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
    r"[<◁]\|?(?P<close>/)?(?:\w+:)?(?:think|thinking|thought|reasoning)\|?[>▷]"
    r"|\[(?P<end>/)?THINK\]"
)
CLOSED_BLOCK = re.compile(r"(?:<([\w:]+)>\s*</\1>|</think>)\s*$")
# As odd as a question's text may be, and as no template writes by itself.
MADE_UP = (
    "第{index}則《{role}》：\n"
    "Tea & “rice” <b>＋</b> 'x' \"y\" {{z}}  3\\4%\n\n（Ａ）甲乙\n1. ⑤ 丙丁\n"
    "「引『文』」【註】〈丁〉…—～·、；？！　１２３ ①Ⅱ㈢ ℃ ½ ﹏ é ² http://a.tw/b_c*d*#e\n"
) + "春眠不覺曉，處處聞啼鳥。" * 200
REPLY = "卯9Q"


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
class Layout:
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


def probe(writer: ChatWriter, roles: Roles) -> Layout:
    """Find out what a template does with chats of these roles.

    Args:
        writer: Writes chats with the template.
        roles: The roles of a prompt's messages.
    """
    return _Probe(writer, roles).layout()


class _Probe:
    def __init__(self, writer: ChatWriter, roles: Roles) -> None:
        self._writer = writer
        self._roles = roles
        self._turns = tuple(_made_up(index, role) for index, role in enumerate(roles))

    def layout(self) -> Layout:
        """Where an answer stands, and what is wrong; without faults it is right."""
        try:
            prompt = self._writer.written(self._turns, to_answer=True)
        except MissingTemplateError as error:
            return self._without_answer(TemplateFault("template_missing", str(error)))
        except ChatRefusedError as error:
            over = isinstance(error.__cause__, OverBudgetError)
            rule = "template_unbounded" if over else "template_fails"
            return self._without_answer(TemplateFault(rule, f"{error}; {ANOTHER_PROMPT}"))
        faults = list(self._faults_of_prompt(prompt))
        answered = (*self._turns, Message("assistant", REPLY))
        try:
            unopened = self._writer.written(self._turns, to_answer=False)
            head, reply, tail = self._writer.written(answered, to_answer=False).rpartition(REPLY)
        except ChatRefusedError as error:
            return self._without_answer(*faults, _displaced(f"found that it fails: {error}"))
        if not reply:
            return self._without_answer(*faults, _displaced("found none"))
        before, misplaced = self._before_answer(prompt, unopened, head)
        after, end = self._end(head, tail)
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
        return Layout(before, after, self._usual_end if end is None else end, tuple(faults))

    @property
    def _usual_end(self) -> int:
        return self._writer.codec.end

    def _without_answer(self, *faults: TemplateFault) -> Layout:
        """The layout where the template shows none: that of a plain text."""
        return Layout("", "", self._usual_end, faults)

    def _faults_of_prompt(self, prompt: str) -> Iterator[TemplateFault]:
        """Whether the texts of all turns are in the prompt, and how it begins."""
        changed = [turn for turn in self._turns if turn.content.strip() not in prompt]
        left_out = [turn for turn in changed if turn.content.partition("《")[0] not in prompt]
        if len(left_out) == len(self._turns):
            yield TemplateFault(
                "text_changed",
                "expected the chat template to write the messages as they are, found none of "
                f"them: {ANOTHER_PROMPT}",
            )
        elif any(turn.role == "system" for turn in left_out):
            yield TemplateFault(
                "system_dropped",
                "expected the chat template to write the system message, which says how to "
                f"answer, found it left out: {ANOTHER_PROMPT}, or one that gives the "
                "instruction in the user's message",
            )
        elif changed:
            yield TemplateFault(
                "text_changed",
                f"expected the chat template to write the {changed[0].role} message as it is, "
                f"found it cut or changed: {ANOTHER_PROMPT}",
            )
        if changed:
            return
        bos = self._writer.codec.tokenizer.bos_token
        if bos and prompt.startswith(2 * str(bos)):
            yield TemplateFault(
                "bos_doubled",
                f"expected the chat template to begin with BOS once, found it twice ({bos}{bos}): "
                f"take one out of the template, or {ANOTHER_PROMPT}",
            )

    def _before_answer(
        self, prompt: str, unopened: str, head: str
    ) -> tuple[str, TemplateFault | None]:
        """What stands between a prompt and its answer, and what is wrong with that.

        Args:
            prompt: The made-up turns with the template's generation prompt.
            unopened: The same without it.
            head: What stands before the answer in the chat with an answer.

        Returns:
            Whitespace, and the fault.
        """
        opening = self._after_turns(prompt)
        if _is_open(opening):
            return "", TemplateFault(
                "thinking_open",
                "expected the chat template's generation prompt to end where the answer begins, "
                f"found that it ends in an open thinking block ({opening[-20:]!r}): "
                f"{self._remedy()}",
            )
        if not head.startswith(prompt):
            # An empty block, or the end of one, that only the generation prompt has: answer now.
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
                f"found a thinking block before them ({between[:40]!r}): {self._remedy()}",
            )
        difference = f"{between[:40]!r} between them"
        if not head.startswith(prompt):
            at = sum(takewhile(bool, map(eq, prompt, head)))
            difference = (
                f"that a chat with an answer has {head[at:][:40]!r} where the prompt has "
                f"{prompt[at:][:40]!r}"
            )
        return "", TemplateFault(
            "answer_displaced",
            "expected answers to stand right after the chat template's generation prompt, found "
            f"{difference}: {ANOTHER_PROMPT}",
        )

    def _seam(self, prompt: str, between: str) -> str:
        """The whitespace before an answer, or nothing where the token before it swallows it."""
        ids = self._writer.ids(prompt)
        whole = self._writer.ids(prompt + between + REPLY)
        if between and whole == [*ids, *self._writer.codec.continuation(REPLY)]:
            return ""
        return between

    def _after_turns(self, text: str) -> str:
        """What stands after the last of the made-up turns; the whole text if that is changed."""
        return text.rpartition(self._turns[-1].content.strip())[2]

    def _end(self, head: str, tail: str) -> tuple[str, int | None]:
        """The whitespace after an answer and the id that ends it; ``None`` without one."""
        tokenizer = self._writer.codec.tokenizer
        match = self._writer.codec.control_tokens.search(tail)
        if match is None or tail[: match.start()].strip():
            return "", None
        token = match.group()
        if token != tokenizer.eos_token and self._after_turns(head).rstrip().endswith(token):
            return "", None  # it opens the next answer, as it opened this one
        *before, end = self._writer.codec.written_on(tail[: match.end()])
        if end != tokenizer.convert_tokens_to_ids(token):
            return "", None
        return tail[: match.start()] if before else "", end

    def _remedy(self) -> str:
        """How an answer can stand after the thinking, in words."""
        writer = self._writer
        for name in THINKING_ARGUMENTS:
            if name in writer.variables and writer.arguments.get(name) is not False:
                arguments = {**writer.arguments, name: False}
                other = probe(ChatWriter(writer.codec, arguments, writer.date), self._roles)
                if not {fault.rule for fault in other.faults} & OF_PLACES:
                    return (
                        f"give the prompt template_arguments={{{name!r}: False}}, with which the "
                        "template opens no thinking"
                    )
        return (
            "no argument of the template closes it, so that answers cannot be scored in its "
            f"chats: {ANOTHER_PROMPT}, or let the model reply with mode='generate'"
        )


def _displaced(what: str) -> TemplateFault:
    return TemplateFault(
        "answer_displaced",
        f"expected the chat template to write an assistant's answer, {what}; {ANOTHER_PROMPT}",
    )


def _made_up(index: int, role: str) -> Message:
    text = MADE_UP.replace("{index}", str(index + 1)).replace("{role}", role)
    return Message(role, text)  # type: ignore[arg-type]


def _is_open(text: str) -> bool:
    """Whether a thinking block is open at the end of a text."""
    last = None
    for match in THINKING.finditer(text):
        last = match
    return last is not None and not (last["close"] or last["end"])
