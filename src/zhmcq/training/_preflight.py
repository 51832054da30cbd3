"""Refuse to train on nonsense: what each row would teach, checked before the first step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from zhmcq._phrases import summaries
from zhmcq._visible import console_text, visible
from zhmcq.encoding import EncodedQuestion, Encoder
from zhmcq.encoding._chat_probe import TEMPLATE_RULES
from zhmcq.encoding._encode import question_name, render_prompt
from zhmcq.encoding._tokens import TokenCodec
from zhmcq.errors import EncodingError, PluginError, PreflightError
from zhmcq.prompts import Prompt, RenderedPrompt
from zhmcq.questions import Question

if TYPE_CHECKING:
    from zhmcq.training._plan import RunEstimate

__all__ = [
    "RULES",
    "CheckedQuestions",
    "Finding",
    "PreflightReport",
    "TokenLengths",
    "check_questions",
    "preflight_report",
]

MAX_SHOWN = 5

RULES = {
    "prompt_fails": "the prompt raised an error, or returned something other than a RenderedPrompt",
    "not_encodable": "the tokenizer or its chat template refuses the prompt",
    "too_long": "stem, options and answer alone have more tokens than max_length",
    "no_key": "the question has no key",
    "answer_not_scored": "its key is not among the candidates that the predictor would score",
    "renders_differently": "the predictor, which sees no key or explanation, renders differently",
    "option_missing": "an option is neither in what the model reads nor in its candidate",
    "least_likely": "its answer is the least likely candidate, which next_token cannot teach",
    "answer_not_unique": "its key and another candidate are the same tokens",
    "answer_not_supervised": "its answer has no token of its own",
    "end_not_supervised": "its answer does not end with EOS",
    "bos_missing": "the prompt lacks the beginning that the tokenizer writes",
    "bos_doubled": "the prompt begins with BOS twice",
    "in_training": "the validation question is a training question too",
    **TEMPLATE_RULES,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that one question breaks, or the chat template for all of them.

    Attributes:
        rule: One of the names in ``RULES``.
        id: The question's id; ``""`` for a finding about the chat template.
        reason: What was expected and found.
    """

    rule: str
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class TokenLengths:
    """Token lengths of prompts with their longest candidate, before any shortening.

    Attributes:
        median: Half of the questions have no more tokens.
        p90: The 90th percentile.
        p99: The 99th percentile.
        longest: The most tokens of a question.
    """

    median: int
    p90: int
    p99: int
    longest: int

    @classmethod
    def of(cls, questions: Sequence[EncodedQuestion]) -> Self:
        """The lengths of some questions; all 0 without any."""
        lengths = [max(question.length, question.uncut_length) for question in questions] or [0]
        return cls(*(int(value) for value in np.quantile(lengths, [0.5, 0.9, 0.99, 1.0])))


@dataclass(frozen=True, slots=True)
class CheckedQuestions:
    """Questions of one part of the data, encoded and checked.

    Attributes:
        count: How many questions there are, whether they could be encoded or not.
        encoded: Those that could be encoded, in order.
        findings: What is wrong with which of them.
        sharing: How many of the validation questions share a passage with training questions.
    """

    count: int
    encoded: list[EncodedQuestion]
    findings: list[Finding]
    sharing: int = 0


