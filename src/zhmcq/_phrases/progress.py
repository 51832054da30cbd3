"""Bars and lines of progress."""

from __future__ import annotations

from collections.abc import Mapping

from zhmcq._phrases._language import say
from zhmcq._phrases._numbers import duration

__all__ = ["advance", "stage_name"]

# The stages of zhmcq.Progress, then those that transformers names (zhmcq.modeling._library_bars).
_STAGES: Mapping[str, str] = {
    "hashing weights": "計算權重的雜湊值",
    "encoding": "編碼",
    "loading weights": "載入權重",
    "answering": "作答",
    "train": "訓練",
    "validation": "驗證",
    "merge": "合併",
    "verification": "核對合併結果",
    "loading": "載入",
    "converting and de-quantizing GGUF tensors": "轉換 GGUF 的權重",
    "writing model shards": "寫入權重",
}
# Stages that a name follows.
_VERBS: Mapping[str, str] = {"reading": "讀取", "checking": "檢查", "downloading": "下載"}


def stage_name(stage: str) -> str:
    """The name of a stage as it is shown; one that is not known stays as it is.

    Args:
        stage: The name that ``progress=`` receives.
    """
    verb, _, name = stage.partition(" ")
    chinese_stage = _STAGES.get(stage, stage)
    if name and verb in _VERBS:
        chinese_stage = f"{_VERBS[verb]} {name}"
    return say(en=stage, zh=chinese_stage)


def advance(done: int, total: int, seconds: float, rate: float, *, stopped: bool = False) -> str:
    """How far a stage is: ``"62 of 480 (13%), 1.9 s each, about 14 minutes left"``.

    Args:
        done: How much of it is done.
        total: Of how much.
        seconds: How long it has taken so far.
        rate: How much is done in a second; 0 where it is not known.
        stopped: Whether no more of it will be done.
    """
    share = f"{done / total:.0%}" if total else ""
    text = say(
        en=f"{done:,} of {total:,}{share and f' ({share})'}",
        zh=f"{done:,} / {total:,}{share and f'（{share}）'}",
    )
    time = duration(seconds)
    if done >= total:
        return say(en=f"{text}, in {time}", zh=f"{text}，共 {time}")
    if stopped:
        return say(en=f"{text}, stopped after {time}", zh=f"{text}，{time}後停止")
    if not rate:
        return text
    if rate >= 1:
        speed = say(en=f"{rate:.3g} a second", zh=f"每秒 {rate:.3g} 個")
    else:
        each = duration(1 / rate)
        speed = say(en=f"{each} each", zh=f"每個 {each}")
    left = duration(max(1, round((total - done) / rate)))
    return say(en=f"{text}, {speed}, about {left} left", zh=f"{text}，{speed}，約剩 {left}")
