"""Shuffled epochs: the same questions in other orders, the same in every run and process."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import zhmcq
from zhmcq.encoding import Encoder
from zhmcq.prompts import get_prompt
from zhmcq.questions import Question
from zhmcq.testing import tiny_llama
from zhmcq.training._plan import ShuffledEpochs

PLACES = ("山上", "海邊", "家裡", "學校")
BANK = [
    Question(f"q{i}", f"{who}在哪裡？", PLACES, f"{who}在{PLACES[i % 4]}。", answer=(i % 4,))
    for i, who in enumerate("甲乙丙丁戊己")
]
FIXED = Question("fixed", "誰？", ("甲", "乙", "以上皆非"), answer=(2,))


def epochs(
    tokenizer: Any, bank: list[Question], prompt: str = "zh-exam", max_length: int = 512
) -> ShuffledEpochs:
    encoder = Encoder(tokenizer, get_prompt(prompt), max_length)
    encoded, unfit = encoder.encode(bank)
    assert unfit == []
    return ShuffledEpochs(bank, encoded, encoder, seed=42)


def test_each_epoch_has_orders_of_its_own_the_first_one_too(tokenizer: Any) -> None:
    shuffled = epochs(tokenizer, [*BANK, FIXED])
    unshuffled = Encoder(tokenizer, get_prompt("zh-exam")).encode([*BANK, FIXED])[0]
    first, second = list(shuffled(0)), list(shuffled(1))
    for epoch in (first, second):
        assert [q.id for q in epoch] == [q.id for q in unshuffled]
        assert [q.passage for q in epoch] == [q.passage for q in unshuffled]
        assert sum(a != b for a, b in zip(epoch, unshuffled, strict=True)) >= 4
        assert epoch[-1] == unshuffled[-1]
    assert first != second
    assert list(epochs(tokenizer, [*BANK, FIXED])(0)) == first


def test_the_supervised_label_stands_before_the_keys_text(tokenizer: Any) -> None:
    for question, encoded in zip(BANK, epochs(tokenizer, BANK)(3), strict=True):
        assert question.answer is not None
        assert encoded.target is not None
        label = tokenizer.decode(encoded.candidates[encoded.target][:1])
        key = PLACES[question.answer[0]]
        assert f"{label}. {key}" in tokenizer.decode(encoded.prompt)


def test_what_no_longer_fits_in_another_order_is_shuffled_its_own(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shuffled = epochs(tokenizer, BANK)
    unshuffled = list(shuffled._encoded)
    from zhmcq.encoding import EncodingProblem

    encode = Encoder.encode

    def tight(self: Encoder, questions: Any) -> Any:
        encoded, _ = encode(self, questions)
        return [*encoded[:1], *encoded[2:]], [EncodingProblem(1, encoded[1].id, "too long")]

    monkeypatch.setattr(Encoder, "encode", tight)
    questions = list(shuffled(0))
    assert [q.id for q in questions] == [q.id for q in unshuffled]
    assert questions[1] == unshuffled[1]
    assert questions[2:] != unshuffled[2:]


@pytest.mark.parametrize(("prompt", "says"), [("zh-exam", False), ("zh-cloze", True)])
def test_the_log_says_what_is_shuffled_and_whether_that_changes_anything(
    tokenizer: Any, caplog: pytest.LogCaptureFixture, prompt: str, says: bool
) -> None:
    caplog.set_level(logging.INFO)
    epochs(tokenizer, [*BANK, FIXED], prompt).log_what_changes()
    expected = (
        "options are shuffled in 6 of 7 questions; in the others their order matters "
        "(such as 'fixed': an option speaks of others: '以上皆非')"
    )
    assert expected in caplog.text
    assert ("changes nothing of what is learned" in caplog.text) is says


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base") / "llama")


def train(base: Path, folder: Path, callbacks: Any = (), **settings: Any) -> dict[str, Any]:
    values = {
        "num_train_epochs": 3,
        "gradient_accumulation_steps": 2,
        "save_steps": 2,
        "shuffle_options": True,
        "learning_rate": 1e-3,
        **settings,
    }
    zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=4, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(**values),
        callbacks=callbacks,
    ).train(BANK, output_dir=folder)
    return dict(load_file(folder / "adapter_model.safetensors"))


def test_a_run_cut_in_an_epochs_middle_goes_on_with_the_same_orders(
    base: Path, tmp_path: Path
) -> None:
    from transformers import TrainerCallback

    class Cut(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 5:  # the checkpoint is of step 4, in the second of 3 epochs
                raise KeyboardInterrupt

    straight = train(base, tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        train(base, tmp_path / "cut", [Cut()])
    resumed = train(base, tmp_path / "cut")
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)
    unshuffled = train(base, tmp_path / "unshuffled", shuffle_options=False)
    assert not all(torch.equal(straight[name], unshuffled[name]) for name in straight)
