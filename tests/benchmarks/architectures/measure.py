"""One architecture: which layout the library takes, and how far its numbers are from plain ones.

The plain numbers are those of one sequence at a time, with nothing but ``input_ids``, by a model
that nothing else was computed with.
"""

from __future__ import annotations

import copy
import logging
import random
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from architectures.configs import VOCABULARY, ArchitectureRow, tiny_config
from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._batch import Layout, collate
from zhmcq.errors import SettingsError, ZhmcqError
from zhmcq.modeling._layout import choose_layout
from zhmcq.modeling._load import ModelSource, load_weights
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.modeling._support import refusal_reason
from zhmcq.settings import LoraSettings, Objective, TrainingSettings
from zhmcq.training._loop import objective_sum
from zhmcq.training._lora import attach_adapter
from zhmcq.training._plan import StepPlan
from zhmcq.training._watch import refuse_without_gradient

BUDGET = 160  # tokens of a forward pass: several passes for the bank
SECONDS = 60
SCALE = 0.2  # of random weights: with hidden size 32 about one in, one out

Kind = Literal["tree", "cached", "stepped", "flat", "equal", "refused", "not built", "crash"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one architecture.

    Attributes:
        name: The model type, with what its configuration has otherwise than by default.
        kind: The layout that was chosen, or why there is none.
        difference: The largest difference of a log-likelihood per token to a plain sequence's.
        loss: The loss of one training step.
        loss_difference: Its difference to the one of plain sequences.
        reach: How far log-likelihoods move when tokens shortly before change: how far they would
            if a mask were wrong.
        words: Why it has no prefix trees, was refused or not built.
        untrained: Why it cannot be trained.
    """

    name: str
    kind: Kind
    difference: float = float("nan")
    loss: float = float("nan")
    loss_difference: float = float("nan")
    reach: float = float("nan")
    words: str = ""
    untrained: str = ""


def measure(row: ArchitectureRow) -> Outcome:
    """Build one architecture, save it, load it as a user would, score with it and train it."""
    name = row.name
    try:
        with time_limit(SECONDS):
            config = tiny_config(row.model_type, row.changes)
            refused = refusal_reason(config)
            if refused is not None:
                return Outcome(name, "refused", words=f"{refused} (by configuration)")
            try:
                model = random_model(config)
            except Exception as error:  # whatever a model's class raises
                return Outcome(name, "not built", words=f"{type(error).__name__}: {error}")
            return _used(name, config, model)
    except ZhmcqError as error:
        return Outcome(name, "refused", words=str(error))
    except Exception as error:  # what the script looks for
        return Outcome(name, "crash", words=f"{type(error).__name__}: {error}")


def _used(name: str, config: Any, built: Any) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        built.save_pretrained(folder)
        if built.config.model_type != config.model_type:
            config.save_pretrained(folder)  # the class takes the text part of a larger one
        source = ModelSource(str(Path(folder)), local_files_only=True)
        model = load_weights(source, dtype=torch.float32, device=torch.device("cpu"))
    plain = copy.deepcopy(built)
    bank = questions()
    engine = ScoringEngine(model, "tree", BUDGET)
    with heard("zhmcq.modeling._layout") as reasons, unchanged(model):
        scores = engine.scores(bank)
    expected, reach = plain_scores(plain, bank)
    worst = max(
        float((torch.from_numpy(a) - b).abs().max()) for a, b in zip(scores, expected, strict=True)
    )
    words = "; ".join(reasons)
    outcome = Outcome(name, engine.layout, worst, reach=reach, words=words)
    try:
        with heard("zhmcq.modeling._layout"):  # a line of its own where it is not that of scoring
            layout = choose_layout(model, bank, "tree")
        loss, difference = training_step(model, layout, bank)
    except SettingsError as error:  # it can answer, but peft cannot adapt it
        return replace(outcome, untrained=str(error))
    return replace(outcome, loss=loss, loss_difference=difference)


def random_model(config: Any) -> Any:
    """A random fp32 model whose numbers depend on what they should: no weight near zero."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM
    model = model.from_config(config, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(1)
    tied = model.all_tied_weights_keys or {}
    for key, weight in model.named_parameters():
        if key in tied or not weight.is_floating_point():
            continue
        if weight.dim() > 1 and weight.shape[-1] > 1 and 0 < weight.std().item() < SCALE:
            weight.data = torch.randn(weight.shape, generator=generator) * SCALE
        elif weight.dim() == 1 and not weight.any():
            weight.data = torch.randn(weight.shape, generator=generator) * SCALE / 2
    return model


def questions() -> list[EncodedQuestion]:
    """Six questions of 12 to 40 tokens; three share a passage, two have their means compared."""
    rng = random.Random(7)

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(rng.randrange(3, VOCABULARY) for _ in range(count))

    shared = (1, *tokens(20))
    prompts = [shared + tokens(3), shared + tokens(9), shared + tokens(14)]
    prompts += [(1, *tokens(count)) for count in (8, 17, 26)]
    return [
        EncodedQuestion(
            id=f"q{number}",
            passage="shared" if number < 3 else "",
            prompt=prompt,
            candidates=tuple((*tokens(1 + 2 * i), 2) for i in range(3)),
            answers=((0,), (1,), (2,)),
            target=number % 3,
            normalization="mean" if number % 2 else "sum",
        )
        for number, prompt in enumerate(prompts)
    ]


def plain_log_likelihoods(model: Any, question: EncodedQuestion, candidate: int) -> torch.Tensor:
    """Log-likelihoods of a candidate's tokens in a row of its own.

    The last token is predicted and not read: with dynamic rotary scaling, a row that is longer by
    it has other numbers, which no generated token would have been chosen by.
    """
    ids = question.candidates[candidate]
    logits = model(input_ids=torch.tensor([(question.prompt + ids)[:-1]])).logits[0].float()
    predicted = torch.log_softmax(logits[-len(ids) :], dim=-1)
    return predicted.gather(1, torch.tensor(ids)[:, None])[:, 0]


def plain_scores(model: Any, bank: Sequence[EncodedQuestion]) -> tuple[list[torch.Tensor], float]:
    """Scores of plain sequences, each by a model that has computed nothing yet, and the reach."""
    scores = []
    with torch.inference_mode():
        for question in bank:
            values = [
                plain_log_likelihoods(copy.deepcopy(model), question, candidate)
                for candidate in range(len(question.candidates))
            ]
            mean = question.normalization == "mean"
            scores.append(torch.stack([v.mean() if mean else v.sum() for v in values]))
        first = bank[0]
        moved = replace(first, prompt=first.prompt[:-4] + bank[1].prompt[:4])
        both = [plain_log_likelihoods(copy.deepcopy(model), q, 2) for q in (first, moved)]
    return scores, float((both[0] - both[1]).abs().max())


def training_step(
    model: Any, layout: Layout, bank: Sequence[EncodedQuestion]
) -> tuple[float, float]:
    """Train one step with LoRA by each objective, as the trainer does.

    Returns:
        The loss of next-token training, and the largest difference to that of plain sequences.

    Raises:
        AssertionError: If a gradient is not finite, or there is none.
    """
    torch.manual_seed(3)
    adapted = attach_adapter(model, LoraSettings(r=4, lora_dropout=0))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name or "lora_embedding_B" in name:  # else it would change nothing yet
            torch.nn.init.normal_(weight, std=0.05)
    expected = plain_losses(copy.deepcopy(adapted), bank)
    losses: dict[Objective, float] = {}
    with unchanged(adapted):
        adapted.train()
        for objective in expected:
            losses[objective] = _trained_loss(adapted, layout, bank, objective)
    gradients = [p.grad for p in adapted.parameters() if p.requires_grad and p.grad is not None]
    assert any(bool(gradient.any()) for gradient in gradients), "no gradient"
    assert all(bool(gradient.isfinite().all()) for gradient in gradients), "a gradient of NaN"
    worst = max(abs(losses[objective] - expected[objective]) for objective in expected)
    return losses["next_token"], worst


def _trained_loss(
    adapted: Any, layout: Layout, bank: Sequence[EncodedQuestion], objective: Objective
) -> float:
    settings = TrainingSettings().model_copy(update={"objective": objective})
    plan = StepPlan.of(settings, layout)
    adapted.zero_grad()
    loss = 0.0
    for passes in plan.groups(bank):
        batches = [collate(rows, layout) for rows in passes]
        part = objective_sum(adapted, batches, bank, objective)
        refuse_without_gradient(part, adapted)
        part = part / plan.loss_terms(bank)
        part.backward()  # type: ignore[no-untyped-call]
        loss += part.item()
    return loss


def plain_losses(model: Any, bank: Sequence[EncodedQuestion]) -> dict[Objective, float]:
    """For each objective the loss of plain sequences, by one model from the shortest on.

    What a model may keep of shorter sequences has no part in longer ones.
    """
    sequences = [
        (len(question.prompt + question.candidates[candidate]), index, candidate)
        for index, question in enumerate(bank)
        for candidate in range(3)
    ]
    values: dict[tuple[int, int], torch.Tensor] = {}
    with torch.no_grad():
        for _, index, candidate in sorted(sequences):
            values[index, candidate] = plain_log_likelihoods(model, bank[index], candidate)
    contrastive = next_token = tokens = 0.0
    for index, question in enumerate(bank):
        mean = question.normalization == "mean"
        own = [values[index, candidate] for candidate in range(3)]
        scores = torch.stack([v.mean() if mean else v.sum() for v in own])
        contrastive -= float(torch.log_softmax(scores, dim=0)[question.key_index])
        next_token -= float(own[question.key_index].sum())
        tokens += len(own[question.key_index])
    return {"contrastive": contrastive / len(bank), "next_token": next_token / tokens}


@contextmanager
def unchanged(model: Any) -> Iterator[None]:
    """Check that the block leaves the model's weights as they were.

    Raises:
        AssertionError: If it does not.
    """
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    yield
    changed = [
        name
        for name, weight in model.state_dict().items()
        if not torch.equal(weight.nan_to_num(), before[name].nan_to_num())
    ]
    assert not changed, f"weights changed: {', '.join(changed[:3])}"


@contextmanager
def heard(logger: str) -> Iterator[list[str]]:
    """What the block's lines of a logger give as their reason, in place of logging them."""
    reasons: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: reasons.append(str((record.args or [record.msg])[0]))  # type: ignore[method-assign,index]
    listening = logging.getLogger(logger)
    level = listening.level
    listening.addHandler(handler)
    listening.setLevel(logging.INFO)
    listening.propagate = False
    try:
        yield reasons
    finally:
        listening.removeHandler(handler)
        listening.setLevel(level)
        listening.propagate = True


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise ``TimeoutError`` where the block takes longer."""

    def stop(_signal: int, _frame: object) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
