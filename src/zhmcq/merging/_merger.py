"""Merger: adds an adapter's update to its base model, and checks the result by its answers."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from zhmcq._files import atomic_folder, clear_abandoned, refuse_inputs, refuse_occupied
from zhmcq._phrases import counted
from zhmcq._progress import Progress, reporting, require_progress
from zhmcq.cards._card import MergeFacts, model_card
from zhmcq.cards._records import read_records, write_records
from zhmcq.encoding import EncodedQuestion, Encoder
from zhmcq.errors import MergeError, ModelError, SettingsError
from zhmcq.manifest import (
    CARD_NAME,
    EVALUATIONS_NAME,
    BaseIdentity,
    Manifest,
    SeenQuestions,
    as_date,
)
from zhmcq.merging._bases import Bases, Into
from zhmcq.merging._result import MergeResult, outcome_of
from zhmcq.merging._verify import Answers, answers_of, refuse_another_model
from zhmcq.modeling._adapter_folder import Adapter, read_adapter
from zhmcq.modeling._adapters import PEFT_ERRORS
from zhmcq.modeling._device import choose_device, dtypes_to_try
from zhmcq.modeling._dtype import sample_questions
from zhmcq.modeling._hub import HubName
from zhmcq.modeling._library_bars import reported_bars
from zhmcq.modeling._load import (
    ModelSource,
    load_config,
    load_tokenizer,
    load_weights,
)
from zhmcq.modeling._memory import enough_memory, free_memory
from zhmcq.modeling._support import position_limit
from zhmcq.prompts import Prompt, describe_prompt, get_prompt, recall_prompt
from zhmcq.questions import Question
from zhmcq.settings import DtypeName

__all__ = ["Merger"]

logger = logging.getLogger(__name__)

PARTS = 3  # merged, written, loaded again and compared


class Merger:
    """Merges adapters.

    Args:
        token: A hub access token, where the base model is fetched from the hub.
        local_files_only: Never go to the network.
        trust_remote_code: Run code that the base model's author supplies with the weights.
        dtype: The dtype to merge and save in; ``"auto"`` takes the dtype that a GPU is fast in, if
            it is proven on the questions, else float32, as on every CPU.
        device: Where to merge and verify: ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``; the
            fastest device by default.

    Raises:
        SettingsError: If there is no such dtype, or the machine has no such device.
    """

    def __init__(
        self,
        *,
        token: str | None = None,
        local_files_only: bool = False,
        trust_remote_code: bool = False,
        dtype: DtypeName = "auto",
        device: str | None = None,
    ) -> None:
        self._token, self._local_files_only = token, local_files_only
        self._trust_remote_code = trust_remote_code
        self._source_of = partial(
            ModelSource,
            token=token,
            local_files_only=local_files_only,
            trust_remote_code=trust_remote_code,
        )
        self._dtype: DtypeName = dtype
        self._device = choose_device(device)
        dtypes_to_try(dtype, self._device)  # refuses what is no dtype

    def merge(
        self,
        adapter: str | Path,
        output_dir: str | Path = "merged_model",
        *,
        base_model: str | Path | None = None,
        into: Into = "auto",
        verify_with: Sequence[Question] | None = None,
        prompt: str | Prompt | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> MergeResult:
        """Merge an adapter into its base model and save the result.

        The folder loads with plain ``AutoModelForCausalLM.from_pretrained``, without peft. Before
        it is kept, the merged model is loaded again and compared with the adapter on its base
        model.

        Args:
            adapter: A folder that ``LoraTrainer.train`` wrote, or a LoRA adapter of peft by
                another tool, or either on the hub, as for ``MCQPredictor``.
            output_dir: Where to write the merged model.
            base_model: The base model, if it is no longer where it was in training. It has to be
                given for an adapter of another tool, and for one of the hub that names a path or
                together with ``trust_remote_code``: no path is read and no code is run because a
                stranger's file names it.
            into: What to merge into, if the adapter was trained on a quantised base model: the
                ``"full"``-precision base model, or the ``"dequantized"`` one, whose weights have
                the values that the adapter was trained on. ``"auto"`` merges into both and saves
                the merged model with fewer changed answers to ``verify_with``; it is full
                precision if both have equally many, or there are no questions. A base model that
                is stored quantised can only be dequantised.
            verify_with: Questions to answer before and after.
            prompt: The prompt for these questions, where the adapter's own cannot be recalled:
                it has no name, or is not registered here. The merged model remembers it if the
                adapter has none, as those of other tools; without it, prediction asks for one.
            overwrite: Whether an earlier merged model in ``output_dir`` may be replaced. Files that
                zhmcq did not write are never removed, nor what is read here.
            progress: Called as :class:`zhmcq.Progress` describes; by default bars are drawn, or
                lines are logged.

        Raises:
            OutputExistsError: If ``output_dir`` holds something and ``overwrite`` is false, holds
                files that zhmcq did not write, or is one of the inputs.
            AdapterMismatchError: If ``base_model`` is not the one the adapter was trained on, or
                the adapter's tensors do not fit it.
            ManifestError: If ``adapter`` is no adapter or was changed, or is one of peft that is
                not computed here.
            PromptMismatchError: If there are questions to verify with and the adapter's prompt is
                unknown here, or renders differently now; if it has none and none was given.
            UnknownNameError: If there is no prompt of that name.
            PluginError: If the prompt cannot be made, or remembered.
            EncodingError: If there are questions to verify with, and the base model's chat template
                would spoil every one of them.
            ModelError: If the base model or the adapter cannot be fetched or loaded.
            GatedModelError: If the owner of either has to grant access first.
            MergeError: If the base model has to be given, there is no such base to merge ``into``,
                weights or scores are not finite, or the merged model is another one than the
                adapter on its base model.
            OutOfMemoryError: If memory runs out.
            OutputError: If the folder cannot be written.
            SettingsError: If an argument has another type than these.
        """
        _refuse_other_types(adapter, output_dir, base_model, verify_with)
        require_progress(progress, SettingsError)
        with reporting(progress) as report:
            return self._merge(
                adapter,
                Path(output_dir),
                base_model=base_model,
                into=into,
                verify_with=verify_with,
                prompt=prompt,
                overwrite=overwrite,
                report=report,
            )

    @enough_memory("merging", "give device='cpu' or a 16-bit dtype")
    def _merge(
        self,
        adapter: str | Path,
        out: Path,
        *,
        base_model: str | Path | None,
        into: Into,
        verify_with: Sequence[Question] | None,
        prompt: str | Prompt | None,
        overwrite: bool,
        report: Progress,
    ) -> MergeResult:
        """What :meth:`merge` does, with its arguments."""
        clear_abandoned(out)
        ours = Manifest.names_in(out) if overwrite else set()
        refuse_occupied(out, overwrite=overwrite, ours=ours)
        trained = read_adapter(adapter, token=self._token, local_files_only=self._local_files_only)
        evaluations = read_records(trained.folder)
        base = str(base_model or self._base_of(trained))
        refuse_inputs(out, [trained.folder, base])
        source = self._source_of(base)
        tokenizer = load_tokenizer(source)
        identity = source.identity(tokenizer)
        trained.refuse_other_base(identity)
        trained.warn_of_base(identity)
        template = None if prompt is None else get_prompt(prompt)
        if trained.manifest.unverified:
            trained = replace(trained, manifest=_completed(trained, identity, source, template))
        questions = _encoded(verify_with or (), tokenizer, trained, template)
        compared = questions or sample_questions(tokenizer)
        report(0, PARTS, "merge")
        bases = Bases(source, identity, trained, compared, self._dtype, self._device)
        kinds = bases.kinds(into)
        before = bases.quantised_answers() if questions else None
        kind = kinds[0] if before is None or len(kinds) == 1 else bases.closest(kinds, before)
        merged, expected = bases.merged(kind, compared if before is None else compared[:1])
        dtype = merged.dtype
        report(1, PARTS, "merge")
        with atomic_folder(out, overwrite=overwrite, ours=ours) as temporary:
            with _written(trained):
                merged.save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
            if (seen := SeenQuestions.read(trained.folder)) is not None:
                seen.write(temporary)
            if evaluations:
                write_records(temporary / EVALUATIONS_NAME, evaluations)
            manifest = trained.manifest.model_copy(update={"kind": "merged"}).write(temporary)
            del merged
            free_memory()  # before the merged model is loaded
            report(2, PARTS, "merge")
            after = self._reloaded(temporary, compared, trained, dtype)
            refuse_another_model(expected.logits, after.logits, dtype, trained.name)
            before = expected if before is None else before
            result = outcome_of(out, kind, len(questions), before, after)
            facts = MergeFacts(kind, result.verified, result.answer_flips)
            card = model_card(manifest, evaluations, merge=facts)
            (temporary / CARD_NAME).write_text(card, encoding="utf-8")
            report(PARTS, PARTS, "merge")
        return result

    def _base_of(self, adapter: Adapter) -> str:
        """The name of the base model that the adapter's manifest has.

        Raises:
            MergeError: If nobody vouches for it, so that it has to be given.
        """
        manifest = adapter.manifest
        reason = None
        if manifest.unverified:
            reason = "was not made by zhmcq"
        elif adapter.is_of_hub and HubName.read(manifest.base.name) is None:
            reason = "is of the hub and names a base model on another machine"
        elif adapter.is_of_hub and self._trust_remote_code:
            reason = "is of the hub, and trust_remote_code=True would run its base model's code"
        if reason is not None:
            raise MergeError(
                f"{adapter.name} {reason}: give base_model=…, the base model that it was trained "
                f"on. It names {manifest.base.name or 'none'!r:.200}, which is not loaded unless "
                "you name it"
            )
        return manifest.base.name

    def _reloaded(
        self,
        folder: Path,
        questions: Sequence[EncodedQuestion],
        adapter: Adapter,
        dtype: torch.dtype,
    ) -> Answers:
        """What the merged model in ``folder`` answers."""
        try:
            model = load_weights(self._source_of(str(folder)), dtype=dtype, device=self._device)
        except ModelError as error:
            raise MergeError(
                f"{adapter.name} cannot be merged: the merged model cannot be loaded: {error}"
            ) from error
        return answers_of(model, questions)


@contextmanager
def _written(adapter: Adapter) -> Iterator[None]:
    """Turn what transformers raises when it cannot save a model into errors of zhmcq."""
    try:
        with reported_bars():
            yield
    except (OSError, SafetensorError):  # the disk's
        raise
    except PEFT_ERRORS as error:
        raise MergeError(
            f"{adapter.name} cannot be merged: transformers cannot save the merged model: "
            f"{type(error).__name__}: {error}"
        ) from error


def _refuse_other_types(
    adapter: object, output_dir: object, base_model: object, verify_with: object
) -> None:
    paths = {"adapter": adapter, "output_dir": output_dir, "base_model": base_model or ""}
    for name, value in paths.items():
        if not isinstance(value, str | Path):
            raise SettingsError(f"Merger.merge({name}={value!r:.80}): expected a path")
    questions = () if verify_with is None else verify_with
    is_text = isinstance(questions, str)
    if (
        is_text
        or not isinstance(questions, Sequence)
        or any(not isinstance(question, Question) for question in questions)
    ):
        raise SettingsError(
            f"Merger.merge(verify_with={verify_with!r:.80}): expected questions as a QuestionBank "
            "or a list of Question; DatasetBuilder().read(path) reads them from a file"
        )


def _completed(
    adapter: Adapter, identity: BaseIdentity, source: ModelSource, prompt: Prompt | None
) -> Manifest:
    """The manifest of an adapter of another tool, with what the caller knows of it."""
    manifest = adapter.manifest
    positions = position_limit(load_config(source))
    length = manifest.max_length if positions is None else min(manifest.max_length, positions)
    update: dict[str, Any] = {"base": identity, "max_length": length}
    if prompt is not None:
        update["prompt"] = describe_prompt(prompt)
    return manifest.model_copy(update=update)


def _encoded(
    questions: Sequence[Question], tokenizer: Any, adapter: Adapter, prompt: Prompt | None
) -> list[EncodedQuestion]:
    """The questions to verify with, encoded as in training, without those that are too long."""
    if not questions:
        return []
    manifest = adapter.manifest
    template = recall_prompt(manifest.prompt) if prompt is None else prompt
    date = as_date(manifest.template_date) if manifest.template_date else None
    encoder = Encoder(tokenizer, template, manifest.max_length, date)
    encoder.refuse_faulty_template(questions)
    encoded, unfit = encoder.encode(questions)
    if unfit:
        do_not = counted(len(unfit), "question does not fit and is", "questions do not fit and are")
        logger.warning("%s not verified", do_not)
    return encoded
