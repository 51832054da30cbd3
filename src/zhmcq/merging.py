"""Merger: an adapter becomes part of its base model, and the merge is checked by its answers."""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zhmcq.encoding import EncodedQuestion, Encoder, PassPlan, collate
from zhmcq.errors import MergeError, ModelError, OutputExistsError
from zhmcq.files import atomic_folder
from zhmcq.manifest import BaseIdentity, Manifest
from zhmcq.modeling.adapters import attach_trained, read_adapter
from zhmcq.modeling.forward import token_logits
from zhmcq.modeling.load import (
    DtypeName,
    ModelSource,
    bars_on_terminals_only,
    choose_device,
    choose_dtype,
    load_model,
    quantization_config,
)
from zhmcq.modeling.scoring import ScoringEngine
from zhmcq.prompts import Prompt, get_prompt, recall_prompt
from zhmcq.questions import Question
from zhmcq.settings import QuantizationSettings

__all__ = ["MergeResult", "Merger"]

logger = logging.getLogger(__name__)

BUDGET = 2048  # tokens of a forward pass while verifying


@dataclass(frozen=True, slots=True)
class MergeResult:
    """A merged model and how it compares with base and adapter.

    Attributes:
        output_dir: The merged model's folder.
        verified: How many questions were answered both ways; 0 if none were given.
        answer_flips: How many of them the merged model, loaded anew, answers otherwise than the
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
        trust_remote_code: Run code that the base model's author put beside the weights.
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
        self._token = token
        self._local_files_only = local_files_only
        self._trust_remote_code = trust_remote_code
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
        """Merge an adapter into its base model and save the whole.

        The folder loads with plain ``AutoModelForCausalLM.from_pretrained``, without peft.

        Args:
            adapter: A folder that ``LoraTrainer.train`` wrote.
            output_dir: Where to write the merged model.
            base_model: The base model, if it is no longer where it was in training.
            verify_with: Questions to answer before and after; the merged model is loaded anew
                for that.
            prompt: How to ask them, where the adapter cannot tell: its prompt has no name, or is
                not registered here.
            overwrite: Whether a folder that is not empty may be replaced.

        Raises:
            OutputExistsError: If ``output_dir`` holds something and ``overwrite`` is false.
            AdapterMismatchError: If ``base_model`` is not the one the adapter was trained on.
            ManifestError: If ``adapter`` is no adapter folder of zhmcq.
            PromptMismatchError: If there are questions to verify with and the adapter's prompt is
                unknown here, or asks otherwise now.
            ModelError: If the base model or the adapter cannot be loaded.
            MergeError: If the merged weights are not finite.
            OutputError: If the folder cannot be written.
        """
        out = Path(output_dir)
        if not overwrite and out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise OutputExistsError(
                f"{out} already holds something: choose another output_dir, or pass "
                "overwrite=True to replace it"
            )
        manifest = read_adapter(adapter)
        source = ModelSource(
            str(base_model or manifest.base.name),
            self._token,
            self._local_files_only,
            self._trust_remote_code,
        )
        identity = source.identity()
        device = choose_device()
        before = None
        if verify_with and manifest.settings.get("quantization"):
            before = self._answers_quantised(
                source, identity, adapter, manifest, verify_with, prompt
            )
        model, tokenizer = load_model(source, dtype=self._dtype, device=device)
        tuned = attach_trained(model, adapter, manifest, identity)
        questions = self._encoded(tokenizer, manifest, verify_with, prompt)
        before = before or _answers(tuned, questions)
        merged = tuned.merge_and_unload(safe_merge=False)
        for name, parameter in merged.named_parameters():
            if not torch.isfinite(parameter).all():
                raise MergeError(
                    f"merging {adapter} gives weights that are not finite ({name}): the adapter "
                    "is damaged, or its training diverged"
                )
        merged.config.use_cache = True
        with bars_on_terminals_only(), atomic_folder(out, overwrite=overwrite) as beside:
            merged.save_pretrained(beside)
            tokenizer.save_pretrained(beside)
            manifest.model_copy(update={"kind": "merged"}).write(beside)
        del model, tuned, merged
        if not questions:
            return MergeResult(out, 0, 0, 0.0)
        again = ModelSource(str(out), trust_remote_code=self._trust_remote_code)
        reloaded, _ = load_model(again, dtype=self._dtype, device=device)
        after = _answers(reloaded, questions)
        flips = int((before.choices != after.choices).sum())
        difference = float((before.logits - after.logits).abs().max())
        if flips:
            logger.warning(
                "%d of %d questions are answered otherwise by the merged model",
                flips,
                len(questions),
            )
        return MergeResult(out, len(questions), flips, difference)

    def _answers_quantised(
        self,
        source: ModelSource,
        identity: BaseIdentity,
        adapter: str | Path,
        manifest: Manifest,
        verify_with: Sequence[Question],
        prompt: str | Prompt | None,
    ) -> _Answers:
        """What the adapter answers on the quantised base that it was trained on."""
        device = choose_device()
        compute = choose_dtype(device) if self._dtype == "auto" else getattr(torch, self._dtype)
        settings = QuantizationSettings(**manifest.settings["quantization"])
        try:
            model, tokenizer = load_model(
                source,
                dtype=self._dtype,
                device=device,
                quantization=quantization_config(settings, compute),
            )
        except ModelError as error:
            raise ModelError(
                f"{adapter} was trained on a quantised base model, which is needed to verify the "
                f"merge: {error}. Install bitsandbytes, or merge without verify_with"
            ) from error
        tuned = attach_trained(model, adapter, manifest, identity)
        found = _answers(tuned, self._encoded(tokenizer, manifest, verify_with, prompt))
        del model, tuned
        gc.collect()  # before the base model is loaded once more
        return found

    def _encoded(
        self,
        tokenizer: Any,
        manifest: Manifest,
        verify_with: Sequence[Question] | None,
        prompt: str | Prompt | None,
    ) -> list[EncodedQuestion]:
        if not verify_with:
            return []
        asked = recall_prompt(manifest.prompt) if prompt is None else get_prompt(prompt)
        encoded, unfit = Encoder(tokenizer, asked, manifest.max_length).encode(verify_with)
        if unfit:
            logger.warning("%d questions do not fit and are not verified", len(unfit))
        return encoded


@dataclass(frozen=True, slots=True)
class _Answers:
    choices: NDArray[np.int64]
    logits: torch.Tensor


def _answers(model: Any, questions: Sequence[EncodedQuestion]) -> _Answers:
    """What the model chooses for each question, and its logits for the first one."""
    if not questions:
        return _Answers(np.zeros(0, dtype=np.int64), torch.zeros(0))
    engine = ScoringEngine(model, 0, "tree", BUDGET)
    choices = np.array([int(np.argmax(scores)) for scores in engine.scores(questions)])
    first = questions[0]
    (rows,) = PassPlan("flat", BUDGET).groups([first])
    batch = collate(rows, 0).to(model.device)
    with torch.inference_mode():
        return _Answers(choices, token_logits(model, batch).cpu())
