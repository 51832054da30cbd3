"""The service over HTTP, in process and on a real socket, with the tiny model."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import openpyxl
import pytest
import uvicorn
from fastapi.testclient import TestClient

import service
import zhmcq
from make_sample import write_sample
from zhmcq.testing import tiny_llama

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("**/service.md"))
QUESTION = {"stem": "誰去了圖書館？", "options": ["小明", "小華"], "passage": "小明去了圖書館。"}
LIMITS = service.Limits(question_bytes=5_000, workbook_bytes=50_000, questions=20)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> zhmcq.MCQPredictor:
    return zhmcq.MCQPredictor(tiny_llama(tmp_path_factory.mktemp("secret") / "model"))


@pytest.fixture
def client(predictor: zhmcq.MCQPredictor) -> TestClient:
    return TestClient(service.create_app(predictor, LIMITS), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def url(predictor: zhmcq.MCQPredictor) -> Iterator[str]:
    """The address of a server on a free port, which runs in a thread."""
    app = service.create_app(predictor, LIMITS)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def workbook(rows: int = 6) -> bytes:
    """A workbook with a formula, which has to be in the answered one too."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["題號", "題目", "A", "B", "備註"])
    for number in range(1, rows + 1):
        sheet.append([number, f"{number} 加 1 是多少？", str(number + 1), str(number), "=1+1"])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def upload(content: bytes, name: str = "題庫.xlsx") -> dict[str, Any]:
    return {"file": (name, content)}


def answers_in(content: bytes) -> list[Any]:
    (column,) = (
        column
        for column in openpyxl.load_workbook(io.BytesIO(content)).worksheets[0].columns
        if column[0].value == "預測答案"
    )
    return [cell.value for cell in column[1:]]


# ------------------------------------------------------------------------------------- what it does


def test_a_question_has_an_answer_with_its_confidence_and_a_probability_of_each_option(
    client: TestClient, predictor: zhmcq.MCQPredictor
) -> None:
    (prediction,) = predictor.predict(
        [zhmcq.Question("q", "誰去了圖書館？", ("小明", "小華"), "小明去了圖書館。")]
    )
    response = client.post("/question", json=QUESTION)
    assert response.status_code == 200, response.text
    assert response.json() == {
        "answer": prediction.label,
        "texts": [{"A": "小明", "B": "小華"}[prediction.label]],
        "confidence": prediction.confidence,
        "calibrated": False,
        "probabilities": {"A": prediction.probabilities[0], "B": prediction.probabilities[1]},
    }


def test_a_question_may_have_several_right_options(client: TestClient) -> None:
    given = {**QUESTION, "options": ["小明", "小華", "小美"], "kind": "multiple"}
    response = client.post("/question", json=given).json()
    texts = {"A": "小明", "B": "小華", "C": "小美"}
    assert response["texts"] == [texts[label] for label in response["answer"]]
    assert set(response["probabilities"]) == {"A", "B", "C"}


def test_a_workbook_comes_back_with_answers_and_what_it_held(
    client: TestClient, predictor: zhmcq.MCQPredictor, tmp_path: Path
) -> None:
    path = tmp_path / "bank.xlsx"
    path.write_bytes(workbook())
    response = client.post("/workbook", files=upload(workbook()))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == service.XLSX
    assert answers_in(response.content) == [item.label for item in predictor.predict(path)]
    sheet = openpyxl.load_workbook(io.BytesIO(response.content)).worksheets[0]
    assert [cell.value for cell in sheet["E"]] == ["備註", *["=1+1"] * 6]


def test_no_part_of_an_answered_workbook_names_a_folder_of_the_server(client: TestClient) -> None:
    response = client.post("/workbook", files=upload(workbook()))
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert len(parts) > 5
    folders = (tempfile.gettempdir().encode(), b"secret")
    assert [name for name, part in parts.items() if any(each in part for each in folders)] == []


