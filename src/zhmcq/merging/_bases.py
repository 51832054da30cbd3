"""What an adapter can be merged into: its base model at full precision, or dequantised."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch

from zhmcq._phrases import records
from zhmcq.encoding import EncodedQuestion
from zhmcq.errors import MergeError, ModelError
from zhmcq.manifest import BaseIdentity
from zhmcq.merging._verify import Answers, answers_of
from zhmcq.merging._weights import dequantised, merge_weights
from zhmcq.modeling._adapter_folder import Adapter
from zhmcq.modeling._adapters import attach_trained
from zhmcq.modeling._dtype import load_proven
from zhmcq.modeling._load import ModelSource, is_stored_quantised
from zhmcq.modeling._memory import free_memory
from zhmcq.settings import DtypeName, QuantizationSettings

__all__ = ["BaseKind", "Bases", "Into"]

logger = logging.getLogger(__name__)

BaseKind = Literal["full", "dequantized"]
Into = Literal["auto", "full", "dequantized"]


@dataclass(frozen=True)
class Bases:
    """The base models of an adapter: the one of training, and those that it can be merged into.

    Attributes:
        source: Where it comes from.
        identity: Its hashes.
        adapter: The adapter.
        questions: What models are compared on.
        dtype: The dtype to load it in.
        device: Where to put it.
    """

    source: ModelSource
    identity: BaseIdentity
    adapter: Adapter
    questions: Sequence[EncodedQuestion]
    dtype: DtypeName
    device: torch.device

    def kinds(self, into: str) -> tuple[BaseKind, ...]:
        """What the adapter can be merged into, as ``into`` allows; the preferred kind first.

        Raises:
            MergeError: If there is no such base model.
        """
        if into not in get_args(Into):
            raise MergeError(f"into={into!r}: expected one of {get_args(Into)}")
        possible: tuple[BaseKind, ...] = ("full", "dequantized")
        reason = ""
        if is_stored_quantised(self.source):
            possible, reason = ("dequantized",), "is stored quantised"
        elif self.adapter.quantization is None:
            possible, reason = ("full",), "was not quantised in training"
        wanted = tuple(kind for kind in possible if into in ("auto", kind))
        if not wanted:
            raise MergeError(
                f"into={into!r}: {self.source.name!r} {reason}, so that {self.adapter.name} can "
                f"be merged into {possible[0]!r} only: leave out into="
            )
        return wanted

    def quantised_answers(self) -> Answers | None:
        """What the adapter answers on its quantised base model; ``None`` if it has none.

        Raises:
            ModelError: If it cannot be loaded.
            MergeError: If a score is not finite.
        """
        if self.adapter.quantization is None and not is_stored_quantised(self.source):
            return None
        try:
            model = self._quantised()
        except ModelError as error:
            raise ModelError(
                f"{self.adapter.name} was trained on a quantised base model, which is needed to "
                f"verify the merge: {error}. Install bitsandbytes, or merge without verify_with"
            ) from error
        tuned = attach_trained(model, self.adapter, self.identity)
        answers = answers_of(tuned, self.questions)
        del model, tuned
        free_memory()  # before the full-precision base model is loaded
        return answers

    def closest(self, kinds: Sequence[BaseKind], before: Answers) -> BaseKind:
        """Which merged model has the fewest changed answers; the first of equals."""
        flips: dict[BaseKind, int] = {}
        for kind in kinds:
            merged, _ = self.merged(kind, self.questions[:1])
            flips[kind] = before.flips(answers_of(merged, self.questions))
            del merged
            free_memory()
            if not flips[kind]:
                break
        best = min(flips, key=lambda kind: flips[kind])
        logger.info("%s", records.merged_into(best, len(self.questions), flips))
        return best

    def merged(self, kind: BaseKind, questions: Sequence[EncodedQuestion]) -> tuple[Any, Answers]:
        """The merged model, and what the adapter on its base answered.

        Args:
            kind: What to merge into.
            questions: What to answer.

        Raises:
            ModelError: If the base model or the adapter cannot be loaded.
            MergeError: If the adapter cannot be merged, or numbers are not finite.
        """
        if kind == "full":
            base = self._loaded(None)
        else:
            base = dequantised(self._quantised(), self.source.name)
        tuned = attach_trained(base, self.adapter, self.identity)
        expected = answers_of(tuned, questions)
        return merge_weights(tuned, self.adapter.name), expected

    def _quantised(self) -> Any:
        settings = self.adapter.quantization
        return self._loaded(None if settings is None else QuantizationSettings(**settings))

    def _loaded(self, quantization: QuantizationSettings | None) -> Any:
        return load_proven(
            self.source,
            self.questions,
            dtype=self.dtype,
            device=self.device,
            quantization=quantization,
        ).model
