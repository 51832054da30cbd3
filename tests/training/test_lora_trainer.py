"""LoraTrainer on a tiny model: what it saves, refuses and resumes."""

from __future__ import annotations

import gc
import json
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

import zhmcq
import zhmcq.prompts
from conftest import unseen, with_swapped_ids
from zhmcq import errors
from zhmcq.dataset import Splits
from zhmcq.modeling._process_memory import KeptMemory
from zhmcq.questions import Question, QuestionBank
from zhmcq.testing import tiny_llama
from zhmcq.training import _lora_trainer

PLACES = ("山上", "海邊", "家裡", "學校")
BANK = [
    Question(
        f"q{i}",
        f"{who}在哪裡？",
        PLACES,
        f"{'甲乙丙丁'[i // 2]}和他的朋友今天都出門了。",
        answer=(i % 4,),
    )
    for i, who in enumerate("子丑寅卯辰巳午未")
]
FAST: dict[str, Any] = {"num_train_epochs": 1, "learning_rate": 1e-3, "logging_steps": 1}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base") / "llama")


def trainer(base: Path, callbacks: Any = (), **settings: Any) -> zhmcq.LoraTrainer:
    return zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=4, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(**{**FAST, **settings}),
        callbacks=callbacks,
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = load_file(folder / "adapter_model.safetensors")
    return loaded


RECORDS = [
    {"id": q.id, "passage": q.passage, "question": q.stem, "options": list(q.options),
     "answer": q.answer_label}
    for q in BANK
]  # fmt: skip


def written(path: Path) -> Path:
    path.write_text("\n".join(map(json.dumps, RECORDS)), encoding="utf-8")
    return path


def test_a_file_trains_the_adapter_that_its_questions_train(base: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "bank.jsonl")
    by_path = trainer(base).train(path, None, tmp_path / "path").adapter_dir
    with path.open("rb") as file:
        by_file = trainer(base).train(file, None, tmp_path / "file").adapter_dir
    by_questions = trainer(base).train(BANK, None, tmp_path / "questions").adapter_dir
    expected = (by_questions / "adapter_model.safetensors").read_bytes()
    assert (by_path / "adapter_model.safetensors").read_bytes() == expected
    assert (by_file / "adapter_model.safetensors").read_bytes() == expected


def test_preflight_reads_what_train_reads(base: Path, tmp_path: Path) -> None:
    valid = [
        {**record, "id": f"v{n}", "question": f"請問，{record['question']}"}
        for n, record in enumerate(RECORDS)
    ]
    for train in (RECORDS, written(tmp_path / "bank.jsonl"), pd.DataFrame(RECORDS), iter(BANK)):
        report = trainer(base).preflight(train, valid)
        assert (report.questions, report.validation_questions, report.findings) == (8, 8, ())