@dataclass(frozen=True, slots=True)
class PreflightReport:
    """The findings and figures of the check before training; ``print(report)`` shows them.

    Attributes:
        questions: How many training questions there are.
        validation_questions: How many validation questions there are.
        findings: What is wrong with which of them.
        shortened: How many training questions lose the end of their passage to the maximum length.
        validation_shortened: How many validation questions do.
        lengths: The training questions' token lengths, before any shortening.
        example: One question decoded, what is supervised between ``〔`` and ``〕``.
        run: Steps, tokens and memory of the run; ``None`` if there is nothing to train on.
        validation_sharing: How many validation questions share a passage with training questions,
            or a near-copy or quotation of one.
    """

    questions: int
    validation_questions: int
    findings: tuple[Finding, ...]
    shortened: int
    validation_shortened: int
    lengths: TokenLengths
    example: str
    run: RunEstimate | None = None
    validation_sharing: int = 0

    def raise_if_broken(self) -> None:
        """Raise the findings as one error.

        Raises:
            PreflightError: If there are any.
        """
        if not self.findings:
            return
        ids = {finding.id for finding in self.findings if finding.id}
        spoilt, fault, remedy = [], "would teach the model nonsense", "The error's"
        if any(not finding.id for finding in self.findings):
            spoilt.append("the chat template")
        if ids:
            count = self.questions + self.validation_questions
            spoilt.append(f"{len(ids)} of {count} questions")
            remedy = (
                "Mend them or leave them out: bank.filter(lambda q: q.id not in …); the error's"
            )
        if all(finding.rule == "in_training" for finding in self.findings):
            fault = "are for validation and trained on"
        error = PreflightError(
            f"{' and '.join(spoilt)} {fault}:\n{self._shown(f'… and {self._not_shown} more')}\n"
            f"{remedy} report.findings has all of them"
        )
        error.report = self
        raise error

    def text(self) -> str:
        """The report for people to read, a few lines and the example."""
        lengths = self.lengths
        lines = [summaries.preflight_questions(self.questions, self.validation_questions)]
        if self.validation_sharing:
            lines.append(summaries.preflight_sharing(self.validation_sharing))
        if lengths.longest:
            cuts = summaries.preflight_cuts(self.shortened, self.validation_shortened)
            lines.append(
                summaries.preflight_lengths(
                    lengths.median, lengths.p90, lengths.p99, lengths.longest, cuts
                )
            )
        if self.run is not None:
            lines.append(self.run.text())
        lines.append(summaries.preflight_findings(len(self.findings)))
        if self.findings:
            lines.append(self._shown(summaries.preflight_more(self._not_shown)))
        if self.example:
            lines.append(summaries.preflight_example(self.example))
        return visible("\n".join(lines))

    def __str__(self) -> str:
        return console_text(self.text())

    @property
    def _not_shown(self) -> int:
        return len(self.findings) - MAX_SHOWN

    def _shown(self, more: str) -> str:
        shown = "\n".join(f"  {f.rule}: {f.reason}" for f in self.findings[:MAX_SHOWN])
        return f"{shown}\n  {more}" if self._not_shown > 0 else shown


def check_questions(
    questions: Sequence[Question],
    encoder: Encoder,
    predictor_prompt: Prompt,
    *,
    key_alone: bool = False,
) -> CheckedQuestions:
    """Encode questions and check what each would teach.

    Args:
        questions: Questions with keys.
        encoder: Encodes with the prompt to train with.
        predictor_prompt: The prompt as the predictor will have it.
        key_alone: Whether the key is supervised without the other candidates.
    """
    findings: list[Finding] = []
    renderable: list[Question] = []
    rendered: list[RenderedPrompt] = []
    for question in questions:
        try:
            trained = encoder.render(question)
            blind = replace(question, answer=None, explanation="")
            predicted = render_prompt(predictor_prompt, blind)
        except PluginError as error:
            findings.append(Finding("prompt_fails", question.id, str(error)))
            continue
        renderable.append(question)
        rendered.append(trained)
        findings += _check_predicted(question, trained, predicted)
        if key_alone and trained.least_likely:
            reason = (
                "its prompt makes the least likely candidate the answer, which "
                "TrainingSettings(objective='next_token') would make likely: give "
                "objective='contrastive', or another prompt"
            )
            where = question_name(question)
            findings.append(Finding("least_likely", question.id, f"{where}: {reason}"))
    if faults := encoder.template_faults(renderable):
        # Every question would only say the same again.
        findings[:0] = [Finding(fault.rule, "", fault.reason) for fault in faults]
        return CheckedQuestions(len(questions), [], findings)
    encoded, problems = encoder.encode(renderable)
    if problems and not encoded and all(problem.by_template for problem in problems):
        findings.insert(0, Finding("template_fails", "", problems[0].reason))
        return CheckedQuestions(len(questions), [], findings)
    for problem in problems:
        if _encodable(rendered[problem.index], encoder):
            findings.append(Finding("too_long", problem.id, problem.reason))
        else:
            reason = f"{question_name(renderable[problem.index])}: {problem.reason}"
            findings.append(Finding("not_encodable", problem.id, reason))
    unencoded = {problem.index for problem in problems}
    pairs = [
        pair
        for index, pair in enumerate(zip(renderable, rendered, strict=True))
        if index not in unencoded
    ]
    for (question, trained), ids in zip(pairs, encoded, strict=True):
        findings += _check_options(question, trained, ids, encoder.codec)
        findings += _check_ids(question, trained, ids, encoder)
    return CheckedQuestions(len(questions), encoded, findings)


