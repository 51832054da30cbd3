"""Parsers: from a model's words to an answer, or to an honest "none".

A parser has one method, ``parse(text, question)``, which returns a :class:`ParsedAnswer`.
``zh`` (the default) knows the ways in which Chinese and English replies answer, ``strict`` reads
explicit final answers only, ``json`` reads an answer field, ``cascade`` tries several in turn.
"""

from zhmcq.parsers.cascade import CascadeParser
from zhmcq.parsers.json_answer import JsonParser
from zhmcq.parsers.protocol import Candidate, ParsedAnswer, Parser, Status
from zhmcq.parsers.registry import get_parser, parser_names, register_parser
from zhmcq.parsers.zh import StrictParser, ZhParser, explain

__all__ = [
    "Candidate",
    "CascadeParser",
    "JsonParser",
    "ParsedAnswer",
    "Parser",
    "Status",
    "StrictParser",
    "ZhParser",
    "explain",
    "get_parser",
    "parser_names",
    "register_parser",
]
