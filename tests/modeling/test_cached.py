"""Scoring goes on from copies of a model's cache where the model cannot read prefix trees."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from families import VOCABULARY
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    BloomForCausalLM,
    FalconH1Config,
    Lfm2Config,
    MambaConfig,
)

from zhmcq.encoding import EncodedQuestion
from zhmcq.modeling import _layout
from zhmcq.modeling._cached import cache_name
from zhmcq.modeling._layout import choose_layout
from zhmcq.modeling._scoring import ScoringEngine

BLOOM: dict[str, Any] = {"vocab_size": VOCABULARY, "hidden_size": 16, "n_layer": 2, "n_head": 2}
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 256,
}
MAMBA2: dict[str, Any] = {
    "mamba_d_ssm": 16,
    "mamba_n_heads": 2,
    "mamba_d_head": 8,
    "mamba_d_state": 4,
}
HYBRIDS = {
    "short convolutions": (Lfm2Config(**SIZES, layer_types=["conv", "full_attention"]), "cached"),
    "in chunks": (FalconH1Config(**SIZES, **MAMBA2, mamba_chunk_size=8), "cached"),
    "in long chunks": (FalconH1Config(**SIZES, **MAMBA2, mamba_chunk_size=256), "cached"),
    # Its code forgets the state at the start of several tokens, not of one.
    "a state for single tokens": (
        MambaConfig(vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, state_size=4),
        "stepped",
    ),
}


def build(config: Any) -> Any:
    torch.manual_seed(5)
    model = AutoModelForCausalLM.from_config(config).eval()  # type: ignore[no-untyped-call]
    return with_larger_weights(model, 3)


def with_larger_weights(model: Any, factor: int) -> Any:
    """The model, in which what is lost shows: random weights near zero hide it."""
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.data *= factor
    return model


def question(number: int, passage: int, candidates: Sequence[int] = (3, 7, 5)) -> EncodedQuestion:
    text = [3 + (7 * i + passage) % 90 for i in range(100)]
    stem = [3 + (11 * i + number) % 90 for i in range(20 + number)]
    return EncodedQuestion(
        id=f"q{number}",
        passage=f"passage {passage}",
        prompt=(1, *text, *stem),
        candidates=tuple((*(20 + (5 * n + i) % 60 for i in range(n - 1)), 2) for n in candidates),
        answers=tuple((i,) for i in range(len(candidates))),
        target=0,
        normalization="sum",
    )


QUESTIONS = [question(0, 0), question(1, 0), question(2, 1, (2, 2)), question(3, 0)]
# Candidates of few tokens, which are worth a pass each.
SHORT = [question(n, n // 2, (3, 2, 3, 3)) for n in range(4)]


def said(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name.startswith("zhmcq")]


@pytest.mark.parametrize(("config", "layout"), HYBRIDS.values(), ids=HYBRIDS.keys())
def test_a_hybrid_model_scores_by_its_cache_as_in_flat_rows(
    config: Any, layout: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "zhmcq")
    model = build(config)
    flat = ScoringEngine(model, "flat")
    expected = flat.scores(SHORT)
    engine = ScoringEngine(model)
    for scores, others in zip(engine.scores(SHORT), expected, strict=True):
        assert scores.tolist() == pytest.approx(others.tolist(), abs=2e-4)
    assert engine.layout == layout
    assert engine.stats.computed < flat.stats.computed / 2
    (record,) = said(caplog)
    assert record.levelno == logging.INFO
    assert "in scoring, what candidates share is computed once" in record.getMessage()


def test_where_long_chunks_do_not_fit_a_cache_is_gone_on_from_one_token_a_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_layout, "in_long_chunks", lambda _model: True)  # as on a GPU
    model = build(HYBRIDS["in long chunks"][0])
    expected = ScoringEngine(model, "flat").scores(SHORT)
    engine = ScoringEngine(model)
    for scores, others in zip(engine.scores(SHORT), expected, strict=True):
        assert scores.tolist() == pytest.approx(others.tolist(), abs=2e-4)
    assert engine.layout == "stepped"


def test_a_passage_is_computed_once() -> None:
    engine = ScoringEngine(build(BloomConfig(**BLOOM)))
    engine.scores([question(0, 0), question(1, 0)])
    # The passage once; stems with each of their candidates, all in one pass, since stems as short
    # as these would cost more in passes of their own.
    assert engine.stats.computed == 101 + 3 * (20 + 21) + 2 * (2 + 6 + 4)
    assert engine.stats.given == 3 * (121 + 122) + 2 * (2 + 6 + 4)


def test_training_gets_rows_that_a_gradient_goes_through() -> None:
    model = build(BloomConfig(**BLOOM))
    assert choose_layout(model, QUESTIONS, "tree", scoring=True) == "cached"
    assert choose_layout(model, QUESTIONS, "tree") == "flat"
    assert choose_layout(model, QUESTIONS, "flat", scoring=True) == "flat"


class Forgetful(BloomForCausalLM):  # type: ignore[no-untyped-call]
    """Goes on as if nothing had come before, as a broken cache does."""

    def forward(
        self, input_ids: Any, attention_mask: Any = None, past_key_values: Any = None, **kwargs: Any
    ) -> Any:
        return super().forward(input_ids=input_ids, attention_mask=attention_mask, **kwargs)


class Uncopied(BloomForCausalLM):  # type: ignore[no-untyped-call]
    """Gives a cache that cannot be copied."""

    def forward(
        self, input_ids: Any, attention_mask: Any = None, past_key_values: Any = None, **kwargs: Any
    ) -> Any:
        output = super().forward(input_ids=input_ids, attention_mask=attention_mask, **kwargs)
        output.past_key_values = (part for part in "no generator can be copied")
        return output


class Silent(BloomForCausalLM):  # type: ignore[no-untyped-call]
    """Fails without a message where there is a cache."""

    def forward(
        self, input_ids: Any, attention_mask: Any = None, past_key_values: Any = None, **kwargs: Any
    ) -> Any:
        if past_key_values is not None:
            raise AssertionError
        return super().forward(input_ids=input_ids, attention_mask=attention_mask, **kwargs)


class Cacheless(BloomForCausalLM):  # type: ignore[no-untyped-call]
    def forward(self, input_ids: Any, attention_mask: Any = None, use_cache: bool = False) -> Any:
        return super().forward(input_ids=input_ids, attention_mask=attention_mask)


@pytest.mark.parametrize(
    ("model_class", "reason"),
    [
        (Forgetful, "of its cache: a text in this layout differs by"),
        (Uncopied, "of its cache: its forward method raises TypeError"),
        (Silent, "of its cache: its forward method raises AssertionError, without a message"),
        (Cacheless, "of its cache: no cache in its forward method"),
    ],
)
def test_a_model_whose_cache_is_wrong_gets_flat_rows_and_one_warning(
    model_class: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(5)
    model = with_larger_weights(model_class(BloomConfig(**BLOOM)).eval(), 10)
    expected = ScoringEngine(model, "flat").scores(QUESTIONS)
    engine = ScoringEngine(model)
    for scores, others in zip(engine.scores(QUESTIONS), expected, strict=True):
        assert scores.tolist() == pytest.approx(others.tolist(), abs=1e-3)
    assert engine.layout == "flat"
    (record,) = said(caplog)
    assert reason in record.getMessage()


class Small(BloomForCausalLM):  # type: ignore[no-untyped-call]
    """Runs out of memory where rows with what is in their cache have more tokens than a limit."""

    limit = 10**9
    largest = 0

    def forward(self, input_ids: Any, past_key_values: Any = None, **kwargs: Any) -> Any:
        before = past_key_values.get_seq_length() if past_key_values is not None else 0
        tokens = len(input_ids) * (before + input_ids.shape[1])
        if tokens > self.limit:
            raise MemoryError("out of memory")
        self.largest = max(self.largest, tokens)
        return super().forward(input_ids=input_ids, past_key_values=past_key_values, **kwargs)


def small_model() -> Any:
    torch.manual_seed(5)
    return Small(BloomConfig(**BLOOM)).eval()  # type: ignore[no-untyped-call]


def test_a_cache_counts_in_the_budget_of_a_forward_pass() -> None:
    model = small_model()
    expected = ScoringEngine(model, "flat").scores(QUESTIONS)
    engine = ScoringEngine(model, budget=300)
    engine.resolve(QUESTIONS)
    model.largest = 0
    for scores, others in zip(engine.scores(QUESTIONS), expected, strict=True):
        assert scores.tolist() == pytest.approx(others.tolist(), abs=1e-4)
    assert 200 < model.largest <= 300


def test_where_memory_runs_out_fewer_rows_go_on_from_a_cache(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = small_model()
    expected = ScoringEngine(model, "flat").scores(QUESTIONS)
    engine = ScoringEngine(model, budget=2048)
    engine.resolve(QUESTIONS)
    model.limit = 280
    for scores, others in zip(engine.scores(QUESTIONS), expected, strict=True):
        assert scores.tolist() == pytest.approx(others.tolist(), abs=1e-4)
    assert engine.budget.size < 600
    assert "memory ran out: the token budget of a forward pass is lowered from 2048" in caplog.text


def test_a_cache_is_called_by_the_name_that_its_model_gives_it() -> None:
    assert cache_name(build(BloomConfig(**BLOOM))) == "past_key_values"
    assert cache_name(build(HYBRIDS["a state for single tokens"][0])) == "cache_params"
    assert cache_name(Cacheless(BloomConfig(**BLOOM))) is None
