from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import WriteXlsx
from zhmcq.checks import question_clusters
from zhmcq.dataset import DatasetBuilder, Splits
from zhmcq.errors import OutputExistsError, PluginError, ReadError, SplitError
from zhmcq.questions import Origin, Question, QuestionBank
from zhmcq.reading import read_bank

PASSAGE = "第{}篇文章說的是一件完全不同的事情，主角住在第{}條街，他每天都會去第{}間店買東西。"


@dataclass
class Rendered:
    input_text: str
    target_text: str | None
    least_likely: bool = False


class Plain:
    def render(self, question: Question) -> Rendered:
        return Rendered(question.stem, question.answer_label)


def question(number: int, passage: str = "", **fields: object) -> Question:
    values: dict[str, object] = {"stem": f"第{number}個問題問的是什麼事？", "answer": (0,)}
    values |= fields
    return Question(str(number), options=("甲", "乙"), passage=passage, **values)  # type: ignore[arg-type]


def passages(count: int) -> list[str]:
    words = "山河日月風雨雷電花鳥魚蟲春夏秋冬東南西北金木水火土石田林草竹松柏梅蘭菊荷"
    return ["".join(random.Random(n).choices(words, k=60)) for n in range(count)]


def sides(splits: Splits, wanted: Sequence[str]) -> set[str]:
    names = set()
    for name, bank in (("train", splits.train), ("valid", splits.valid)):
        if {q.id for q in bank} & set(wanted):
            names.add(name)
    return names


