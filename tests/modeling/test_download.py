"""Downloads are reported in the thread of the call, in megabytes, and end with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from huggingface_hub._snapshot_download import (  # type: ignore[attr-defined]
    _create_progress_bar,
    _finish_transfer_bar,
    _set_aggregate_rate_postfix,
    _update_transfer_bar,
    hf_thread_map,
)

from zhmcq._progress import reporting
from zhmcq.modeling import _download
from zhmcq.modeling._download import reported_download

MB = 10**6


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_download, "BETWEEN_REPORTS", 0.001)


def downloading(sizes: list[int], before: Callable[[], Any] = lambda: None) -> Callable[..., str]:
    """Uses bars as the client's ``snapshot_download`` does, of whose functions these are."""

    def download(*, tqdm_class: Any) -> str:
        fields = {"total": 0, "initial": 0, "unit": "B", "unit_scale": True}
        network, files = (
            _create_progress_bar(cls=tqdm_class, log_level=20, name="x", desc=desc, **fields)
            for desc in ("Downloading bytes", "Reconstructing (incomplete total...)")
        )

        def fetch(size: int) -> None:
            files.total = (files.total or 0) + size
            network.total = (network.total or 0) + size
            for _ in range(4):
                before()
                files.update(size // 4)
                _update_transfer_bar(network, size // 8)
                _set_aggregate_rate_postfix(files)

        hf_thread_map(fetch, sizes, desc="Fetching files", tqdm_class=tqdm_class)
        _finish_transfer_bar(network)
        network.set_description_str("Download complete")
        files.set_description("Reconstruction complete")
        return "folder"

    return download


def test_megabytes_of_all_files_are_reported_in_the_callers_thread() -> None:
    calls: list[tuple[int, int, str]] = []
    threads = set()

    def progress(*call: Any) -> None:
        calls.append(call)
        threads.add(threading.get_ident())

    with reporting(progress):
        assert reported_download(downloading([8 * MB, 4 * MB]), "someone/model") == "folder"
    assert calls[-1] == (12, 12, "downloading someone/model")
    assert [done for done, _, _ in calls] == sorted(done for done, _, _ in calls)
    assert threads == {threading.get_ident()}


def test_nothing_is_reported_of_what_is_there_already_or_small() -> None:
    calls: list[Any] = []
    with reporting(lambda *call: calls.append(call)):
        for sizes in ([], [4000]):
            reported_download(downloading(sizes), "someone/model")
    assert calls == []


def test_what_the_client_raises_is_raised() -> None:
    def refuse(**_: Any) -> str:
        raise FileNotFoundError("no such repository")

    with pytest.raises(FileNotFoundError, match="no such repository"):
        reported_download(refuse, "someone/model")


def test_a_report_that_raises_ends_the_call_and_the_download() -> None:
    class StoppedError(Exception):
        pass

    reported, ended = threading.Event(), threading.Event()
    fetched: list[int] = []

    def before() -> None:
        fetched.append(1)
        if len(fetched) > 2:
            reported.wait(60)

    def progress(*_: Any) -> None:
        raise StoppedError

    def download(**fields: Any) -> str:
        try:
            return downloading([40 * MB], before)(**fields)
        finally:
            ended.set()

    with pytest.raises(StoppedError), reporting(progress):
        reported_download(download, "someone/model")
    reported.set()
    assert ended.wait(60)
    assert len(fetched) < 5


def test_bars_that_the_hubs_library_has_disabled_are_not_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr("huggingface_hub.utils.are_progress_bars_disabled", lambda: True)
    with reporting(lambda *call: calls.append(call)):
        reported_download(downloading([8 * MB]), "someone/model")
    assert calls == []
