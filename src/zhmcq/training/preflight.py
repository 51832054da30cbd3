"""Refuse to train on nonsense: what each row would teach, checked before the first step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from zhmcq.encoding import EncodedQuestion, Encoder, question_name, render_prompt
from zhmcq.errors import EncodingError, PluginError, PreflightError
from zhmcq.prompts import Prompt, RenderedPrompt
from zhmcq.questions import Question

if TYPE_CHECKING:
    from zhmcq.encoding.tokens import TokenCodec
    from zhmcq.training.estimate import RunEstimate

__all__ = ["RULES", "Finding", "PreflightReport", "check_questions", "preflight"]

MAX_SHOWN = 5

RULES = {
    "prompt_fails": "the prompt raised an error, or gave something else than a RenderedPrompt",
    "not_encodable": "the tokenizer or its chat template refuses the prompt",
    "too_long": "stem, options and answer alone have more tokens than max_length",
    "no_key": "the question has no key",
    "answer_not_scored": "its key is not among the candidates that the predictor would score",
    "asked_otherwise": "the predictor, which sees no key or explanation, asks otherwise",
    "option_missing": "an option is neither in what the model reads nor in its candidate",
    "answer_not_unique": "its key and another candidate are the same tokens",
    "answer_not_supervised": "its answer has no token of its own",
    "end_not_supervised": "its answer does not end with EOS",
    "bos_missing": "the prompt lacks the beginning that the tokenizer writes",
    "bos_doubled": "the prompt begins with BOS twice",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that one question breaks.

    Attributes:
        rule: One of the names in ``RULES``.
        id: The question's id.
        reason: What was expected and found.
    """

    rule: str
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class PreflightReport:
    """What training would see. ``print(report)`` shows it.

    Attributes:
        questions: How many training questions there are.
        held_out: How many validation questions.
        findings: What is wrong with which of them.
        shortened: How many training questions lose the end of their passage to the length limit.
        held_out_shortened: How many validation questions do.
        lengths: The training questions' token lengths (prompt with longest candidate) before any
            shortening: the median, the 90th and 99th percentile and the longest.
        example: One question decoded, what is supervised between ``⟦`` and ``⟧``.
        run: Steps, tokens and memory of the run; ``None`` if there is nothing to train on.
    """

    questions: int
    held_out: int
    findings: tuple[Finding, ...]
    shortened: int
    held_out_shortened: int
    lengths: tuple[int, int, int, int]
    example: str
    run: RunEstimate | None = None

    def raise_if_broken(self) -> None:
        """Raise the findings as one error.

        Raises:
            PreflightError: If there are any.
        """
        if not self.findings:
            return
        ids = {finding.id for finding in self.findings}
        error = PreflightError(
            f"{len(ids)} of {self.questions + self.held_out} questions would teach the model "
            f"nonsense:\n{self._shown()}\n"
            "Mend them or leave them out: bank.filter(lambda q: q.id not in …); the error's "
            "report.findings has all of them"
        )
        error.report = self
        raise error

    def text(self) -> str:
        """The report for people to read, a few lines and the example."""
        median, p90, p99, longest = self.lengths
        lines = [f"{self.questions} questions to train on, {self.held_out} held out"]
        lines.append(
            f"tokens of a prompt with its answer: median {median}, 90 % up to {p90}, 99 % up to "
            f"{p99}, longest {longest}; {self._cuts()}"
        )
        if self.run is not None:
            lines.append(self.run.text())
        lines.append(f"findings: {len(self.findings)}" if self.findings else "findings: none")
        if self.findings:
            lines.append(self._shown())
        if self.example:
            lines.append(f"supervised, between ⟦ and ⟧:\n{self.example}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def _cuts(self) -> str:
        told = f"{self.shortened} questions with a shortened passage"
        return f"{told}, {self.held_out_shortened} held out" if self.held_out_shortened else told

    def _shown(self) -> str:
        shown = "\n".join(f"  {f.rule}: {f.reason}" for f in self.findings[:MAX_SHOWN])
        more = len(self.findings) - MAX_SHOWN
        return f"{shown}\n  … and {more} more" if more > 0 else shown


def check_questions(
    questions: Sequence[Question], encoder: Encoder, asker: Prompt
) -> tuple[list[EncodedQuestion], list[Finding]]:
    """Encode questions and check what each would teach.

    Args:
        questions: Questions with keys.
        encoder: With the prompt to train with.
        asker: The prompt as the predictor will have it.

    Returns:
        Those that could be encoded, in order, and what is wrong with which.
    """
    findings: list[Finding] = []
    kept: list[Question] = []
    rendered: list[RenderedPrompt] = []
    for question in questions:
        try:
            told = encoder.render(question)
            asked = render_prompt(asker, replace(question, answer=None, explanation=""))
        except PluginError as error:
            findings.append(Finding("prompt_fails", question.id, str(error)))
            continue
        kept.append(question)
        rendered.append(told)
        findings += _check_asking(question, told, asked)
    encoded, unfit = encoder.encode(kept)
    for one in unfit:
        if _encodable(rendered[one.index], encoder.codec):
            findings.append(Finding("too_long", one.id, one.reason))
        else:
            reason = f"{question_name(kept[one.index])}: {one.reason}"
            findings.append(Finding("not_encodable", one.id, reason))
    places = {one.index for one in unfit}
    pairs = [
        pair for index, pair in enumerate(zip(kept, rendered, strict=True)) if index not in places
    ]
    for (question, told), ids in zip(pairs, encoded, strict=True):
        findings += _check_options(question, told, ids, encoder.codec)
        findings += _check_ids(question, told, ids, encoder.codec)
    return encoded, findings


def preflight(
    encoded: Sequence[EncodedQuestion],
    held_out: Sequence[EncodedQuestion],
    findings: Sequence[Finding],
    counts: tuple[int, int],
    codec: TokenCodec,
) -> PreflightReport:
    """Sum up what was found.

    Args:
        encoded: The training questions that could be encoded.
        held_out: The validation questions that could be.
        findings: What :func:`check_questions` found in both.
        counts: How many training and validation questions there are.
        codec: How the tokenizer writes.
    """
    lengths = [max(question.length, question.uncut_length) for question in encoded] or [0]
    quantiles = [int(value) for value in np.quantile(lengths, [0.5, 0.9, 0.99, 1.0])]
    return PreflightReport(
        questions=counts[0],
        held_out=counts[1],
        findings=tuple(findings),
        shortened=sum(question.cut > 0 for question in encoded),
        held_out_shortened=sum(question.cut > 0 for question in held_out),
        lengths=(quantiles[0], quantiles[1], quantiles[2], quantiles[3]),
        example=_example(encoded, codec),
    )


def _encodable(rendered: RenderedPrompt, codec: TokenCodec) -> bool:
    try:
        codec.prompt(rendered.prompt)
    except EncodingError:
        return False
    return True


def _check_asking(
    question: Question, told: RenderedPrompt, asked: RenderedPrompt
) -> Iterator[Finding]:
    """Whether the predictor, which knows no key, asks and scores what is supervised here.

    Token ids need no comparison: both sides get theirs from the same texts by ``Encoder``.
    """

    def finding(rule: str, reason: str) -> Finding:
        return Finding(rule, question.id, f"{question_name(question)}: {reason}")

    target = told.target
    if question.answer is None:
        yield finding("no_key", "expected a key, found none")
    elif target is None or told.candidates[target] not in asked.candidates:
        key = "".join(question.labels[index] for index in question.answer)
        scored = [candidate.text for candidate in asked.candidates[:MAX_SHOWN]]
        yield finding(
            "answer_not_scored",
            f"expected its key {key!r} among the candidates that the predictor scores, found "
            f"{scored!r}",
        )
    same = (told.prompt, told.candidates, told.normalization)
    if same != (asked.prompt, asked.candidates, asked.normalization):
        yield finding(
            "asked_otherwise",
            "expected the same prompt and candidates when it is asked without key and explanation",
        )


def _check_options(
    question: Question, told: RenderedPrompt, ids: EncodedQuestion, codec: TokenCodec
) -> Iterator[Finding]:
    """Whether each option can be read in the prompt's ids, or in those of its candidates."""
    read = _read(ids.prompt, codec)
    # An option that is a word of the passage is not thereby listed.
    read = read.replace(_squeezed(question.passage[: len(question.passage) - ids.cut]), "\0", 1)
    options = told.question.options
    # The longest first, each place counted once: 甲 is not listed because 甲乙 is.
    for index in sorted(range(len(options)), key=lambda place: -len(options[place])):
        text = _squeezed(options[index])
        if text not in read:  # the tokenizer may write it otherwise, or have no token for it
            text = _read(codec.text(options[index]), codec)
        if text in read:
            read = read.replace(text, "\0", 1)
            continue
        own = [c for c, answer in zip(ids.candidates, ids.answers, strict=True) if index in answer]
        if own and all(text in _read(c, codec) for c in own):
            continue
        yield Finding(
            "option_missing",
            question.id,
            f"{question_name(question)}: expected its option {question.labels[index]} "
            f"({options[index][:20]!r}) in the prompt or in its candidate, as the model reads them",
        )


def _read(ids: Sequence[int], codec: TokenCodec) -> str:
    return _squeezed(str(codec.tokenizer.decode(list(ids))))


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _check_ids(
    question: Question, told: RenderedPrompt, ids: EncodedQuestion, codec: TokenCodec
) -> Iterator[Finding]:
    """Whether the answer's ids can be learned and end, and the prompt's begin as they have to."""

    def finding(rule: str, reason: str) -> Finding:
        return Finding(rule, question.id, f"{question_name(question)}: {reason}")

    if ids.target is not None:
        supervised = ids.candidates[ids.target]
        if ids.candidates.count(supervised) > 1:
            # Two wrong candidates alike do no harm: both are to score lower.
            yield finding("answer_not_unique", "its key and another candidate are the same tokens")
        if len(supervised) < 2:
            yield finding(
                "answer_not_supervised",
                "its answer has no token of its own: the tokenizer drops all of its characters",
            )
        if supervised[-1] not in codec.ends:
            yield finding(
                "end_not_supervised",
                f"expected its answer to end with one of {sorted(codec.ends)} (EOS), found "
                f"{supervised[-1]}",
            )
    bos, prefix = codec.tokenizer.bos_token_id, codec.prefix
    # What a chat begins with is its template's to say, and some templates write no BOS.
    if isinstance(told.prompt, str) and list(ids.prompt[: len(prefix)]) != prefix:
        yield finding(
            "bos_missing",
            f"expected its prompt to begin with {prefix}, as the tokenizer begins a text, found "
            f"{list(ids.prompt[: len(prefix)])}",
        )
    if bos is not None and ids.prompt[:2] == (bos, bos):
        yield finding(
            "bos_doubled",
            f"its prompt begins with BOS twice ({bos}, {bos}): the prompt or the chat template "
            "writes one that the tokenizer writes as well; take it out there",
        )


def _example(encoded: Sequence[EncodedQuestion], codec: TokenCodec) -> str:
    for question in encoded:
        if question.target is not None:
            prompt = codec.tokenizer.decode(list(question.prompt))
            answer = codec.tokenizer.decode(list(question.candidates[question.target]))
            return f"{prompt}⟦{answer}⟧"
    return ""
