"""Questions → encoded questions: token ids of the prompt and of every candidate answer."""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zhmcq._phrases import counted
from zhmcq._progress import current_progress
from zhmcq.encoding import _chat
from zhmcq.encoding._chat import Chat
from zhmcq.encoding._chat_probe import TemplateFault
from zhmcq.encoding._chat_writer import ChatRefusedError, ChatWriter
from zhmcq.encoding._tokens import TokenCodec
from zhmcq.errors import EncodingError, PluginError
from zhmcq.prompts import Message, Normalization, Prompt, RenderedPrompt
from zhmcq.questions import Question

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "EncodedQuestion",
    "Encoder",
    "EncodingProblem",
    "encode_all",
    "question_name",
    "render_prompt",
]

logger = logging.getLogger(__name__)

MANY = 5_000  # questions, which take seconds
BETWEEN_REPORTS = 100  # questions


@dataclass(frozen=True, slots=True)
class EncodedQuestion:
    """One question as token ids.

    Attributes:
        id: The question's id.
        passage: The whole passage, before any shortening; the questions of one passage are packed
            together, since their prompts begin alike.
        prompt: Ids of the prompt, BOS included where the tokenizer writes one.
        candidates: For each candidate, the ids that follow the prompt, its end (EOS) included.
        answers: For each candidate, the 0-based indexes of the options it stands for.
        target: The index of the candidate that is the key; ``None`` without a key.
        normalization: Whether a candidate's score is the ``"sum"`` or the ``"mean"`` of the
            log-likelihoods of its ids, its end included.
        cut: How many characters at the passage's end were left out to fit the maximum length.
        uncut_length: What :attr:`length` would be with the whole passage.
        least_likely: Whether the answer is the least likely candidate: its score is then minus what
            ``normalization`` says.
    """

    id: str
    passage: str
    prompt: tuple[int, ...]
    candidates: tuple[tuple[int, ...], ...]
    answers: tuple[tuple[int, ...], ...]
    target: int | None
    normalization: Normalization
    cut: int = 0
    uncut_length: int = 0
    least_likely: bool = False

    @property
    def length(self) -> int:
        """The number of ids of the prompt with its longest candidate."""
        return len(self.prompt) + max(map(len, self.candidates))

    @property
    def key_index(self) -> int:
        """The index of the candidate that is the key; an error without one.

        Raises:
            EncodingError: If the question has no key.
        """
        if self.target is None:
            raise EncodingError(f"question {self.id!r}: expected a key, found none")
        return self.target


@dataclass(frozen=True, slots=True)
class EncodingProblem:
    """Why a question cannot be encoded.

    Attributes:
        index: The question's 0-based index in the sequence that was to be encoded.
        id: The question's id.
        reason: What was expected and found.
        by_template: Whether it is the chat template that refuses it.
    """

    index: int
    id: str
    reason: str
    by_template: bool = False


