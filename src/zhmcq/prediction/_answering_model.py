"""The model that answers: in a dtype that works, with its adapter, and what they remember."""

from __future__ import annotations

import datetime
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from zhmcq._phrases import records
from zhmcq.encoding import EncodedQuestion
from zhmcq.errors import ManifestError, ModelError
from zhmcq.manifest import (
    DEFAULT_MAX_LENGTH,
    MANIFEST_NAME,
    BaseIdentity,
    Calibration,
    Manifest,
    SeenQuestions,
    as_date,
)
from zhmcq.modeling._adapter_folder import Adapter, read_adapter
from zhmcq.modeling._adapters import attach_trained, detach
from zhmcq.modeling._device import choose_device, dtype_name, dtypes_to_try
from zhmcq.modeling._dtype import DtypeChoice
from zhmcq.modeling._load import (
    ModelSource,
    load_config,
    load_tokenizer,
    load_weights,
    quantization_config,
)
from zhmcq.modeling._memory import free_memory
from zhmcq.modeling._probe import bf16_speed
from zhmcq.modeling._support import position_limit, refuse_beyond_positions
from zhmcq.prediction._journal import Journal
from zhmcq.prediction._predictions import AnsweredBy
from zhmcq.prediction._sharing import SharedUse
from zhmcq.prompts import Prompt, get_prompt, recall_prompt
from zhmcq.prompts._registry import rendering_sha256
from zhmcq.settings import DtypeName, QuantizationSettings

__all__ = ["AnsweringModel"]

logger = logging.getLogger(__name__)

DEFAULT_PROMPT = "zh-exam"


@dataclass(frozen=True, slots=True)
class _State:
    """The model that answers, replaced as one value when an adapter is attached or detached.

    Attributes:
        model: The model, with the adapter on it if there is one.
        adapter: The adapter on the model; ``None`` without one.
        remembered: What the adapter remembers, else the merged folder; ``None`` for a plain base
            model.
        prompt: How questions are rendered.
    """

    model: Any
    adapter: Adapter | None
    remembered: Manifest | None
    prompt: Prompt


