"""MCQPredictor: answers questions with a merged model, or a base model and an adapter."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from zhmcq._progress import Progress, reporting
from zhmcq.encoding import EncodedQuestion, Encoder
from zhmcq.encoding._chat import today
from zhmcq.errors import (
    ManifestError,
    ModelError,
    SettingsError,
)
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
from zhmcq.modeling._generation import TextGenerator, end_ids
from zhmcq.modeling._load import (
    ModelSource,
    load_config,
    load_tokenizer,
    load_weights,
    quantization_config,
)
from zhmcq.modeling._memory import Budget, enough_memory, free_memory
from zhmcq.modeling._probe import bf16_speed
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.modeling._support import position_limit, refuse_beyond_positions
from zhmcq.parsers import Parser, get_parser
from zhmcq.prediction import _pipeline as pipeline
from zhmcq.prediction._arguments import (
    ModeName,
    as_bank,
    check_types,
    mode_settings,
    refusing_sources,
    require_adapter,
    require_count,
    require_path,
)
from zhmcq.prediction._engines import Engine, GenerateEngine, Record, ScoreEngine
from zhmcq.prediction._journal import Journal, JournalRun, recorded_date
from zhmcq.prediction._order_engine import OrderEngine
from zhmcq.prediction._order_plan import added_orders, order_fields
from zhmcq.prediction._predictions import AnsweredBy, Predictions
from zhmcq.prediction._processes import AnswersOfOthers, Team, joined
from zhmcq.prediction._sharing import SharedUse
from zhmcq.prediction._stream import (
    WINDOW,
    StreamCounts,
    StreamJournal,
    StreamStats,
    WindowRecords,
    csv_rows,
    refuse_stream,
    windows,
)
from zhmcq.prompts import Prompt, get_prompt, recall_prompt
from zhmcq.prompts._registry import rendering_sha256, renders_chat
from zhmcq.questions import QuestionBank
from zhmcq.reading import BankSource, stream_bank
from zhmcq.reading._drafts.draft import Columns
from zhmcq.reports._tables import write_csv
from zhmcq.settings import DtypeName, GenerateSettings, QuantizationSettings, ScoreSettings

__all__ = ["MCQPredictor"]

logger = logging.getLogger(__name__)

DEFAULT_PROMPT = "zh-exam"
# Batches are cut by themselves; this is for the check of a model, on a question alone.
LESS_MEMORY = "lower max_length, give a quantization, take a smaller model"


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


class MCQPredictor:
    """Answers multiple-choice questions; any number of threads may share it.

    Args:
        model: A merged folder, or a base model: a folder, a ``.gguf`` file or a hub id.
        adapter: A folder that ``LoraTrainer.train`` wrote on that base model, or a LoRA adapter
            of peft by another tool, which needs a ``prompt``. On the hub ``"owner/name"``,
            ``"owner/name@revision"`` for a branch, a tag or a commit, and
            ``"owner/name/folder"`` where a repository holds several. A ``Path`` is always a
            folder here.
        prompt: How questions are rendered: a name or an instance; what the adapter or the merged
            folder remembers by default, else ``"zh-exam"``.
        max_length: The most tokens of a prompt with its answer; what the adapter or the merged
            folder remembers by default, else 2048, or as many as the model has positions for.
        batch_size: Times ``max_length``, the token budget of a forward pass that scores, however
            many questions that is; with ``mode="generate"``, questions of a batch. It is lowered
            where memory runs out.
        dtype: Dtype of the weights; ``"auto"`` takes the dtype that the device is fast in, if it
            is proven on the first questions, else float32. Whether a CPU is fast in bfloat16 is
            measured. Scores are in float32.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"`` (any number) or ``"mps"``; the fastest of this
            machine by default.
        quantization: How to quantise the base model to 4 or 8 bits, as in training; ``None``
            leaves it at full precision.
        token: A hub access token, for gated models.
        local_files_only: Never go to the network.
        trust_remote_code: Run code that the model's author supplies with the weights.

    Raises:
        SettingsError: If an argument has another type than these, or an impossible value; if the
            machine has no such device; if ``max_length`` is more than the model has positions for.
        ModelError: If the model cannot be loaded, is not causal, or lacks weights; if the adapter
            cannot be fetched from the hub, or its numbers are not finite.
        GatedModelError: If the owner of either has to grant access first.
        AdapterMismatchError: If the adapter was trained on another base model, or its tensors do
            not fit this one.
        ManifestError: If ``adapter`` is no adapter or was changed, or is one of peft that is not
            computed here; if ``model`` is an adapter's folder, or a manifest cannot be read.
        PromptMismatchError: If the prompt that is remembered is not known here, or renders
            differently now; if none is remembered and none was given.
        UnknownNameError: If there is no prompt of that name.
        PluginError: If the prompt cannot be made.
        OutOfMemoryError: If the weights do not fit in memory.
    """

    def __init__(
        self,
        model: str | Path,
        adapter: str | Path | None = None,
        *,
        prompt: str | Prompt | None = None,
        max_length: int | None = None,
        batch_size: int = 4,
        dtype: DtypeName = "auto",
        device: str | None = None,
        quantization: QuantizationSettings | None = None,
        token: str | None = None,
        local_files_only: bool = False,
        trust_remote_code: bool = False,
    ) -> None:
        require_path("model", model)
        require_adapter(adapter)
        require_count("batch_size", batch_size)
        if max_length is not None:
            require_count("max_length", max_length)
        if quantization is not None and not isinstance(quantization, QuantizationSettings):
            raise SettingsError(
                f"MCQPredictor(quantization={quantization!r:.80}): expected "
                "QuantizationSettings(…) or None"
            )
        self._device = choose_device(device)
        dtypes_to_try(dtype, self._device)  # refuses what is no dtype
        self._quantization = quantization
        self._sharing = SharedUse()
        self._source = ModelSource(str(model), token, local_files_only, trust_remote_code)
        self._prompt = prompt
        self._max_length = max_length
        self._batch_size = batch_size
        self._fitting: dict[str, int] = {}  # budgets that had to be lowered, for later predictions
        # Whatever is wrong with the folders or the prompt is said before the weights are loaded.
        trained = None if adapter is None else self._read(adapter)
        remembered = self._remembered_by(trained)
        template = self._choose_prompt(remembered)
        config = load_config(self._source)
        self._positions = position_limit(config)
        if max_length is not None:
            argument = f"MCQPredictor(max_length={max_length})"
            refuse_beyond_positions(max_length, config, argument)
        self._say_if_lowered(remembered)
        self.tokenizer = load_tokenizer(self._source)
        if trained is not None:
            trained.refuse_other_base(self._identity)
        speed = bf16_speed(
            self._source, dtype=dtype, device=self._device, quantised=quantization is not None
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
                self._source.name,
            )

    @property
    def prompt(self) -> Prompt:
        """How questions are rendered."""
        return self._state.prompt

    @property
    def dtype(self) -> DtypeName:
        """The dtype of the weights, such as ``"bfloat16"``.

        With ``dtype="auto"`` it changes in the first prediction, if the model proves not to work in
        it, and with a journal that was begun in another dtype.
        """
        return dtype_name(self._dtype.current)

    def use_adapter(self, adapter: str | Path | None) -> None:
        """Attach an adapter instead of the current one, or detach it.

        The base model stays as it is, bit for bit. Prompt and maximum length become what the
        adapter remembers; detached, what a merged folder remembers, else ``"zh-exam"`` and 2048.
        Each stays as it is if it was given to the constructor. An adapter that is refused changes
        nothing; one that cannot be loaded, or lacks tensors, leaves the model without an adapter.
        Predictions that run in other threads are waited for, and later ones wait for this.

        Args:
            adapter: An adapter as for the constructor, or ``None`` to detach. One of another tool
                needs a predictor that was given a prompt.

        Raises:
            AdapterMismatchError: If it was trained on another base model, or its tensors do not
                fit this one.
            ManifestError: If it is no adapter, was changed, or is not computed here.
            PromptMismatchError: If its prompt is not known here, or renders differently now; if it
                has none, and the predictor was given none.
            ModelError: If it cannot be fetched or loaded.
            GatedModelError: If its owner has to grant access first.
            SettingsError: If it is neither a path nor ``None``.
            PredictionError: If a progress function calls this while its questions are answered.
        """
        require_adapter(adapter)
        trained = None if adapter is None else self._read(adapter)
        remembered = self._remembered_by(trained)
        template = self._choose_prompt(remembered)
        if trained is not None:
            trained.refuse_other_base(self._identity)
        self._say_if_lowered(remembered)
        with self._sharing.change():
            model = self._model
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

    def predict(
        self,
        questions: BankSource,
        mode: ModeName | ScoreSettings | GenerateSettings = "score",
        *,
        parser: str | Parser | None = None,
        orders: int | Literal["prior"] | None = None,
        columns: Columns | None = None,
        answer_base: int | None = None,
        sheets: Sequence[str] | None = None,
        header: bool | None = None,
        journal: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Predictions:
        """Answer questions.

        Several processes that ``accelerate launch`` started answer them together: each calls this
        with the same arguments, computes whole passages for its share, and returns the same
        predictions of all questions. The first one writes the journal and reports.

        Args:
            questions: A bank, questions, or what :func:`zhmcq.reading.read_bank` reads them from:
                the path of a file, an open binary file, a ``pandas.DataFrame``, a
                ``datasets.Dataset``, records as dictionaries, or a list of several.
            mode: ``"score"`` takes the candidate answer with the highest log-likelihood;
                ``"generate"`` lets the model reply and reads its reply. ``ScoreSettings`` or
                ``GenerateSettings`` in place of the name say what belongs to that mode alone.
            parser: What reads the replies of ``mode="generate"``, a name or an instance; short
                for ``mode=GenerateSettings(parser=…)``.
            orders: In how many orders the options are shown, or ``"prior"``; short for
                ``mode=ScoreSettings(orders=…)``. Options that must keep their order are shown in
                it alone, and so are all where the prompt does not list them.
            columns: For what is to be read: field → header, as for ``DatasetBuilder``.
            answer_base: Likewise: the number of the first option in numeric keys.
            sheets: Likewise: the sheets of a workbook to read.
            header: Likewise: whether the tables have a header row.
            journal: A file to keep finished answers in; a later call with the same questions,
                model and prompt resumes from it.
            progress: Called as :class:`zhmcq.Progress` describes, with the questions answered; by
                default a bar is drawn, or lines are logged.

        Returns:
            One prediction a question, in the order of the questions. A question that the prompt
            refuses, or that is too long, has no answer, and its prediction says why.

        Raises:
            ReadError: If the file cannot be read.
            QuestionError: If two questions have one id.
            PredictionError: If an argument has a wrong type, or needs another one; if the journal
                is damaged, or of another run or dtype; if the model computes numbers that are
                not finite, or cannot write replies; if another process fails, or is given other
                questions.
            OutOfMemoryError: If memory runs out for a question alone. Forward passes of several are
                cut, and later ones hold less.
            SettingsError: If transformers refuses the fields of ``GenerateSettings``; if ``orders``
                is neither a number from 1 to 120 nor ``"prior"``.
            ModelError: If the model works in no dtype of the device, or not in the one given; if
                it is not causal, or its numbers depend on the other questions in every layout.
            UnknownNameError: If there is no parser of that name.
            PluginError: If the parser cannot be made, or fails.
            EncodingError: If the tokenizer has no EOS token; if the questions are asked as chats
                and the tokenizer's chat template is missing, refuses them all, or would not have
                an answer where it is scored.
            OutputError: If the journal cannot be written, or another prediction is writing to it.
        """
        settings = mode_settings(mode, parser, orders)
        check_types(journal, progress)
        with contextlib.ExitStack() as stack:
            team = stack.enter_context(joined(self._device))
            report = stack.enter_context(reporting(progress))
            bank = as_bank(
                questions, columns=columns, answer_base=answer_base, sheets=sheets, header=header
            )
            stack.enter_context(self._sharing.use())
            stack.enter_context(enough_memory("answering", LESS_MEMORY))
            encoder = self._encoder(journal, team)
            scoring = isinstance(settings, ScoreSettings)
            encoder.refuse_faulty_template(bank, scoring=scoring)
            added = added_orders(bank, encoder.render, settings)
            prepared = pipeline.prepare(bank, encoder, added)
            book = None
            if journal is not None and (team is None or team.is_first):
                book = stack.enter_context(self._journal(journal, prepared, settings, encoder))
            encoded = [question.encoded for question in prepared.questions]
            if team is None or team.is_first:
                self._settle_dtype(encoded, book)
            records: pipeline.Records = AnswersOfOthers() if book is None else book
            if team is not None:
                records = self._agree(team, prepared, settings, encoder, records)
            engine = self._engine(settings, encoder, prepared, records.finished)
            predictions = pipeline.answer(prepared, engine, report, records, team)
            return replace(predictions, answered_by=self._answered_by(engine))

    def predict_stream(
        self,
        source: BankSource,
        output_csv: str | Path,
        mode: ModeName | ScoreSettings | GenerateSettings = "score",
        *,
        parser: str | Parser | None = None,
        orders: int | None = None,
        columns: Columns | None = None,
        answer_base: int | None = None,
        sheets: Sequence[str] | None = None,
        header: bool | None = None,
        journal: str | Path | None = None,
        progress: Progress | None = None,
    ) -> StreamStats:
        """Answer a bank that need not fit in memory, and write ``ID,Answer`` as csv.

        The source is read by :func:`zhmcq.reading.stream_bank`, without checks across rows, and
        answered in parts of about 2,000 questions. The file is that of ``Predictions.to_csv``: a
        line for each row, in order, without an answer for what could not be used. It appears when
        it is complete.

        Args:
            source: As for :func:`zhmcq.reading.stream_bank`.
            output_csv: The file to write; an older one is replaced, but for the source itself.
            mode: As for :meth:`predict`, and so ``parser``, ``columns``, ``answer_base``,
                ``sheets`` and ``header``.
            parser: See ``mode``.
            orders: In how many orders the options are shown. ``"prior"`` is refused: it is
                estimated on questions of the whole bank before the others are answered.
            columns: See ``mode``.
            answer_base: See ``mode``.
            sheets: See ``mode``.
            header: See ``mode``.
            journal: A file to keep finished answers in; the same call resumes from it after an
                interruption. Another bank is refused where its answers begin to differ in their
                questions. It is no journal for :meth:`predict`.
            progress: Called with the questions answered, and as total with those read so far.

        Returns:
            Counts and time; the answers are in the file.

        Raises:
            OutputExistsError: If ``output_csv`` is the source.
            OutputError: If a file cannot be written.
            PredictionError: As of :meth:`predict`; if ``orders`` is ``"prior"``; if several
                processes of a launcher were to share the stream.
            ZhmcqError: Whatever else :meth:`predict` raises.
        """
        settings = mode_settings(mode, parser, orders)
        check_types(journal, progress)
        refuse_stream(source, output_csv, settings, journal)
        counts = StreamCounts()
        with contextlib.ExitStack() as stack:
            report = stack.enter_context(reporting(progress))
            stack.enter_context(self._sharing.use())
            stack.enter_context(enough_memory("answering", LESS_MEMORY))
            encoder = self._encoder(journal)
            book: StreamJournal | None = None

            def answered(bank: QuestionBank) -> Predictions:
                nonlocal book
                encoder.refuse_faulty_template(bank, scoring=isinstance(settings, ScoreSettings))
                added = added_orders(bank, encoder.render, settings)
                prepared = pipeline.prepare(bank, encoder, added)
                engine = self._engine(settings, encoder, prepared)
                records = WindowRecords()
                if journal is not None and prepared.questions:
                    if book is None:
                        fields = {**self._model_fields(), **engine.journal_fields()}
                        run = self._run(encoder, settings, {**fields, "window": WINDOW})
                        book = stack.enter_context(StreamJournal(journal, run))
                    records = book.window(prepared.questions, engine)
                self._settle_dtype([item.encoded for item in prepared.questions], book)
                engine = self._engine(settings, encoder, prepared)
                before = counts.questions

                def so_far(done: int, total: int, stage: str) -> None:
                    report(before + done, before + total + 1, stage)  # there may be more

                return pipeline.answer(prepared, engine, so_far, records)

            with refusing_sources():
                items = stream_bank(
                    source, columns=columns, answer_base=answer_base, sheets=sheets, header=header
                )
                rows = csv_rows(map(answered, windows(items)), counts, lambda: book)
                write_csv(output_csv, ("ID", "Answer"), rows)
            report(counts.questions, counts.questions, pipeline.STAGE)
        return counts.stats

    def _agree(
        self,
        team: Team,
        prepared: pipeline.PreparedBank,
        settings: ScoreSettings | GenerateSettings,
        encoder: Encoder,
        records: pipeline.Records,
    ) -> pipeline.Records:
        """The first process's finished answers, its dtype, and the same questions, in all."""
        dtype = team.same(self.dtype)
        if self.dtype != dtype:
            with self._sharing.alone():
                self._dtype = DtypeChoice("auto", self._device, recorded=dtype)
                self._reload()
        self._dtype.proven = True
        engine = self._engine(settings, encoder, prepared)
        team.refuse_different(
            {
                "model": self._source.name,
                "tokenizer": type(self.tokenizer).__name__,
                **pipeline.journal_fields(prepared, engine, self._model_fields()),
            }
        )
        finished = team.same(records.finished)
        return records if team.is_first else AnswersOfOthers(finished)

    def _encoder(self, journal: str | Path | None, team: Team | None = None) -> Encoder:
        """What encodes questions, on the date that the model has seen or that the journal has."""
        remembered, date = self._state.remembered, None
        if remembered is not None and remembered.template_date:
            date = as_date(remembered.template_date)
        elif journal is not None:
            date = recorded_date(journal)
        if team is not None:  # also around midnight, or where the journal is on one machine
            date = team.same(date or today())
        return Encoder(self.tokenizer, self.prompt, self._length_limit(), date)

    def _journal(
        self,
        path: str | Path,
        prepared: pipeline.PreparedBank,
        settings: ScoreSettings | GenerateSettings,
        encoder: Encoder,
    ) -> Journal:
        """The opened journal of this run, whose dtype is not decided yet."""
        engine = self._engine(settings, encoder, prepared)
        fields = pipeline.journal_fields(prepared, engine, self._model_fields())
        run = self._run(encoder, settings, fields)
        return Journal(path, run, pipeline.record_check(prepared, engine))

    def _run(
        self,
        encoder: Encoder,
        settings: ScoreSettings | GenerateSettings,
        fields: dict[str, Any],
    ) -> JournalRun:
        """What a journal's answers depend on, with the fields that are only hashed."""
        chat, date = renders_chat(self.prompt), encoder.template_date
        return JournalRun(self._identity, chat, fields, date, order_fields(settings))

    def _settle_dtype(self, questions: Sequence[EncodedQuestion], book: Journal | None) -> None:
        """See to it that the model is in a dtype that works, and in the journal's if it has one.

        Nobody else changes the dtype until this prediction has ended: who needs another one waits.
        """
        in_that_dtype = book is None or book.dtype in (None, self.dtype)
        if not (self._dtype.proven and in_that_dtype):
            with self._sharing.alone():
                self._change_dtype(questions, book)
        if book is not None:
            book.begin(self.dtype)

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
            while questions and not self._dtype.accepts(self._model, questions):
                self._reload()
        except (ModelError, MemoryError):
            if self._dtype is not before:  # other journals may still be answered
                self._dtype = before
                self._reload()
            raise

    def _load(self) -> Any:
        dtype, quantization = self._dtype.current, self._quantization
        return load_weights(
            self._source,
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
            model = attach_trained(model, adapter, self._identity)
        self._state = replace(self._state, model=model)

    @property
    def _model(self) -> Any:
        if self._state.model is None:
            raise ModelError(
                f"{self._source.name!r} could not be loaded in {self.dtype} and is no longer in "
                "memory: make a new MCQPredictor, with device='cpu' if the GPU's memory is full"
            )
        return self._state.model

    def _read(self, adapter: str | Path) -> Adapter:
        source = self._source
        return read_adapter(adapter, token=source.token, local_files_only=source.local_files_only)

    def _attach(self, adapter: Adapter) -> None:
        model = attach_trained(self._model, adapter, self._identity)
        self._state = replace(self._state, model=model, adapter=adapter)

    def _warn_of_other_base(self, adapter: Adapter) -> None:
        """Log warnings if quantisation or chat template are not those of training, or unknown."""
        adapter.warn_of_base(self._identity)
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

    def _length_limit(self) -> int:
        if self._max_length is not None:
            return self._max_length
        wanted = _usual_length(self._state.remembered)
        return wanted if self._positions is None else min(wanted, self._positions)

    def _say_if_lowered(self, remembered: Manifest | None) -> None:
        """Log that the default maximum length is lowered to the number of the model's positions."""
        wanted = _usual_length(remembered)
        if self._max_length is None and self._positions is not None and wanted > self._positions:
            logger.info(
                "the maximum length is lowered from %d to %d, the number of positions of %s",
                wanted,
                self._positions,
                self._source.name,
            )

    def _engine(
        self,
        settings: ScoreSettings | GenerateSettings,
        encoder: Encoder,
        prepared: pipeline.PreparedBank,
        finished: Mapping[str, Record] = MappingProxyType({}),
    ) -> Engine:
        """The engine of this mode.

        Args:
            settings: The mode.
            encoder: What the questions were encoded with.
            prepared: The questions: a forward pass need not take more for each than the longest.
            finished: What a journal has of them.
        """
        model = self._model
        if isinstance(settings, ScoreSettings):
            longest = min(self._length_limit(), prepared.longest)
            tokens = self._batch_size * longest
            budget = Budget(
                min(tokens, self._fitting.get("tokens", tokens)),
                partial(self._advice, longest),
                remember=partial(self._fitting.__setitem__, "tokens"),
            )
            scoring = ScoringEngine(model, settings.packing, budget)
            if settings.orders == 1:
                return ScoreEngine(scoring, self._calibration())
            return OrderEngine(scoring, settings, prepared.questions, finished)
        ends = end_ids(model, frozenset(encoder.ends))
        fields = settings.generation_fields
        batch_size = Budget(
            min(self._batch_size, self._fitting.get("questions", self._batch_size)),
            partial(self._advice, 1),
            name="batch size",
            remember=partial(self._fitting.__setitem__, "questions"),
        )
        generator = TextGenerator(model, self.tokenizer, ends, batch_size, fields)
        generator.check_fields()
        return GenerateEngine(generator, encoder, get_parser(settings.parser), settings)

    def _advice(self, longest: int, size: int) -> str:
        """What to set so that a budget of this size is not exceeded.

        Args:
            longest: How much a question takes of it at most.
            size: The budget.
        """
        fitting = f"batch_size={max(1, size // longest)}"
        if size >= longest:
            return f"give MCQPredictor(…, {fitting})"
        return f"give a quantization, or max_length={size}, which shortens longer passages"

    def _answered_by(self, engine: Engine) -> AnsweredBy:
        """What answers, with the questions it has seen."""
        adapter = self._state.adapter
        fields = {**self._model_fields(), **engine.journal_fields(), "base": self._source.name}
        text = json.dumps(fields, sort_keys=True).encode()
        folder = self._folder if adapter is None else adapter.folder
        remembered = self._state.remembered
        seen = SeenQuestions.read(folder) if remembered is not None else None
        return AnsweredBy(
            hashlib.sha256(text).hexdigest(),
            seen or SeenQuestions(),
            self._source.name,
            "" if adapter is None else adapter.name,
            unverified=remembered is not None and remembered.unverified,
        )

    def _calibration(self) -> Calibration | None:
        """What is remembered for this prompt, if anything is."""
        remembered = self._state.remembered
        if remembered is None or rendering_sha256(self.prompt) != remembered.prompt.sha256:
            return None
        return remembered.calibration

    @cached_property
    def _folder(self) -> Path:
        """The folder of the model's configuration, or its GGUF file; of a hub id, in the cache."""
        return self._source.path(weights=False)

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
                f"MCQPredictor({manifest.base.name!r}, adapter={self._source.name!r})"
            )
        # Its tokenizer and configuration; its weights are many, and loading them shows damage.
        manifest.verify(folder, weights=False)
        return manifest

    @cached_property
    def _identity(self) -> BaseIdentity:
        """The base model's identity; found out when it is first needed, since that takes time."""
        return self._source.identity(self.tokenizer)

    def _model_fields(self) -> dict[str, Any]:
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
