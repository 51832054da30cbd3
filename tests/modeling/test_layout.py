"""How rows lie in forward passes: chosen by rule, checked, once for each model."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from families import VOCABULARY
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    RecurrentGemmaConfig,
    RobertaConfig,
)

from zhmcq.encoding import EncodedQuestion
from zhmcq.errors import ModelError, PredictionError
from zhmcq.modeling import _forward, _layout
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.modeling._support import padding_reason, refusal_reason, tree_reason

SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
}
DYNAMIC = {
    "max_position_embeddings": 8,
    "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0},
}


def build(config: Any) -> Any:
    torch.manual_seed(5)
    return AutoModelForCausalLM.from_config(config).eval()  # type: ignore[no-untyped-call]


def llama(**changes: Any) -> Any:
    return build(LlamaConfig(**{**SIZES, **changes}))


def question(name: str, length: int, candidates: Sequence[int] = (2, 3)) -> EncodedQuestion:
    ids = [3 + (7 * i + length) % 90 for i in range(length)]
    return EncodedQuestion(
        id=name,
        passage="",
        prompt=(1, *ids),
        candidates=tuple((*(40 + n + i for i in range(n - 1)), 2) for n in candidates),
        answers=tuple((i,) for i in range(len(candidates))),
        target=0,
        normalization="sum",
    )


QUESTIONS = [question("long", 21), question("short", 6), question("middle", 11)]


def alone(model: Any, questions: Sequence[EncodedQuestion] = QUESTIONS) -> list[list[float]]:
    """Scores by the model itself, one sequence at a time, without a mask or positions.

    It is not given the last token, as lm-evaluation-harness does not give it: with dynamic scaling
    numbers depend on how many tokens there are.
    """
    result = []
    for q in questions:
        scores = []
        for candidate in q.candidates:
            with _forward.without_earlier_state(model), torch.inference_mode():
                sequence = torch.tensor([q.prompt + candidate[:-1]])
                logits = model(input_ids=sequence).logits[0]
            steps = torch.log_softmax(logits, dim=-1)[len(q.prompt) - 1 :]
            scores.append(float(steps[range(len(candidate)), list(candidate)].sum()))
        result.append(scores)
    return result


MODELS = {
    "gpt2": (GPT2Config(**SIZES), "tree"),
    "mixtral with router logits": (
        MixtralConfig(
            **SIZES, num_key_value_heads=1, num_local_experts=4, output_router_logits=True
        ),
        "tree",
    ),
    "bloom": (BloomConfig(**SIZES), "cached"),
    # It counts positions without padding, whose id these prompts begin with, but all of its cache.
    "roberta as a decoder": (RobertaConfig(**SIZES, is_decoder=True), "flat"),
    "recurrent gemma": (
        RecurrentGemmaConfig(
            **{**SIZES, "num_hidden_layers": 3}, num_key_value_heads=1, lru_width=16
        ),
        "flat",
    ),
    "llama with dynamic rope": (LlamaConfig(**{**SIZES, **DYNAMIC}), "equal"),
}


@pytest.mark.parametrize(("config", "layout"), MODELS.values(), ids=MODELS.keys())
def test_every_causal_model_scores_as_it_does_one_sequence_at_a_time(
    config: Any, layout: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = build(config)
    expected = alone(model)
    engine = ScoringEngine(model, "tree", budget=200)
    for _ in range(2):
        for scores, reference in zip(engine.scores(QUESTIONS), expected, strict=True):
            assert scores.tolist() == pytest.approx(reference, abs=1e-4)
    assert engine.layout == layout
    warnings = [record for record in caplog.records if record.name.startswith("zhmcq")]
    assert len(warnings) == (layout in ("flat", "equal"))


def test_scores_do_not_depend_on_what_dynamic_scaling_saw_before() -> None:
    model = llama(**DYNAMIC)
    engine = ScoringEngine(model, "flat", budget=200)
    short = [question("short", 11)]
    first = engine.scores(short)[0].tolist()
    engine.scores([question("longer", 50)])
    assert engine.scores(short)[0].tolist() == first
    assert first == pytest.approx(alone(model, short)[0], abs=1e-5)


def test_a_model_without_a_mask_input_gets_rows_of_one_length() -> None:
    class Unmasked(LlamaForCausalLM):  # type: ignore[no-untyped-call]
        def forward(self, input_ids: Any, **kwargs: Any) -> Any:
            assert not kwargs.keys() & {"attention_mask", "position_ids"}
            widths.append(tuple(input_ids.shape))
            return super().forward(input_ids=input_ids)

    widths: list[tuple[int, ...]] = []
    torch.manual_seed(5)
    model = Unmasked(LlamaConfig(**SIZES)).eval()  # type: ignore[no-untyped-call]
    assert padding_reason(model) == "no attention_mask in its forward method"
    engine = ScoringEngine(model, "flat", budget=200)
    engine.resolve(QUESTIONS)
    widths.clear()
    same = [question("a", 9), question("b", 9)]
    for scores, expected in zip(engine.scores(same), alone(llama(), same), strict=True):
        assert scores.tolist() == pytest.approx(expected, abs=1e-5)
    assert widths == [(2, 12), (2, 11)]


class Cacheless(BloomForCausalLM):  # type: ignore[no-untyped-call]
    def forward(self, input_ids: Any, attention_mask: Any = None, use_cache: bool = False) -> Any:
        return super().forward(input_ids=input_ids, attention_mask=attention_mask)


def test_a_layout_is_decided_and_warned_of_once_for_each_model(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    decide = _layout._decide

    def counted(*args: Any) -> Any:
        calls.append("decided")
        return decide(*args)

    monkeypatch.setattr(_layout, "_decide", counted)
    torch.manual_seed(5)
    model = Cacheless(BloomConfig(**SIZES)).eval()  # type: ignore[no-untyped-call]

    def work(packing: Any) -> None:
        ScoringEngine(model, packing, budget=200).scores(QUESTIONS)

    threads = [threading.Thread(target=work, args=(p,)) for p in ("tree", "tree", "tree", "flat")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work("tree")
    work("flat")
    # A thread with flat rows may have come before it was known what a tree comes to.
    assert len(calls) <= 2
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "no position_ids in its forward method" in record.getMessage()
    other = Cacheless(BloomConfig(**SIZES)).eval()  # type: ignore[no-untyped-call]
    ScoringEngine(other, "tree").scores(QUESTIONS)
    assert len(caplog.records) == 2


def test_what_was_decided_goes_with_the_model() -> None:
    gc.collect()  # models of other tests
    before = len(_layout._decided)
    model = llama()
    ScoringEngine(model).scores(QUESTIONS)
    assert len(_layout._decided) == before + 1
    del model
    gc.collect()
    assert len(_layout._decided) == before


def test_rows_that_padding_changes_are_not_padded(caplog: pytest.LogCaptureFixture) -> None:
    class SeesWidth(LlamaForCausalLM):  # type: ignore[no-untyped-call]
        def forward(self, input_ids: Any, attention_mask: Any = None, **kwargs: Any) -> Any:
            output = super().forward(input_ids=input_ids, attention_mask=attention_mask, **kwargs)
            output.logits = output.logits * (1 + input_ids.shape[1] / 10)
            return output

    torch.manual_seed(5)
    model = SeesWidth(LlamaConfig(**SIZES)).eval()  # type: ignore[no-untyped-call]
    engine = ScoringEngine(model, "flat", budget=200)
    for scores, expected in zip(engine.scores(QUESTIONS), alone(model), strict=True):
        assert scores.tolist() == pytest.approx(expected, abs=1e-5)
    assert engine.layout == "equal"
    assert "rows are not padded (a text in this layout differs by" in caplog.text


class Bidirectional(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    def forward(self, input_ids: Any, attention_mask: Any = None, **kwargs: Any) -> Any:
        count = input_ids.shape[1]
        everything = torch.ones(len(input_ids), 1, count, count, dtype=torch.bool)
        return super().forward(input_ids=input_ids, attention_mask=everything)


class Stateful(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    seen = 0

    def forward(self, input_ids: Any, attention_mask: Any = None, **kwargs: Any) -> Any:
        self.seen += 1
        output = super().forward(input_ids=input_ids, attention_mask=attention_mask)
        output.logits = output.logits * (1 + self.seen)
        return output


class Failing(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    def forward(self, input_ids: Any, attention_mask: Any = None, **kwargs: Any) -> Any:
        raise KeyError("full_attention")


class Neighbourly(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    def forward(self, input_ids: Any, attention_mask: Any = None, **kwargs: Any) -> Any:
        output = super().forward(input_ids=input_ids, attention_mask=attention_mask)
        output.logits = output.logits * len(input_ids)
        return output


@pytest.mark.parametrize(
    ("model_class", "message"),
    [
        (Bidirectional, "Bidirectional is not causal: with another last token in a row"),
        (Stateful, "Stateful gives other numbers for a row after other rows than before them"),
        (Failing, "Failing fails to compute a row of 10 token ids: KeyError: 'full_attention'"),
        (Neighbourly, "Neighbourly gives other numbers for a sequence when others are computed"),
    ],
)
def test_a_model_that_gives_no_numbers_of_its_own_is_refused(
    model_class: Any, message: str
) -> None:
    torch.manual_seed(5)
    model = model_class(LlamaConfig(**SIZES)).eval()
    with pytest.raises(ModelError, match=f"^{message}"):
        ScoringEngine(model).scores(QUESTIONS)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (LlamaConfig(), None),
        (BertConfig(), "it is an encoder: bert without is_decoder=True in its configuration"),
        (BertConfig(is_decoder=True), None),
    ],
)
def test_a_configuration_tells_what_is_not_causal(config: Any, reason: str | None) -> None:
    assert refusal_reason(config) == reason


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("t5", {}, "an encoder-decoder"),
        ("xlnet", {}, "permuted order"),
        ("xlm", {}, "without causal=True"),
        ("gemma3_text", {"use_bidirectional_attention": True}, "in both directions"),
        ("gemma4_text", {"use_bidirectional_attention": "all"}, "in both directions"),
        ("llama", {"is_causal": False}, "in both directions"),
    ],
)
def test_what_is_refused_is_refused_with_a_reason(
    kind: str, changes: dict[str, Any], words: str
) -> None:
    from transformers import AutoConfig

    config = AutoConfig.for_model(kind, **changes)
    assert words in (refusal_reason(config) or "")


def test_a_model_in_both_directions_is_refused_before_it_computes() -> None:
    model = build(BertConfig(**SIZES))
    model.forward = None
    with pytest.raises(ModelError, match=r"cannot answer by log-likelihoods: it is an encoder"):
        ScoringEngine(model).scores(QUESTIONS)


def test_a_rule_keeps_trees_from_positions_that_begin_behind_the_padding_token() -> None:
    reason = tree_reason(build(RobertaConfig(**SIZES, is_decoder=True)))
    assert reason == "positions that are counted from the index of its padding token"


def test_code_beside_a_model_may_know_no_mask_of_positions() -> None:
    class Older(LlamaForCausalLM):  # type: ignore[no-untyped-call]
        pass

    def forward(self: Any, input_ids: Any, attention_mask: Any = None, **kwargs: Any) -> Any:
        kept = kwargs.pop("logits_to_keep", 0)
        assert isinstance(kept, int)
        return LlamaForCausalLM.forward(self, input_ids, attention_mask, **kwargs)

    Older.forward = forward  # type: ignore[method-assign]
    torch.manual_seed(5)
    model = Older(LlamaConfig(**SIZES)).eval()  # type: ignore[no-untyped-call]
    engine = ScoringEngine(model, "flat")
    for scores, expected in zip(engine.scores(QUESTIONS), alone(llama()), strict=True):
        assert scores.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("dtype", "remedy"),
    [
        (torch.float32, "use another base model or adapter"),
        (torch.float16, "give dtype='float32'"),
    ],
)
def test_scores_that_are_not_finite_are_an_error(dtype: torch.dtype, remedy: str) -> None:
    model = llama().to(dtype)
    engine = ScoringEngine(model, "tree", budget=16)
    engine.resolve(QUESTIONS)
    with torch.no_grad():
        model.lm_head.weight[41] = float("inf")
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(PredictionError) as caught:
        engine.scores(QUESTIONS)
    message = str(caught.value)
    assert message.startswith(f"the scores of 1 question are not finite (long), computed in {name}")
    assert message.endswith(remedy)


def test_a_check_of_numbers_that_are_not_finite_is_an_error_and_no_fall_back() -> None:
    model = llama()
    with torch.no_grad():
        model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(PredictionError, match=r"^the scores of 1 question are not finite \(short"):
        ScoringEngine(model).scores(QUESTIONS)


def test_the_first_questions_are_named_and_the_others_counted() -> None:
    model = llama()
    many = [question(f"q{n}", 5) for n in range(9)]
    engine = ScoringEngine(model)
    engine.resolve(many)
    with torch.no_grad():
        model.lm_head.weight[41] = float("nan")
    expected = r"of 9 questions are not finite \(q0, q1, q2, q3, q4 and 4 more\)"
    with pytest.raises(PredictionError, match=expected):
        engine.scores(many)
