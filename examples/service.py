r"""Answers over HTTP: one question as json, or a whole workbook; ``docs/en/service.md`` has more.

It needs the extra ``zhmcq[service]``. With the demo model, or with your own::

    python examples/service.py
    python examples/service.py --model merged_model --port 8080
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict

import zhmcq
from zhmcq.questions import Kind
from zhmcq.reading import read_bank

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TRIAL = zhmcq.Question("trial", "一年有幾季？", ("三", "四"))


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may ask for, and how many requests there may be at a time."""

    question_bytes: int = 1_000_000
    workbook_bytes: int = 20_000_000
    questions: int = 2_000  # of a workbook
    seconds: float = 300.0  # of waiting, reading and answering; looked at between forward passes
    at_once: int = 2  # requests that are answered at the same time, each in a thread
    waiting: int = 8  # requests that wait for those; more are turned away


class GivenQuestion(BaseModel):
    """The json of a question; its fields are those of ``zhmcq.Question``."""

    model_config = ConfigDict(extra="forbid")
    stem: str
    options: list[str]
    passage: str = ""
    kind: Kind = "single"


class Turns:
    """Has few requests answered at once and a few more wait; the others are turned away."""

    def __init__(self, limits: Limits) -> None:
        self._seconds = limits.seconds
        self._places = threading.Semaphore(limits.at_once + limits.waiting)
        self._free = threading.Semaphore(limits.at_once)

    @contextlib.contextmanager
    def turn(self) -> Iterator[zhmcq.Progress]:
        """Wait for a turn; the value is a ``progress=`` that ends the request in time."""
        ends = time.monotonic() + self._seconds

        def refuse_late(*_report: object) -> None:
            if time.monotonic() > ends:
                raise busy(f"not finished in {self._seconds:g} s: send fewer questions, or")

        with contextlib.ExitStack() as stack:
            if not self._places.acquire(blocking=False):
                raise busy("too many requests are waiting:")
            stack.callback(self._places.release)
            if not self._free.acquire(timeout=self._seconds):
                raise busy(f"other requests took {self._seconds:g} s:")
            stack.callback(self._free.release)
            yield refuse_late


def busy(reason: str) -> HTTPException:
    """The error of a request that the server has no time for."""
    return HTTPException(503, f"{reason} try again later", headers={"Retry-After": "30"})


def create_app(predictor: zhmcq.MCQPredictor, limits: Limits) -> FastAPI:
    """The service as an ASGI application, whose threads share the predictor."""
    # The pages of documentation would load scripts from elsewhere; /openapi.json is there.
    app = FastAPI(title="zhmcq", docs_url=None, redoc_url=None)
    turns = Turns(limits)

    @app.exception_handler(RequestValidationError)
    async def refuse(_request: Request, error: RequestValidationError) -> Response:
        # The values are left out: they may be long, or no characters at all. json writes ASCII.
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3]]
        return Response(
            json.dumps({"detail": "; ".join(wrong)}), 422, media_type="application/json"
        )

    @app.get("/health")
    async def health() -> dict[str, str]:  # in no thread: it answers while all are busy
        return {"status": "ok"}

    @app.post("/question", max_body_size=limits.question_bytes)
    def answer_question(given: GivenQuestion) -> dict[str, Any]:
        with turns.turn() as progress:
            try:
                question = zhmcq.Question("given", **given.model_dump())
            except zhmcq.errors.QuestionError as error:
                raise HTTPException(422, f"QuestionError: {error}") from error
            (prediction,) = predictor.predict([question], progress=progress)
        if prediction.answer is None:
            raise HTTPException(422, f"not answered: {prediction.reason}")
        return {
            "answer": prediction.label,
            "texts": [question.options[index] for index in prediction.answer],
            "confidence": prediction.confidence,
            "calibrated": prediction.calibrated,
            "probabilities": dict(zip(question.labels, prediction.probabilities, strict=True)),
        }

    @app.post("/workbook", max_body_size=limits.workbook_bytes)
    def answer_workbook(file: UploadFile) -> Response:
        if not (file.filename or "").lower().endswith(".xlsx"):
            raise HTTPException(415, f"expected an .xlsx workbook, found {file.filename!r:.80}")
        with turns.turn() as progress, tempfile.TemporaryDirectory() as folder:
            source, answered = Path(folder, "workbook.xlsx"), Path(folder, "answered.xlsx")
            with source.open("wb") as copy:
                shutil.copyfileobj(file.file, copy)
            try:
                bank = read_bank(source, progress=progress)
            except zhmcq.errors.ReadError as error:
                # The client learns what is wrong with its file, and not where the server has it.
                message = str(error).replace(str(source), source.name)
                raise HTTPException(422, f"{type(error).__name__}: {message}") from error
            if len(bank) > limits.questions:
                raise HTTPException(
                    413, f"expected at most {limits.questions} questions, found {len(bank)}"
                )
            answers = predictor.predict(bank, progress=progress)
            # The summary would name the model's folder.
            replace(answers, answered_by=None).to_xlsx(answered)
            headers = {"Content-Disposition": 'attachment; filename="answered.xlsx"'}
            return Response(answered.read_bytes(), headers=headers, media_type=XLSX)

    return app


def main() -> int:
    """Run it; 1 after an error that zhmcq explains."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--model", help="a merged folder, or a base model (default: the demo model)")
    add("--adapter", help="an adapter's folder, for a base model")
    add("--prompt", help="how questions are rendered (default: as the model was trained)")
    add("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in (default: this one)")
    add("--port", type=int, default=8000)
    add("--seconds", type=float, default=Limits().seconds, help="the most that a request may take")
    add("--questions", type=int, default=Limits().questions, help="the most of a workbook")
    options = parser.parse_args()
    try:
        model = options.model or str(zhmcq.demo_model())
        prompt = options.prompt or (None if options.model else "zh-cloze")
        predictor = zhmcq.MCQPredictor(model, options.adapter, prompt=prompt)
        predictor.predict([TRIAL])  # a model that cannot answer is seen here
    except zhmcq.errors.ZhmcqError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    limits = Limits(seconds=options.seconds, questions=options.questions)
    # Uploads that are under way count too, and lie on the disk meanwhile.
    uvicorn.run(
        create_app(predictor, limits), host=options.host, port=options.port, limit_concurrency=64
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
