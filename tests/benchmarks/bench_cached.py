"""What a model's own cache brings in scoring, where the model cannot read prefix trees.

From the root of the repository::

    python tests/benchmarks/bench_cached.py --questions AI.xlsx

Random models of eight layers, with the hidden size and the vocabulary of a small model, score the
same questions in flat rows and by their cache, in turns, so that what else the machine does falls
on both alike. The questions are drawn by whole passages. Shown are tokens, questions per second,
the ratio of the rounds' times with its range, and the largest difference between the two sides'
scores.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import time
import warnings
from dataclasses import replace
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

import zhmcq
from architectures.configs import tiny_config
from prefix_tree.plan import draw
from zhmcq.encoding import EncodedQuestion, Encoder
from zhmcq.encoding._encode import encode_all
from zhmcq.modeling._load import ModelSource, load_tokenizer
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.prompts import get_prompt

HIDDEN = 512
LAYERS = 8
VOCABULARY = 65_536
ATTENTION: dict[str, Any] = {
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "max_position_embeddings": 4096,
    "hidden_size": HIDDEN,
    "intermediate_size": 3 * HIDDEN,
    "num_hidden_layers": LAYERS,
}
# One layer in four has full attention, where an architecture lets one choose.
TYPES = (["linear_attention"] * 3 + ["full_attention"]) * (LAYERS // 4)
MAMBA2 = {"mamba_n_heads": 16, "mamba_d_head": 64, "mamba_d_state": 64, "mamba_chunk_size": 256}
MODELS: dict[str, dict[str, Any]] = {
    "qwen3_next": {
        **ATTENTION,
        "layer_types": TYPES,
        "linear_num_value_heads": 8,
        "linear_num_key_heads": 4,
        "linear_key_head_dim": 64,
        "linear_value_head_dim": 64,
        "num_experts": 0,
        "mlp_only_layers": list(range(LAYERS)),
    },
    "falcon_h1": {**ATTENTION, **MAMBA2, "mamba_d_ssm": 2 * HIDDEN},
    "granitemoehybrid": {
        **ATTENTION,
        **MAMBA2,
        "layer_types": TYPES,
        "shared_intermediate_size": 3 * HIDDEN,
        "num_local_experts": 0,
        "num_experts_per_tok": 0,
    },
    "lfm2": {
        **ATTENTION,
        "layer_types": [{"linear_attention": "conv"}.get(kind, kind) for kind in TYPES],
        "full_attn_idxs": None,
    },
    "mamba": {"hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "state_size": 16},
    "bloom": {"hidden_size": HIDDEN, "n_layer": LAYERS, "n_head": 8},
}


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--questions", required=True, help="a question bank with keys")
    parser.add_argument("--count", type=int, default=12, help="questions to score")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompt", default="zh-cloze", help="the options' texts by default")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--dtypes", nargs="+", default=["float32"])
    parser.add_argument("--budget", type=int, default=2048, help="tokens of a forward pass")
    parser.add_argument("--device", default="cpu")
    return parser


def random_model(kind: str, vocabulary: int, dtype: torch.dtype) -> Any:
    """A random model of an architecture, in evaluation mode."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    config = tiny_config(kind, {**MODELS[kind], "vocab_size": vocabulary})
    model: Any = AutoModelForCausalLM
    return model.from_config(config, dtype=dtype).eval()


def within_vocabulary(question: EncodedQuestion) -> EncodedQuestion:
    """The question with other ids: a random model knows no words."""
    prompt = tuple(token % VOCABULARY for token in question.prompt)
    candidates = tuple(tuple(t % VOCABULARY for t in ids) for ids in question.candidates)
    return replace(question, prompt=prompt, candidates=candidates)


def row(kind: str, dtype: str, parsed: argparse.Namespace, questions: list[EncodedQuestion]) -> str:
    """One line of the table."""
    model = random_model(kind, VOCABULARY, getattr(torch, dtype)).to(parsed.device)
    engines = {name: ScoringEngine(model, name, parsed.budget) for name in ("flat", "tree")}
    times: dict[str, list[float]] = {name: [] for name in engines}
    scores: dict[str, torch.Tensor] = {}
    tokens: dict[str, int] = {}
    for engine in engines.values():
        engine.scores(questions[:2])  # its check, and the first use of kernels
    for _ in range(parsed.rounds):
        for name, engine in engines.items():
            before, start = engine.stats.computed, time.perf_counter()
            given = engine.scores(questions)
            times[name].append(time.perf_counter() - start)
            scores[name] = torch.cat([torch.from_numpy(values) for values in given])
            tokens[name] = engine.stats.computed - before
    ratios = [flat / cached for flat, cached in zip(times["flat"], times["tree"], strict=True)]
    rates = [len(questions) / statistics.median(times[name]) for name in ("flat", "tree")]
    cells = [
        kind,
        dtype,
        engines["tree"].layout,
        f"{tokens['flat']:,}",
        f"{tokens['tree']:,}",
        *(f"{rate:.2f}" for rate in rates),
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
        f"{float((scores['flat'] - scores['tree']).abs().max()):.0e}",
    ]
    return f"| {' | '.join(cells)} |"


def main(argv: list[str] | None = None) -> int:
    """Score in turns and print."""
    parsed = arguments().parse_args(argv)
    base_model = zhmcq.demo_model()
    tokenizer = load_tokenizer(ModelSource(str(base_model), local_files_only=True))
    (bank,) = draw(zhmcq.DatasetBuilder().read(parsed.questions), [parsed.count])
    encoded = encode_all(Encoder(tokenizer, get_prompt(parsed.prompt), 2048), bank)
    questions = [within_vocabulary(question) for question in encoded]
    lengths = [len(question.prompt) for question in questions]
    candidates = [len(ids) for question in questions for ids in question.candidates]
    passages = len({question.passage or question.id for question in questions})
    print(
        f"{len(questions)} questions about {passages} passages, prompts of "
        f"{statistics.mean(lengths):.0f} tokens, candidates of {statistics.mean(candidates):.1f}; "
        f"{parsed.rounds} rounds in turns, {torch.get_num_threads()} threads\n"
    )
    print(
        "| model | dtype | layout | tokens, flat | by cache | questions/s, flat | by cache | ratio"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for kind in parsed.models:
        for dtype in parsed.dtypes:
            print(row(kind, dtype, parsed, questions), flush=True)
    return 0


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    logging.getLogger("zhmcq").setLevel(logging.ERROR)
    sys.exit(main())
