"""Processes of one call exchange values, and wait for each other as long as all of them live."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from torch.distributed import HashStore  # type: ignore[attr-defined]  # has no stub

from zhmcq.errors import PredictionError
from zhmcq.prediction._processes import team as module
from zhmcq.prediction._processes.exchange import Exchange
from zhmcq.prediction._processes.team import Team


@pytest.fixture
def store() -> Any:
    return HashStore()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks without pauses, each of which counts as long as one between signs of life."""
    monkeypatch.setattr(module, "BETWEEN_LOOKS", 0.0)
    monkeypatch.setattr(module, "BETWEEN_BEATS", 0.0)


def each(store: Any, count: int, work: Callable[[Team], Any]) -> list[Any]:
    """What each process returns, or the message of its error; here they are threads."""
    results: list[Any] = [None] * count

    def run(rank: int) -> None:
        team = Team(Exchange(store), 1, rank, count)
        try:
            results[rank] = work(team)
            team.leave()
        except (PredictionError, KeyError) as error:
            team.fail(error)
            results[rank] = str(error)

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    return results


def test_all_have_the_first_ones_value_and_those_of_all(store: Any) -> None:
    def work(team: Team) -> Any:
        return [team.same(f"v{team.rank}"), team.gathered([team.rank]), team.same(None)]

    assert each(store, 3, work) == [["v0", [[0], [1], [2]], None]] * 3


def test_the_first_one_receives_what_others_send_before_they_come(store: Any) -> None:
    def work(team: Team) -> Any:
        if team.is_first:
            records = [record for _ in team.coming() for record in team.received()]
            return sorted(record["id"] for record in [*records, *team.received()])
        team.send([{"id": f"a{team.rank}"}])
        team.send([{"id": f"b{team.rank}"}, {"id": f"c{team.rank}"}])
        return list(team.coming())

    assert each(store, 3, work) == [["a1", "a2", "b1", "b2", "c1", "c2"], [], []]


def test_a_call_leaves_no_values_in_the_store(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BETWEEN_BEATS", 60.0)  # a count of signs of life stays
    before = store.num_keys()
    each(store, 2, lambda team: [team.same(1), team.gathered("長" * 100)])
    assert store.num_keys() == before


def test_the_error_of_one_ends_the_wait_of_all(store: Any) -> None:
    def work(team: Team) -> Any:
        if team.rank == 1:
            raise KeyError("mine")
        return team.gathered(team.rank)

    message = "process 1 of 3 failed, which ends the prediction of all: KeyError: 'mine'"
    assert each(store, 3, work) == [message, "'mine'", message]


def test_an_error_after_the_last_value_ends_the_call_of_the_first_too(store: Any) -> None:
    def work(team: Team) -> Any:
        team.gathered(team.rank)
        if team.rank == 1:
            raise KeyError("late")
        return "done"

    first, second = each(store, 2, work)
    assert "process 1 of 2 failed" in first
    assert second == "'late'"


def test_a_process_that_ended_is_not_waited_for(store: Any) -> None:
    exchange = Exchange(store)
    exchange.put("ended/1", True)
    with pytest.raises(PredictionError, match="process 1 of 2 has ended without making this call"):
        Team(exchange, 1, 0, 2).gathered(0)


def test_a_process_that_ended_after_it_had_come_is_no_error(store: Any) -> None:
    exchange = Exchange(store)
    Team(exchange, 1, 0, 2).same("value")
    exchange.put("ended/0", True)
    assert Team(exchange, 1, 1, 2).same("other") == "value"


def clock(monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    """Let time pass by so many seconds between two looks."""
    now = iter(range(10**9))
    monkeypatch.setattr("time.monotonic", lambda: next(now) * step)
    monkeypatch.setattr(module, "BETWEEN_BEATS", step)


def test_a_process_without_a_sign_of_life_is_given_up_after_five_minutes(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock(monkeypatch, 5.0)
    exchange = Exchange(store)
    exchange.count("beats/1", 3)
    looks = Team(exchange, 1, 0, 2).coming()
    assert sum(1 for _ in zip(range(61), looks, strict=False)) == 61  # the first sees three signs
    with pytest.raises(PredictionError, match="process 1 of 2 has given no sign of life for 300"):
        next(looks)


def test_a_process_that_lives_is_waited_for_without_an_end(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock(monkeypatch, 5.0)
    exchange = Exchange(store)
    for look, _ in enumerate(Team(exchange, 1, 0, 2).coming()):
        exchange.count("beats/1", 1)
        if look == 1000:
            next(Team(exchange, 1, 1, 2).coming(), None)
    assert look == 1000


def test_the_time_in_which_this_process_was_suspended_does_not_count(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock(monkeypatch, 3600.0)
    monkeypatch.setattr(module, "BETWEEN_BEATS", 5.0)
    exchange = Exchange(store)
    exchange.count("beats/1", 3)
    looks = sum(1 for look, _ in zip(range(30), Team(exchange, 1, 0, 2).coming(), strict=False))
    assert looks == 30


def test_a_process_that_never_came_has_half_an_hour(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock(monkeypatch, 5.0)
    with pytest.raises(PredictionError, match="process 0 of 2 has given no sign of life for 1800"):
        Team(Exchange(store), 1, 1, 2).same(None)


def test_calls_that_differ_are_refused_in_all(store: Any) -> None:
    def work(team: Team) -> None:
        team.refuse_different({"mode": "score", "fields": (1, team.rank)})

    first, second = each(store, 2, work)
    assert first == second
    assert "were given different things (fields): expected of every process" in first
