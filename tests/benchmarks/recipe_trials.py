"""What helps the recipe, and what doesn't: one change at a time, on the same validation questions.

From the root of the repository::

    python tests/benchmarks/recipe_trials.py --questions AI.xlsx --folder FOLDER --trials today sums
    python tests/benchmarks/recipe_trials.py --questions AI.xlsx --folder FOLDER --table

Each trial trains an adapter of the demo model on the same questions as every other one, but for
what it changes, and answers the same validation questions, whose scores are kept in the folder.
``--table`` compares each trial with ``today``, or with that of ``--against``, by a paired test, and
prints what their scores come to when they are joined. The questions that the recipe is measured
with, and those kept aside to check it, are in no trial.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint
from transformers import TrainerCallback

import zhmcq
from prefix_tree.plan import draw
from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._batch import PackedBatch
from zhmcq.evaluation import accuracy_interval, clusters_of, paired_interval, sign_flip_test
from zhmcq.modeling import ModelSource, load_tokenizer
from zhmcq.modeling._forward import base_of, branch_scores, token_log_likelihoods
from zhmcq.prompts import RenderedPrompt, get_prompt, register_prompt
from zhmcq.questions import Question, QuestionBank
from zhmcq.training import _loop as loop
from zhmcq.training._metrics import score_questions, summarise

SEED = 42
MEASURED = 0.35  # of the workbook: to measure the recipe with, and as many again to check it
VALIDATION = 0.21  # of the rest


@dataclass(frozen=True, slots=True)
class TrialTexts:
    """The answer is an option's text, as in ``zh-cloze``.

    Args:
        listed: Whether the prompt lists the options.
        normalization: How a candidate's tokens make its score.
        stem_first: Whether the stem stands before the passage as well.
        judged: Written after each option's text; its tokens count with it.
        affirmative: Whether negative stems are asked affirmatively, as in ``zh-affirmative``.
    """

    listed: bool = False
    normalization: Literal["sum", "mean"] = "mean"
    stem_first: bool = False
    judged: str = ""
    affirmative: bool = False

    def render(self, question: Question) -> RenderedPrompt:
        """Render ``question``."""
        name = "zh-affirmative" if self.affirmative else "zh-cloze"
        cloze = get_prompt(name).render(question)
        text = get_prompt("zh-exam").render(question).prompt if self.listed else cloze.prompt
        if self.stem_first:
            text = f"問題：{question.stem}\n{text}"
        candidates = [
            replace(candidate, text=candidate.text + self.judged) for candidate in cloze.candidates
        ]
        return replace(
            cloze, prompt=text, candidates=tuple(candidates), normalization=self.normalization
        )


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One way to train.

    Attributes:
        questions: How many to train on.
        prompt: Of the candidates' texts.
        rank: Of the adapter; alpha is twice that.
        ratio: LoRA+: the learning rate of B divided by that of A.
        lora: Further settings of the adapter.
        step: Questions of an optimizer step.
        training: Further settings of the run.
        sharpness: What the scores are multiplied by before the softmax.
        likelihood: Weight of the mean log-likelihood of the key's tokens.
        unlikelihood: Weight of the mean of ``log(1 - p)`` of the other candidates' tokens.
        small_head: Whether the training's softmax runs over the tokens of the training questions
            only, in place of the whole vocabulary; evaluation has all of it.
        average: Whether the mean of the adapters of the last third of the steps is scored as well.
        seed: Of the adapter's first weights and the order of the passages.
    """

    questions: int = 1600
    prompt: TrialTexts = TrialTexts()
    rank: int = 16
    ratio: float | None = None
    lora: dict[str, Any] = field(default_factory=dict)
    step: int = 16
    training: dict[str, Any] = field(default_factory=dict)
    sharpness: float = 1.0
    likelihood: float = 0.0
    unlikelihood: float = 0.0
    small_head: bool = False
    average: bool = False
    seed: int = 42


ALL: dict[str, Any] = {"questions": 5800, "prompt": TrialTexts(affirmative=True)}
DROPOUT = {"lora_dropout": 0.1}

