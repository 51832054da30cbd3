"""This engine's sides: training, scoring, four option orders, and the audit of the answers."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import zhmcq
from prefix_tree.encoded_job import candidate_tokens, job_questions, supervised_tokens
from prefix_tree.meter import Meter, StepClock, peak_memory
from prefix_tree.plan import MAX_LENGTH, QUESTIONS_PER_STEP, Job
from zhmcq.encoding import EncodedQuestion, Encoder
from zhmcq.encoding._encode import encode_all
from zhmcq.modeling import ModelSource, load_model, load_tokenizer
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.prompts import get_prompt
from zhmcq.settings import DtypeName, Packing

__all__ = ["audit", "orders", "score", "train"]


def train(job: Job, packing: Packing) -> dict[str, Any]:
    """Train with ``LoraTrainer``, as anybody would, and time its steps."""
    questions = job_questions(job, load_tokenizer(ModelSource(job.model)))
    clock = StepClock()
    settings = zhmcq.TrainingSettings(
        per_device_train_batch_size=job.batch,
        gradient_accumulation_steps=QUESTIONS_PER_STEP // job.batch,
        num_train_epochs=1,
        max_length=MAX_LENGTH["train"],
        logging_steps=1,
        packing=packing,
        dtype=_dtype(job),
        disable_tqdm=True,
        eval_strategy="no",
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = zhmcq.LoraTrainer(
            job.model, training=settings, prompt=job.prompt, callbacks=[clock]
        )
        result = trainer.train(job.questions, output_dir=Path(folder) / "run")
    losses = [entry["loss"] for entry in result.history if "loss" in entry]
    return {
        **clock.to_record(),
        "tokens": result.tokens_computed,
        "given": supervised_tokens(questions),
        "loss": sum(losses) / len(losses),
    }


def score(job: Job, packing: Packing) -> dict[str, Any]:
    """Answer with the scoring engine at the predictor's settings."""
    model, tokenizer = load_model(ModelSource(job.model), dtype=_dtype(job))
    questions = job_questions(job, tokenizer)
    engine = _engine(model, job, [one.encoded for one in questions], packing)
    meter = Meter()
    handle = meter.watch(model)
    peak_before = peak_memory()
    start = time.perf_counter()
    encoder = Encoder(tokenizer, get_prompt(job.prompt), MAX_LENGTH["predict"])
    scores = engine.scores(encode_all(encoder, job.questions))
    seconds = time.perf_counter() - start
    handle.remove()
    return {
        **meter.to_record(),
        "tokens": engine.stats.computed,
        "seconds": seconds,
        "peak_before": peak_before,
        "given": candidate_tokens(questions),
        "scores": [one.tolist() for one in scores],
    }


def orders(job: Job, packing: Packing) -> dict[str, Any]:
    """Score questions in one order of their options and in four, and time both."""
    model, tokenizer = load_model(ModelSource(job.model), dtype=_dtype(job))
    encoder = Encoder(tokenizer, get_prompt(job.prompt), MAX_LENGTH["predict"])
    turned = [
        replace(question, id=f"{question.id}#{turn}", options=_turned(question.options, turn))
        for question in job.questions
        for turn in range(4)
    ]
    one, four = encode_all(encoder, job.questions), encode_all(encoder, turned)
    record: dict[str, Any] = {"given": 0, "peak_before": 0, "rows": [], "projected": 0}
    # Both have the budget of one, so that it is the sharing that is measured.
    engine = _engine(model, job, one, packing)
    for name, questions in (("one", one), ("four", four)):
        before = engine.stats.computed
        start = time.perf_counter()
        engine.scores(questions)
        record[f"seconds_{name}"] = time.perf_counter() - start
        record[f"computed_{name}"] = engine.stats.computed - before
    return {**record, "seconds": record["seconds_four"], "tokens": record["computed_four"]}


def audit(
    job: Job, sequences: list[tuple[list[int], list[list[int]]]] | None = None
) -> dict[str, Any]:
    """Score what tells why a peer may answer otherwise; not timed.

    Args:
        job: The questions.
        sequences: For each question the harness's own tokens: of the prompt and of each candidate;
            ``None`` if the harness did not run.

    Returns:
        ``without_end``: scores of this engine's tokens, the end (EOS) left out.
        ``their_tokens``: scores of the harness's tokens. ``same_tokens``: for each question
        whether both are the same tokens. The latter two are ``None`` without the harness.
    """
    model, tokenizer = load_model(ModelSource(job.model), dtype=_dtype(job))
    encoded = [one.encoded for one in job_questions(job, tokenizer)]
    bare = [replace(q, candidates=tuple(ids[:-1] for ids in q.candidates)) for q in encoded]
    engine = _engine(model, job, encoded, "tree")
    without_end = [one.tolist() for one in engine.scores(bare)]
    if sequences is None:
        return {"without_end": without_end, "their_tokens": None, "same_tokens": None}
    theirs = [
        replace(q, prompt=tuple(prompt), candidates=tuple(map(tuple, candidates)))
        for q, (prompt, candidates) in zip(encoded, sequences, strict=True)
    ]
    same = [
        (one.prompt, one.candidates) == (other.prompt, other.candidates)
        for one, other in zip(bare, theirs, strict=True)
    ]
    # Equal tokens have equal scores: only the others are computed again.
    others = iter(engine.scores([q for q, equal in zip(theirs, same, strict=True) if not equal]))
    their_tokens = [
        scores if equal else next(others).tolist()
        for scores, equal in zip(without_end, same, strict=True)
    ]
    return {"without_end": without_end, "their_tokens": their_tokens, "same_tokens": same}


def _dtype(job: Job) -> DtypeName:
    return cast("DtypeName", job.dtype)


def _engine(
    model: Any, job: Job, encoded: Sequence[EncodedQuestion], packing: Packing
) -> ScoringEngine:
    """An engine as ``MCQPredictor`` makes it, its self-check done: it also warms the weights."""
    budget = job.batch * min(MAX_LENGTH["predict"], max(one.length for one in encoded))
    engine = ScoringEngine(model, packing, budget)
    if engine.resolve(encoded) != packing:
        raise SystemExit("the engine fell back to flat rows for this model: see its warning")
    if packing == "flat":
        engine.scores(encoded[:1])
        engine.stats = type(engine.stats)()
    return engine


def _turned(options: tuple[str, ...], turn: int) -> tuple[str, ...]:
    place = turn % len(options)
    return options[place:] + options[:place]
