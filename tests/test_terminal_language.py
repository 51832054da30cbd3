"""ZHMCQ_LANG=zh: what is seen is in Chinese, what goes wrong in English, and files are the same."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from outcomes import outcome

import quickstart
import refresh_outputs
import zhmcq
from english import english_sentences
from make_sample import write_sample
from zhmcq import _bars
from zhmcq.checks import describe
from zhmcq.evaluation import compare, evaluate_outcomes
from zhmcq.prediction import Predictions
from zhmcq.questions import Origin, QuestionBank
from zhmcq.reports import write_problems
from zhmcq.testing import tiny_llama

ROWS = [
    outcome("1", True, subject="國文", origin=Origin("x.xlsx", "甲班", 2), confidence=0.75),
    outcome("2", True, subject="國文", origin=Origin("x.xlsx", "乙班", 2), confidence=0.75),
    outcome("3", False, subject="英文", origin=Origin("x.xlsx", "甲班", 3), key="B"),
    outcome("4", False, origin=Origin("x.xlsx", "甲班", 4), key="B"),
]


@pytest.fixture(scope="module")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tiny_llama(tmp_path_factory.mktemp("base") / "tiny"))


@pytest.fixture
def messy_bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> QuestionBank:
    """A bank with problems, in the current folder."""
    monkeypatch.chdir(tmp_path)
    refresh_outputs.write_workbooks(tmp_path)
    return zhmcq.DatasetBuilder().read("AI.xlsx")


def without_tags(html: str) -> str:
    return re.sub(r"<[^>]*>", "\n", html)


def test_nothing_english_is_seen_on_the_whole_path_and_cp950_has_all_of_it(
    base_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    train, predict = write_sample(tmp_path / "bank.xlsx")
    monkeypatch.setenv("ZHMCQ_LANG", "zh")
    monkeypatch.setattr(_bars, "FIRST_LINE", 0.0)  # every stage is logged
    arguments = ["--train", train, "--predict", predict, "--output-dir", tmp_path / "out"]
    arguments += ["--base-model", base_model, "--limit", 8, "--valid", 6]
    monkeypatch.setattr("sys.argv", ["quickstart.py", *map(str, arguments)])
    caplog.set_level(logging.INFO, "zhmcq")
    capsys.readouterr()

    assert quickstart.main() == 0

    printed = capsys.readouterr().out
    logged = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("zhmcq"))
    for text in ("基礎模型的答案", "8 題用於訓練", "符號翻轉檢定 p = ", "作答 8 題", "寫到"):
        assert text in printed
    for text in (
        "訓練：",
        "驗證：",
        "載入權重：",
        "合併：",
        "訓練前檢查：",
        "平均損失",
        "模型以 float32 在 cpu",
    ):
        assert text in logged
    seen = f"{printed}\n{logged}".replace(str(tmp_path), "")
    assert english_sentences(seen) == []
    # rich draws its tables with other lines where the encoding lacks these.
    re.sub("[\u2500-\u257f]", "", seen).encode("cp950")


def test_summaries_are_in_chinese(
    messy_bank: QuestionBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = zhmcq.DatasetBuilder(valid_fraction=0.2, seed=2).split(messy_bank)
    monkeypatch.setenv("ZHMCQ_LANG", "zh")
    assert str(messy_bank) == "<題庫：28 題，2 列沒有用到>"
    assert str(splits) == "21 題用於訓練，6 題用於驗證（22.2%），1 題沒有正確答案"
    assert evaluate_outcomes(ROWS).text() == (
        "4 題答對 2 題：正確率 50.0%（95% 信賴區間 15.0% – 85.0%）\n"
        "\n"
        "工作表  題數    答對    95% 信賴區間\n"
        "乙班       1  100.0%  20.7% – 100.0%\n"
        "甲班       3   33.3%    6.1% – 79.2%\n"
        "\n"
        "科目        題數    答對    95% 信賴區間\n"
        "（未註明）     1    0.0%    0.0% – 79.3%\n"
        "國文           2  100.0%  34.2% – 100.0%\n"
        "英文           1    0.0%    0.0% – 79.3%\n"
        "\n"
        "正確答案的位置  題數    答對    95% 信賴區間\n"
        "1                  2  100.0%  34.2% – 100.0%\n"
        "2                  2    0.0%    0.0% – 65.8%"
    )
    page = describe(messy_bank)
    assert "沒有題幹（the stem is empty）" in page
    # What is quoted of a problem is English: its message, which is searched for.
    assert english_sentences(re.sub("（[^（）]*）", "", page)) == []


def test_what_a_notebook_shows_is_in_chinese(
    messy_bank: QuestionBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHMCQ_LANG", "zh")
    evaluation = evaluate_outcomes(ROWS)
    shown = without_tags(messy_bank._repr_html_() + evaluation._repr_html_())
    assert english_sentences(re.sub("（[^（）]*）", "", shown)) == []
    for text in ("題庫：28 題", "題幹", "猜測正確率", "正確答案的位置", "… 還有 18 列"):
        assert text in shown


def test_exceptions_and_what_repr_gives_are_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHMCQ_LANG", "zh")
    with pytest.raises(zhmcq.errors.SplitError, match="expected at least 2 questions with keys"):
        zhmcq.DatasetBuilder().split(QuestionBank([]))
    assert repr(QuestionBank([])) == "<QuestionBank: 0 questions, 0 rows left out>"
    assert repr(Predictions(QuestionBank([]), ())) == "<Predictions: 0 of 0 questions answered>"


def write_everything(bank: QuestionBank, base_model: Path, folder: Path) -> None:
    """Every kind of file that the library writes, but for those that say when they were made."""
    splits = zhmcq.DatasetBuilder(valid_fraction=0.2, seed=2).split(bank)
    splits.save(folder / "data")
    write_problems(bank, folder / "marked.xlsx")
    settings = zhmcq.TrainingSettings(max_steps=2, eval_steps=1, save_steps=1)
    trainer = zhmcq.LoraTrainer(base_model, training=settings, device="cpu")
    result = trainer.train(splits.train, splits.valid, folder / "adapter")
    predictor = zhmcq.MCQPredictor(base_model, result.adapter_dir, device="cpu")
    answers = predictor.predict(splits.train, journal=folder / "journal")
    unsure = answers.withhold(0.2, 0.6, calibrated_on=predictor.predict(splits.valid))
    comparison = compare(answers, answers)
    result.add_evaluation(comparison, data="AI")
    unsure.to_xlsx(folder / "answers.xlsx")
    unsure.to_html(folder / "answers.html")
    answers.to_csv(folder / "answers.csv")
    answers.to_json(folder / "answers.json")
    comparison.to_html(folder / "report.html")
    zhmcq.Merger(device="cpu").merge(result.adapter_dir, folder / "merged")


def test_files_are_the_same_byte_for_byte_in_both_languages(
    messy_bank: QuestionBank,
    base_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files: dict[str, dict[str, bytes]] = {}
    for language in ("en", "zh"):
        monkeypatch.setenv("ZHMCQ_LANG", language)
        folder = Path("out")
        write_everything(messy_bank, base_model, folder)
        files[language] = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        folder.rename(language)
    assert files["en"].keys() == files["zh"].keys()
    differ = {name for name, content in files["en"].items() if content != files["zh"][name]}
    assert differ == set()
