"""Training, merging and predicting with chats: over midnight, and with templates of other kinds."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from chat_templates import KINDS
from safetensors.torch import load_file
from transformers import AutoTokenizer, TrainerCallback

import zhmcq
from zhmcq.encoding import _chat
from zhmcq.errors import CheckpointError, EncodingError, PreflightError
from zhmcq.prompts import ChatPrompt
from zhmcq.questions import Question, QuestionBank
from zhmcq.testing import tiny_llama

BANK = QuestionBank(
    Question(f"q{n}", f"第{n}題？", ("甲", "乙", "丙"), answer=(n % 3,)) for n in range(62)
)
FEW = QuestionBank(BANK[:6])
SetDate = Callable[[int], None]


@pytest.fixture(scope="module")
def base_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A tiny model whose chat template is of a kind."""
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            made[kind] = tiny_llama(tmp_path_factory.mktemp("chat") / "base", chat=True)
            tokenizer: Any = AutoTokenizer.from_pretrained(made[kind])
            (made[kind] / "chat_template.jinja").unlink()
            tokenizer.chat_template = KINDS[kind].template or None
            tokenizer.save_pretrained(made[kind])
        return made[kind]

    return make


@pytest.fixture
def november(monkeypatch: pytest.MonkeyPatch) -> SetDate:
    """Set the clock to a day of November 2026; today is the 26th."""

    def to(day: int) -> None:
        monkeypatch.setattr(_chat, "today", lambda: datetime.date(2026, 11, day))

    to(26)
    return to


class Stop(TrainerCallback):
    """Stops a run after its second step."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 2:
            raise KeyboardInterrupt


def trainer(base: Path, *callbacks: Any, prompt: Any = "zh-chat") -> zhmcq.LoraTrainer:
    return zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=4, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(
            num_train_epochs=2, gradient_accumulation_steps=2, save_steps=1, disable_tqdm=True
        ),
        prompt=prompt,
        callbacks=callbacks,
    )


def scores(model: Path, **options: Any) -> list[Any]:
    return [item.scores for item in zhmcq.MCQPredictor(model, **options).predict(FEW)]


def test_tomorrows_clock_resumes_todays_run_and_asks_the_same_of_its_adapter(
    base_of: Callable[[str], Path], november: SetDate, tmp_path: Path
) -> None:
    base = base_of("date")
    straight = trainer(base).train(FEW, None, tmp_path / "straight").adapter_dir
    with pytest.raises(KeyboardInterrupt):
        trainer(base, Stop()).train(FEW, None, tmp_path / "cut")
    answers = scores(base, adapter=straight)
    record = json.loads((tmp_path / "cut" / "run.json").read_text(encoding="utf-8"))
    assert record["template_date"] == "2026-11-26"
    november(27)
    cut = trainer(base).train(FEW, None, tmp_path / "cut").adapter_dir
    weights = [load_file(folder / "adapter_model.safetensors") for folder in (straight, cut)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert scores(base, adapter=cut) == answers
    merged = zhmcq.Merger(dtype="float32").merge(cut, tmp_path / "merged", verify_with=FEW)
    assert merged.answer_flips == 0
    for before, after in zip(answers, scores(tmp_path / "merged"), strict=True):
        assert after == pytest.approx(before, abs=1e-4)
    manifest = json.loads((tmp_path / "merged" / "zhmcq_manifest.json").read_text("utf-8"))
    assert manifest["template_date"] == "2026-11-26"
    assert scores(base, prompt="zh-chat") != scores_on_day(november, 26, base)


def scores_on_day(november: SetDate, day: int, base: Path) -> list[Any]:
    november(day)
    return scores(base, prompt="zh-chat")


def test_tomorrows_clock_resumes_todays_journal(
    base_of: Callable[[str], Path], november: SetDate, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    predictor = zhmcq.MCQPredictor(base_of("date"), prompt="zh-chat")
    today = predictor.predict(FEW, journal=journal)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:4]))  # interrupted after three questions
    november(27)
    tomorrow = predictor.predict(FEW, journal=journal)
    assert (today.stats.questions, tomorrow.stats.questions) == (6, 3)
    assert [item.label for item in tomorrow] == [item.label for item in today]
    for one, other in zip(today, tomorrow, strict=True):
        assert other.scores == pytest.approx(one.scores)
    assert json.loads(lines[0])["template_date"] == "2026-11-26"
    fresh = tmp_path / "fresh.jsonl"
    predictor.predict(FEW, journal=fresh)
    assert json.loads(fresh.read_bytes().splitlines()[0])["template_date"] == "2026-11-27"


def test_a_template_without_a_date_leaves_none(
    base_of: Callable[[str], Path], november: SetDate, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        trainer(base_of("usual"), Stop()).train(FEW, None, tmp_path / "run")
    november(27)
    done = trainer(base_of("usual")).train(FEW, None, tmp_path / "run").adapter_dir
    manifest = json.loads((done / "zhmcq_manifest.json").read_text(encoding="utf-8"))
    assert manifest["template_date"] == ""


@pytest.mark.parametrize("kind", ["none", "raising", "system turn dropped", "hybrid thinking"])
def test_a_template_that_spoils_every_question_is_one_error_before_any_row(
    base_of: Callable[[str], Path], kind: str, tmp_path: Path
) -> None:
    base, rule = base_of(kind), KINDS[kind].rule
    journal = tmp_path / "journal.jsonl"
    with pytest.raises(EncodingError, match=f"^{rule}: ") as caught:
        zhmcq.MCQPredictor(base, prompt="zh-chat").predict(BANK, journal=journal)
    assert str(caught.value).count(f"{rule}: ") == 1
    assert not journal.exists()
    with pytest.raises(PreflightError, match=f"  {rule}: "):
        trainer(base).train(BANK, FEW, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_adapter_remembers_the_arguments_of_its_template(
    base_of: Callable[[str], Path], tmp_path: Path
) -> None:
    base = base_of("hybrid thinking")
    prompt = ChatPrompt(template_arguments={"enable_thinking": False})
    adapter = trainer(base, prompt=prompt).train(FEW, None, tmp_path / "run").adapter_dir
    predictor = zhmcq.MCQPredictor(base, adapter=adapter)
    assert predictor.prompt == prompt
    assert [item.status for item in predictor.predict(FEW)] == ["answered"] * 6


def test_a_model_that_thinks_may_reply(base_of: Callable[[str], Path]) -> None:
    predictor = zhmcq.MCQPredictor(base_of("thinking only"), prompt="zh-chat")
    replies = predictor.predict(FEW, zhmcq.GenerateSettings(max_new_tokens=3))
    assert all(item.reply is not None for item in replies)


def test_a_run_of_another_date_is_another_run_where_the_date_is_gone(
    base_of: Callable[[str], Path], november: SetDate, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        trainer(base_of("date"), Stop()).train(FEW, None, tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**record, "template_date": "soon"}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="other template_date"):
        trainer(base_of("date")).train(FEW, None, tmp_path / "run")
