"""Merger: adds an adapter's update to its base model, and checks the result by its answers."""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zhmcq._files import atomic_folder
from zhmcq.encoding import EncodedQuestion, Encoder
from zhmcq.encoding._batch import collate
from zhmcq.encoding._passes import PassPlan
from zhmcq.errors import MergeError, ModelError, OutputExistsError
from zhmcq.manifest import BaseIdentity
from zhmcq.modeling._adapters import Adapter, attach_trained, read_adapter
from zhmcq.modeling._forward import token_logits
from zhmcq.modeling._load import (
    ModelSource,
    bars_on_terminals_only,
    choose_device,
    load_tokenizer,
    load_weights,
    quantization_config,
    torch_dtype,
)
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.prompts import Prompt, get_prompt, recall_prompt
from zhmcq.questions import Question
from zhmcq.settings import DtypeName, QuantizationSettings

__all__ = ["MergeResult", "Merger"]

logger = logging.getLogger(__name__)

BUDGET = 2048  # tokens of a forward pass while verifying


@dataclass(frozen=True, slots=True)
class MergeResult:
    """A merged model and how it compares with base and adapter.

    Attributes:
        output_dir: The merged model's folder.
        verified: How many questions were answered both ways; 0 if none were given.
        answer_flips: How many of them the merged model, loaded anew, answers differently from the
            adapter on its base model, quantised if it was trained so.
        max_logit_difference: The largest difference of a logit, over the vocabulary, at the
            positions that score the first question's candidates.
    """

    output_dir: Path
    verified: int
    answer_flips: int
    max_logit_difference: float


class Merger:
    """Merges adapters.

    Args:
        token: A hub access token, where the base model is fetched from the hub.
        local_files_only: Never go to the network.
        trust_remote_code: Run code that the base model's author supplies with the weights.
        dtype: The dtype to merge and save in; ``"auto"`` takes what the device is fast in.
    """

    def __init__(
        self,
        *,
        token: str | None = None,
        local_files_only: bool = False,
        trust_remote_code: bool = False,
        dtype: DtypeName = "auto",
    ) -> None:
        self._source_of = partial(
            ModelSource,
            token=token,
            local_files_only=local_files_only,
            trust_remote_code=trust_remote_code,
        )
        self._dtype: DtypeName = dtype

    def merge(
        self,
        adapter: str | Path,
        output_dir: str | Path = "merged_model",
        *,
        base_model: str | Path | None = None,
        verify_with: Sequence[Question] | None = None,
        prompt: str | Prompt | None = None,
        overwrite: bool = False,
    ) -> MergeResult:
        """Merge an adapter into its base model and save the result.

        The folder loads with plain ``AutoModelForCausalLM.from_pretrained``, without peft.

        Args:
            adapter: A folder that ``LoraTrainer.train`` wrote.
            output_dir: Where to write the merged model.
            base_model: The base model, if it is no longer where it was in training.
            verify_with: Questions to answer before and after; the merged model is loaded anew
                for that.
            prompt: The prompt for these questions, where the adapter's own cannot be recalled:
                it has no name, or is not registered here.
            overwrite: Whether a folder that is not empty may be replaced.

        Raises:
            OutputExistsError: If ``output_dir`` holds something and ``overwrite`` is false.
            AdapterMismatchError: If ``base_model`` is not the one the adapter was trained on.
            ManifestError: If ``adapter`` is no adapter folder of zhmcq.
            PromptMismatchError: If there are questions to verify with and the adapter's prompt is
                unknown here, or renders differently now.
            ModelError: If the base model or the adapter cannot be loaded.
            MergeError: If the merged weights are not finite.
            OutputError: If the folder cannot be written.
        """
        out = Path(output_dir)
        _refuse_occupied(out, overwrite=overwrite)
        trained = read_adapter(adapter)
        base = _Base(self._source_of(str(base_model or trained.manifest.base.name)), self._dtype)
        trained.refuse_other_base(base.identity)
        tokenizer = load_tokenizer(base.source)
        questions = _encoded(verify_with or (), tokenizer, trained, prompt)

        before = None
        if questions and trained.quantization:
            before = _answers_quantised(base, trained, questions)
        tuned = base.with_adapter(trained)
        if questions and before is None:
            before = _answers(tuned, questions)
        merged = _merged(tuned, trained)
        with bars_on_terminals_only(), atomic_folder(out, overwrite=overwrite) as temporary:
            merged.save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
            trained.manifest.model_copy(update={"kind": "merged"}).write(temporary)
        del tuned, merged  # before the merged model is loaded
        if before is None:
            return MergeResult(out, verified=0, answer_flips=0, max_logit_difference=0.0)

        reloaded = load_weights(self._source_of(str(out)), dtype=self._dtype)
        return _compared(out, before, _answers(reloaded, questions))