# --------------------------------------------------------------------------------- what it refuses


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({**QUESTION, "options": ["小明"]}, "expected 2 to 26 options, found 1"),
        ({**QUESTION, "kind": "essay"}, "body.kind: Input should be 'single'"),
        ({**QUESTION, "option": ["小明"]}, "body.option: Extra inputs are not permitted"),
        ({"stem": "誰？"}, "body.options: Field required"),
        ({**QUESTION, "stem": "\ud800"}, "expected text, found half of a surrogate pair, U+D800"),
        ({**QUESTION, "kind": "\ud800"}, "body.kind: Input should be a valid string"),
        ({**QUESTION, "\ud800": 1}, "body: Input should be a valid string"),
        ({**QUESTION, "passage": "很長" * 1500, "stem": "問" * 2048}, "not answered: "),
    ],
    ids=["one option", "kind", "unknown", "missing", "half", "half kind", "half name", "too long"],
)
def test_a_question_that_is_none_is_refused_with_what_is_wrong(
    given: dict[str, Any], message: str, predictor: zhmcq.MCQPredictor
) -> None:
    limits = replace(LIMITS, question_bytes=100_000)
    client = TestClient(service.create_app(predictor, limits), raise_server_exceptions=False)
    body = json.dumps(given).encode()
    response = client.post("/question", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422, response.text
    assert message in response.json()["detail"]


@pytest.mark.parametrize("body", [b"{", b"[" * 4000, b'{"stem": ' + b"9" * 4500 + b"}", b"\xff"])
def test_what_is_no_json_is_refused(body: bytes, client: TestClient) -> None:
    response = client.post("/question", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)


def test_a_file_that_is_no_workbook_is_refused_by_its_name_or_its_content(
    client: TestClient,
) -> None:
    by_name = client.post("/workbook", files=upload(workbook(), "../題庫.xls"))
    assert (by_name.status_code, by_name.json()["detail"]) == (
        415,
        "expected an .xlsx workbook, found '../題庫.xls'",
    )
    by_content = client.post("/workbook", files=upload(b"%PDF-1.7"))
    assert by_content.status_code == 422
    assert by_content.json()["detail"].startswith("ReadError: workbook.xlsx")
    assert tempfile.gettempdir() not in by_content.text
    assert client.post("/workbook", files={"other": b""}).status_code == 422


def test_a_workbook_of_something_else_is_refused_without_the_folder_in_the_message(
    client: TestClient,
) -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].append(["姓名", "電話"])
    book.worksheets[0].append(["王小明", "02-1234"])
    content = io.BytesIO()
    book.save(content)
    response = client.post("/workbook", files=upload(content.getvalue()))
    assert response.status_code == 422
    assert response.json()["detail"].startswith("ColumnsError: ")
    assert tempfile.gettempdir() not in response.text


@pytest.mark.parametrize("chunked", [False, True])
def test_what_is_too_large_is_refused_whether_or_not_it_says_so(
    chunked: bool, client: TestClient, predictor: zhmcq.MCQPredictor
) -> None:
    def content(body: bytes) -> Any:
        return iter([body[:3_000], body[3_000:]]) if chunked else body

    json_header = {"Content-Type": "application/json"}
    long = json.dumps({**QUESTION, "passage": "x" * 5_000}).encode()
    assert client.post("/question", content=content(long), headers=json_header).status_code == 413
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.xlsx"\r\n\r\n'
    form += b"0" * 60_000 + b"\r\n--x--\r\n"
    header = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post("/workbook", content=content(form), headers=header).status_code == 413


def test_a_workbook_of_too_many_questions_is_refused(client: TestClient) -> None:
    response = client.post("/workbook", files=upload(workbook(21)))
    assert response.status_code == 413
    assert response.json()["detail"] == "expected at most 20 questions, found 21"


def test_a_request_that_takes_too_long_is_ended(predictor: zhmcq.MCQPredictor) -> None:
    client = TestClient(service.create_app(predictor, replace(LIMITS, seconds=1e-6)))
    for response in (
        client.post("/question", json=QUESTION),
        client.post("/workbook", files=upload(workbook())),
    ):
        assert response.status_code == 503
        assert response.headers["retry-after"] == "30"
        assert response.json()["detail"].startswith("not finished in 1e-06 s")


def test_an_error_of_the_server_says_nothing_of_it(
    client: TestClient, predictor: zhmcq.MCQPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: object, **_more: object) -> None:
        raise zhmcq.errors.ModelError("/srv/secret/model: expected weights, found none")

    monkeypatch.setattr(predictor, "predict", fail)
    response = client.post("/question", json=QUESTION)
    assert (response.status_code, response.text) == (500, "Internal Server Error")


# ------------------------------------------------------------------------------- several at a time


class Held:
    """A predictor whose answers wait until they are let go."""

    def __init__(self, predictor: zhmcq.MCQPredictor) -> None:
        self._predictor = predictor
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()

    def predict(self, *given: Any, **more: Any) -> Any:
        self.begun.release()
        assert self.go.wait(60)
        return self._predictor.predict(*given, **more)


