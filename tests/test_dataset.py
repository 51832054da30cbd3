from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import WriteXlsx
from zhmcq.dataset import DatasetBuilder, Splits
from zhmcq.errors import OutputExistsError, ReadError, SplitError
from zhmcq.questions import Question, QuestionBank
from zhmcq.reading import read_bank

PASSAGE = "第{}篇文章說的是一件完全不同的事情，主角住在第{}條街，他每天都會去第{}間店買東西。"


@dataclass
class Rendered:
    input_text: str
    target_text: str | None


class Plain:
    def render(self, question: Question) -> Rendered:
        return Rendered(question.stem, question.answer_label)


def question(number: int, passage: str = "", **fields: object) -> Question:
    values: dict[str, object] = {"stem": f"第{number}個問題問的是什麼事？", "answer": (0,)}
    values |= fields
    return Question(str(number), options=("甲", "乙"), passage=passage, **values)  # type: ignore[arg-type]


def passages(count: int) -> list[str]:
    words = "山河日月風雨雷電花鳥魚蟲春夏秋冬東南西北金木水火土石田林草竹松柏梅蘭菊荷"
    return [
        "".join(words[(n * 7 + k * (n + 2)) % len(words)] for k in range(60)) for n in range(count)
    ]


def sides(splits: Splits, wanted: Sequence[str]) -> set[str]:
    names = set()
    for name, bank in (("train", splits.train), ("valid", splits.valid)):
        if {q.id for q in bank} & set(wanted):
            names.add(name)
    return names


def test_no_passage_is_on_both_sides() -> None:
    texts = passages(12)
    bank = QuestionBank([question(n, texts[n // 3]) for n in range(36)])
    splits = DatasetBuilder(valid_fraction=0.25, seed=1).split(bank)
    assert len(splits.valid) == 9
    assert len(splits.train) == 27
    assert not {q.passage for q in splits.train} & {q.passage for q in splits.valid}


def test_a_split_depends_on_the_seed_only() -> None:
    bank = QuestionBank([question(n, text) for n, text in enumerate(passages(30))])
    first = DatasetBuilder(seed=1).split(bank)
    assert DatasetBuilder(seed=1).split(bank) == first
    assert DatasetBuilder(seed=2).split(bank) != first


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:30] + "，" + text[31:],
        lambda text: text.replace("東", " 東 ").replace("風", "风"),
        lambda text: text[:45],
        lambda text: "【新聞】" + text,
    ],
    ids=["one character", "script and blanks", "excerpt", "a word before"],
)
def test_a_near_copy_of_a_passage_stays_with_it(change: object) -> None:
    texts = passages(20)
    assert callable(change)
    pairs = [question(n, text) for n, text in enumerate(texts)]
    pairs += [question(100 + n, change(text)) for n, text in enumerate(texts)]
    splits = DatasetBuilder(valid_fraction=0.3).split(QuestionBank(pairs))
    for number in range(20):
        assert len(sides(splits, [str(number), str(100 + number)])) == 1, number


def test_questions_of_one_item_and_repeated_questions_stay_together() -> None:
    texts = passages(40)
    bank = QuestionBank(
        [question(n, texts[n], group="g" if n in (3, 30) else "") for n in range(40)]
        + [
            question(99, stem="第5個問題問的是什麼事？"),
            question(98, stem="第5個問題問的是什麼事?"),
        ]
    )
    for seed in range(5):
        splits = DatasetBuilder(valid_fraction=0.3, seed=seed).split(bank)
        assert len(sides(splits, ["3", "30"])) == 1
        assert len(sides(splits, ["5", "99", "98"])) == 1


def test_questions_without_a_key_are_counted_and_left_out() -> None:
    bank = QuestionBank(
        [question(n, text, answer=None if n < 4 else (0,)) for n, text in enumerate(passages(20))]
    )
    splits = DatasetBuilder().split(bank)
    assert splits.without_key == 4
    assert len(splits.train) + len(splits.valid) == 16


@pytest.mark.parametrize(
    ("bank", "fraction", "expected"),
    [
        ([], 0.1, "expected at least 2 questions with keys"),
        ([question(1, answer=None), question(2)], 0.1, "1 without a key"),
        ([question(1, "同一篇文章"), question(2, "同一篇文章")], 0.1, "about one passage"),
        ([question(1), question(2)], 0, "between 0 and 1"),
        ([question(1), question(2)], 1.5, "between 0 and 1"),
    ],
)
def test_a_split_that_cannot_be_is_refused(
    bank: list[Question], fraction: float, expected: str
) -> None:
    with pytest.raises(SplitError, match=expected):
        DatasetBuilder(valid_fraction=fraction).split(QuestionBank(bank))


def test_splits_are_saved_and_loaded(
    tmp_path: Path, write_xlsx: WriteXlsx, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_prompts(monkeypatch)
    rows = [[n, text, f"問題{n}是什麼？", "甲", "乙", 2] for n, text in enumerate(passages(10))]
    path = write_xlsx([["ID", "文章", "問題", "選項1", "選項2", "正確答案"], *rows])
    builder = DatasetBuilder(valid_fraction=0.2)
    splits = builder.split(builder.read(path))
    folder = splits.save(tmp_path / "data", prompt=Plain())
    valid = json.loads((folder / "valid.json").read_text(encoding="utf-8"))
    assert [row["id"] for row in valid] == [q.id for q in splits.valid]
    assert valid[0]["input_text"] == splits.valid[0].stem
    assert valid[0]["target_text"] == "2"
    assert len(json.loads((folder / "train.json").read_text(encoding="utf-8"))) == 8
    assert Splits.load(folder) == splits
    assert len(read_bank(folder / "questions.json")) == 10
    with pytest.raises(OutputExistsError):
        splits.save(folder, prompt=Plain())
    splits.save(folder, prompt=Plain(), overwrite=True)


def test_splits_become_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_prompts(monkeypatch)
    bank = QuestionBank([question(n, text) for n, text in enumerate(passages(10))])
    sets = DatasetBuilder(valid_fraction=0.2).split(bank).to_datasets(prompt=Plain())
    assert {name: len(rows) for name, rows in sets.items()} == {"train": 8, "valid": 2}
    assert sets["train"][0]["target_text"] == "A"


def test_loading_what_is_no_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"Splits\.save"):
        Splits.load(tmp_path)
    (tmp_path / "questions.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ReadError, match="other json"):
        Splits.load(tmp_path)


def fake_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for the registry, so that the test needs an instance's render() only."""
    import sys
    import types

    module = types.ModuleType("zhmcq.prompts")
    module.get_prompt = lambda prompt: prompt  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "zhmcq.prompts", module)


def test_a_builder_reads_as_read_bank_does(write_xlsx: WriteXlsx) -> None:
    header = ["題號", "題目", "甲欄", "乙欄", "答案"]
    first = [
        header,
        [1, "誰？", "一", "二", 1],
        [2, "誰？", "一", "二", 2],
        [3, "何？", "一", "二", 0],
    ]
    path = write_xlsx([], sheets={"上": first, "下": [header, [9, "哪？", "一", "二", 1]]})
    columns = {"option1": "甲欄", "option2": "乙欄"}
    builder = DatasetBuilder(columns=columns, answer_base=1, sheets=["上"])
    bank = builder.read(path)
    assert bank == read_bank(path, columns=columns, answer_base=1, sheets=["上"])
    assert [problem.code for problem in bank.problems] == [
        "two_keys", "two_keys", "answer_out_of_range",
    ]  # fmt: skip
