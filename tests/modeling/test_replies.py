"""Replies: the likeliest, whatever a model's own generation_config says, and the same in batches.

The models are random and have 97 ids, which are their own text: 5 and 6 are written ``"5 6 "``.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from families import make_model
from peft import LoraConfig, get_peft_model
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    CompileConfig,
    GenerationConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    Mamba2Config,
    Mamba2ForCausalLM,
    Qwen3NextConfig,
    Qwen3NextForCausalLM,
    WatermarkingConfig,
)

from zhmcq.encoding import EncodedQuestion
from zhmcq.errors import PredictionError, SettingsError
from zhmcq.modeling._generate_call import FiniteCheck, GenerateCall
from zhmcq.modeling._generation import PromptIds, TextGenerator, end_ids
from zhmcq.modeling._memory import Budget
from zhmcq.modeling._replies import Reply, stream_choices, stream_replies


class IdsAsText:
    """A tokenizer that writes ids as numbers."""

    def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
        return as_text(ids)


def as_text(ids: Sequence[int]) -> str:
    return "".join(f"{token} " for token in ids)


def until_end(ids: Sequence[int]) -> Sequence[int]:
    return ids[: ids.index(2)] if 2 in ids else ids


def question(
    name: str, prompt: tuple[int, ...], candidates: tuple[tuple[int, ...], ...]
) -> EncodedQuestion:
    return EncodedQuestion(
        id=name,
        passage="",
        prompt=prompt,
        candidates=candidates,
        answers=tuple((i,) for i in range(len(candidates))),
        target=None,
        normalization="sum",
    )


CANDIDATES = ((5, 6, 2), (5, 7, 2), (9, 2), (10, 11, 2))
PROMPTS = [(1, 20, 30), (1, 21, 31, 41, 51, 61, 71), (1, 22, 32), (1, 23, 33, 43, 53)]
QUESTIONS = [question(f"q{i}", prompt, CANDIDATES) for i, prompt in enumerate(PROMPTS)]


def generator_of(model: Any, batch_size: int = 3, **fields: Any) -> TextGenerator:
    tokenizer: Any = IdsAsText()
    return TextGenerator(model, tokenizer, frozenset({2}), Budget(batch_size), fields)


def in_order(batches: Iterator[list[Reply]]) -> list[Reply]:
    return sorted((reply for batch in batches for reply in batch), key=lambda reply: reply.index)


def free_texts(generator: TextGenerator, tokens: int = 6) -> list[str]:
    return [reply.text for reply in in_order(stream_replies(generator, QUESTIONS, tokens))]


def choices(generator: TextGenerator, reasoning: int = 0) -> list[tuple[str, int | None]]:
    replies = in_order(stream_choices(generator, QUESTIONS, reasoning, (7, 8)))
    return [(reply.text, reply.candidate) for reply in replies]


@pytest.fixture(scope="module")
def llama() -> Any:
    model = make_model("llama", num_hidden_layers=1)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(10)
    return model


# --- nothing of the model's own generation_config ---------------------------------------------

# Each would change replies, crash or say something on the screen if generate() took it over.
HARMFUL: dict[str, Any] = {
    "assistant_confidence_threshold": 0.9,
    "assistant_early_exit": 1,
    "assistant_ensemble_weight": 0.5,
    "assistant_lookbehind": 1,
    "bad_words_ids": [[token] for token in range(3, 60)],
    "begin_suppress_tokens": list(range(3, 60)),
    "bos_token_id": 50,
    "cache_config": {"backend": "nowhere"},
    "cache_implementation": "quantized",
    "compile_config": CompileConfig(),
    "constraints": [1],
    "continuous_batching_config": {"x": 1},
    "decoder_start_token_id": 50,
    "disable_compile": True,
    "diversity_penalty": 2.0,
    "do_sample": True,
    "dola_layers": "high",
    "early_stopping": True,
    "encoder_no_repeat_ngram_size": 1,
    "encoder_repetition_penalty": 9.0,
    "epsilon_cutoff": 0.5,
    "eta_cutoff": 0.5,
    "exponential_decay_length_penalty": [0, 9.0],
    "force_words_ids": [[4]],
    "forced_bos_token_id": 50,
    "forced_eos_token_id": 50,
    "guidance_scale": 9.0,
    "is_assistant": True,
    "length_penalty": -9.0,
    "low_memory": True,
    "max_cache_len": 3,
    "max_length": 3,
    "max_matching_ngram_size": 1,
    "max_new_tokens": 1,
    "max_time": 1e-9,
    "min_length": 500,
    "min_new_tokens": 500,
    "min_p": 0.9,
    "no_repeat_ngram_size": 1,
    "num_assistant_tokens": 3,
    "num_assistant_tokens_schedule": "heuristic",
    "num_beam_groups": 2,
    "num_beams": 4,
    "num_return_sequences": 3,
    "output_attentions": True,
    "output_hidden_states": True,
    "output_logits": True,
    "output_scores": True,
    "pad_token_id": 9999,
    "penalty_alpha": 0.6,
    "prefill_chunk_size": 1,
    "prompt_lookup_num_tokens": 3,
    "remove_invalid_values": True,
    "renormalize_logits": True,
    "repetition_penalty": 9.0,
    "return_dict_in_generate": True,
    "sequence_bias": [[[4], 99.0]],
    "speculation_type": "dflash",
    "stop_strings": ["5"],
    "suppress_tokens": list(range(3, 60)),
    "target_lookbehind": 1,
    "temperature": 0.0,
    "token_healing": True,
    "top_h": 0.1,
    "top_k": 1,
    "top_p": 0.01,
    "transformers_version": "0",
    "typical_p": 0.1,
    "use_cache": False,
    "use_mtp": True,
    "watermarking_config": WatermarkingConfig(bias=99.0),
    "prefix_allowed_tokens_fn": 3,  # an entry that no GenerationConfig has
}


def test_the_harmful_values_are_of_all_fields_but_the_ends() -> None:
    fields = {name for name in vars(GenerationConfig()) if not name.startswith("_")}  # type: ignore[no-untyped-call]
    assert set(HARMFUL) - {"prefix_allowed_tokens_fn"} == fields - {"eos_token_id"}


def both_kinds(model: Any) -> tuple[list[str], list[tuple[str, int | None]]]:
    generator = generator_of(model, batch_size=4)
    return free_texts(generator), choices(generator, reasoning=1)


@pytest.fixture(scope="module")
def plain_replies(llama: Any) -> tuple[list[str], list[tuple[str, int | None]]]:
    llama.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    return both_kinds(llama)


@pytest.mark.parametrize("name", HARMFUL)
def test_no_field_of_the_models_own_generation_config_changes_a_reply(
    llama: Any, plain_replies: Any, name: str
) -> None:
    llama.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    setattr(llama.generation_config, name, HARMFUL[name])
    before = copy.deepcopy(vars(llama.generation_config))
    assert both_kinds(llama) == plain_replies
    assert str(vars(llama.generation_config)) == str(before)


def test_a_maximum_length_of_the_models_own_is_not_warned_of(
    llama: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    llama.generation_config = GenerationConfig(max_length=200)  # type: ignore[no-untyped-call]
    assert len(free_texts(generator_of(llama))) == len(QUESTIONS)
    assert caplog.text == ""


def test_the_same_values_change_replies_or_crash_where_transformers_takes_them_over(
    llama: Any, plain_replies: Any
) -> None:
    ids = torch.tensor([PROMPTS[0]])

    def written(**values: Any) -> Any:
        llama.generation_config = GenerationConfig(eos_token_id=2, pad_token_id=0)  # type: ignore[no-untyped-call]
        for name, value in values.items():
            setattr(llama.generation_config, name, value)
        return llama.generate(ids, max_new_tokens=6)[0, 3:].tolist()

    assert as_text(written()) == plain_replies[0][0]
    for name in ("repetition_penalty", "suppress_tokens", "bad_words_ids", "forced_eos_token_id"):
        assert written(**{name: HARMFUL[name]}) != written()
    for name in ("penalty_alpha", "stop_strings", "cache_implementation"):
        with pytest.raises((ValueError, ImportError)):
            written(top_k=4, **{name: HARMFUL[name]})


def test_the_generation_config_of_an_adapter_s_wrapper_changes_no_reply(
    llama: Any, plain_replies: Any
) -> None:
    base = copy.deepcopy(llama)
    base.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    wrapped: Any = get_peft_model(base, LoraConfig(target_modules=["q_proj"], r=2))
    for name in ("repetition_penalty", "num_beams", "suppress_tokens", "max_time"):
        setattr(wrapped.generation_config, name, HARMFUL[name])
    assert both_kinds(wrapped) == plain_replies


# --- what the caller wants otherwise ----------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"repetition_penalty": 3.0},
        {
            "no_repeat_ngram_size": 1,
            "suppress_tokens": list(range(3, 97)),
        },  # padding counted: no end
        {"encoder_repetition_penalty": 3.0},
        {"encoder_no_repeat_ngram_size": 1, "repetition_penalty": 0.1},
        {"num_beams": 3, "length_penalty": 2.0},
        {"guidance_scale": 3.0},
        {"suppress_tokens": list(range(3, 90))},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_field_gives_in_a_batch_what_transformers_gives_for_one_prompt(
    llama: Any, plain_replies: Any, fields: dict[str, Any]
) -> None:
    llama.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    texts = free_texts(generator_of(llama, **fields))
    assert texts != plain_replies[0]
    for prompt, text in zip(PROMPTS, texts, strict=True):
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=6, eos_token_id=2, pad_token_id=2, do_sample=False, **fields
        )
        row = llama.generate(torch.tensor([prompt]), generation_config=config)[0].tolist()
        assert text == as_text(until_end(row[len(prompt) :]))


def test_a_field_holds_for_the_reasoning_and_not_for_the_answer(llama: Any) -> None:
    llama.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    # Candidates are made of suppressed ids alone.
    generator = generator_of(llama, suppress_tokens=list(range(90)), min_new_tokens=2)
    for text, candidate in choices(generator, reasoning=2):
        first, second, *rest = map(int, text.split())
        assert min(first, second) >= 90
        assert candidate is not None
        assert rest[-len(CANDIDATES[candidate]) + 1 :] == list(CANDIDATES[candidate][:-1])


def test_fields_that_transformers_refuses_are_refused_before_any_reply(llama: Any) -> None:
    with pytest.raises(SettingsError, match=r"'cache_implementation': 'paper'.*Choose one of"):
        generator_of(llama, cache_implementation="paper").check_fields()
    generator_of(llama, num_beams=2).check_fields()


def test_what_transformers_refuses_while_replying_names_questions_and_fields(llama: Any) -> None:
    generator = generator_of(llama, bad_words_ids=[[9999]])
    with pytest.raises(
        PredictionError,
        match=r"LlamaForCausalLM cannot .*q0, .*\{'bad_words_ids': \[\[9999\]\]\}",
    ):
        free_texts(generator)


# --- batches ----------------------------------------------------------------------------------

SMALL: dict[str, Any] = {"vocab_size": 97, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
MAKERS: dict[str, Callable[[], Any]] = {
    "llama": lambda: make_model("llama", num_hidden_layers=1),
    "gemma3": lambda: make_model("gemma3", num_hidden_layers=2, layer_types=None),
    "hybrid": lambda: Qwen3NextForCausalLM(
        Qwen3NextConfig(
            **SMALL,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=16,
            layer_types=["linear_attention", "full_attention"],
            linear_num_key_heads=2,
            linear_num_value_heads=2,
            linear_key_head_dim=8,
            linear_value_head_dim=8,
            intermediate_size=32,
            moe_intermediate_size=16,
            shared_expert_intermediate_size=16,
            num_experts=2,
            num_experts_per_tok=1,
        )
    ),
    "recurrent": lambda: Mamba2ForCausalLM(
        Mamba2Config(
            **SMALL, hidden_size=32, num_hidden_layers=1, num_heads=8, head_dim=8, state_size=8,
            n_groups=1, chunk_size=8,
        )
    ),
    "alibi": lambda: BloomForCausalLM(BloomConfig(**SMALL, hidden_size=32, n_layer=1, n_head=2)),
    "dynamic rope": lambda: make_model(
        "llama",
        num_hidden_layers=1,
        max_position_embeddings=4,
        rope_parameters={"rope_type": "dynamic", "factor": 32.0, "rope_theta": 100.0},
    ),
}  # fmt: skip


def likeliest(model: Any, prompt: tuple[int, ...], tokens: int) -> str:
    """The likeliest ids one by one, each by a forward pass over all before it."""
    ids = list(prompt)
    for rotary in model.modules():
        if getattr(rotary, "rope_type", None) == "dynamic":
            rotary.inv_freq = rotary.original_inv_freq
            rotary.max_seq_len_cached = rotary.original_max_seq_len
    with torch.inference_mode():
        for _ in range(tokens):
            token = int(
                model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()
            )
            if token == 2:
                break
            ids.append(token)
    return as_text(ids[len(prompt) :])


@pytest.mark.parametrize("name", MAKERS)
def test_each_reply_of_a_batch_is_the_likeliest_one_of_its_prompt(name: str) -> None:
    torch.manual_seed(5)
    model = MAKERS[name]().eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.mul_(8)
    together, alone = generator_of(model), generator_of(model, batch_size=1)
    texts = free_texts(together)
    assert texts == [likeliest(model, prompt, 6) for prompt in PROMPTS]
    assert len(set(texts)) > 2
    assert choices(together, reasoning=3) == choices(alone, reasoning=3)


def test_models_that_padding_would_change_get_prompts_of_one_length(llama: Any) -> None:
    hybrid = generator_of(MAKERS["hybrid"]())
    batches = [[reply.index for reply in b] for b in stream_replies(hybrid, QUESTIONS, 1)]
    assert batches == [[0, 2], [3], [1]]
    batches = [
        [reply.index for reply in b] for b in stream_replies(generator_of(llama), QUESTIONS, 1)
    ]
    assert batches == [[0, 2, 3], [1]]


class ForgetsItsCache(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """Reads each token after the first as if nothing had been before it."""

    def forward(self, past_key_values: Any = None, **inputs: Any) -> Any:
        return super().forward(**inputs)


class FailsWithACache(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    def forward(self, use_cache: bool = False, past_key_values: Any = None, **inputs: Any) -> Any:
        if use_cache:
            raise ValueError("the state has the wrong shape")
        return super().forward(use_cache=False, **inputs)


@pytest.mark.parametrize("model_class", [ForgetsItsCache, FailsWithACache])
def test_a_cache_that_changes_replies_or_fails_is_not_used(
    model_class: type[Any], caplog: pytest.LogCaptureFixture
) -> None:
    model = make_model("llama", num_hidden_layers=1)
    model.__class__ = model_class
    with caplog.at_level("WARNING", logger="zhmcq"):
        texts = free_texts(generator_of(model))
    assert texts == [likeliest(model, prompt, 6) for prompt in PROMPTS]
    assert "replies are decoded without a cache" in caplog.text
    caplog.clear()
    choices(generator_of(model))
    assert caplog.messages == []


class ShiftsPositions(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """Writes with other positions than it reads a plain row with, cached or not."""

    def forward(self, input_ids: Any, position_ids: Any = None, **inputs: Any) -> Any:
        if position_ids is not None:
            position_ids = position_ids * 3
        return super().forward(input_ids=input_ids, position_ids=position_ids, **inputs)


def test_a_model_that_writes_otherwise_than_it_scores_is_refused() -> None:
    model = make_model("llama", num_hidden_layers=1)
    model.__class__ = ShiftsPositions
    with pytest.raises(
        PredictionError, match=r"ShiftsPositions cannot write replies: .*mode='score'"
    ):
        free_texts(generator_of(model))


# --- numbers that are not finite --------------------------------------------------------------


@pytest.mark.parametrize("reply", [free_texts, choices])
def test_a_model_that_overflows_gives_no_reply_but_an_error(
    llama: Any, reply: Callable[[TextGenerator], Any]
) -> None:
    broken = copy.deepcopy(llama).half()
    with torch.no_grad():
        broken.model.embed_tokens.weight[30] = 60000.0  # q0 alone has it
        broken.model.layers[0].self_attn.o_proj.weight.mul_(60000.0)
    with pytest.raises(PredictionError, match=r"q0.*float16.*dtype='float32'"):
        reply(generator_of(broken))


def checked(written: list[list[int]], scores: list[list[float]]) -> None:
    call = GenerateCall(["a", "b"], [(1,), (1,)], 9, frozenset({2}))
    check = FiniteCheck(call, torch.nn.Linear(1, 1))
    check(torch.tensor([[1, *row] for row in written]), torch.tensor(scores))


INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize("row", [[NAN, 1.0], [INF, 1.0], [-INF, -INF]])
def test_logits_that_cannot_be_compared_are_an_error_of_their_question(row: list[float]) -> None:
    with pytest.raises(PredictionError, match=r"1 question .*\(b\)"):
        checked([[5], [6]], [[-INF, 1.0], row])
    with pytest.raises(PredictionError, match=r"1 question .*\(a\)"):
        checked([[5], [6], [7], [8]], [[0.0, 1.0], row, [0.0, 1.0], [0.0, 1.0]])


def test_what_is_computed_after_a_reply_has_ended_is_of_no_account() -> None:
    checked([[5, 6], [6, 2]], [[0.0, 1.0], [NAN, NAN]])


def test_a_reply_that_is_no_candidate_is_an_error(llama: Any) -> None:
    odd = question("odd", (1, 3), ((2, 7, 2),))
    with pytest.raises(PredictionError, match=r"question 'odd': expected .* one of its 1 candid"):
        generator_of(llama).choose([PromptIds(odd, odd.prompt)])


# --- positions --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def short_gpt2() -> Any:
    """Ten learned positions: an eleventh raises IndexError."""
    torch.manual_seed(0)
    return GPT2LMHeadModel(  # type: ignore[no-untyped-call]
        GPT2Config(**SMALL, n_positions=10, n_embd=16, n_layer=1, n_head=2)
    ).eval()


def test_a_reply_never_goes_beyond_the_model_s_positions(
    short_gpt2: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="zhmcq"):
        texts = free_texts(generator_of(short_gpt2), 7)
    assert [len(text.split()) for text in texts] == [7, 3, 7, 5]
    assert caplog.messages == [
        "2 of 4 replies have room for fewer than 7 tokens: the model has 10 positions"
    ]


def test_reasoning_leaves_room_for_the_cue_and_the_answer(short_gpt2: Any) -> None:
    """A cue of 2 and a candidate of up to 3: prompts of 3, 7, 3 and 5 leave 2, -2, 2 and 0."""
    replies = in_order(stream_choices(generator_of(short_gpt2), QUESTIONS, 9, (7, 8)))
    problem = (
        "its prompt leaves no room for reasoning with an answer after it among the 10 positions "
        "of the model: lower max_length, or use mode='score'"
    )
    assert [reply.problem for reply in replies] == ["", problem, "", problem]
    assert [reply.candidate is None for reply in replies] == [False, True, False, True]
    for reply in (replies[0], replies[2]):
        assert [int(word) for word in reply.text.split()][2:4] == [7, 8]


# --- ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, {2}), (3, {2, 3}), ([2, 4, 97, 128009], {2, 4}), ((3, -1), {2, 3})],
)
def test_the_ends_are_those_of_tokenizer_and_model_that_the_model_knows(
    llama: Any, given: Any, expected: set[int]
) -> None:
    llama.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    llama.generation_config.eos_token_id = given
    assert end_ids(llama, frozenset({2, 5000})) == expected


def test_a_tokenizer_whose_ends_the_model_does_not_know_is_refused(llama: Any) -> None:
    llama.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    with pytest.raises(PredictionError, match=r"among the 97 of the model's vocabulary.*\[5000\]"):
        end_ids(llama, frozenset({5000}))