def test_rows_that_are_left_out_of_training_are_logged(
    base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = trainer(base).preflight([*RECORDS, {"question": "沒有選項", "options": []}])
    assert report.questions == 8
    assert "train: 8 questions, 1 row left out; read_bank(…).problems says why" in caplog.text


@pytest.mark.parametrize(
    ("train", "valid", "expected"),
    [
        (None, None, "^train: expected questions as .*found None"),
        (
            Splits(QuestionBank(BANK), QuestionBank([])),
            None,
            r"give splits\.train and splits\.valid",
        ),
        (3, None, r"^train: expected questions as .*found 3 \(int\)"),
        ("nowhere.xlsx", None, r"nowhere\.xlsx: no such file"),
        (
            BANK,
            0.1,
            r"^valid=0\.1: expected validation questions, found a number: .*\.split\(bank\)",
        ),
        (BANK, {1}, "^valid: expected questions as .*found a set"),
        (BANK, b"bank", "^valid: expected questions as .*found bytes"),
    ],
)
def test_what_is_no_questions_to_train_on_is_refused_before_anything_is_loaded(
    tmp_path: Path, train: Any, valid: Any, expected: str
) -> None:
    nothing = trainer(tmp_path / "no model")
    for call in (nothing.preflight, lambda one, other: nothing.train(one, other, tmp_path / "run")):
        with pytest.raises(errors.ReadError, match=expected):
            call(train, valid)
    assert not (tmp_path / "run").exists()


def test_a_question_may_be_trained_on_twice(base: Path) -> None:
    assert trainer(base).preflight([*BANK, *BANK]).questions == 16


def test_tree_and_flat_training_have_the_same_loss_curve(base: Path, tmp_path: Path) -> None:
    curves = {}
    for packing in ("tree", "flat"):
        result = trainer(base, packing=packing, num_train_epochs=3, gradient_accumulation_steps=4)
        done = result.train(BANK, unseen(BANK[:4]), tmp_path / packing)
        curves[packing] = [h["loss"] for h in done.history if "loss" in h]
        if packing == "tree":
            assert done.tokens_computed < done.tokens_given
        else:
            assert done.tokens_computed == done.tokens_given
    assert len(curves["tree"]) == 6
    assert curves["tree"] == pytest.approx(curves["flat"], abs=1e-4)


def test_a_maximum_length_beyond_the_models_positions_is_refused_before_its_weights_are_read(
    tmp_path: Path,
) -> None:
    base = tiny_llama(tmp_path / "short", max_position_embeddings=100)
    (base / "model.safetensors").unlink()
    message = r"TrainingSettings\(max_length=101\): expected at most 100, .*\(llama\), found 101"
    with pytest.raises(errors.SettingsError, match=message):
        trainer(base, max_length=101).preflight(BANK)
    with pytest.raises(errors.SettingsError, match=message):
        trainer(base, max_length=101).train(BANK, None, tmp_path / "run")
    assert not (tmp_path / "run" / "adapter_model.safetensors").exists()
    assert trainer(base, max_length=100).preflight(BANK).questions == 8


def test_the_same_seed_gives_the_same_adapter_bytes(base: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        trainer(base).train(BANK, unseen(BANK[:2]), tmp_path / name)
    first, second = (
        (tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("first", "second")
    )
    assert first == second
    trainer(base, seed=7).train(BANK, unseen(BANK[:2]), tmp_path / "third")
    assert first != (tmp_path / "third" / "adapter_model.safetensors").read_bytes()


def test_the_manifest_says_what_the_adapter_is(base: Path, tmp_path: Path) -> None:
    result = trainer(base).train(BANK, unseen(BANK[:2]), tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "zhmcq_manifest.json").read_text(encoding="utf-8"))
    assert manifest["kind"] == "adapter"
    assert manifest["prompt"]["name"] == "zh-exam"
    assert manifest["prompt"]["options"] == {"labels": ""}
    assert manifest["max_length"] == 512
    assert manifest["settings"]["lora"]["r"] == 4
    assert manifest["training"]["steps"] == result.steps == 1
    assert manifest["training"]["metrics"]["accuracy"] == result.accuracy
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= set(
        manifest["files"]
    )
    assert {"zhmcq", "torch", "transformers", "peft"} <= set(manifest["versions"])


def test_the_adapter_of_the_best_evaluation_is_kept(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zhmcq.training._loop import TrainingLoop

    accuracies = iter([0.25, 0.75, 0.5])
    stored: list[dict[str, torch.Tensor]] = []

    def pretend(self: Any) -> dict[str, float]:
        from peft import get_peft_model_state_dict

        state = get_peft_model_state_dict(self.model)
        stored.append({name: tensor.clone() for name, tensor in state.items()})
        return {"accuracy": next(accuracies), "loss": 1.0}

    monkeypatch.setattr(TrainingLoop, "_validation_figures", pretend)
    result = trainer(base, num_train_epochs=3).train(BANK, unseen(BANK[:2]), tmp_path / "run")
    assert (result.best_step, result.steps, result.accuracy) == (2, 3, 0.75)
    saved = weights(tmp_path / "run")
    assert saved.keys() == stored[1].keys()
    assert all(torch.equal(saved[name], stored[1][name]) for name in saved)
    assert not all(torch.equal(saved[name], stored[2][name]) for name in saved)


def test_without_validation_questions_the_last_adapter_is_kept(base: Path, tmp_path: Path) -> None:
    result = trainer(base).train(BANK, output_dir=tmp_path / "run")
    assert result.accuracy is None
    assert result.best_step == result.steps == 1


class Interrupt:
    """Stops a run after a step, as a user's Ctrl-C does."""

    def __init__(self, step: int) -> None:
        from transformers import TrainerCallback

        class Stop(TrainerCallback):
            def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                if state.global_step == step:
                    raise KeyboardInterrupt

        self.callback = Stop()


def test_an_interrupted_run_goes_on_to_the_same_weights(base: Path, tmp_path: Path) -> None:
    settings = {
        "num_train_epochs": 3,
        "gradient_accumulation_steps": 4,
        "save_steps": 2,
        "eval_steps": 1,
    }
    trainer(base, **settings).train(BANK, unseen(BANK[:2]), tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        trainer(base, [Interrupt(5).callback], **settings).train(
            BANK, unseen(BANK[:2]), tmp_path / "cut"
        )
    assert not (tmp_path / "cut" / "zhmcq_manifest.json").exists()
    with pytest.raises(errors.CheckpointError, match="other training"):
        trainer(base, **{**settings, "seed": 1}).train(BANK, unseen(BANK[:2]), tmp_path / "cut")
    with pytest.raises(errors.CheckpointError, match="other train_sha256"):
        trainer(base, **settings).train(BANK[:6], unseen(BANK[:2]), tmp_path / "cut")
    swapped = with_swapped_ids(base, tmp_path / "swapped", "山", "海")
    with pytest.raises(errors.CheckpointError, match=r"which differs in the tokenizer \(SHA-256"):
        trainer(swapped, **settings).train(BANK, unseen(BANK[:2]), tmp_path / "cut")
    with pytest.raises(errors.OutputExistsError, match="interrupted run"):
        trainer(base, **settings).train(BANK, unseen(BANK[:2]), tmp_path / "cut", resume=False)
    resumed = trainer(base, **settings).train(BANK, unseen(BANK[:2]), tmp_path / "cut")
    assert resumed.steps == 6
    straight, cut = weights(tmp_path / "straight"), weights(tmp_path / "cut")
    assert all(torch.equal(straight[name], cut[name]) for name in straight)


def test_a_run_that_was_cut_off_before_it_removed_older_checkpoints_keeps_no_more_of_them(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    settings = {"max_steps": 2, "save_steps": 1, "save_total_limit": 1}

    def killed(checkpoints: Any, count: int) -> None:
        if len(list(checkpoints.folder.iterdir())) > 1:
            raise KeyboardInterrupt

    monkeypatch.setattr("zhmcq.training._checkpoints.Checkpoints.remove_older", killed)
    with pytest.raises(KeyboardInterrupt):
        trainer(base, **settings).train(BANK, None, out)
    monkeypatch.undo()
    trainer(base, **settings).train(BANK, None, out)
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["checkpoint-2"]


def test_a_folder_of_other_files_is_left_alone(base: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    for overwrite in (False, True):
        with pytest.raises(errors.OutputExistsError, match=r"holds other files|did not write"):
            trainer(base).train(BANK, unseen(BANK[:2]), tmp_path, overwrite=overwrite)
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "keep"


def test_overwrite_replaces_a_finished_run(base: Path, tmp_path: Path) -> None:
    trainer(base).train(BANK, unseen(BANK[:2]), tmp_path / "run")
    before = (tmp_path / "run" / "adapter_model.safetensors").read_bytes()
    trainer(base, seed=3).train(BANK, unseen(BANK[:2]), tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "adapter_model.safetensors").read_bytes() != before
    zhmcq.MCQPredictor(base, adapter=tmp_path / "run")


@pytest.mark.parametrize("resume", ["never", 1, None, "checkpoint-3"])
def test_an_unknown_way_to_resume_is_refused(base: Path, tmp_path: Path, resume: Any) -> None:
    with pytest.raises(errors.SettingsError, match=r"expected 'auto', True or False"):
        trainer(base).train(BANK, None, tmp_path / "run", resume=resume)


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(
    base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        trainer(base, [Interrupt(0).callback]).train(BANK, unseen(BANK[:2]), out)
    for name in (".run.json-ab_cdefg", "..adapter-abcdefgh", "checkpoints/.best-abcdefgh"):
        (out / name).mkdir(parents=True)
        (out / name / ".zhmcq-lock").touch()
    with pytest.raises(errors.CheckpointError, match="before its first checkpoint was complete"):
        trainer(base).train(BANK, unseen(BANK[:2]), out, resume=True)
    assert trainer(base).train(BANK, unseen(BANK[:2]), out).steps == 1
    assert sorted(path.name for path in out.iterdir() if path.name.startswith(".")) == []
    assert not (out / "checkpoints" / ".best-abcdefgh").exists()


def test_a_run_of_which_only_a_half_written_file_is_left_is_begun(
    base: Path, tmp_path: Path
) -> None:
    half = tmp_path / "run" / ".run.json-abcdefgh"
    half.mkdir(parents=True)
    (half / ".zhmcq-lock").touch()
    (half / "run.json").write_text("{", encoding="utf-8")
    assert trainer(base).train(BANK, None, tmp_path / "run").steps == 1
    assert not list((tmp_path / "run").glob(".run-*"))


def test_another_number_of_processes_or_dtype_is_another_run(base: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trainer(base, [Interrupt(0).callback]).train(BANK, None, tmp_path)
    run_file = tmp_path / "run.json"
    record = json.loads(run_file.read_text(encoding="utf-8"))
    assert (record["processes"], record["device"], record["dtype"]) == (1, "cpu", "float32")
    run_file.write_text(json.dumps({**record, "processes": 2}), encoding="utf-8")
    with pytest.raises(errors.CheckpointError, match="interrupted run with other processes"):
        trainer(base).train(BANK, None, tmp_path)
    run_file.write_text("[", encoding="utf-8")
    with pytest.raises(errors.CheckpointError, match=r"run.json cannot be read"):
        trainer(base).train(BANK, None, tmp_path)


def test_layers_are_named_as_peft_names_them(base: Path, tmp_path: Path) -> None:
    lora = zhmcq.LoraSettings(r=2, target_modules=("self_attn.q_proj",))
    settings = zhmcq.TrainingSettings(**FAST)
    run = zhmcq.LoraTrainer(base, lora=lora, training=settings).train(BANK, None, tmp_path / "run")
    assert {name.split(".")[-3] for name in weights(run.adapter_dir)} == {"q_proj"}
    for wrong in (("q_proj", "o_porj"), ("porj",), "porj"):
        misspelt = zhmcq.LoraTrainer(base, lora=zhmcq.LoraSettings(target_modules=wrong))
        with pytest.raises(errors.SettingsError, match="porj"):
            misspelt.preflight(BANK)


def test_a_misspelt_layer_costs_no_earlier_run(base: Path, tmp_path: Path) -> None:
    trainer(base).train(BANK, None, tmp_path / "run")
    before = (tmp_path / "run" / "adapter_model.safetensors").read_bytes()
    misspelt = zhmcq.LoraTrainer(base, lora=zhmcq.LoraSettings(target_modules=("q_porj",)))
    for overwrite, out in ((True, "run"), (False, "new")):
        with pytest.raises(errors.SettingsError, match="q_porj"):
            misspelt.train(BANK, None, tmp_path / out, overwrite=overwrite)
    assert (tmp_path / "run" / "adapter_model.safetensors").read_bytes() == before
    assert not (tmp_path / "new").exists()


def test_a_folder_that_looks_like_a_half_written_adapter_is_left_alone(
    base: Path, tmp_path: Path
) -> None:
    (tmp_path / ".adapter").mkdir()
    (tmp_path / ".adapter" / "mine.txt").write_text("keep", encoding="utf-8")
    for overwrite in (False, True):
        with pytest.raises(errors.OutputExistsError):
            trainer(base).train(BANK, None, tmp_path, overwrite=overwrite)
    assert (tmp_path / ".adapter" / "mine.txt").exists()


def test_the_adapters_configuration_is_the_same_wherever_it_was_written(
    base: Path, tmp_path: Path
) -> None:
    run = trainer(base).train(BANK, None, tmp_path / "run")
    config = json.loads((run.adapter_dir / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == str(base)
    assert config["target_modules"] == sorted(config["target_modules"])


def test_an_adapter_is_uploaded_without_its_checkpoints(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    import huggingface_hub.errors

    no_answer: type[Exception] = huggingface_hub.errors.HTTPError  # type: ignore[attr-defined]
    calls: list[tuple[str, dict[str, Any]]] = []

    class Hub:
        def __init__(self, token: str | None) -> None:
            assert token == "hf_x"  # noqa: S105

        def create_repo(self, repo_id: str, **fields: Any) -> None:
            if repo_id == "me/unreachable":
                raise no_answer("timed out")
            calls.append((repo_id, fields))

        def repo_info(self, repo_id: str) -> Any:
            return SimpleNamespace(private=repo_id == "me/adapter")

        def upload_folder(self, **fields: Any) -> str:
            calls.append(("upload", fields))
            return "https://hub/x"

    run = trainer(base).train(BANK, None, tmp_path / "run")
    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    assert run.push_to_hub("me/adapter", token="hf_x") == "https://hub/x"  # noqa: S106
    assert calls[0] == ("me/adapter", {"private": True, "exist_ok": True})
    assert calls[1][1]["folder_path"] == run.adapter_dir
    names = set(calls[1][1]["allow_patterns"])
    assert names >= {"README.md", "adapter_model.safetensors", "zhmcq_manifest.json"}
    assert not names & {"run.json", "checkpoints", "checkpoints/*", "*"}
    with pytest.raises(errors.OutputError, match="can be seen by everyone: pass private=False"):
        run.push_to_hub("me/public", token="hf_x")  # noqa: S106
    with pytest.raises(errors.OutputError, match="cannot be uploaded to 'me/unreachable': timed"):
        run.push_to_hub("me/unreachable", token="hf_x")  # noqa: S106
    monkeypatch.undo()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(errors.OutputError, match="cannot be uploaded to 'me/adapter'"):
        run.push_to_hub("me/adapter")


def test_a_prompt_without_a_name_is_given_again_to_merge(
    base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Nameless:
        def render(self, question: Question) -> zhmcq.prompts.RenderedPrompt:
            return zhmcq.get_prompt("zh-exam").render(question)

    nameless = zhmcq.LoraTrainer(base, training=zhmcq.TrainingSettings(**FAST), prompt=Nameless())
    run = nameless.train(BANK, None, tmp_path / "run")
    assert "merging and predicting will need the prompt again" in caplog.text
    with pytest.raises(errors.PromptMismatchError, match="give it again"):
        zhmcq.Merger().merge(run.adapter_dir, tmp_path / "merged", verify_with=BANK)
    merged = zhmcq.Merger().merge(
        run.adapter_dir, tmp_path / "merged", verify_with=BANK, prompt=Nameless()
    )
    assert (merged.verified, merged.answer_flips) == (8, 0)


def test_questions_that_teach_nonsense_are_refused_by_name(base: Path, tmp_path: Path) -> None:
    keyless = Question("no-key", "誰？", ("甲", "乙"))
    long = Question("long", "誰" * 600, ("甲", "乙"), answer=(0,))
    with pytest.raises(errors.PreflightError) as caught:
        trainer(base).train([*BANK, keyless, long], None, tmp_path / "run")
    assert "2 of 10 questions would teach the model nonsense" in str(caught.value)
    assert "no_key: question 'no-key'" in str(caught.value)
    assert "too_long: question 'long' has" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_two_wrong_options_alike_do_no_harm_but_a_key_must_be_unique(base: Path) -> None:
    harmless = Question("harmless", "誰？", ("甲", "乙", "乙"), answer=(0,))
    unclear = Question("unclear", "誰？", ("甲", "乙", "乙"), answer=(1,))
    cloze = zhmcq.LoraTrainer(base, prompt="zh-cloze")
    assert cloze.preflight([harmless]).findings == ()
    (finding,) = cloze.preflight([harmless, unclear]).findings
    assert (finding.rule, finding.id) == ("answer_not_unique", "unclear")


def test_preflight_shows_what_is_supervised(base: Path) -> None:
    report = trainer(base).preflight(BANK)
    assert report.findings == ()
    assert report.questions == 8
    assert report.example.startswith("<s>文章：")
    assert report.example.endswith("答案：〔A</s>〕")


def test_no_base_model_is_an_error_that_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(errors.ModelError, match=r"expected a folder with config.json and"):
        trainer(tmp_path / "nothing").train(BANK, None, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_unknown_prompt_or_setting_is_refused_before_anything_is_loaded(base: Path) -> None:
    with pytest.raises(errors.UnknownNameError, match="Did you mean 'zh-exam'"):
        zhmcq.LoraTrainer(base, prompt="zh-exm")
    with pytest.raises(errors.SettingsError, match="no field 'alpha'; did you mean 'lora_alpha'"):
        zhmcq.LoraSettings(alpha=16)  # type: ignore[call-arg]


def test_activation_checkpointing_trains_the_same_adapter(base: Path, tmp_path: Path) -> None:
    for name, checkpointing in (("plain", False), ("saved", True)):
        settings = {"activation_checkpointing": checkpointing, "num_train_epochs": 2}
        trainer(base, **settings).train(BANK, unseen(BANK[:2]), tmp_path / name)
    plain, saved = weights(tmp_path / "plain"), weights(tmp_path / "saved")
    assert any(float(plain[name].abs().max()) > 0 for name in plain if "lora_B" in name)
    for name, tensor in plain.items():
        assert torch.allclose(tensor, saved[name], atol=1e-5)


def test_a_model_is_no_longer_in_memory_when_its_training_is_over(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lora_trainer, "WORTH_FREEING", 0)  # as if the model were a large one
    weights_seen: list[weakref.ref[Any]] = []

    class Watch(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            weights_seen.extend(weakref.ref(weight) for weight in kwargs["model"].parameters())

    gc.disable()  # so that nothing else finds it
    try:
        result = trainer(base, [Watch()]).train(BANK, output_dir=tmp_path / "run")
        alive = [weight for weight in weights_seen if weight() is not None]
    finally:
        gc.enable()
    assert result.steps == 1
    assert weights_seen
    assert not alive


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_a_quantised_base_is_trained_without_upcasting_its_embeddings(
    base: Path, tmp_path: Path, kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("bitsandbytes")
    seen: dict[str, torch.dtype] = {}

    class Watch(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            model = kwargs["model"]
            seen["embeddings"] = model.get_input_embeddings().weight.dtype
            seen["head"] = model.get_output_embeddings().weight.dtype
            layer = model.get_base_model().model.layers[0].self_attn.q_proj
            seen["quantised"] = layer.base_layer.weight.dtype
            seen["adapter"] = layer.lora_A["default"].weight.dtype

    settings = zhmcq.QuantizationSettings(kind=kind)
    quantised = zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=4),
        training=zhmcq.TrainingSettings(**FAST, dtype="bfloat16"),
        quantization=settings,
        callbacks=[Watch()],
    )
    result = quantised.train(BANK, unseen(BANK[:4]), tmp_path / "run")
    assert seen == {
        "embeddings": torch.bfloat16,
        "head": torch.bfloat16,
        "quantised": torch.uint8 if kind == "nf4" else torch.int8,
        "adapter": torch.float32,
    }
    assert result.steps == 1
    tensors = weights(result.adapter_dir)
    assert any(
        float(tensor.abs().max()) > 0 for name, tensor in tensors.items() if "lora_B" in name
    )
    merged = zhmcq.Merger().merge(result.adapter_dir, tmp_path / "merged", verify_with=BANK)
    assert merged.verified == len(BANK)
    # What quantisation took from the base model is in the difference.
    assert merged.max_logit_difference > 1e-4
    zhmcq.MCQPredictor(base, adapter=result.adapter_dir)
    assert f"was trained on a quantised ({kind}) base model" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"lora": {"r": 8}}, "LoraSettings"),
        ({"training": zhmcq.LoraSettings()}, "TrainingSettings"),
        ({"quantization": "nf4"}, "QuantizationSettings"),
    ],
)
def test_settings_of_another_type_are_refused(arguments: dict[str, Any], expected: str) -> None:
    message = rf"^LoraTrainer\({next(iter(arguments))}=.*: expected {expected}"
    with pytest.raises(errors.SettingsError, match=message):
        zhmcq.LoraTrainer("no-model", **arguments)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process has in memory")
def test_a_run_on_a_cpu_is_held_to_the_memory_that_was_said_after_each_step(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[int] = []
    checks: list[int] = []

    class Recorded(KeptMemory):
        def __init__(self, limit: int) -> None:
            limits.append(limit)
            super().__init__(limit)

        def keep(self) -> None:
            checks.append(1)
            super().keep()

    monkeypatch.setattr("zhmcq.training._lora_trainer.KeptMemory", Recorded)
    result = trainer(base).train(BANK, None, tmp_path / "run")
    assert result.preflight is not None
    assert result.preflight.run is not None
    assert result.preflight.run.memory is not None
    assert limits == [result.preflight.run.memory.total]
    assert len(checks) == result.steps