def preflight_report(
    training: CheckedQuestions, validation: CheckedQuestions, codec: TokenCodec
) -> PreflightReport:
    """Sum up what was found.

    Args:
        training: The training questions.
        validation: The validation questions. Their keys need not be unique: a candidate of the
            same tokens does no harm where nothing is learned from it.
        codec: How the tokenizer writes.
    """
    findings = training.findings + [
        replace(finding, reason=f"validation {finding.reason}") if finding.id else finding
        for finding in validation.findings
        if finding.rule != "answer_not_unique" and (finding.id or finding not in training.findings)
    ]
    return PreflightReport(
        questions=training.count,
        validation_questions=validation.count,
        findings=tuple(findings),
        shortened=sum(question.cut > 0 for question in training.encoded),
        validation_shortened=sum(question.cut > 0 for question in validation.encoded),
        lengths=TokenLengths.of(training.encoded),
        example=_example(training.encoded, codec),
        validation_sharing=validation.sharing,
    )


def _encodable(rendered: RenderedPrompt, encoder: Encoder) -> bool:
    try:
        encoder.prompt_ids(rendered)
    except EncodingError:
        return False
    return True


def _check_predicted(
    question: Question, trained: RenderedPrompt, predicted: RenderedPrompt
) -> Iterator[Finding]:
    """Whether the predictor, which knows no key, renders and scores what is supervised here.

    Token ids need no comparison: both sides get theirs from the same texts by ``Encoder``.
    """

    def finding(rule: str, reason: str) -> Finding:
        return Finding(rule, question.id, f"{question_name(question)}: {reason}")

    target = trained.target
    if question.answer is None:
        yield finding("no_key", "expected a key, found none")
    elif target is None or trained.candidates[target] not in predicted.candidates:
        key = "".join(question.labels[index] for index in question.answer)
        scored = [candidate.text for candidate in predicted.candidates[:MAX_SHOWN]]
        yield finding(
            "answer_not_scored",
            f"expected its key {key!r} among the candidates that the predictor scores, found "
            f"{scored!r}",
        )
    if _shown_to_model(trained) != _shown_to_model(predicted):
        yield finding(
            "renders_differently",
            "expected the same prompt and candidates when it is rendered without key and "
            "explanation",
        )


def _shown_to_model(rendered: RenderedPrompt) -> tuple[object, ...]:
    return (
        rendered.prompt,
        rendered.candidates,
        rendered.normalization,
        rendered.template_arguments,
        rendered.least_likely,
    )


def _check_options(
    question: Question, rendered: RenderedPrompt, ids: EncodedQuestion, codec: TokenCodec
) -> Iterator[Finding]:
    """Whether each option can be read in the prompt's ids, or in those of its candidates."""
    read = _read(ids.prompt, codec)
    # An option that is a word of the passage is not thereby listed.
    read = read.replace(_squeezed(question.passage[: len(question.passage) - ids.cut]), "\0", 1)
    options = rendered.question.options
    # The longest first, each occurrence counted once: 甲 is not listed because 甲乙 is.
    for index in sorted(range(len(options)), key=lambda index: -len(options[index])):
        text = _squeezed(options[index])
        if text not in read:  # the tokenizer may normalise it, or have no token for it
            text = _read(codec.text(options[index]), codec)
        if text in read:
            read = read.replace(text, "\0", 1)
            continue
        candidates = [
            candidate
            for candidate, answer in zip(ids.candidates, ids.answers, strict=True)
            if index in answer
        ]
        if candidates and all(text in _read(candidate, codec) for candidate in candidates):
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
    question: Question, rendered: RenderedPrompt, ids: EncodedQuestion, encoder: Encoder
) -> Iterator[Finding]:
    """Whether the answer's ids can be learned and end, and the prompt's ids begin correctly."""

    def finding(rule: str, reason: str) -> Finding:
        return Finding(rule, question.id, f"{question_name(question)}: {reason}")

    if ids.target is not None:
        supervised = ids.candidates[ids.target]
        if ids.candidates.count(supervised) > 1:
            # Two wrong candidates alike do no harm: both are to score lower.
            yield finding("answer_not_unique", "its key and another candidate are the same tokens")
        if len(supervised) <= len(encoder.answer_ids("", rendered)):
            yield finding(
                "answer_not_supervised",
                "its answer has no token of its own: the tokenizer drops all of its characters",
            )
        if supervised[-1] not in encoder.ends:
            yield finding(
                "end_not_supervised",
                f"expected its answer to end with one of {sorted(encoder.ends)} (EOS), found "
                f"{supervised[-1]}",
            )
    bos, prefix = encoder.codec.tokenizer.bos_token_id, encoder.codec.prefix
    # What a chat begins with is its template's to say, and some templates write no BOS.
    if isinstance(rendered.prompt, str) and list(ids.prompt[: len(prefix)]) != prefix:
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
            return f"{prompt}〔{answer}〕"
    return ""
