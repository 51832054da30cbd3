"""MCQPredictor: answers questions with a merged model, or a base model and an adapter."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zhmcq.encoding import EncodedQuestion, Encoder
from zhmcq.errors import ManifestError, PredictionError
from zhmcq.manifest import MANIFEST_NAME, BaseIdentity, Manifest
from zhmcq.modeling.adapters import attach_trained, detach, read_adapter
from zhmcq.modeling.generation import Generator, Reply, stream_choices, stream_replies
from zhmcq.modeling.load import DtypeName, ModelSource, choose_device, load_model
from zhmcq.modeling.scoring import ScoringEngine
from zhmcq.parsers import Parser, get_parser
from zhmcq.prediction.journal import Journal
from zhmcq.prediction.predictions import Prediction, Predictions, PredictionStats
from zhmcq.progress import progress_bar
from zhmcq.prompts import Prompt, get_prompt, recall_prompt, rendering_sha256
from zhmcq.questions import Question, QuestionBank
from zhmcq.reading import read_bank
from zhmcq.settings import Packing

__all__ = ["MCQPredictor"]

logger = logging.getLogger(__name__)

Mode = Literal["score", "generate"]

DEFAULT_PROMPT = "zh-exam"
DEFAULT_MAX_LENGTH = 2048
ANSWER_CUE = "\n答案："  # between free reasoning and the answer it is limited to


class MCQPredictor:
    """Answers multiple-choice questions.

    Args:
        model: A merged folder, or a base model: a folder, a ``.gguf`` file or a hub id.
        adapter: A folder that ``LoraTrainer.train`` wrote on that base model.
        prompt: How to ask; what the adapter or the merged folder remembers by default, else
            ``"zh-exam"``.
        max_length: The most tokens of a prompt with its answer; what the adapter or the merged
            folder remembers by default, else 2048.
        batch_size: Questions of a forward pass, each taken as ``max_length`` tokens at most.
        packing: ``"tree"`` computes what candidates and questions share once, where the model is
            known to support it; ``"flat"`` never does. The answers are the same.
        dtype: Dtype of the weights; ``"auto"`` takes what the device is fast in.
        token: A hub access token, for gated models.
        local_files_only: Never go to the network.
        trust_remote_code: Run code that the model's author put beside the weights.

    Raises:
        ModelError: If the model cannot be loaded.
        AdapterMismatchError: If the adapter was trained on another base model.
        ManifestError: If ``adapter`` is no adapter folder of zhmcq or was changed, ``model`` is an
            adapter's folder, or a manifest cannot be read.
        PromptMismatchError: If the prompt that is remembered is not known here, or asks otherwise
            now.
        UnknownNameError: If there is no prompt of that name.
        PluginError: If the prompt cannot be made.
    """

    def __init__(
        self,
        model: str | Path,
        adapter: str | Path | None = None,
        *,
        prompt: str | Prompt | None = None,
        max_length: int | None = None,
        batch_size: int = 4,
        packing: Packing = "tree",
        dtype: DtypeName = "auto",
        token: str | None = None,
        local_files_only: bool = False,
        trust_remote_code: bool = False,
    ) -> None:
        self._source = ModelSource(str(model), token, local_files_only, trust_remote_code)
        self._prompt = prompt
        self._max_length = max_length
        self._batch_size = batch_size
        self._packing: Packing = packing
        self._remembered = _remembered_by(self._source, adapter)
        self._template = self._choose_prompt()
        self._identity: BaseIdentity | None = None
        self._has_adapter = False
        self._model, self.tokenizer = load_model(self._source, dtype=dtype, device=choose_device())
        if adapter is not None:
            self.use_adapter(adapter)

    @property
    def prompt(self) -> Prompt:
        """How questions are asked."""
        return self._template

    def use_adapter(self, adapter: str | Path | None) -> None:
        """Attach an adapter in place of the present one, or detach it.

        The base model stays as it is, bit for bit. Prompt and length limit become what the
        adapter remembers; detached, what a merged folder remembers, else ``"zh-exam"`` and 2048.
        What was given to the constructor stays.

        Args:
            adapter: A folder that ``LoraTrainer.train`` wrote, or ``None`` to detach.

        Raises:
            AdapterMismatchError: If it was trained on another base model.
            ManifestError: If it is no adapter folder of zhmcq, or was changed.
            PromptMismatchError: If its prompt is not known here, or asks otherwise now.
            ModelError: If it cannot be loaded.
        """
        trained = None if adapter is None else read_adapter(adapter)
        if trained is not None and self._identity is None:
            self._identity = self._source.identity()
        if self._has_adapter:
            self._model = detach(self._model)
            self._has_adapter = False
        if trained is not None and self._identity is not None:
            self._model = attach_trained(self._model, trained, self._identity)
            self._has_adapter = True
            if trained.quantization:
                logger.warning(
                    "%s was trained on a quantised base model and is used on the whole one: its "
                    "answers may differ a little from those that its accuracy was measured on",
                    adapter,
                )
        self._remembered = trained.manifest if trained else _remembered_by(self._source, None)
        self._template = self._choose_prompt()

    def predict(
        self,
        questions: QuestionBank | Sequence[Question] | str | Path,
        mode: Mode = "score",
        *,
        parser: str | Parser = "zh",
        max_new_tokens: int = 256,
        constrain: bool = False,
        reasoning_tokens: int = 0,
        journal: str | Path | None = None,
    ) -> Predictions:
        """Answer questions.

        Args:
            questions: A bank, questions, or a file to read them from.
            mode: ``"score"`` takes the candidate answer with the highest log-likelihood;
                ``"generate"`` lets the model reply and reads its reply.
            parser: For ``"generate"``: what reads the replies, a name or an instance.
            max_new_tokens: For ``"generate"``: the longest reply, in tokens.
            constrain: For ``"generate"``: let the model write candidate answers only; then no
                parser is needed.
            reasoning_tokens: With ``constrain``: how many tokens it may write freely before its
                answer.
            journal: A file to keep finished answers in; a later call with the same questions,
                model and prompt goes on from it.

        Raises:
            ReadError: If the file cannot be read.
            QuestionError: If two questions have one id.
            PredictionError: If the mode is unknown, ``reasoning_tokens`` is given without
                ``constrain``, or the journal is damaged or of another run.
            UnknownNameError: If there is no parser of that name.
            PluginError: If the parser cannot be made, or fails. A question that the prompt refuses
                has no answer, and its prediction says why.
            EncodingError: If the tokenizer has no EOS token.
            OutputError: If the journal cannot be written, or another prediction is writing to it.
        """
        if mode not in ("score", "generate"):
            raise PredictionError(f"expected mode 'score' or 'generate', found {mode!r}")
        if reasoning_tokens and not constrain:
            raise PredictionError(
                "reasoning_tokens goes with constrain=True; free replies are as long as "
                "max_new_tokens says"
            )
        bank = _as_bank(questions)
        reader = get_parser(parser)
        encoder = Encoder(self.tokenizer, self._template, self._limit())
        encoded, unfit = encoder.encode(bank)
        found: dict[str, Prediction] = {}
        for one in unfit:
            found[one.id] = Prediction(one.id, None, "", status="unusable", reason=one.reason)
        asked = {question.id: question for question in bank}
        stats = PredictionStats()
        if mode == "score":
            stream = self._score(encoded, asked, journal)
        else:
            limit = (max_new_tokens, constrain, reasoning_tokens)
            stream = self._generate(encoder, encoded, asked, reader, limit, journal)
        start = time.perf_counter()
        with progress_bar("answering", len(encoded)) as advance:
            for done, stats in stream:  # noqa: B007  the last one counts
                found.update((prediction.id, prediction) for prediction in done)
                advance(len(done))
        logger.info("answered %d questions in %.1f s", len(encoded), time.perf_counter() - start)
        return Predictions(bank, tuple(found[question.id] for question in bank), stats)

    def _score(
        self,
        encoded: Sequence[EncodedQuestion],
        asked: dict[str, Question],
        journal: str | Path | None,
    ) -> Iterator[tuple[list[Prediction], PredictionStats]]:
        engine = ScoringEngine(
            self._model, self._pad_id(), self._packing, self._batch_size * self._row_limit(encoded)
        )
        with _open_journal(journal, self._run("score", encoded)) as book:
            kept = book.finished if book else {}
            rest = [question for question in encoded if question.id not in kept]
            yield (
                [
                    _chosen(question, asked[question.id], np.array(kept[question.id]["scores"]))
                    for question in encoded
                    if question.id in kept
                ],
                PredictionStats(),
            )
            for done in engine.stream(rest):
                pairs = [(rest[index], scores) for index, scores in done]
                if book:
                    book.add([{"id": q.id, "scores": s.tolist()} for q, s in pairs])
                counted = engine.stats
                yield (
                    [_chosen(q, asked[q.id], s) for q, s in pairs],
                    PredictionStats(
                        counted.questions, counted.seconds, counted.given, counted.computed
                    ),
                )

    def _generate(
        self,
        encoder: Encoder,
        encoded: Sequence[EncodedQuestion],
        asked: dict[str, Question],
        reader: Parser,
        limit: tuple[int, bool, int],
        journal: str | Path | None,
    ) -> Iterator[tuple[list[Prediction], PredictionStats]]:
        max_new_tokens, constrain, reasoning_tokens = limit
        with _open_journal(journal, self._run("generate", encoded, limit=limit)) as book:
            kept = book.finished if book else {}
            rest = [question for question in encoded if question.id not in kept]

            def read(one: EncodedQuestion, text: str, candidate: int | None) -> Prediction:
                question = asked[one.id]
                if candidate is not None:
                    answer = one.answers[candidate]
                    return Prediction(one.id, answer, question.label_of(answer), reply=text)
                parsed = reader.parse(text, encoder.render(question).question)
                return Prediction(
                    id=one.id,
                    answer=parsed.answer,
                    label=question.label_of(parsed.answer),
                    status=parsed.status,
                    reply=text,
                    reason=parsed.reason,
                )

            yield (
                [
                    read(question, kept[question.id]["reply"], kept[question.id]["candidate"])
                    for question in encoded
                    if question.id in kept
                ],
                PredictionStats(),
            )
            ends = frozenset(encoder.codec.ends | self._model_ends())
            generator = Generator(self._model, self.tokenizer, ends, self._batch_size)
            replies: Iterator[list[Reply]]
            if constrain:
                cue = encoder.codec.text(ANSWER_CUE)
                replies = stream_choices(generator, rest, reasoning_tokens, cue)
            else:
                replies = stream_replies(generator, rest, max_new_tokens)
            start, count = time.perf_counter(), 0
            for done in replies:
                if book:
                    book.add(
                        [
                            {"id": rest[r.index].id, "reply": r.text, "candidate": r.candidate}
                            for r in done
                        ]
                    )
                count += len(done)
                seconds = time.perf_counter() - start
                read_now = [read(rest[r.index], r.text, r.candidate) for r in done]
                yield read_now, PredictionStats(count, seconds)

    def _choose_prompt(self) -> Prompt:
        if self._prompt is not None:
            return get_prompt(self._prompt)
        if self._remembered is None:
            return get_prompt(DEFAULT_PROMPT)
        return recall_prompt(self._remembered.prompt)

    def _limit(self) -> int:
        if self._max_length is not None:
            return self._max_length
        return self._remembered.max_length if self._remembered else DEFAULT_MAX_LENGTH

    def _row_limit(self, encoded: Sequence[EncodedQuestion]) -> int:
        """Tokens of a forward pass for each question: no more than the longest one has."""
        return min(self._limit(), max((question.length for question in encoded), default=1))

    def _pad_id(self) -> int:
        pad_id = self.tokenizer.pad_token_id
        return 0 if pad_id is None else int(pad_id)

    def _model_ends(self) -> set[int]:
        ends = self._model.generation_config.eos_token_id
        return set(ends) if isinstance(ends, list) else {ends} - {None}

    def _run(self, mode: Mode, encoded: Sequence[EncodedQuestion], **more: Any) -> dict[str, Any]:
        """What the answers depend on, for the journal."""
        if self._identity is None:
            self._identity = self._source.identity()
        return {
            "mode": mode,
            "model": self._identity.model_dump(exclude={"name"}),
            "adapter": self._remembered.files if self._has_adapter and self._remembered else None,
            "prompt_sha256": rendering_sha256(self._template),
            "questions": [[q.id, list(q.prompt), list(map(list, q.candidates))] for q in encoded],
            **more,
        }


class _NoJournal:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_args: object) -> None:
        return None


def _open_journal(path: str | Path | None, run: dict[str, Any]) -> Journal | _NoJournal:
    return _NoJournal() if path is None else Journal(path, run)


def _as_bank(questions: QuestionBank | Sequence[Question] | str | Path) -> QuestionBank:
    if isinstance(questions, str | Path):
        return read_bank(questions)
    return questions if isinstance(questions, QuestionBank) else QuestionBank(questions)


def _chosen(
    encoded: EncodedQuestion, question: Question, scores: NDArray[np.floating[Any]]
) -> Prediction:
    """The candidate with the highest score; of equal ones the first."""
    best = int(np.argmax(scores))
    shares = np.exp(scores.astype(np.float64) - scores.max())
    return Prediction(
        id=question.id,
        answer=encoded.answers[best],
        label=question.label_of(encoded.answers[best]),
        confidence=float(shares[best] / shares.sum()),
        scores=tuple(float(score) for score in scores),
    )


def _remembered_by(source: ModelSource, adapter: str | Path | None) -> Manifest | None:
    """What the adapter remembers, or the merged folder; ``None`` for a plain base model."""
    if adapter is not None:
        return read_adapter(adapter).manifest
    folder = Path(source.name)
    if not (folder / MANIFEST_NAME).is_file():
        return None
    manifest = Manifest.read(folder, verify=False)  # the weights are hashed when it matters
    if manifest.kind == "adapter":
        raise ManifestError(
            f"{folder} holds an adapter, not a model: expected "
            f"MCQPredictor({manifest.base.name!r}, adapter={str(folder)!r})"
        )
    return manifest