def test_requests_beyond_those_that_may_wait_are_turned_away_and_health_still_answers(
    predictor: zhmcq.MCQPredictor,
) -> None:
    held: Any = Held(predictor)
    app = service.create_app(held, replace(LIMITS, at_once=1, waiting=1))
    with TestClient(app) as client, ThreadPoolExecutor(3) as threads:
        posts = [threads.submit(client.post, "/question", json=QUESTION) for _ in range(3)]
        assert held.begun.acquire(timeout=60)
        # One computes and one waits: the third is refused while they do.
        refused = next(iter(first_done(posts)))
        assert refused.status_code == 503
        assert refused.json() == {"detail": "too many requests are waiting: try again later"}
        assert client.get("/health").json() == {"status": "ok"}
        held.go.set()
        assert sorted(post.result().status_code for post in posts) == [200, 200, 503]
        assert client.post("/question", json=QUESTION).status_code == 200  # there is room again


def test_a_question_need_not_wait_for_the_end_of_a_workbook(
    predictor: zhmcq.MCQPredictor,
) -> None:
    held: Any = Held(predictor)
    app = service.create_app(held, replace(LIMITS, at_once=2, waiting=1))
    with TestClient(app) as client, ThreadPoolExecutor(3) as threads:
        book = threads.submit(client.post, "/workbook", files=upload(workbook()))
        posts = [threads.submit(client.post, "/question", json=QUESTION) for _ in range(2)]
        assert [held.begun.acquire(timeout=60) for _ in range(2)] == [True, True]
        assert not held.begun.acquire(timeout=0.2)  # the third has no turn yet
        held.go.set()
        assert {post.result().status_code for post in (book, *posts)} == {200}


def first_done(futures: list[Any]) -> list[Any]:
    from concurrent.futures import FIRST_COMPLETED, wait

    done, _ = wait(futures, timeout=60, return_when=FIRST_COMPLETED)
    return [future.result() for future in done]


def test_two_threads_have_the_answers_of_one_over_a_socket(url: str) -> None:
    others = {**QUESTION, "stem": "誰沒有去圖書館？"}
    alone = [httpx2.post(f"{url}/question", json=given).json() for given in (QUESTION, others)]
    with ThreadPoolExecutor(2) as threads:
        posts = [
            threads.submit(httpx2.post, f"{url}/question", json=given)
            for given in (QUESTION, others) * 4
        ]
        book = threads.submit(httpx2.post, f"{url}/workbook", files=upload(workbook()))
        together = [post.result().json() for post in posts]
    assert [answer["answer"] for answer in together] == [answer["answer"] for answer in alone] * 4
    for one, other in zip(together, alone * 4, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
    assert len(answers_in(book.result().content)) == 6


# -------------------------------------------------------------------------- the script and its page


def test_a_model_that_is_not_there_is_reported_before_anything_is_served(tmp_path: Path) -> None:
    script = ROOT / "examples" / "service.py"
    done = subprocess.run(
        [sys.executable, str(script), "--model", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("ModelError: ")


def test_what_the_command_line_says_is_what_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: dict[str, Any] = {}

    def run(app: Any, **settings: Any) -> None:
        served.update(settings, app=app)

    monkeypatch.setattr(uvicorn, "run", run)
    arguments = ["--model", str(tiny_llama(tmp_path / "model")), "--prompt", "zh-cloze"]
    arguments += ["--port", "8123", "--questions", "5"]
    monkeypatch.setattr("sys.argv", ["service.py", *arguments])
    assert service.main() == 0
    assert (served["host"], served["port"]) == ("127.0.0.1", 8123)
    response = TestClient(served["app"]).post("/workbook", files=upload(workbook()))
    assert response.json() == {"detail": "expected at most 5 questions, found 6"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_the_page_do_what_it_says(page: Path, url: str, tmp_path: Path) -> None:
    write_sample(tmp_path / "all.xlsx")
    (tmp_path / "AI1000.xlsx").write_bytes(workbook())
    text = page.read_text(encoding="utf-8")
    commands = re.findall(r"^```bash\n(curl .*?)^```$", text, re.MULTILINE | re.DOTALL)
    printed = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(commands) == 3
    outputs = [
        subprocess.run(
            ["bash", "-euc", command.replace("http://127.0.0.1:8000", url)],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout
        for command in commands
    ]
    assert json.loads(outputs[0]).keys() == json.loads(printed[0]).keys()
    assert len(answers_in((tmp_path / "AI1000_answered.xlsx").read_bytes())) == 6
    assert json.loads(outputs[2]) == json.loads(printed[1]) == {"status": "ok"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_limits_of_the_page_are_those_of_the_file(page: Path) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", page.read_text("utf-8"), re.MULTILINE))
    limits = service.Limits()
    assert {name: float(value.replace(",", "")) for name, value in rows.items()} == {
        name: float(getattr(limits, name)) for name in limits.__slots__
    }