def render_prompt(prompt: Prompt, question: Question) -> RenderedPrompt:
    """Render a question, with any failure reported as an error of the prompt plugin.

    Args:
        prompt: A prompt of zhmcq or of a plugin.
        question: The question, with or without a key.

    Raises:
        PluginError: If the prompt raises any error or returns something else than a
            ``RenderedPrompt`` of text or messages; the message names the question and where it
            was read.
    """
    name, where = type(prompt).__name__, question_name(question)
    try:
        rendered = prompt.render(question)
    except PluginError:
        raise
    except Exception as error:  # a plugin may raise anything
        raise PluginError(
            f"{where}: the prompt {name} fails: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(rendered, RenderedPrompt):
        raise PluginError(
            f"{where}: expected a RenderedPrompt of the prompt {name}, found "
            f"{type(rendered).__name__}"
        )
    if not _is_shown_text(rendered.prompt):
        raise PluginError(
            f"{where}: expected of the prompt {name} a text, or one or more Message(role, text), "
            f"found {rendered.prompt!r:.80}"
        )
    return rendered


def _is_shown_text(prompt: object) -> bool:
    if not isinstance(prompt, list | tuple):
        return isinstance(prompt, str)
    return bool(prompt) and all(
        isinstance(message, Message) and isinstance(message.content, str) for message in prompt
    )


def question_name(question: Question) -> str:
    """How messages name a question: its id, and where it was read."""
    return f"question {question.id!r}{f' ({question.origin})' if question.origin else ''}"


class Encoder:
    """Turns questions into token ids, the same way for training and for answering.

    Args:
        tokenizer: A tokenizer of transformers.
        prompt: Renders the questions.
        max_length: The most tokens that a prompt with its longest candidate may have. Longer
            prompts lose the end of their passage, and never any of an option or an answer.
        date: The date that a chat template is told; today by default.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        prompt: Prompt,
        max_length: int = 512,
        date: datetime.date | None = None,
    ) -> None:
        self.codec = TokenCodec(tokenizer)
        self.template = prompt
        self.max_length = max_length
        self._date = date or _chat.today()
        self._chats: dict[str, Chat] = {}
        self._unread: set[str] = set()

    @property
    def template_date(self) -> str:
        """The date that stands in the chats encoded so far (``"2026-11-26"``); ``""`` if none."""
        dated = any(chat.writes_date for chat in list(self._chats.values()))
        return self._date.isoformat() if dated else ""

    @property
    def ends(self) -> set[int]:
        """The ids that may end an answer: EOS, and what ends the turns encoded so far."""
        return {self.codec.end}.union(*(chat.ends for chat in list(self._chats.values())))

    def render(self, question: Question) -> RenderedPrompt:
        """The prompt as text, before any shortening.

        Raises:
            PluginError: If the prompt refuses the question, or fails.
        """
        return render_prompt(self.template, question)

    def template_faults(self, questions: Iterable[Question]) -> list[TemplateFault]:
        """What is wrong with the tokenizer's chat template, whatever a question says.

        Args:
            questions: The questions to be asked; they need not have keys. Those that the prompt
                refuses are passed over.
        """
        faults: dict[str, TemplateFault] = {}
        probed: set[tuple[str, tuple[str, ...]]] = set()
        for question in questions:
            try:
                rendered = render_prompt(self.template, question)
            except PluginError:
                continue
            if not (roles := _roles(rendered)):
                continue
            key = (_arguments_key(rendered), roles)
            if key not in probed:
                probed.add(key)
                chat = self._chat(rendered)
                for fault in chat.faults(roles):
                    faults.setdefault(fault.rule, fault)
                self._warn_of_unread(rendered.template_arguments, chat.variables)
        return list(faults.values())

    def _warn_of_unread(self, arguments: Mapping[str, Any], variables: frozenset[str]) -> None:
        """Log a warning of arguments that the chat template does not read, once for each name."""
        unread = sorted(arguments.keys() - variables - self._unread)
        self._unread.update(unread)
        if unread and variables:
            logger.warning(
                "the chat template does not read %s, which template_arguments gives it; it reads "
                "%s",
                " and ".join(map(repr, unread)),
                ", ".join(sorted(variables)),
            )

    def refuse_faulty_template(
        self, questions: Iterable[Question], *, scoring: bool = True
    ) -> None:
        """Refuse a chat template that would spoil every question, before any is encoded.

        Args:
            questions: The questions to be asked.
            scoring: Whether answers are scored where the prompt ends, so that it matters where
                the template would write them. A model that replies by itself may think first.

        Raises:
            EncodingError: If the template is missing or faulty; the message names the rules.
        """
        faults = [f for f in self.template_faults(questions) if scoring or not f.of_answers]
        if faults:
            raise EncodingError("; ".join(f"{fault.rule}: {fault.reason}" for fault in faults))

    def prompt_ids(self, rendered: RenderedPrompt) -> list[int]:
        """Ids of a prompt, up to where the answer begins.

        Raises:
            EncodingError: If it is a chat, and the tokenizer has no chat template, or one that
                refuses it or changes its text.
        """
        if isinstance(rendered.prompt, str):
            return self.codec.prompt(rendered.prompt)
        return self._chat(rendered).prompt(rendered.prompt)

    def answer_ids(self, text: str, rendered: RenderedPrompt) -> list[int]:
        """Ids of an answer and its end, as they follow the ids of its prompt."""
        if roles := _roles(rendered):
            return self._chat(rendered).answer(text, roles)
        return [*self.codec.continuation(text), self.codec.end]

    def encode(
        self, questions: Iterable[Question]
    ) -> tuple[list[EncodedQuestion], list[EncodingProblem]]:
        """Encode questions, shortening a passage alike for all the questions that share it.

        Returns:
            The encoded questions in order, and those that cannot be encoded: too long even
            without their passage, or refused by the prompt or the chat template.
        """
        questions = list(questions)
        with current_progress() as report:
            is_long = len(questions) >= MANY

            def said(done: int) -> None:
                if is_long:
                    report(done, len(questions), "encoding")

            return self._encode_each(questions, said)

    def _encode_each(
        self, questions: Sequence[Question], report: Callable[[int], object]
    ) -> tuple[list[EncodedQuestion], list[EncodingProblem]]:
        """What :meth:`encode` does; reports how many questions are done."""
        problems: list[EncodingProblem] = []
        fitting: dict[str, int] = {}  # passage → characters that fit all of its questions
        whole: dict[int, EncodedQuestion] = {}  # by index, with the whole passage
        for index, question in enumerate(questions):
            if index % BETWEEN_REPORTS == 0:
                report(index)
            try:
                encoded = self._encode(question)
                if encoded.length > self.max_length:
                    fits = self._characters_that_fit(question)
                    fitting[question.passage] = min(fitting.get(question.passage, fits), fits)
                whole[index] = encoded
            except (EncodingError, PluginError) as error:
                by_template = isinstance(error, ChatRefusedError)
                problems.append(EncodingProblem(index, question.id, str(error), by_template))
        result = []
        for index, encoded in whole.items():
            characters = fitting.get(questions[index].passage)
            shortened = encoded
            if characters is not None:
                try:
                    shortened = self._encode(questions[index], characters)
                except (EncodingError, PluginError) as error:  # it refuses the shorter passage
                    problems.append(EncodingProblem(index, questions[index].id, str(error)))
                    continue
            result.append(replace(shortened, uncut_length=encoded.length))
        report(len(questions))
        return result, problems

    def _encode(self, question: Question, characters: int | None = None) -> EncodedQuestion:
        shown = question
        if characters is not None:
            shown = replace(question, passage=question.passage[:characters])
        rendered = render_prompt(self.template, shown)
        return EncodedQuestion(
            id=question.id,
            passage=question.passage,
            prompt=tuple(self.prompt_ids(rendered)),
            candidates=tuple(
                tuple(self.answer_ids(candidate.text, rendered))
                for candidate in rendered.candidates
            ),
            answers=tuple(candidate.answer for candidate in rendered.candidates),
            target=rendered.target,
            normalization=rendered.normalization,
            cut=len(question.passage) - len(shown.passage),
            least_likely=rendered.least_likely,
        )

    def _chat(self, rendered: RenderedPrompt) -> Chat:
        """The chat template with the prompt's arguments."""
        key = _arguments_key(rendered)
        if key not in self._chats:
            writer = ChatWriter(self.codec, rendered.template_arguments, self._date)
            return self._chats.setdefault(key, Chat(writer))
        return self._chats[key]

    def _characters_that_fit(self, question: Question) -> int:
        if not question.passage or self._encode(question, 0).length > self.max_length:
            bare = self._encode(question, 0).length
            raise EncodingError(
                f"{question_name(question)} has {bare} tokens without its passage; expected "
                f"{self.max_length} or fewer: raise max_length or shorten its stem and options"
            )
        low, high = 0, len(question.passage)
        while high - low > 1:  # low fits, high does not
            middle = (low + high) // 2
            if self._encode(question, middle).length <= self.max_length:
                low = middle
            else:
                high = middle
        return low


def _roles(rendered: RenderedPrompt) -> tuple[str, ...]:
    """The roles of a chat; none of a text."""
    if isinstance(rendered.prompt, str):
        return ()
    return tuple(message.role for message in rendered.prompt)


def _arguments_key(rendered: RenderedPrompt) -> str:
    return json.dumps(rendered.template_arguments, sort_keys=True)


def encode_all(encoder: Encoder, questions: Sequence[Question]) -> list[EncodedQuestion]:
    """Encode questions of which every one must fit.

    Raises:
        EncodingError: If any cannot be encoded; the message names them.
    """
    encoded, problems = encoder.encode(questions)
    if problems:
        shown = "; ".join(problem.reason for problem in problems[:5])
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        how_many = counted(len(problems), "question")
        raise EncodingError(f"{how_many} cannot be encoded: {shown}{more}")
    return encoded
