"""A template renders as in transformers, and comes to an end whatever it says."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from zhmcq.encoding._template import BoundedTemplate, OverBudgetError, TemplateRefusedError

CHAT = [
    {"role": "system", "content": " 請作答。 "},
    {"role": "user", "content": "問題：誰在家？\n選項：\nA. 小明 & <b>\n"},
    {"role": "assistant", "content": "A"},
]
TOKENS: dict[str, Any] = {"bos_token": "<s>", "eos_token": "</s>"}
USED = {
    "turns": "{% for m in messages %}{{ '<|' + m['role'] + '|>' }}\n{{ m.content | trim }}<|end|>\n"
    "{% if loop.last and not add_generation_prompt %}{{ eos_token }}{% endif %}{% endfor %}",
    "namespace": "{%- set ns = namespace(first=true, text='') -%}\n"
    "{% for m in messages | selectattr('role', 'ne', 'system') %}"
    "{% set ns.text = ns.text ~ m.content %}{% endfor %}{{ ns.text }}{{ ns.first }}",
    "macro": "{% macro turn(m) %}[{{ m.role }}]{{ m.content }}{% endmacro %}"
    "{% for m in messages[::-1] %}{{ turn(m) }}{{ loop.index0 }}/{{ loop.length }}{% endfor %}",
    "json": "{{ messages | tojson }}{{ messages | map(attribute='role') | join(', ') }}",
    "generation": (
        "{% generation %}{{ messages[-1].content }}{% endgeneration %}{{ 'x' * 3 }}{{ [1, 2] }}"
    ),
    "continue and methods": "{% for m in messages %}"
    "{% if m.role == 'user' %}{% continue %}{% endif %}"
    "{{ m.content.split('請')[-1].lstrip('\\n') }}{{ m.content.replace('。', '!') }}{% endfor %}",
    "formats": "{{ '%s|%02d' % ('a', 7) }}{{ '{}-{:>3}'.format('a', 7) }}{{ 'b' | indent(2) }}",
    "undefined": "{% if tools is none and documents is none %}{{ x is defined }}{% endif %}"
    "{{ dict(a=1) | items | list }}{{ messages | length }}{{ {'a': [1, {'b': 2}]} | tojson }}",
    "dictsort and set": "{% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}"
    "{% else %}none{% endfor %}"
    "{% set text %}A{{ bos_token }}{% endset %}{{ text ~ text }}{{ range(5) | list }}",
}


def variables(**changed: Any) -> dict[str, Any]:
    chat = {"messages": CHAT, "tools": None, "documents": None, "add_generation_prompt": False}
    return {**TOKENS, **chat, **changed}


@pytest.mark.parametrize("source", USED.values(), ids=USED.keys())
def test_a_template_renders_as_in_transformers(source: str) -> None:
    expected: Any = render_jinja_template([CHAT], chat_template=source, **TOKENS)
    assert [BoundedTemplate(source).render(variables())] == expected[0]


ENDLESS = {
    "loops in loops": "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}"
    "{% endfor %}",
    "silent loops": "{% set r = range(99999) %}{% for a in r %}{% for b in r %}"
    "{% endfor %}{% endfor %}",
    "a macro that calls itself twice": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}"
    "{% endif %}{% endmacro %}{{ f(60) }}",
    "a recursive loop": "{% for a in range(3) recursive %}{% if loop.depth < 99 %}"
    "{{ loop(range(3)) }}{% endif %}{% endfor %}",
    "doubling by ~": "{% set ns = namespace(x='x') %}{% for a in range(60) %}"
    "{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "doubling by +": "{% set ns = namespace(x='x') %}{% for a in range(60) %}"
    "{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "doubling a list": "{% set ns = namespace(x=[1]) %}{% for a in range(60) %}"
    "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    "doubling a dictionary": "{% set ns = namespace(x=[1]) %}{% for a in range(30) %}"
    "{% set ns.x = {'a': ns.x, 'b': ns.x} %}{% endfor %}{{ ns.x | tojson }}",
    "doubling a block": "{% set ns = namespace(x='x') %}{% for a in range(60) %}"
    "{% set y %}{{ ns.x }}{{ ns.x }}{% endset %}{% set ns.x = y %}{% endfor %}",
    "doubling by replace": "{% set ns = namespace(x='x') %}{% for a in range(60) %}"
    "{% set ns.x = ns.x.replace('x', 'xx') %}{% endfor %}",
    "a text times a number": "{{ 'x' * 10000000000 }}",
    "a list times a number": "{{ [1] * 10000000000 }}",
    "a number to a power": "{{ 10 ** (10 ** 10) }}",
    "powers of powers": "{% set ns = namespace(x=9) %}{% for a in range(99) %}"
    "{% set ns.x = ns.x * ns.x %}{% endfor %}",
    "a wide number": "{{ '%9999999999d' % 1 }}",
    "a width given by a value": "{{ '%*d' % (9999999999, 1) }}",
    "a wide format": "{{ '{:9999999999}'.format(1) }}",
    "a format of a format": "{{ '{:{}}'.format(1, 9999999999) }}",
    "a wide format map": "{{ '{a:9999999999}'.format_map({'a': 1}) }}",
    "join": "{{ range(99999) | join('x' * 100000) }}",
    "a method join": "{{ ('x' * 100000).join(['a'] * 100000) }}",
    "replace": "{{ ('x' * 100000) | replace('x', 'y' * 100000) }}",
    "replace by names": "{{ ('x' * 100000) | replace(old='x', new='y' * 100000) }}",
    "indentation": "{{ ('\n' * 100000) | indent(1000000) }}",
    "json with indentation": "{{ messages | tojson(indent=10000000000) }}",
    "a long text in a loop": "{% macro f() %}{% for a in range(99999) %}"
    + "x" * 9999
    + "{% endfor %}"
    "{% endmacro %}{% set x = f() %}",
    "slow comparisons": "{% set x = 'a' * 190000 %}{% for a in range(99999) %}"
    "{% for b in range(9) %}{% if (x ~ 'b') in x %}{% endif %}{% endfor %}{% endfor %}",
}
FAULTY = {
    "syntax": (
        "{% for %}",
        r"^TemplateSyntaxError: Expected an expression, got 'end of statement block' \(line 1\)$",
    ),
    "an unknown tag": ("{% exec 'x' %}", "Encountered unknown tag 'exec'"),
    "an unknown filter": ("{{ messages | shell }}", "No filter named 'shell'"),
    "an unknown function": ("{{ shell() }}", "'shell' is undefined"),
    "an error of its own": ("{{ raise_exception('no system role') }}", "^no system role$"),
    "an error with control characters": ("{{ raise_exception('a\x1b[31mb') }}", r"^a \[31mb$"),
    "another file": ("{% include '/etc/passwd' %}", "no loader"),
    "a way out of the sandbox": ("{{ ''.__class__.__mro__ }}", "unsafe|SecurityError"),
    "a padded text": ("{{ 'x'.ljust(10000000000) }}", "SecurityError"),
    "a padding filter": ("{{ 'x' | center(10000000000) }}", "uses the filter 'center'"),
    "a hidden attribute": ("{{ namespace(_x=1) }}", "underscore"),
    "brackets in brackets": ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "."),
    "endless recursion": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
    "a megabyte": ("x" * 1_000_001, "1000001 characters; expected 1000000 or fewer"),
}


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS.keys())
def test_an_endless_template_is_stopped_in_bounded_time(source: str) -> None:
    start = time.process_time()
    with pytest.raises(OverBudgetError, match=r"it (takes|makes|computes|formats|indents)"):
        BoundedTemplate(source).render(variables())
    assert time.process_time() - start < 10  # the slowest take one second


@pytest.mark.parametrize(
    "name", ["doubling by +", "doubling a block", "join", "a long text in a loop"]
)
def test_an_endless_template_is_stopped_in_bounded_memory(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(OverBudgetError):
            BoundedTemplate(ENDLESS[name]).render(variables())
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("source", "reason"), FAULTY.values(), ids=FAULTY.keys())
def test_a_faulty_template_is_refused_with_its_reason(source: str, reason: str) -> None:
    with pytest.raises(TemplateRefusedError, match=reason):
        BoundedTemplate(source).render(variables())


def test_long_contents_may_be_rendered_many_times() -> None:
    long = [{"role": "user", "content": "字" * 50_000} for _ in range(20)]
    source = "{% for m in messages %}{{ (m.content | trim) + eos_token }}{% endfor %}"
    assert len(BoundedTemplate(source).render(variables(messages=long))) == 20 * 50_004


def test_the_variables_that_a_template_reads_are_known() -> None:
    source = "{% set a = 1 %}{{ a }}{{ messages }}{% if enable_thinking is defined %}{% endif %}"
    assert BoundedTemplate(source).variables == {"messages", "enable_thinking"}
