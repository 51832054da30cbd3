"""What sequences share is worth a stage of its own where it costs less than computing it again."""

from __future__ import annotations

from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._batch import Layout
from zhmcq.encoding._passes import PassPlan
from zhmcq.encoding._stages import Path, Stage, is_plain, paths_of, plan_stages
from zhmcq.encoding._tree import pack


def question(name: str, prompt: tuple[int, ...], *candidates: tuple[int, ...]) -> EncodedQuestion:
    answers = tuple((index,) for index in range(len(candidates)))
    return EncodedQuestion(name, "p", prompt, candidates, answers, 0, "sum")


PASSAGE = tuple(range(1000, 1300))
LONG = [
    question("a", (*PASSAGE, 1, *range(100, 300)), (7, 8, 2), (9, 2)),
    question("b", (*PASSAGE, 3, *range(400, 600)), (7, 2), (9, 8, 7, 2)),
]


def paths(questions: list[EncodedQuestion]) -> list[Path]:
    return [
        Path(number, index, q.prompt + ids, len(ids))
        for number, q in enumerate(questions)
        for index, ids in enumerate(q.candidates)
    ]


def outline(stages: tuple[Stage, ...]) -> list[object]:
    """Start and lengths of each stage, and those after it."""
    return [(s.start, [len(row) for row in s.rows], *outline(s.then)) for s in stages]


def test_a_long_passage_and_its_prompts_are_stages_of_their_own() -> None:
    stages = plan_stages(paths(LONG), stepped=False)
    assert outline(stages) == [(0, [300], (300, [201], (501, [2, 1])), (300, [201], (501, [1, 3])))]


def test_short_prompts_share_nothing() -> None:
    short = question("s", (1, 5, 6), (7, 8, 2), (9, 2))
    stages = plan_stages(paths([short]), stepped=False)
    assert outline(stages) == [(0, [5, 4])]
    assert is_plain(stages)
    assert not is_plain(plan_stages(paths(LONG), stepped=False))


def test_no_passage_is_shared_where_each_token_of_a_prompt_would_be_a_pass() -> None:
    stages = plan_stages(paths(LONG), stepped=True)
    assert outline(stages) == [(0, [501], (501, [2, 1])), (0, [501], (501, [1, 3]))]


def test_every_token_of_a_candidate_is_predicted_once_by_the_token_before_it() -> None:
    for stepped in (False, True):
        seen: dict[tuple[int, int], list[int]] = {}
        waiting = list(plan_stages(paths(LONG), stepped=stepped))
        while waiting:
            stage = waiting.pop(0)
            waiting += stage.then
            for row in stage.rows:
                for branch in row.branches:
                    seen.setdefault((branch.question, branch.candidate), []).extend(branch.targets)
                    assert len(branch.predictors) == len(branch.targets)
        assert seen == {
            (number, index): list(ids)
            for number, q in enumerate(LONG)
            for index, ids in enumerate(q.candidates)
        }


def test_the_sequences_of_a_row_are_its_candidates_with_their_prompts() -> None:
    ((row,),) = pack(LONG, [range(2), range(2)], 2000)
    assert paths_of(row) == paths(LONG)


def test_a_plan_keeps_rows_that_share_apart_and_puts_the_others_together() -> None:
    short = [
        EncodedQuestion(f"s{n}", "", (1, 5, n), ((7, 2), (9, 2)), ((0,), (1,)), 0, "sum")
        for n in range(3)
    ]
    layouts: tuple[Layout, ...] = ("cached", "stepped")
    for layout in layouts:
        groups = list(PassPlan(layout, 2048).groups([*short, *LONG]))
        assert [[len(row) for row in rows] for rows in groups] == [
            [300 + 2 * 201 + 3 + 4],
            [4] * 6,
        ]
