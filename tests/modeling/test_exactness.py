"""Prefix-tree rows give the logits, losses and gradients of separate rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from families import FAMILIES, VOCABULARY, WINDOW, make_model

from zhmcq._progress import reporting
from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._batch import PackedBatch, collate
from zhmcq.encoding._tree import PackedRow, pack, pack_flat
from zhmcq.modeling import _forward as forward
from zhmcq.modeling._forward import attention_masks, branch_scores, token_log_likelihoods
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.modeling._support import tree_reason
from zhmcq.training._loop import objective_sum

PROMISED = ["llama", "qwen2", "qwen3", "mistral", "gemma3"]


def tokens(rng: random.Random, count: int) -> tuple[int, ...]:
    return tuple(rng.randrange(3, VOCABULARY) for _ in range(count))


def make_questions(depth: int, branches: int, prefix: int = 20) -> list[EncodedQuestion]:
    """Questions whose prompts part at ``depth`` - 1 indexes before their candidates part.

    The first shared piece is longer than the window, and so are the branches after it.
    """
    rng = random.Random(100 * depth + branches)
    prompts: list[tuple[int, ...]] = [(1, *tokens(rng, prefix))]
    for _ in range(depth - 1):
        prompts = [prompt + tokens(rng, 3 + i) for prompt in prompts for i in range(2)]
    return [
        EncodedQuestion(
            id=str(number),
            passage="shared",
            prompt=prompt,
            candidates=tuple((*tokens(rng, 2 + 5 * i), 2) for i in range(branches)),
            answers=tuple((i,) for i in range(branches)),
            target=number % branches,
            normalization="mean",
        )
        for number, prompt in enumerate(prompts)
    ]


def every(questions: Sequence[EncodedQuestion]) -> list[range]:
    return [range(len(question.candidates)) for question in questions]


def one_row(questions: Sequence[EncodedQuestion]) -> PackedRow:
    ((row,),) = pack(questions, every(questions), budget=10_000)
    return row


def all_logits(model: Any, batch: PackedBatch) -> torch.Tensor:
    config = model.config.get_text_config()
    with torch.inference_mode():
        logits: torch.Tensor = model(
            input_ids=batch.input_ids,
            attention_mask=attention_masks(batch, config, torch.float32),
            position_ids=batch.position_ids,
            use_cache=False,
        ).logits
    return logits


def largest_difference(model: Any, questions: Sequence[EncodedQuestion]) -> float:
    """Over all branches and positions, between a packed row and plain rows of one sequence.

    The packed row is padded by a longer one beside it.
    """
    row = one_row(questions)
    longer = one_row(make_questions(4, 4, prefix=40))
    rows = [row, longer] if len(longer) > len(row) else [row]
    packed = all_logits(model, collate(rows, "tree"))[0, : len(row)]
    worst = 0.0
    for branch in row.branches:
        question = questions[branch.question]
        sequence = question.prompt + question.candidates[branch.candidate]
        path = [branch.predictors[-1]]
        while row.parents[path[0]] >= 0:
            path.insert(0, int(row.parents[path[0]]))
        assert row.ids[path].tolist() == list(sequence[:-1])
        with torch.inference_mode():
            plain = model(input_ids=torch.tensor([sequence])).logits[0, :-1]
        worst = max(worst, float((packed[path] - plain).abs().max()))
    return worst


@pytest.mark.parametrize(("depth", "branches"), [(1, 1), (1, 4), (2, 2), (3, 4), (4, 2)])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_separate_rows(family: str, depth: int, branches: int) -> None:
    model = make_model(family)
    assert largest_difference(model, make_questions(depth, branches)) < 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_eager_attention_gives_the_same_logits(family: str) -> None:
    model = make_model(family, attention="eager")
    assert largest_difference(model, make_questions(3, 4)) < 1e-4


@pytest.mark.parametrize("family", ["mistral", "gemma2", "gemma3"])
def test_a_window_over_places_in_the_row_would_be_wrong(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def over_indexes(batch: PackedBatch, config: Any, dtype: torch.dtype) -> Any:
        indexes = torch.arange(batch.input_ids.shape[1])
        near = indexes[None, :] > indexes[:, None] - WINDOW
        assert batch.visible is not None
        masks = {"full_attention": batch.visible, "sliding_attention": batch.visible & near}
        by_layer = getattr(config, "layer_types", None)
        return masks if by_layer else masks["sliding_attention"]

    model = make_model(family)
    questions = make_questions(3, 4)
    assert largest_difference(model, questions) < 1e-4
    monkeypatch.setitem(globals(), "attention_masks", over_indexes)
    assert largest_difference(model, questions) > 1e-2


@pytest.mark.parametrize("family", PROMISED)
def test_the_engine_shares_and_scores_as_separate_rows_do(family: str) -> None:
    model = make_model(family)
    questions = [*make_questions(3, 4), *make_questions(2, 3)[:1]]
    tree = ScoringEngine(model, "tree", budget=256)
    flat = ScoringEngine(model, "flat", budget=256)
    for packed, separate in zip(tree.scores(questions), flat.scores(questions), strict=True):
        assert packed == pytest.approx(separate, abs=1e-4)
    assert tree_reason(model) is None
    assert tree.layout == "tree"
    assert tree.stats.computed < tree.stats.given / 2
    assert flat.stats.computed == flat.stats.given == tree.stats.given


def test_progress_counts_scored_questions_of_all() -> None:
    engine = ScoringEngine(make_model("llama"), "flat", budget=1)
    calls: list[tuple[int, int, str]] = []
    with reporting(lambda *call: calls.append(call)):
        engine.scores(make_questions(2, 2))
        assert calls == []
        engine.scores(make_questions(2, 2), "validation")
    assert calls == [(0, 2, "validation"), (1, 2, "validation"), (2, 2, "validation")]


def loss_and_gradient(
    model: Any, questions: list[EncodedQuestion], objective: Any, *, tree: bool
) -> tuple[float, torch.Tensor]:
    if objective == "next_token":
        chosen: list[Sequence[int]] = [[question.key_index] for question in questions]
    else:
        chosen = list(every(questions))
    units = pack(questions, chosen, 10_000) if tree else pack_flat(questions, chosen)
    model.zero_grad()
    total = 0.0
    for rows in units:
        loss = (
            objective_sum(model, [collate(rows, "tree" if tree else "flat")], questions, objective)
            / 20
        )
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return total, torch.cat(gradients)


@pytest.mark.parametrize("objective", ["next_token", "contrastive"])
@pytest.mark.parametrize("family", PROMISED)
def test_loss_and_lora_gradients_are_those_of_separate_rows(family: str, objective: str) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(3)
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = LoraConfig(r=4, target_modules=names, task_type="CAUSAL_LM", init_lora_weights=False)
    model = get_peft_model(make_model(family), config).train()
    questions = make_questions(3, 4)
    tree_loss, tree_gradient = loss_and_gradient(model, questions, objective, tree=True)
    flat_loss, flat_gradient = loss_and_gradient(model, questions, objective, tree=False)
    assert tree_loss == pytest.approx(flat_loss, abs=1e-5)
    cosine = torch.nn.functional.cosine_similarity(tree_gradient, flat_gradient, dim=0)
    assert float(cosine) > 0.9999
    assert float(flat_gradient.norm()) > 1e-3


def plain_loss(model: Any, questions: list[EncodedQuestion], objective: str) -> torch.Tensor:
    """The same, of rows that hold their last token, with nothing but token ids for the model."""
    total = torch.zeros(())
    for question in questions:
        scores = []
        for ids in question.candidates:
            logits = model(input_ids=torch.tensor([question.prompt + ids])).logits[0]
            predicted = torch.log_softmax(logits[-len(ids) - 1 : -1], dim=-1)
            scores.append(predicted.gather(1, torch.tensor(ids)[:, None]).sum())
        if objective == "next_token":
            total = total - scores[question.key_index]
        else:
            total = total - torch.log_softmax(torch.stack(scores), dim=0)[question.key_index]
    return total / 20


@pytest.mark.parametrize("objective", ["next_token", "contrastive"])
@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_last_tokens_are_targets_whichever_candidates_there_are(
    family: str, objective: str
) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(3)
    config = LoraConfig(r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    model = get_peft_model(make_model(family), config).train()
    shared = (1, *range(20, 32))
    kinds: list[tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]] = [
        ((40,), ((5,), (6,), (7,))),  # of one token
        ((40, 5), ((6,), (7,))),  # whose prompt is a candidate of the last
        ((41, 42), ((5,), (5, 6), (5, 6, 7), (6,))),  # that others go on from
        ((43,), ((5, 2), (5, 6, 2), (6, 2), (5, 6, 7, 2))),  # the same with their end
        ((44,), ((2,), (5, 2))),  # none but the end
    ]
    questions = [
        EncodedQuestion(
            id=str(number),
            passage="shared",
            prompt=shared + ids,
            candidates=candidates,
            answers=tuple((i,) for i in range(len(candidates))),
            target=1,
            normalization="sum",
        )
        for number, (ids, candidates) in enumerate(kinds)
    ]
    model.zero_grad()
    expected = plain_loss(model, questions, objective)
    expected.backward()  # type: ignore[no-untyped-call]
    gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    for tree in (True, False):
        loss, other = loss_and_gradient(model, questions, objective, tree=tree)
        assert loss == pytest.approx(expected.item(), abs=1e-5)
        assert float((other - gradient).norm() / gradient.norm()) < 1e-4


def test_activation_checkpointing_changes_nothing() -> None:
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(
        make_model("llama"), LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False)
    ).train()
    questions = make_questions(2, 2)
    plain = loss_and_gradient(model, questions, "next_token", tree=True)
    model.enable_input_require_grads()
    base: Any = model.get_base_model()
    base.activation_checkpointing_enable()
    saved = loss_and_gradient(model, questions, "next_token", tree=True)
    assert saved[0] == pytest.approx(plain[0], abs=1e-6)
    assert torch.allclose(saved[1], plain[1], atol=1e-6)


def test_a_token_shared_by_two_answers_is_supervised_for_each() -> None:
    model = make_model("llama")
    shared: dict[str, Any] = {
        "passage": "p",
        "answers": ((0,), (1,)),
        "target": 0,
        "normalization": "sum",
    }
    questions = [
        EncodedQuestion(id="a", prompt=(1, 5, 6), candidates=((7, 8, 2), (9, 2)), **shared),
        EncodedQuestion(id="b", prompt=(1, 5, 6), candidates=((7, 9, 2), (9, 2)), **shared),
    ]
    ((row,),) = pack(questions, [[0], [0]], 100)
    assert row.ids.tolist() == [1, 5, 6, 7, 8, 9]
    together = objective_sum(model, [collate([row], "tree")], questions, "next_token")
    apart = sum(
        objective_sum(model, [collate(rows, "flat")], questions, "next_token")
        for rows in pack_flat(questions, [[0], [0]])
    )
    assert float(together) == pytest.approx(float(apart), abs=1e-5)


def test_only_predicting_positions_go_through_the_output_head() -> None:
    model = make_model("llama")
    seen = []
    model.lm_head.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0].shape))
    questions = make_questions(1, 4)
    row = one_row(questions)
    with torch.inference_mode():
        token_log_likelihoods(model, collate([row], "tree"))
    predictors = {index for branch in row.branches for index in branch.predictors}
    assert seen == [torch.Size([len(predictors), 32])]


def test_a_branch_score_is_the_sum_or_mean_of_its_tokens() -> None:
    questions = make_questions(1, 2)
    batch = collate([one_row(questions)], "tree")
    scores = torch.arange(1.0, len(batch.target) + 1)
    assert branch_scores(scores, batch, mean=False).tolist() == [6.0, 60.0]
    assert branch_scores(scores, batch, mean=True).tolist() == [2.0, 7.5]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
            "dynamic",
        ),
        ({"attn_implementation": "flash_attention_2"}, "flash_attention_2"),
    ],
)
def test_a_model_that_cannot_read_a_tree_is_known_by_rule(
    change: dict[str, Any], words: str
) -> None:
    model = make_model("llama")
    for name, value in change.items():
        setattr(model.config, "_attn_implementation" if name.startswith("attn") else name, value)
    assert words in (tree_reason(model) or "")


def sees_everything_before(batch: PackedBatch, config: Any, dtype: torch.dtype) -> torch.Tensor:
    width = batch.input_ids.shape[1]
    assert batch.visible is not None
    return torch.ones(width, width, dtype=torch.bool).tril().expand_as(batch.visible)


@pytest.mark.parametrize(
    "candidates", [((5, 2), (6, 2), (5, 6, 2)), ((5, 2), (6, 7, 2), (5, 6, 7, 2))]
)
def test_the_self_check_takes_candidates_that_part(
    candidates: tuple[tuple[int, ...], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Those of a question with several right options: the last one, AB, begins with the first, A.
    answers = tuple((i,) for i in range(len(candidates)))
    prompt = tuple(range(20, 30))
    several = EncodedQuestion("several", "", (1, *prompt), candidates, answers, 0, "sum")
    alone = EncodedQuestion("alone", "", (1, *prompt[:5]), ((5, 2),), ((0,),), 0, "sum")
    for questions in ([several], [several, alone]):
        monkeypatch.undo()
        expected = ScoringEngine(make_model("llama"), "flat").scores(questions)
        monkeypatch.setattr(forward, "attention_masks", sees_everything_before)
        engine = ScoringEngine(make_model("llama"), "tree")
        scores = engine.scores(questions)
        assert engine.layout == "cached"
        for tree_scores, other in zip(scores, expected, strict=True):
            assert tree_scores == pytest.approx(other, abs=1e-4)


def test_the_self_check_turns_a_silently_wrong_model_to_its_cache(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = make_model("llama")
    questions = make_questions(2, 3)
    expected = ScoringEngine(model, "flat").scores(questions)
    monkeypatch.setattr(forward, "attention_masks", sees_everything_before)
    caplog.set_level("INFO", "zhmcq")
    engine = ScoringEngine(model, "tree")
    scores = engine.scores(questions)
    assert engine.layout == "cached"
    assert "prefix-tree packing is off" in caplog.text
    for tree_scores, other in zip(scores, expected, strict=True):
        assert tree_scores == pytest.approx(other, abs=1e-4)
