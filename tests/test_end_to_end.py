"""The promised path on a tiny real LLaMA: read, split, train, merge, answer, evaluate."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import torch

import zhmcq
from conftest import with_swapped_ids
from zhmcq.manifest import Manifest
from zhmcq.modeling._load import ModelSource, load_tokenizer
from zhmcq.questions import Question, QuestionBank
from zhmcq.settings import GenerateSettings, ScoreSettings
from zhmcq.testing import tiny_llama

PLACES = ("山上", "海邊", "家裡", "學校")


def toy_questions(count: int, start: int = 0) -> list[Question]:
    """Who is where, as the passage says; two questions for each passage."""
    rng = random.Random(5 + start)
    questions = []
    for number in range(start, start + count):
        name, other = chr(0x4E00 + 40 * number), chr(0x6E00 + 40 * number)
        places = rng.sample(PLACES, 2)
        passage = f"{name}在{places[0]}，{other}在{places[1]}。"
        for who, place in ((name, places[0]), (other, places[1])):
            questions.append(
                Question(
                    f"{number}-{who}",
                    f"{who}在哪裡？",
                    PLACES,
                    passage,
                    labels=("1", "2", "3", "4"),
                    answer=(PLACES.index(place),),
                )
            )
    return questions


def write_workbook(path: Path, questions: list[Question], *, keys: bool) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    header = ["題號", "文章", "問題", "選項1", "選項2", "選項3", "選項4"]
    sheet.append([*header, "正確答案"] if keys else header)
    for number, question in enumerate(questions, start=10023321):
        cells = [number, question.passage, question.stem, *question.options]
        sheet.append([*cells, int(question.answer_label)] if keys else cells)
    if not keys:
        sheet.append([99, "短文", "沒有選項的問題", None, None, None, None])
    book.save(path)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("path")
    base = tiny_llama(folder / "base")
    write_workbook(folder / "AI.xlsx", toy_questions(4), keys=True)
    write_workbook(folder / "AI1000.xlsx", toy_questions(4), keys=False)
    builder = zhmcq.DatasetBuilder(valid_fraction=0.2)
    bank = builder.read(folder / "AI.xlsx")
    splits = builder.split(bank)
    splits.save(folder / "data", prompt="zh-exam")
    trainer = zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=16, lora_alpha=32, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(
            num_train_epochs=90,
            learning_rate=5e-3,
            lr_scheduler_type="cosine",
            logging_steps=10,
            disable_tqdm=True,
        ),
    )
    # The toy set is learnt by heart, and answered afterwards.
    result = trainer.train(bank, None, folder / "adapter")
    merged = zhmcq.Merger().merge(result.adapter_dir, folder / "merged", verify_with=bank)
    return folder, bank, splits, result, merged


def test_the_data_set_is_written_and_parts_share_no_passage(run: Any) -> None:
    folder, bank, splits, _, _ = run
    rows = json.loads((folder / "data" / "train.json").read_text(encoding="utf-8"))
    first = splits.train[0]
    assert rows[0]["input_text"].startswith(
        f"文章：{first.passage}\n問題：{first.stem}\n選項：\n1. "
    )
    assert rows[0]["target_text"] == first.answer_label
    assert len(rows) + len(splits.valid) == len(bank) == 8
    assert not {q.passage for q in splits.train} & {q.passage for q in splits.valid}


def test_a_tiny_llama_learns_the_toy_set_by_heart(run: Any) -> None:
    _, _, _, result, _ = run
    assert result.accuracy is None
    assert result.steps == 90
    assert result.tokens_computed < result.tokens_given
    losses = [entry["loss"] for entry in result.history if "loss" in entry]
    assert losses[-1] < losses[0]


def test_the_merged_model_answers_as_the_adapter_did(run: Any) -> None:
    folder, bank, _, result, merged = run
    assert (merged.verified, merged.answer_flips) == (8, 0)
    assert 0 < merged.max_logit_difference < 1e-3
    attached = zhmcq.MCQPredictor(folder / "base", adapter=result.adapter_dir).predict(bank)
    predictor = zhmcq.MCQPredictor(folder / "merged")
    predictor.use_adapter(None)  # there is none, and what the folder remembers stays
    joined = predictor.predict(bank)
    assert [item.answer for item in attached] == [item.answer for item in joined]
    assert joined.evaluate().accuracy == 1.0


def test_the_merged_folder_loads_without_peft(run: Any) -> None:
    from transformers import AutoModelForCausalLM

    folder, *_ = run
    config = json.loads((folder / "merged" / "config.json").read_text(encoding="utf-8"))
    assert config["use_cache"] is True
    assert not (folder / "merged" / "adapter_config.json").exists()
    model = AutoModelForCausalLM.from_pretrained(folder / "merged")
    assert not [name for name, _ in model.named_parameters() if "lora" in name]


def test_the_second_workbook_is_answered_row_by_row(run: Any) -> None:
    folder, *_ = run
    answers = zhmcq.MCQPredictor(folder / "merged").predict(folder / "AI1000.xlsx")
    answers.to_csv(folder / "submission.csv")
    answers.to_xlsx(folder / "predictions.xlsx")
    with (folder / "submission.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    keys = [question.answer_label for question in toy_questions(4)]
    assert rows[0] == ["ID", "Answer"]
    assert rows[1:9] == [[str(10023321 + i), key] for i, key in enumerate(keys)]
    assert rows[9:] == [["99", ""]]
    sheet = openpyxl.load_workbook(folder / "predictions.xlsx").worksheets[0]
    table = list(sheet.iter_rows(values_only=True))
    assert table[0] == (
        *("題號", "文章", "問題", "選項1", "選項2", "選項3", "選項4"),
        *("預測答案", "信心（未校準）", "狀態", "機率 1", "機率 2", "機率 3", "機率 4", "原因"),
    )
    assert table[1][:3] == (10023321, toy_questions(1)[0].passage, toy_questions(1)[0].stem)
    assert table[1][7] == int(keys[0])
    assert table[9][7:10] == (None, None, "無法作答")
    assert "選項" in str(table[9][-1])


def test_generated_replies_are_read_by_the_parser(run: Any) -> None:
    folder, bank, *_ = run
    predictor = zhmcq.MCQPredictor(folder / "merged", batch_size=3)
    scored = predictor.predict(bank)
    replies = predictor.predict(bank, mode=GenerateSettings(max_new_tokens=4))
    assert [item.reply for item in replies] == [item.label for item in scored]
    assert [item.answer for item in replies] == [item.answer for item in scored]


def test_replies_can_be_limited_to_the_candidate_answers(run: Any) -> None:
    folder, bank, *_ = run
    predictor = zhmcq.MCQPredictor(folder / "merged", batch_size=3)
    limited = predictor.predict(bank, mode=GenerateSettings(constrain=True))
    assert [item.reply for item in limited] == [item.label for item in predictor.predict(bank)]
    untrained = zhmcq.MCQPredictor(folder / "base", batch_size=3)
    free = untrained.predict(bank, mode=GenerateSettings(max_new_tokens=5))
    assert {item.status for item in free} == {"none"}
    reasoned = untrained.predict(bank, mode=GenerateSettings(constrain=True, reasoning_tokens=5))
    assert {item.status for item in reasoned} == {"answered"}
    for item, before in zip(reasoned, free, strict=True):
        assert item.reply == f"{before.reply}\n答案：{item.label}"
        assert item.label in {"1", "2", "3", "4"}


def test_adapters_come_and_go_and_leave_the_base_as_it_was(run: Any) -> None:
    folder, bank, _, result, _ = run
    predictor = zhmcq.MCQPredictor(folder / "base", prompt="zh-exam")
    before = {name: p.clone() for name, p in predictor._answering._state.model.named_parameters()}
    base = predictor.predict(bank)
    predictor.use_adapter(result.adapter_dir)
    tuned = predictor.predict(bank)
    predictor.use_adapter(result.adapter_dir)
    predictor.use_adapter(None)
    again = predictor.predict(bank)
    assert [item.scores for item in again] == [item.scores for item in base]
    assert [item.scores for item in tuned] != [item.scores for item in base]
    after = dict(predictor._answering._state.model.named_parameters())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    comparison = zhmcq.compare(base, tuned)
    assert comparison.tuned.accuracy == 1.0
    assert comparison.difference == comparison.tuned.accuracy - comparison.base.accuracy


def test_packing_and_batch_size_change_no_answer(run: Any) -> None:
    folder, bank, *_ = run
    tree = zhmcq.MCQPredictor(folder / "merged", batch_size=1).predict(bank)
    predictor = zhmcq.MCQPredictor(folder / "merged", batch_size=8)
    flat = predictor.predict(bank, mode=ScoreSettings(packing="flat"))
    for packed, separate in zip(tree, flat, strict=True):
        assert packed.scores == pytest.approx(separate.scores, abs=1e-4)
    assert tree.stats.tokens_computed < flat.stats.tokens_computed == flat.stats.tokens_given


def test_an_interrupted_prediction_goes_on_from_its_journal(run: Any) -> None:
    folder, bank, *_ = run
    journal = folder / "journal.jsonl"
    predictor = zhmcq.MCQPredictor(folder / "merged")
    uncut = predictor.predict(bank, journal=journal)
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(lines) == 9
    journal.write_text("".join(lines[:4]) + lines[4][:9], encoding="utf-8")
    resumed = predictor.predict(bank, journal=journal)
    assert resumed.stats.questions == 5
    assert [item.answer for item in resumed] == [item.answer for item in uncut]
    with pytest.raises(zhmcq.errors.PredictionError, match="of another run"):
        predictor.predict(bank[:3], journal=journal)


def test_a_finished_run_is_never_overwritten_unasked(run: Any) -> None:
    folder, bank, _, result, _ = run
    trainer = zhmcq.LoraTrainer(folder / "base")
    before = (folder / "adapter" / "adapter_model.safetensors").read_bytes()
    with pytest.raises(zhmcq.errors.OutputExistsError, match="finished adapter already"):
        trainer.train(bank, None, folder / "adapter")
    with pytest.raises(zhmcq.errors.OutputExistsError, match="already holds something"):
        zhmcq.Merger().merge(result.adapter_dir, folder / "merged")
    assert (folder / "adapter" / "adapter_model.safetensors").read_bytes() == before


def test_an_adapter_of_another_base_is_refused(run: Any) -> None:
    folder, _, _, result, _ = run
    other = tiny_llama(folder / "other", seed=1)
    with pytest.raises(zhmcq.errors.AdapterMismatchError, match="differs from it in the weights"):
        zhmcq.MCQPredictor(other, adapter=result.adapter_dir)
    wider = tiny_llama(folder / "wider", intermediate_size=256)
    with pytest.raises(
        zhmcq.errors.AdapterMismatchError,
        match=r"the configuration \(intermediate_size: expected 128, found 256\)",
    ):
        zhmcq.Merger().merge(result.adapter_dir, folder / "m2", base_model=wider)
    assert not (folder / "m2").exists()


def test_a_base_whose_tokenizer_has_two_swapped_ids_is_refused(run: Any) -> None:
    folder, _, _, result, _ = run
    swapped = with_swapped_ids(folder / "base", folder / "swapped", "1", "2")
    changed = r"differs from it in the tokenizer \(SHA-256: expected \w{12}…, found \w{12}…\)\."
    with pytest.raises(zhmcq.errors.AdapterMismatchError, match=changed):
        zhmcq.MCQPredictor(swapped, adapter=result.adapter_dir)
    predictor = zhmcq.MCQPredictor(swapped)
    with pytest.raises(zhmcq.errors.AdapterMismatchError, match=changed):
        predictor.use_adapter(result.adapter_dir)
    with pytest.raises(zhmcq.errors.AdapterMismatchError, match=changed):
        zhmcq.Merger().merge(result.adapter_dir, folder / "m3", base_model=swapped)
    assert not (folder / "m3").exists()


def test_a_merged_folder_whose_tokenizer_was_changed_is_refused(run: Any) -> None:
    folder, *_ = run
    swapped = with_swapped_ids(folder / "merged", folder / "merged-swapped", "1", "2")
    with pytest.raises(zhmcq.errors.ManifestError, match=r"tokenizer\.json is not the file that"):
        zhmcq.MCQPredictor(swapped)


def test_a_merged_model_has_the_tokenizer_of_its_base(run: Any) -> None:
    folder, _, _, result, _ = run
    base = Manifest.read(result.adapter_dir).base
    source = ModelSource(str(folder / "merged"))
    merged = source.identity(load_tokenizer(source))
    assert merged.tokenizer_sha256 == base.tokenizer_sha256
    assert merged.chat_template_sha256 == base.chat_template_sha256 == ""
    assert merged.weights_sha256 != base.weights_sha256


def test_the_base_is_known_by_its_weights_and_not_by_its_path(run: Any) -> None:
    import shutil

    folder, bank, _, result, _ = run
    moved = folder / "moved"
    shutil.copytree(folder / "base", moved)
    predictor = zhmcq.MCQPredictor(moved, adapter=result.adapter_dir)
    assert predictor.predict(bank).evaluate().accuracy == 1.0


def test_an_adapter_given_as_a_model_says_how_to_give_it(run: Any) -> None:
    *_, result, _ = run
    with pytest.raises(zhmcq.errors.ManifestError, match=r"expected MCQPredictor\(.*adapter="):
        zhmcq.MCQPredictor(result.adapter_dir)


def test_a_flipped_byte_in_an_adapter_is_noticed(run: Any) -> None:
    import shutil

    folder, _, _, result, _ = run
    damaged = folder / "damaged"
    shutil.copytree(result.adapter_dir, damaged)
    path = damaged / "adapter_model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(zhmcq.errors.ManifestError, match="its SHA-256 is"):
        zhmcq.MCQPredictor(folder / "base", adapter=damaged)


def test_a_multiple_answer_question_is_scored_over_every_subset(run: Any) -> None:
    folder, *_ = run
    question = Question("m", "哪些？", ("甲", "乙", "丙"), kind="multiple", answer=(0, 2))
    bank = QuestionBank([question])
    (prediction,) = zhmcq.MCQPredictor(folder / "merged").predict(bank)
    assert len(prediction.scores) == 7
    assert prediction.label in {"A", "B", "C", "AB", "AC", "BC", "ABC"}