class AnsweringModel:
    """A model in memory that threads share, of which adapter and dtype can be changed.

    Args:
        source: Where the model is.
        adapter: As for ``MCQPredictor``, and so the others.
        prompt: See ``adapter``.
        max_length: See ``adapter``.
        dtype: See ``adapter``.
        device: See ``adapter``.
        quantization: See ``adapter``.

    Attributes:
        source: Where the model is.
        tokenizer: Its tokenizer.
        sharing: Held by each prediction, so that nobody changes the model meanwhile.
    """

    def __init__(
        self,
        source: ModelSource,
        adapter: str | Path | None,
        *,
        prompt: str | Prompt | None,
        max_length: int | None,
        dtype: DtypeName,
        device: str | None,
        quantization: QuantizationSettings | None,
    ) -> None:
        self.source = source
        self.sharing = SharedUse()
        self._device = choose_device(device)
        dtypes_to_try(dtype, self._device)  # refuses what is no dtype
        self._quantization = quantization
        self._prompt = prompt
        self._max_length = max_length
        # Whatever is wrong with the folders or the prompt is said before the weights are loaded.
        trained = None if adapter is None else self._read(adapter)
        remembered = self._remembered_by(trained)
        template = self._choose_prompt(remembered)
        config = load_config(self.source)
        self._positions = position_limit(config)
        if max_length is not None:
            argument = f"MCQPredictor(max_length={max_length})"
            refuse_beyond_positions(max_length, config, argument)
        self._say_if_lowered(remembered)
        self.tokenizer = load_tokenizer(self.source)
        if trained is not None:
            trained.refuse_other_base(self.identity)
        speed = bf16_speed(
            self.source, dtype=dtype, device=self._device, quantised=quantization is not None
        )
        self._dtype = DtypeChoice(dtype, self._device, speed=speed)
        self._state = _State(self._load(), None, remembered, template)
        if trained is not None:
            self._attach(trained)
            self._warn_of_other_base(trained)
        elif remembered is not None and remembered.unverified:
            logger.warning(
                "%s was merged from an adapter that was not made by zhmcq: nothing says that it "
                "was trained with this prompt",
                self.source.name,
            )

    @property
    def prompt(self) -> Prompt:
        """How questions are rendered."""
        return self._state.prompt

    @property
    def dtype(self) -> DtypeName:
        """The name of the dtype of the weights."""
        return dtype_name(self._dtype.current)

    @property
    def dtype_is_proven(self) -> bool:
        """Whether the model was found to work in its dtype."""
        return self._dtype.proven

    @property
    def remembered(self) -> Manifest | None:
        """What the adapter remembers, else the merged folder; ``None`` for a plain base model."""
        return self._state.remembered

    @property
    def model(self) -> Any:
        """The model in memory, with the adapter on it if there is one.

        Raises:
            ModelError: If it could not be loaded again in another dtype.
        """
        if self._state.model is None:
            raise ModelError(
                f"{self.source.name!r} could not be loaded in {self.dtype} and is no longer in "
                "memory: make a new MCQPredictor, with device='cpu' if the GPU's memory is full"
            )
        return self._state.model

    def use_adapter(self, adapter: str | Path | None) -> None:
        """Attach an adapter instead of the current one, or detach it; as of ``MCQPredictor``."""
        trained = None if adapter is None else self._read(adapter)
        remembered = self._remembered_by(trained)
        template = self._choose_prompt(remembered)
        if trained is not None:
            trained.refuse_other_base(self.identity)
        self._say_if_lowered(remembered)
        with self.sharing.change():
            model = self.model
            if self._state.adapter is not None:
                model = detach(model)
            self._state = _State(model, None, remembered, template)
            if trained is not None:
                try:
                    self._attach(trained)
                except BaseException:  # Ctrl-C too: its prompt and calibration go with it
                    self.use_adapter(None)
                    raise
                self._warn_of_other_base(trained)

    def settle_dtype(self, questions: Sequence[EncodedQuestion], book: Journal | None) -> None:
        """See to it that the model is in a dtype that works, and in the journal's if it has one.

        Nobody else changes the dtype until this prediction has ended: who needs another one waits.
        """
        in_that_dtype = book is None or book.dtype in (None, self.dtype)
        if not (self._dtype.proven and in_that_dtype):
            with self.sharing.alone():
                self._change_dtype(questions, book)
        if book is not None:
            book.begin(self.dtype)

    def take_dtype(self, name: DtypeName, *, proven: bool) -> None:
        """Be in the dtype that another process has chosen."""
        if self.dtype != name:
            with self.sharing.alone():
                self._dtype = DtypeChoice("auto", self._device, recorded=name)
                self._reload()
        self._dtype.proven = proven

    @property
    def template_date(self) -> datetime.date | None:
        """The date in the chats that the model was trained on, if it is remembered."""
        remembered = self.remembered
        if remembered is None or not remembered.template_date:
            return None
        return as_date(remembered.template_date)

    def _change_dtype(self, questions: Sequence[EncodedQuestion], book: Journal | None) -> None:
        """Load the model again if the journal or the first questions need another dtype.

        Only the state may refer to the model meanwhile, so that its memory is free before its
        weights are read again.
        """
        before = self._dtype
        if book is not None and book.dtype is not None:
            if before.name not in ("auto", book.dtype):
                raise book.of_other_dtype(before.name)
            if book.dtype != self.dtype:
                self._dtype = DtypeChoice("auto", self._device, recorded=book.dtype)
                self._reload()
        try:
            while questions and not self._dtype.accepts(self.model, questions):
                self._reload()
        except (ModelError, MemoryError):
            if self._dtype is not before:  # other journals may still be answered
                self._dtype = before
                self._reload()
            raise

    def _load(self) -> Any:
        dtype, quantization = self._dtype.current, self._quantization
        return load_weights(
            self.source,
            dtype=dtype,
            device=self._device,
            quantization=quantization and quantization_config(quantization, dtype),
        )

    def _reload(self) -> None:
        """Load the model in the current dtype, with the adapter that it had."""
        self._state = replace(self._state, model=None)
        free_memory()
        model, adapter = self._load(), self._state.adapter
        if adapter is not None:
            model = attach_trained(model, adapter, self.identity)
        self._state = replace(self._state, model=model)

    def _read(self, adapter: str | Path) -> Adapter:
        source = self.source
        return read_adapter(adapter, token=source.token, local_files_only=source.local_files_only)

    def _attach(self, adapter: Adapter) -> None:
        model = attach_trained(self.model, adapter, self.identity)
        self._state = replace(self._state, model=model, adapter=adapter)

    def _warn_of_other_base(self, adapter: Adapter) -> None:
        """Log warnings if quantisation or chat template are not those of training, or unknown."""
        adapter.warn_of_base(self.identity)
        if adapter.manifest.unverified:
            return
        trained = None
        if adapter.quantization is not None:
            trained = QuantizationSettings(**adapter.quantization)
        if trained == self._quantization:
            return
        remedy = "leave quantization out"
        if trained is not None:
            remedy = f"give MCQPredictor(…, quantization={trained!r})"
        logger.warning(
            "%s was trained on a %s base model and is used on a %s one: a few answers may differ "
            "from those whose accuracy was measured in training. For the base model of training, "
            "%s",
            adapter.name,
            _described(trained),
            _described(self._quantization),
            remedy,
        )

    def _choose_prompt(self, remembered: Manifest | None) -> Prompt:
        if self._prompt is not None:
            return get_prompt(self._prompt)
        if remembered is None:
            return get_prompt(DEFAULT_PROMPT)
        return recall_prompt(remembered.prompt)

    @property
    def length_limit(self) -> int:
        """The most tokens of a prompt with its answer."""
        if self._max_length is not None:
            return self._max_length
        wanted = _usual_length(self._state.remembered)
        return wanted if self._positions is None else min(wanted, self._positions)

    def _say_if_lowered(self, remembered: Manifest | None) -> None:
        """Log that the default maximum length is lowered to the number of the model's positions."""
        wanted = _usual_length(remembered)
        if self._max_length is None and self._positions is not None and wanted > self._positions:
            logger.info("%s", records.length_lowered(wanted, self._positions, self.source.name))

    @property
    def calibration(self) -> Calibration | None:
        """What is remembered for this prompt, if anything is."""
        remembered = self.remembered
        if remembered is None or rendering_sha256(self.prompt) != remembered.prompt.sha256:
            return None
        return remembered.calibration

    def answered_by(self, sha256: str) -> AnsweredBy:
        """What answers, with the questions it has seen.

        Args:
            sha256: Tells it from others, in all that its answers depend on.
        """
        adapter, remembered = self._state.adapter, self.remembered
        folder = self._folder if adapter is None else adapter.folder
        seen = SeenQuestions.read(folder) if remembered is not None else None
        return AnsweredBy(
            sha256,
            seen or SeenQuestions(),
            self.source.name,
            "" if adapter is None else adapter.name,
            unverified=remembered is not None and remembered.unverified,
        )

    @cached_property
    def _folder(self) -> Path:
        """The folder of the model's configuration, or its GGUF file; of a hub id, in the cache."""
        return self.source.path(weights=False)

    def _remembered_by(self, adapter: Adapter | None) -> Manifest | None:
        """The adapter's manifest, else that of the merged folder; ``None`` for a base model."""
        if adapter is not None:
            return adapter.manifest
        folder = self._folder
        if not os.path.lexists(folder / MANIFEST_NAME):  # of any name; what is no file is refused
            return None
        manifest = Manifest.read(folder, verify=False)
        if manifest.kind == "adapter":
            raise ManifestError(
                f"{folder} holds an adapter, not a model: expected "
                f"MCQPredictor({manifest.base.name!r}, adapter={self.source.name!r})"
            )
        # Its tokenizer and configuration; its weights are many, and loading them shows damage.
        manifest.verify(folder, weights=False)
        return manifest

    @cached_property
    def identity(self) -> BaseIdentity:
        """The base model's identity; found out when it is first needed, since that takes time."""
        return self.source.identity(self.tokenizer)

    def fields(self) -> dict[str, Any]:
        """What the answers depend on besides base model, mode and questions, for the journal."""
        adapter = self._state.adapter
        return {
            "adapter": None if adapter is None else adapter.manifest.files,
            "prompt_sha256": rendering_sha256(self.prompt),
            "quantization": self._quantization and self._quantization.model_dump(),
        }


def _described(quantization: QuantizationSettings | None) -> str:
    return "full-precision" if quantization is None else f"quantised ({quantization.kind})"


def _usual_length(remembered: Manifest | None) -> int:
    """The maximum length where none is given."""
    return DEFAULT_MAX_LENGTH if remembered is None else remembered.max_length