def test_no_passage_is_on_both_sides() -> None:
    texts = passages(12)
    bank = QuestionBank([question(n, texts[n // 3]) for n in range(36)])
    splits = DatasetBuilder(valid_fraction=0.25, seed=5).split(bank)
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


def test_a_passage_quoted_in_another_question_s_stem_or_options_stays_with_it() -> None:
    texts = passages(40)
    bank = [question(n, text) for n, text in enumerate(texts)]
    bank += [
        question(100, passages(41)[40], stem=f"下文「{texts[3]}」的主旨是什麼？"),
        question(101, stem=f"閱讀以下文字後作答。{texts[4]}作者想說什麼？"),
        replace(question(102, passages(42)[41]), options=(texts[5], "以上皆非")),
    ]
    for seed in range(20):
        splits = DatasetBuilder(valid_fraction=0.3, seed=seed).split(QuestionBank(bank))
        for pair in (["3", "100"], ["4", "101"], ["5", "102"]):
            assert len(sides(splits, pair)) == 1, (seed, pair)


def test_the_same_long_stem_on_two_passages_does_not_join_them() -> None:
    stem = "根據上面這篇文章，下列哪一個選項最能說明作者的主旨？"
    bank = QuestionBank([question(n, text, stem=stem) for n, text in enumerate(passages(40))])
    assert len(question_clusters(bank)) == 40


def test_a_bank_that_grows_keeps_its_sides() -> None:
    texts = passages(60)
    bank = [question(n, text) for n, text in enumerate(texts[:40])]
    builder = DatasetBuilder(valid_fraction=0.2, seed=7)
    before = {q.id for q in builder.split(QuestionBank(bank)).valid}
    more = [question(40 + n, text) for n, text in enumerate(texts[40:])]
    after = {q.id for q in builder.split(QuestionBank([*more, *bank])).valid}
    assert before == {q for q in after if int(q) < 40}


def test_rows_in_another_order_files_of_another_name_and_other_ids_change_no_side() -> None:
    bank = [
        replace(question(n, text), group=str(n // 3), origin=Origin("a.xlsx", "Sheet1", n + 2))
        for n, text in enumerate(passages(60))
    ]
    renamed = [
        replace(q, id=f"new-{q.id}", origin=Origin("b.csv", "", 99 - int(q.id)))
        for q in reversed(bank)
    ]
    builder = DatasetBuilder(valid_fraction=0.2, seed=7)
    before, after = (builder.split(QuestionBank(rows)) for rows in (bank, renamed))
    assert 0 < len(before.valid) < 60
    assert {q.passage for q in after.valid} == {q.passage for q in before.valid}


def test_a_larger_fraction_keeps_the_validation_questions_of_a_smaller_one() -> None:
    bank = QuestionBank([question(n, text) for n, text in enumerate(passages(200))])
    drawn = [
        {q.id for q in DatasetBuilder(valid_fraction=fraction).split(bank).valid}
        for fraction in (0.05, 0.1, 0.2, 0.5)
    ]
    assert all(less < more for less, more in itertools.pairwise(drawn))


POOL = passages(6)
LINKS = st.lists(st.sampled_from([*POOL, POOL[0][:50], "短文"]), max_size=2)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(LINKS, LINKS, st.sampled_from(["", "", "g"])), min_size=2, max_size=9),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_further_rows_move_questions_into_validation_and_never_out_of_it(
    rows: list[tuple[list[str], list[str], str]], count: int, seed: int
) -> None:
    bank = [
        question(n, "。".join(about), stem="？".join(["問", *quoted, str(n)]), group=group)
        for n, (about, quoted, group) in enumerate(rows)
    ]
    # Further passages fill both parts.
    bank = [question(100 + n, text) for n, text in enumerate(passages(40)[6:])] + bank
    builder = DatasetBuilder(valid_fraction=0.3, seed=seed)
    before = {q.id for q in builder.split(QuestionBank(bank[: 34 + count])).valid}
    after = {q.id for q in builder.split(QuestionBank(bank[::-1])).valid}
    assert before <= after


def test_a_question_that_joins_two_passages_moves_questions_into_validation_only() -> None:
    texts = passages(40)
    bank = [question(n, text) for n, text in enumerate(texts)]
    builder = DatasetBuilder(valid_fraction=0.3, seed=1)
    before = builder.split(QuestionBank(bank))
    training, validation = before.train[0], before.valid[0]
    both = question(99, stem=f"甲文：{training.passage}乙文：{validation.passage}何者較長？")
    after = builder.split(QuestionBank([*bank, both]))
    assert {q.id for q in after.valid} == {q.id for q in before.valid} | {training.id, "99"}


def test_the_fraction_that_was_reached_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "zhmcq")
    texts = passages(4)
    bank = QuestionBank(
        [question(n, texts[n // 30]) for n in range(91)] + [question(99, texts[3], answer=None)]
    )
    splits = DatasetBuilder(valid_fraction=0.27, seed=4).split(bank)
    assert str(splits) == ("61 questions to train on, 30 for validation (33.0%), 1 without a key")
    assert splits.reached_fraction == 30 / 91
    assert str(splits) in caplog.text
    assert "was requested" not in caplog.text
    DatasetBuilder(valid_fraction=0.27, seed=1).split(bank)
    assert "valid_fraction=0.27 was requested, and 0.659 was reached" in caplog.text


def test_an_empty_part_is_refused_with_a_seed_that_fills_it() -> None:
    bank = QuestionBank([question(n, text) for n, text in enumerate(passages(3))])
    with pytest.raises(SplitError, match="the part 'valid' would be empty") as refusal:
        DatasetBuilder(valid_fraction=0.2, seed=0).split(bank)
    seed, size = map(int, re.findall(r"seed=(\d+) gives (\d+)", str(refusal.value))[0])
    assert len(DatasetBuilder(valid_fraction=0.2, seed=seed).split(bank).valid) == size


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
        ([question(1), question(2)], 1, "between 0 and 1"),
        ([question(1), question(2)], float("nan"), "between 0 and 1"),
        ([question(1), question(2)], "0.1", "valid_fraction='0.1': expected a number"),
        ([question(1), question(2)], True, "valid_fraction=True: expected a number"),
        ([question(1), question(2)], None, "valid_fraction=None: expected a number"),
        ([question(1), question(2, "另一篇文章")], 0.99999, "the part 'train' would be empty"),
    ],
)
def test_a_split_that_cannot_be_is_refused(
    bank: list[Question], fraction: Any, expected: str
) -> None:
    with pytest.raises(SplitError, match=expected):
        DatasetBuilder(valid_fraction=fraction).split(QuestionBank(bank))


@pytest.mark.parametrize("seed", [None, "42", 1.0, True])
def test_a_seed_is_an_integer(seed: Any) -> None:
    bank = QuestionBank([question(n, text) for n, text in enumerate(passages(9))])
    with pytest.raises(SplitError, match=r"seed=.*: expected an integer"):
        DatasetBuilder(seed=seed).split(bank)


def test_numpy_numbers_split_as_the_same_numbers_of_python() -> None:
    bank = QuestionBank([question(n, text) for n, text in enumerate(passages(30))])
    builder = DatasetBuilder(valid_fraction=np.float64(0.25), seed=np.int64(5))  # type: ignore[arg-type]
    assert builder.split(bank) == DatasetBuilder(valid_fraction=0.25, seed=5).split(bank)


def test_splits_are_saved_and_loaded(
    tmp_path: Path, write_xlsx: WriteXlsx, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_prompts(monkeypatch)
    rows = [[n, text, f"問題{n}是什麼？", "甲", "乙", 2] for n, text in enumerate(passages(10))]
    path = write_xlsx([["ID", "文章", "問題", "選項1", "選項2", "正確答案"], *rows])
    builder = DatasetBuilder(valid_fraction=0.2, seed=5)
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
    sets = DatasetBuilder(valid_fraction=0.2, seed=5).split(bank).to_datasets(prompt=Plain())
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


def test_what_is_no_bank_is_refused() -> None:
    with pytest.raises(SplitError, match=r"expected a QuestionBank, .*found list"):
        DatasetBuilder().split([])  # type: ignore[arg-type]


def test_splits_are_not_saved_where_the_answer_is_the_least_likely_text(tmp_path: Path) -> None:
    question = Question("q1", "下列何者不是水果？", ("蘋果", "白菜"), answer=(1,))
    bank = QuestionBank([question])
    with pytest.raises(
        PluginError, match=r"AffirmativePrompt asks the question 'q1' for its least"
    ):
        Splits(bank, bank).save(tmp_path / "data", prompt="zh-affirmative")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rendered", [None, "text", ZeroDivisionError("odd")])
def test_splits_of_a_prompt_that_cannot_render_are_a_plugin_error(
    tmp_path: Path, rendered: object
) -> None:
    class Broken:
        def render(self, _question: Question) -> object:
            if isinstance(rendered, Exception):
                raise rendered
            return rendered

    bank = QuestionBank([Question("q1", "誰？", ("甲", "乙"), answer=(0,))])
    with pytest.raises(PluginError, match="cannot render the question 'q1'"):
        Splits(bank, bank).save(tmp_path / "data", prompt=Broken())
    assert list(tmp_path.iterdir()) == []
