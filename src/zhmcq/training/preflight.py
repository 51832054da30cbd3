"""Refuse to train on nonsense: what each row would teach, checked before the first step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zhmcq.encoding.encode import EncodedQuestion, Unfit
from zhmcq.errors import PreflightError

if TYPE_CHECKING:
    from zhmcq.encoding.tokens import TokenCodec

__all__ = ["Finding", "PreflightReport", "preflight"]

MAX_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that one question breaks.

    Attributes:
        rule: ``too_long``, ``no_key``, ``answer_not_supervised``, ``end_not_supervised``,
            ``bos_missing``, ``bos_doubled`` or ``answer_not_unique``.
        id: The question's id.
        reason: What was expected and found.
    """

    rule: str
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class PreflightReport:
    """What training would see.

    Attributes:
        questions: How many questions there are.
        findings: What is wrong with which of them.
        shortened: How many lose the end of their passage to the length limit.
        lengths: Token lengths (prompt with longest candidate): the median, the 90th and 99th
            percentile and the longest.
        example: One question decoded, what is supervised between ``⟦`` and ``⟧``.
    """

    questions: int
    findings: tuple[Finding, ...]
    shortened: int
    lengths: tuple[int, int, int, int]
    example: str

    def raise_if_broken(self) -> None:
        """Raise the findings as one error.

        Raises:
            PreflightError: If there are any.
        """
        if not self.findings:
            return
        shown = "\n".join(f"  {f.rule}: {f.reason}" for f in self.findings[:MAX_SHOWN])
        more = len(self.findings) - MAX_SHOWN
        rest = f"\n  … and {more} more" if more > 0 else ""
        ids = {finding.id for finding in self.findings}
        raise PreflightError(
            f"{len(ids)} of {self.questions} questions would teach the model nonsense:\n"
            f"{shown}{rest}\nMend them or leave them out: bank.filter(lambda q: q.id not in …)"
        )


def preflight(
    encoded: Sequence[EncodedQuestion], unfit: Iterable[Unfit], codec: TokenCodec
) -> PreflightReport:
    """Check what each question would teach.

    Args:
        encoded: The questions that could be encoded.
        unfit: Those that could not.
        codec: How the tokenizer writes beginnings and ends.
    """
    findings = [Finding("too_long", one.id, one.reason) for one in unfit]
    for question in encoded:
        findings += _check(question, codec)
    lengths = [question.length for question in encoded] or [0]
    quantiles = [int(value) for value in np.quantile(lengths, [0.5, 0.9, 0.99, 1.0])]
    return PreflightReport(
        questions=len(encoded) + len(list(unfit)),
        findings=tuple(findings),
        shortened=sum(question.cut > 0 for question in encoded),
        lengths=(quantiles[0], quantiles[1], quantiles[2], quantiles[3]),
        example=_example(encoded, codec),
    )


def _check(question: EncodedQuestion, codec: TokenCodec) -> Iterable[Finding]:
    def finding(rule: str, reason: str) -> Finding:
        return Finding(rule, question.id, f"question {question.id!r}: {reason}")

    bos = codec.tokenizer.bos_token_id
    if question.target is None:
        yield finding(
            "no_key", "expected its key among the candidates of the prompt, found none of them"
        )
    else:
        supervised = question.candidates[question.target]
        if question.candidates.count(supervised) > 1:
            # Two wrong candidates alike do no harm: both are to score lower.
            yield finding("answer_not_unique", "its key and another candidate are the same tokens")
        if len(supervised) < 2:
            yield finding("answer_not_supervised", "its answer has no token of its own")
        if supervised[-1] not in codec.ends:
            yield finding("end_not_supervised", "expected its answer to end with EOS")
    prefix = codec.prefix
    if prefix and list(question.prompt[: len(prefix)]) != prefix and bos not in question.prompt[:1]:
        yield finding("bos_missing", f"expected its prompt to begin with {prefix}")
    if bos is not None and question.prompt[:2] == (bos, bos):
        yield finding("bos_doubled", f"its prompt begins with BOS twice ({bos}, {bos})")


def _example(encoded: Sequence[EncodedQuestion], codec: TokenCodec) -> str:
    for question in encoded:
        if question.target is not None:
            prompt = codec.tokenizer.decode(list(question.prompt))
            answer = codec.tokenizer.decode(list(question.candidates[question.target]))
            return f"{prompt}⟦{answer}⟧"
    return ""