TRIALS = {
    "today": Trial(),
    "averaged": Trial(average=True),
    "another-seed": Trial(seed=7),
    "sums": Trial(prompt=TrialTexts(normalization="sum")),
    "sharp-means": Trial(sharpness=4.0),
    "t-few": Trial(likelihood=1.0, unlikelihood=1.0),
    "likelihood": Trial(likelihood=0.3),
    "listed": Trial(prompt=TrialTexts(listed=True)),
    "stem-first": Trial(prompt=TrialTexts(stem_first=True)),
    "judged": Trial(prompt=TrialTexts(judged="對")),
    "affirmative": Trial(prompt=TrialTexts(affirmative=True)),
    "rate-1e-3": Trial(training={"learning_rate": 1e-3}),
    "rate-2e-3": Trial(training={"learning_rate": 2e-3}),
    "questions-400": Trial(questions=400),
    "questions-800": Trial(questions=800),
    "step-8": Trial(step=8),
    "rank-64": Trial(rank=64),
    "lora-plus": Trial(ratio=16.0, training={"learning_rate": 2e-4}),
    "upper-half": Trial(lora={"layers_to_transform": list(range(9, 18))}),
    "two-epochs": Trial(questions=800, training={"num_train_epochs": 2}),
    "small-head": Trial(small_head=True),
    "linear": Trial(training={"lr_scheduler_type": "linear"}),
    "next-token": Trial(training={"objective": "next_token"}),
    # With all training questions.
    "all": Trial(**ALL, average=True),
    "all-another-seed": Trial(**ALL, seed=7),
    "all-third-seed": Trial(**ALL, seed=8),
    "all-rate-1e-3": Trial(**ALL, training={"learning_rate": 1e-3}),
    "all-rate-2e-3": Trial(**ALL, training={"learning_rate": 2e-3}),
    "all-rank-64": Trial(**ALL, rank=64),
    "all-rank-64-rate-1e-3": Trial(**ALL, rank=64, training={"learning_rate": 1e-3}),
    "all-step-8": Trial(**ALL, step=8),
    "all-step-32-rate-1e-3": Trial(**ALL, step=32, training={"learning_rate": 1e-3}),
    "all-lora-plus": Trial(**ALL, ratio=16.0, training={"learning_rate": 2e-4}),
    "all-judged": Trial(**ALL | {"prompt": TrialTexts(affirmative=True, judged="對")}),
    "all-listed": Trial(**ALL | {"prompt": TrialTexts(affirmative=True, listed=True)}),
    "all-upper-half": Trial(**ALL, lora={"layers_to_transform": list(range(9, 18))}),
    "all-twice": Trial(**ALL, training={"num_train_epochs": 2}),
    "all-twice-dropout": Trial(**ALL, lora=DROPOUT, training={"num_train_epochs": 2}),
    "all-thrice-dropout": Trial(**ALL, lora=DROPOUT, training={"num_train_epochs": 3}),
    "all-thrice-rank-64": Trial(
        **ALL, rank=64, lora=DROPOUT, training={"num_train_epochs": 3, "weight_decay": 0.1}
    ),
    "all-t-few": Trial(**ALL, likelihood=1.0, unlikelihood=1.0),
    "half": Trial(**ALL | {"questions": 2900}),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run trials, or print the table of those that were run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--questions", required=True, help="a question bank with keys and passages")
    add("--folder", type=Path, required=True, help="where scores are kept")
    add("--trials", nargs="*", choices=[*TRIALS], default=[], help="which to run")
    add("--dtype", default="bfloat16")
    add("--batch", type=int, default=4, help="questions of a forward pass (on a GPU: 16)")
    add("--against", choices=[*TRIALS], default="today", help="what the table compares with")
    add("--table", action="store_true", help="print the table of the trials in the folder")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    options.folder.mkdir(parents=True, exist_ok=True)
    register_prompt("trial-texts")(TrialTexts)
    train, validation = parts(options.questions)
    for name in options.trials:
        if not (options.folder / f"{name}.json").exists():
            run(name, TRIALS[name], train, validation, options)
    if options.table:
        show(options.folder, validation, options.against)
    return 0


def parts(workbook: str) -> tuple[QuestionBank, QuestionBank]:
    """The questions to draw training questions from, and the validation questions."""
    splits = zhmcq.DatasetBuilder(valid_fraction=MEASURED, seed=SEED).split(
        zhmcq.DatasetBuilder().read(workbook)
    )
    rest = zhmcq.DatasetBuilder(valid_fraction=VALIDATION, seed=SEED + 1).split(splits.train)
    return rest.train, rest.valid


def run(
    name: str,
    trial: Trial,
    train: QuestionBank,
    validation: QuestionBank,
    options: argparse.Namespace,
) -> None:
    """Train, answer, and keep the scores of the last adapter and of the mean of the later ones."""
    (drawn,) = draw(train, [trial.questions], SEED)
    average = Average()
    together = min(trial.step, options.batch)
    trainer = zhmcq.LoraTrainer(
        str(zhmcq.demo_model()),
        lora=zhmcq.LoraSettings(
            r=trial.rank,
            lora_alpha=2 * trial.rank,
            target_modules="all-linear",
            loraplus_lr_ratio=trial.ratio,
            **{"lora_dropout": 0.0, **trial.lora},
        ),
        training=zhmcq.TrainingSettings(
            **{
                "objective": "contrastive",
                "per_device_train_batch_size": together,
                "gradient_accumulation_steps": trial.step // together,
                "num_train_epochs": 1,
                "learning_rate": 5e-4,
                "lr_scheduler_type": "cosine",
                "warmup_steps": 8,
                "eval_strategy": "no",
                "save_strategy": "no",
                "logging_steps": 10,
                "seed": trial.seed,
                "disable_tqdm": True,
                "dtype": options.dtype,
                **trial.training,
            }
        ),
        prompt=trial.prompt,
        callbacks=[average],
    )
    scores = Scores(average, averaged=trial.average)

    def figures(training: Any) -> dict[str, float]:
        return scores.figures(training)

    start = time.perf_counter()
    with ExitStack() as stack:
        stack.enter_context(patch.object(loop, "objective_sum", objective(trial, drawn)))
        stack.enter_context(patch.object(loop.TrainingLoop, "_validation_figures", figures))
        trainer.train(drawn, validation, options.folder / "adapters" / name)
    result = {
        "minutes": (time.perf_counter() - start) / 60,
        "training_minutes": (scores.started - start) / 60,
        "ids": [question.id for question in validation],
        **scores.answers,
    }
    (options.folder / f"{name}.json").write_text(json.dumps(result), encoding="utf-8")


class Average(TrainerCallback):
    """The mean of the adapter's weights over the last third of the steps."""

    def __init__(self) -> None:
        self.weights: dict[str, torch.Tensor] = {}
        self.count = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Add this step's weights to the mean."""
        if state.global_step <= state.max_steps * 2 // 3:
            return
        self.count += 1
        for name, weights in kwargs["model"].named_parameters():
            if weights.requires_grad:
                mean = self.weights.setdefault(name, torch.zeros_like(weights))
                mean += (weights.detach() - mean) / self.count


class Scores:
    """Keeps the scores of the last evaluation, of the last weights and of their mean."""

    def __init__(self, average: Average, *, averaged: bool) -> None:
        self.average = average
        self.averaged = averaged
        self.answers: dict[str, Any] = {}
        self.started = 0.0

    def figures(self, training: Any) -> dict[str, float]:
        """Stands for the method of the training loop."""
        self.started = time.perf_counter()
        questions = training.validation_questions
        everything = range(len(questions))
        answers = score_questions(training.engine, questions, everything)
        self.answers["last"] = [scores_of(answer) for answer in answers]
        trained = {
            name: weights.detach().clone()
            for name, weights in training.model.named_parameters()
            if name in self.average.weights
        }
        if not self.averaged:
            return summarise(answers, training.validation_clusters)
        load(training.model, self.average.weights)
        averaged = score_questions(training.engine, questions, everything)
        self.answers["mean"] = [scores_of(answer) for answer in averaged]
        load(training.model, trained)
        return summarise(answers, training.validation_clusters)


def scores_of(answer: Any) -> dict[str, Any]:
    """What is kept of an answer: sums, numbers of tokens, the index of the key.

    Sums are minus those of log-likelihoods where the least likely candidate is the answer.
    """
    scored = answer.scored
    return {"sums": list(scored.sums), "tokens": list(scored.lengths), "key": scored.key}


def load(model: Any, weights: dict[str, torch.Tensor]) -> None:
    """Put weights into a model."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in weights:
                parameter.copy_(weights[name])


class SmallHead:
    """Log-likelihoods under a softmax over the tokens of some questions.

    Args:
        questions: Whose passages, stems and options have the tokens.
    """

    def __init__(self, questions: QuestionBank) -> None:
        tokenizer = load_tokenizer(ModelSource(str(zhmcq.demo_model())))
        texts = {text for q in questions for text in (q.passage, q.stem, *q.options, "\n")}
        texts |= {f"{option}\n" for q in questions for option in q.options}
        ids = {index for text in texts for index in tokenizer(text)["input_ids"]}
        self.ids = torch.tensor(sorted(ids | set(tokenizer.all_special_ids)))
        self.head: Any = None
        print(f"{len(self.ids)} of {len(tokenizer)} tokens", file=sys.stderr)

    def __call__(self, model: Any, batch: PackedBatch) -> torch.Tensor:
        """Stands for ``token_log_likelihoods``."""
        base = base_of(model)
        whole = base.lm_head
        if self.head is None:
            self.head = torch.nn.Linear(whole.in_features, len(self.ids), bias=False)
            self.head.weight = torch.nn.Parameter(whole.weight.detach()[self.ids], False)
        target = torch.searchsorted(self.ids, batch.target)
        if not torch.equal(self.ids[target.clamp(max=len(self.ids) - 1)], batch.target):
            raise SystemExit("a candidate's token is in no text")
        base.lm_head = self.head
        try:
            return token_log_likelihoods(model, replace(batch, target=target))
        finally:
            base.lm_head = whole


def objective(trial: Trial, drawn: QuestionBank) -> Any:
    """The loss of a trial, in place of the library's."""
    library_objective = loop.objective_sum
    compute = SmallHead(drawn) if trial.small_head else token_log_likelihoods

    def objective_sum(
        model: Any,
        batches: Sequence[PackedBatch],
        questions: Sequence[EncodedQuestion],
        objective: str,
    ) -> torch.Tensor:
        if objective == "next_token":
            return library_objective(model, batches, questions, "next_token")
        tokens = [checkpoint(compute, model, batch, use_reentrant=False) for batch in batches[:-1]]
        tokens.append(compute(model, batches[-1]))
        pairs = list(zip(tokens, batches, strict=True))
        sums, means = (
            torch.cat([branch_scores(t, b, mean=mean) for t, b in pairs]) for mean in (False, True)
        )
        unlikely = torch.cat([branch_scores(log_of_rest(t), b, mean=True) for t, b in pairs])
        candidates = [candidate for batch in batches for candidate in batch.candidates]
        members: dict[int, list[int]] = {}
        for branch, index in enumerate(itertools.chain(*(b.questions for b in batches))):
            members.setdefault(index, []).append(branch)
        total = sums.new_zeros(())
        for index, branches in members.items():
            question = questions[index]
            scores = (means if question.normalization == "mean" else sums)[branches]
            if question.least_likely:
                scores = -scores
            key = [candidates[branch] for branch in branches].index(question.key_index)
            total = total - torch.log_softmax(scores * trial.sharpness, dim=0)[key]
            if trial.likelihood:
                total = total - trial.likelihood * means[branches[key]]
            if trial.unlikelihood:
                others = [branch for branch in branches if branch != branches[key]]
                total = total - trial.unlikelihood * unlikely[others].mean()
        return total

    return objective_sum


def log_of_rest(log_likelihoods: torch.Tensor) -> torch.Tensor:
    """``log(1 - p)`` of each token, finite where ``p`` rounds to 1."""
    return torch.log1p(-log_likelihoods.exp().clamp(max=1 - 1e-6))


def show(folder: Path, validation: QuestionBank, against: str = "today") -> None:
    """Print each trial beside another one, and what joined scores come to."""
    clusters = clusters_of(list(validation))
    read = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
    }
    print(f"{len(validation)} validation questions, {len(set(clusters))} passages\n")
    print(f"| trial | minutes | scores | accuracy | 95 % interval | against {against} | p |")
    print("|---|---|---|---|---|---|---|")
    baseline = right(shares(read[against]["last"], "mean"), read[against]["last"])
    for name, trial in read.items():
        for adapter, how in itertools.product(trial.keys() & {"last", "mean"}, ("sum", "mean")):
            correct = right(shares(trial[adapter], how), trial[adapter])
            low, high = accuracy_interval(correct.tolist(), clusters)
            less, more = paired_interval(
                (correct & ~baseline).tolist(), (baseline & ~correct).tolist(), clusters
            )
            changes = (correct.astype(int) - baseline.astype(int)).tolist()
            adapters = "last adapter" if adapter == "last" else "mean of adapters"
            print(
                f"| {name} | {trial['training_minutes']:.1f} | {adapters}, {how} "
                f"| {correct.mean():.1%} | {low:.1%} to {high:.1%} "
                f"| {100 * (correct.mean() - baseline.mean()):+.1f} ({100 * less:+.1f} to "
                f"{100 * more:+.1f}) | {sign_flip_test(changes, clusters):.3f} |"
            )
    print("\n| joined | accuracy |\n|---|---|")
    for left, other in itertools.combinations(read, 2):
        joined = [
            a + b
            for a, b in zip(
                shares(read[left]["last"], "best"), shares(read[other]["last"], "best"), strict=True
            )
        ]
        print(f"| {left} and {other} | {right(joined, read[left]['last']).mean():.1%} |")


def shares(answers: Sequence[dict[str, Any]], how: str) -> list[np.ndarray]:
    """Each question's log-probabilities of its candidates, by sums or means of their tokens."""
    if how == "best":
        how = max(("sum", "mean"), key=lambda h: right(shares(answers, h), answers).mean())
    result = []
    for answer in answers:
        scores = np.asarray(answer["sums"])
        if how == "mean":
            scores = scores / np.asarray(answer["tokens"])
        result.append(scores - np.logaddexp.reduce(scores))
    return result


def right(scores: Sequence[np.ndarray], answers: Sequence[dict[str, Any]]) -> np.ndarray:
    """Whether each question's highest score is its key's."""
    pairs = zip(scores, answers, strict=True)
    return np.asarray([int(np.argmax(score)) == answer["key"] for score, answer in pairs])


if __name__ == "__main__":
    sys.exit(main())
