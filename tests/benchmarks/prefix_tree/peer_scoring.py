"""Answering as peers do it: lm-evaluation-harness, and a text-generation pipeline."""

from __future__ import annotations

import time
from typing import Any, cast

import torch

from prefix_tree.encoded_job import candidate_tokens, job_questions
from prefix_tree.meter import Meter, peak_memory
from prefix_tree.plan import MAX_LENGTH, Job
from zhmcq.modeling import ModelSource, load_model, load_tokenizer
from zhmcq.parsers import get_parser
from zhmcq.settings import DtypeName

__all__ = ["harness", "pipeline"]

NEW_TOKENS = 4


def harness(job: Job) -> dict[str, Any]:
    """Answer with lm-evaluation-harness: a multiple-choice task over the same texts.

    Timed is its ``loglikelihood``: its tokenizing and its forward passes, not the making of the
    task nor its report. Its own metrics (``acc`` by sums, ``acc_norm`` by bytes) are not used:
    the log-likelihood of each request is kept, and normalised as this engine normalises. In bf16
    its softmax is in bf16 as well, as it is by default.
    """
    from datasets import Dataset
    from lm_eval import simple_evaluate
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.models.huggingface import HFLM

    questions = job_questions(job, load_tokenizer(ModelSource(job.model)))
    rows = [
        {
            "place": place,
            "prompt": one.prompt,
            "choices": [candidate.text for candidate in one.rendered.candidates],
            "gold": one.encoded.target,
        }
        for place, one in enumerate(questions)
    ]
    task = ConfigurableTask(
        config={
            "task": "zhmcq_bench",
            "custom_dataset": lambda **_metadata: {"test": Dataset.from_list(rows)},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": lambda row: row["prompt"],
            "doc_to_choice": lambda row: row["choices"],
            "doc_to_target": lambda row: row["gold"],
            "target_delimiter": "",  # the default puts a space before a choice
        }
    )
    lm = _TimedHarness(
        HFLM(
            pretrained=job.model,
            device="cpu",
            dtype=job.dtype,
            batch_size=job.batch,
            max_length=MAX_LENGTH["predict"],
        )
    )
    results: Any = simple_evaluate(lm.lm, tasks=[task], bootstrap_iters=0, log_samples=True)
    sums: list[list[float]] = [[] for _ in rows]
    sequences: list[Any] = [None for _ in rows]
    for sample in results["samples"]["zhmcq_bench"]:
        place = sample["doc"]["place"]
        sums[place] = [float(response[0][0]) for response in sample["resps"]]
        pairs = [lm.lm._encode_pair(rows[place]["prompt"], text) for text in rows[place]["choices"]]
        sequences[place] = (pairs[0][0], [continuation for _, continuation in pairs])
    lengths = [[len(ids) for ids in candidates] for _, candidates in sequences]
    scores = [
        [
            total / length if one.encoded.normalization == "mean" else total
            for total, length in zip(totals, counts, strict=True)
        ]
        for one, totals, counts in zip(questions, sums, lengths, strict=True)
    ]
    return {
        **lm.meter.to_record(),
        "seconds": lm.seconds,
        "peak_before": lm.peak_before,
        "given": candidate_tokens(questions),
        "scores": scores,
        "sequences": sequences,
    }


class _TimedHarness:
    """A model of the harness whose ``loglikelihood`` is timed."""

    def __init__(self, lm: Any) -> None:
        self.lm = lm
        self.meter = Meter()
        self.seconds = 0.0
        self.peak_before = 0
        self._original = lm.loglikelihood
        lm.loglikelihood = self._timed

    def _timed(self, requests: Any, **options: Any) -> Any:
        with torch.no_grad():  # the first touch of the weights, as on the other sides
            self.lm.model(torch.ones((1, 32), dtype=torch.long), use_cache=False)
        handle = self.meter.watch(self.lm.model)
        self.peak_before = peak_memory()
        start = time.perf_counter()
        result = self._original(requests, **options)
        self.seconds = time.perf_counter() - start
        handle.remove()
        return result


def pipeline(job: Job) -> dict[str, Any]:
    """Answer with a text-generation pipeline: a few greedy tokens, read by the parser ``zh``."""
    import transformers

    model, tokenizer = load_model(ModelSource(job.model), dtype=cast("DtypeName", job.dtype))
    questions = job_questions(job, tokenizer)
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    make: Any = transformers.pipeline
    generate = make("text-generation", model=model, tokenizer=tokenizer, batch_size=job.batch)
    options = {"do_sample": False, "max_new_tokens": NEW_TOKENS, "return_full_text": False}
    generate(["答案："], **options)
    meter = Meter()
    handle = meter.watch(model)
    peak_before = peak_memory()
    start = time.perf_counter()
    # Of like length one after another, as the other sides have them.
    order = sorted(range(len(questions)), key=lambda place: len(questions[place].encoded.prompt))
    found = generate([questions[place].prompt for place in order], **options)
    parser = get_parser("zh")
    replies: list[str] = ["" for _ in questions]
    for place, reply in zip(order, found, strict=True):
        replies[place] = reply[0]["generated_text"]
    answers = [
        parser.parse(reply, one.rendered.question).answer
        for reply, one in zip(replies, questions, strict=True)
    ]
    seconds = time.perf_counter() - start
    handle.remove()
    return {
        **meter.to_record(),
        "tokens": None,
        "seconds": seconds,
        "peak_before": peak_before,
        "given": sum(len(one.encoded.prompt) + NEW_TOKENS for one in questions),
        "answers": [None if answer is None else answer[0] for answer in answers],
        "replies": replies,
    }