@dataclass(frozen=True)
class _Base:
    """The base model of an adapter, loaded once for each use of it."""

    source: ModelSource
    dtype: DtypeName

    @cached_property
    def identity(self) -> BaseIdentity:
        return self.source.identity()

    def with_adapter(
        self, adapter: Adapter, quantization: QuantizationSettings | None = None
    ) -> Any:
        """Load the base model, quantised if that is given, and put the adapter on it."""
        device = choose_device()
        config = None
        if quantization is not None:
            config = quantization_config(quantization, torch_dtype(self.dtype, device))
        model = load_weights(self.source, dtype=self.dtype, device=device, quantization=config)
        return attach_trained(model, adapter, self.identity)


def _refuse_occupied(out: Path, *, overwrite: bool) -> None:
    if not overwrite and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputExistsError(
            f"{out} already holds something: choose another output_dir, or pass "
            "overwrite=True to replace it"
        )


def _encoded(
    questions: Sequence[Question], tokenizer: Any, adapter: Adapter, prompt: str | Prompt | None
) -> list[EncodedQuestion]:
    """The questions to verify with, as the adapter was trained on such; without those too long."""
    if not questions:
        return []
    manifest = adapter.manifest
    template = recall_prompt(manifest.prompt) if prompt is None else get_prompt(prompt)
    encoded, unfit = Encoder(tokenizer, template, manifest.max_length).encode(questions)
    if unfit:
        logger.warning("%d questions do not fit and are not verified", len(unfit))
    return encoded


def _merged(tuned: Any, adapter: Adapter) -> Any:
    """The base model with the adapter's update in its weights, which are all finite.

    Raises:
        MergeError: If they are not.
    """
    merged = tuned.merge_and_unload(safe_merge=False)
    for name, parameter in merged.named_parameters():
        if not torch.isfinite(parameter).all():
            raise MergeError(
                f"merging {adapter.folder} gives weights that are not finite ({name}): the "
                "adapter is damaged, or its training diverged"
            )
    merged.config.use_cache = True
    return merged


@dataclass(frozen=True, slots=True)
class _Answers:
    """What a model answers.

    Attributes:
        choices: The index of the best candidate of each question, shape ``(questions,)``.
        logits: The logits that score the first question's candidates, shape
            ``(positions, vocabulary)``.
    """

    choices: NDArray[np.int64]
    logits: torch.Tensor


def _answers_quantised(
    base: _Base, adapter: Adapter, questions: Sequence[EncodedQuestion]
) -> _Answers:
    """The answers of the adapter on the quantised base model that it was trained on."""
    try:
        tuned = base.with_adapter(adapter, QuantizationSettings(**(adapter.quantization or {})))
    except ModelError as error:
        raise ModelError(
            f"{adapter.folder} was trained on a quantised base model, which is needed to verify "
            f"the merge: {error}. Install bitsandbytes, or merge without verify_with"
        ) from error
    answers = _answers(tuned, questions)
    del tuned
    gc.collect()  # before the base model is loaded at full precision
    return answers


def _answers(model: Any, questions: Sequence[EncodedQuestion]) -> _Answers:
    """The best candidate of each question, and the logits for the first one's candidates."""
    engine = ScoringEngine(model, "tree", BUDGET)
    choices = np.array([int(np.argmax(scores)) for scores in engine.scores(questions)])
    first = questions[0]
    plan = PassPlan("equal", BUDGET)  # which every model reads, quantised or not
    batches = [collate(rows, plan.layout).to(model.device) for rows in plan.groups([first])]
    with torch.inference_mode():
        logits = torch.cat([token_logits(model, batch).cpu() for batch in batches])
    return _Answers(choices, logits)


def _compared(out: Path, before: _Answers, after: _Answers) -> MergeResult:
    flips = int((before.choices != after.choices).sum())
    verified = len(before.choices)
    if flips:
        logger.warning(
            "%d of %d questions are answered differently by the merged model", flips, verified
        )
    difference = float((before.logits - after.logits).abs().max())
    return MergeResult(out, verified, flips, difference)
