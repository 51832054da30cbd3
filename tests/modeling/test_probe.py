"""How fast a CPU is in bf16: which products are measured, what their times say, and when none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import MambaConfig, MambaForCausalLM

from zhmcq.errors import ModelError
from zhmcq.modeling import ModelSource, _probe
from zhmcq.modeling._load import load_skeleton
from zhmcq.modeling._probe import Product, bf16_speed, products_of, ratio_of
from zhmcq.testing import tiny_llama

CPU = torch.device("cpu")
SMALL = Product(256, 256, 256)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelSource:
    return ModelSource(str(tiny_llama(tmp_path_factory.mktemp("probe") / "model")))


Times = Callable[[Product, int], Iterator[tuple[float, float]]]


def clock(
    exact: float, rounded: float, measured: list[Product], taste: tuple[float, float] = (1.0, 1.0)
) -> Times:
    """Seconds for each multiplication in fp32 and bf16; the first round and the last are slow."""

    def seconds(product: Product, rounds: int) -> Iterator[tuple[float, float]]:
        measured.append(product)
        size = product.rows * product.inner * product.outer
        one, other = taste if product == SMALL else (exact * size, rounded * size)
        for slow in (100.0, *[1.0] * (rounds - 1), 3.0):
            yield one * slow, other * slow

    return seconds


def test_the_products_are_those_of_the_layers_and_of_the_head(base: ModelSource) -> None:
    config = load_skeleton(base).config
    assert (config.hidden_size, config.intermediate_size, config.num_hidden_layers) == (64, 128, 2)
    assert products_of(load_skeleton(base)) == {
        Product(256, 64, 64): 4,  # q_proj and o_proj of both layers
        Product(256, 64, 32): 4,  # k_proj and v_proj
        Product(256, 64, 128): 4,  # gate_proj and up_proj
        Product(256, 128, 64): 2,  # down_proj
        Product(32, 64, config.vocab_size): 1,
    }


def test_a_convolution_is_no_product() -> None:
    config = MambaConfig(hidden_size=64, num_hidden_layers=1, vocab_size=97, state_size=16)
    shapes = {(p.inner, p.outer) for p in products_of(MambaForCausalLM(config))}
    assert shapes == {(64, 256), (128, 36), (128, 64), (64, 97)}


def test_the_ratio_is_that_of_all_products_by_their_fastest_times() -> None:
    products = Counter({Product(256, 64, 64): 4, Product(32, 64, 97): 1})
    measured: list[Product] = []
    assert ratio_of(products, clock(2.0, 1.0, measured)) == pytest.approx(2.0)
    assert measured == [SMALL, Product(32, 64, 97), Product(256, 64, 64)]

    def one_of_them_is_slow(product: Product, rounds: int) -> Iterator[tuple[float, float]]:
        yield from [(3.0, 5.0 if product.outer == 97 else 1.0)] * rounds

    # Four times 3 s and 3 s in fp32, four times 1 s and 5 s in bf16.
    assert ratio_of(products, one_of_them_is_slow) == pytest.approx(15 / 9)


def test_large_matrices_are_measured_in_parts_of_the_same_size() -> None:
    products = Counter({Product(256, 4096, 4096): 3, Product(256, 640, 2048): 1})
    measured: list[Product] = []
    assert ratio_of(products, clock(2.0, 1.0, measured)) == pytest.approx(2.0)
    assert measured == [SMALL, Product(256, 640, 1024), Product(256, 1024, 1024)]
    parts = {Product(256, 640, 1024): 2.0, Product(256, 1024, 1024): 48.0}
    assert _probe._measured(products) == parts


def test_a_cpu_that_emulates_bf16_computes_one_small_product_alone() -> None:
    products = Counter({Product(256, 4096, 4096): 3})
    measured: list[Product] = []
    assert ratio_of(products, clock(2.0, 1.0, measured, taste=(1.0, 25.0))) == 0.04
    assert measured == [SMALL]


def test_a_cpu_without_a_kernel_for_bf16_has_no_speed_in_it() -> None:
    def none(_product: Product, _rounds: int) -> Iterator[tuple[float, float]]:
        raise NotImplementedError("\"addmm_impl_cpu_\" not implemented for 'BFloat16'")
        yield

    assert ratio_of(Counter({SMALL: 1}), none) == 0.0


def test_each_round_has_a_time_in_either_dtype() -> None:
    torch.manual_seed(7)
    drawn = torch.rand(1)
    torch.manual_seed(7)
    times = list(_probe._seconds(Product(4, 8, 16), 3))
    assert len(times) == 4  # the first makes the kernels
    assert all(exact > 0 and rounded > 0 for exact, rounded in times)
    assert torch.equal(torch.rand(1), drawn)  # the random state of training is as it was


def test_a_model_is_measured_once_for_its_shapes_and_number_of_threads(
    base: ModelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Counter[Product]] = []

    def ratio(products: Counter[Product]) -> float:
        measured.append(products)
        return 2.1

    monkeypatch.setattr(_probe, "SMALLEST", 0)
    monkeypatch.setattr(_probe, "_ratios", {})
    monkeypatch.setattr(_probe, "ratio_of", ratio)
    for _ in range(2):
        assert bf16_speed(base, dtype="auto", device=CPU) == 2.1
    assert len(measured) == 1
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert bf16_speed(base, dtype="auto", device=CPU) == 2.1
    assert len(measured) == 2


def test_what_does_not_decide_the_dtype_is_not_measured(
    base: ModelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(_products: Counter[Product]) -> float:
        raise AssertionError

    monkeypatch.setattr(_probe, "ratio_of", measured)
    assert bf16_speed(base, dtype="auto", device=CPU) is None  # tiny: chance would decide
    monkeypatch.setattr(_probe, "SMALLEST", 0)
    monkeypatch.setattr(_probe, "_ratios", {})
    assert bf16_speed(base, dtype="float32", device=CPU) is None
    assert bf16_speed(base, dtype="bfloat16", device=CPU) is None
    assert bf16_speed(base, dtype="auto", device=torch.device("cuda")) is None
    assert bf16_speed(base, dtype="auto", device=CPU, quantised=True) is None
    monkeypatch.setattr(_probe, "is_stored_quantised", lambda _source: True)
    assert bf16_speed(base, dtype="auto", device=CPU) is None


def test_a_model_whose_layers_cannot_be_made_without_weights_is_not_measured(
    base: ModelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_source: ModelSource) -> None:
        raise ModelError("its code needs the weights")

    monkeypatch.setattr(_probe, "load_skeleton", fails)
    monkeypatch.setattr(_probe, "SMALLEST", 0)
    assert bf16_speed(base, dtype="auto", device=CPU) is None


def test_the_model_of_the_quick_start_is_large_enough_to_be_measured(tmp_path: Path) -> None:
    from transformers import Gemma3TextConfig

    sizes: dict[str, Any] = {
        "hidden_size": 640,
        "intermediate_size": 2048,
        "num_hidden_layers": 18,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 256,
        "vocab_size": 262144,
    }
    Gemma3TextConfig(**sizes, architectures=["Gemma3ForCausalLM"]).save_pretrained(tmp_path)
    products = products_of(load_skeleton(ModelSource(str(tmp_path))))
    layers = sum(n * p.inner * p.outer for p, n in products.items() if p.rows == 256)
    assert layers == 100_270_080 > _probe.SMALLEST
