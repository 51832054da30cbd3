"""MCQPredictor: answers questions with a merged model, or a base model and an adapter."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from zhmcq._progress import Progress, reporting
from zhmcq.encoding import Encoder
from zhmcq.encoding._chat import today
from zhmcq.errors import SettingsError
from zhmcq.manifest import as_date
from zhmcq.modeling._generation import TextGenerator, end_ids
from zhmcq.modeling._load import ModelSource
from zhmcq.modeling._memory import Budget, enough_memory
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.parsers import Parser, get_parser
from zhmcq.prediction import _pipeline as pipeline
from zhmcq.prediction._answering_model import AnsweringModel
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
from zhmcq.prompts import Prompt
from zhmcq.prompts._registry import renders_chat
from zhmcq.questions import QuestionBank
from zhmcq.reading import BankSource, stream_bank
from zhmcq.reading._drafts.draft import Columns
from zhmcq.reports._tables import write_csv
from zhmcq.settings import DtypeName, GenerateSettings, QuantizationSettings, ScoreSettings

__all__ = ["MCQPredictor"]

# Batches are cut by themselves; this is for the check of a model, on a question alone.
LESS_MEMORY = "lower max_length, give a quantization, take a smaller model"


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
        self._answering = AnsweringModel(
            ModelSource(str(model), token, local_files_only, trust_remote_code),
            adapter,
            prompt=prompt,
            max_length=max_length,
            dtype=dtype,
            device=device,
            quantization=quantization,
        )
        self.tokenizer = self._answering.tokenizer
        self._batch_size = batch_size
        self._fitting: dict[str, int] = {}  # budgets that had to be lowered, for later predictions

    @property
    def prompt(self) -> Prompt:
        """How questions are rendered."""
        return self._answering.prompt

    @property
    def dtype(self) -> DtypeName:
        """The dtype of the weights, such as ``"bfloat16"``.

        With ``dtype="auto"`` it changes in the first prediction, if the model proves not to work in
        it, and with a journal that was begun in another dtype.
        """
        return self._answering.dtype

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
        self._answering.use_adapter(adapter)

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
            team = stack.enter_context(joined())
            report = stack.enter_context(reporting(progress))
            bank = as_bank(
                questions, columns=columns, answer_base=answer_base, sheets=sheets, header=header
            )
            stack.enter_context(self._answering.sharing.use())
            stack.enter_context(enough_memory("answering", LESS_MEMORY))
            encoder = self._encoder(journal, team)
            scoring = isinstance(settings, ScoreSettings)
            encoder.refuse_faulty_template(bank, scoring=scoring)
            added = added_orders(bank, encoder.render, settings)
            prepared = pipeline.prepare(bank, encoder, added)
            pipeline.refuse_failing_template(prepared.template_fails)
            book = None
            if journal is not None and (team is None or team.is_first):
                book = stack.enter_context(self._journal(journal, prepared, settings, encoder))
            encoded = [question.encoded for question in prepared.questions]
            if team is None or team.is_first:
                self._answering.settle_dtype(encoded, book)
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
        encoding: str = "utf-8",
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
            encoding: The encoding of the file, as for ``Predictions.to_csv``.
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
            stack.enter_context(self._answering.sharing.use())
            stack.enter_context(enough_memory("answering", LESS_MEMORY))
            encoder = self._encoder(journal)
            book: StreamJournal | None = None

            def answered(bank: QuestionBank) -> Predictions:
                nonlocal book
                encoder.refuse_faulty_template(bank, scoring=isinstance(settings, ScoreSettings))
                added = added_orders(bank, encoder.render, settings)
                prepared = pipeline.prepare(bank, encoder, added)
                counts.prepared(prepared)
                engine = self._engine(settings, encoder, prepared)
                records = WindowRecords()
                if journal is not None and prepared.questions:
                    if book is None:
                        fields = {**self._answering.fields(), **engine.journal_fields()}
                        run = self._run(encoder, settings, {**fields, "window": WINDOW})
                        book = stack.enter_context(StreamJournal(journal, run))
                    records = book.window(prepared.questions, engine)
                self._answering.settle_dtype([item.encoded for item in prepared.questions], book)
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
                write_csv(output_csv, ("ID", "Answer"), rows, encoding)
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
        name, proven = team.same((self.dtype, self._answering.dtype_is_proven))
        self._answering.take_dtype(name, proven=proven)
        engine = self._engine(settings, encoder, prepared)
        team.refuse_different(
            {
                "model": self._answering.source.name,
                "tokenizer": type(self.tokenizer).__name__,
                **pipeline.journal_fields(prepared, engine, self._answering.fields()),
            }
        )
        finished = team.same(records.finished)
        return records if team.is_first else AnswersOfOthers(finished)

    def _encoder(self, journal: str | Path | None, team: Team | None = None) -> Encoder:
        """What encodes questions, on the date that the model has seen or that the journal has."""
        date = self._answering.template_date
        if date is None and journal is not None:
            date = recorded_date(journal)
        if team is not None:  # also around midnight, or where the journal is on one machine
            date = as_date(team.same((date or today()).isoformat()))
        return Encoder(self.tokenizer, self.prompt, self._answering.length_limit, date)

    def _journal(
        self,
        path: str | Path,
        prepared: pipeline.PreparedBank,
        settings: ScoreSettings | GenerateSettings,
        encoder: Encoder,
    ) -> Journal:
        """The opened journal of this run, whose dtype is not decided yet."""
        engine = self._engine(settings, encoder, prepared)
        fields = pipeline.journal_fields(prepared, engine, self._answering.fields())
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
        return JournalRun(self._answering.identity, chat, fields, date, order_fields(settings))

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
        model = self._answering.model
        if isinstance(settings, ScoreSettings):
            longest = min(self._answering.length_limit, prepared.longest)
            tokens = self._batch_size * longest
            budget = Budget(
                min(tokens, self._fitting.get("tokens", tokens)),
                partial(self._advice, longest),
                remember=partial(self._fitting.__setitem__, "tokens"),
            )
            scoring = ScoringEngine(model, settings.packing, budget)
            if settings.orders == 1:
                return ScoreEngine(scoring, self._answering.calibration)
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
        """What answers, by a hash of all that its answers depend on."""
        name = self._answering.source.name
        fields = {**self._answering.fields(), **engine.journal_fields(), "base": name}
        text = json.dumps(fields, sort_keys=True).encode()
        return self._answering.answered_by(hashlib.sha256(text).hexdigest())
