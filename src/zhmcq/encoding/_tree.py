"""Token sequences → prefix-tree rows: what sequences share is stored, and computed, once.

A row is a trie laid out flat. Every node is a token with a parent; a sequence is a path from a
root to a leaf. A token's position is its depth, so that each branch continues to count where it
left the shared prefix, and a token may attend to its ancestors and itself: then each path sees
exactly what it would see in a row of its own. One parent array describes all of it, at any depth.

The last token of a candidate is predicted and predicts nothing, so that no number depends on what a
model computes at it: it is a target, and stands in no row unless another candidate goes on from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhmcq.encoding._encode import EncodedQuestion

__all__ = ["Branch", "PackedRow", "PrefixTree", "pack", "pack_flat", "plain_row"]


@dataclass(frozen=True, slots=True)
class Branch:
    """One candidate answer in a row.

    Attributes:
        question: The question's index in what was packed.
        candidate: The candidate's index in its question.
        predictors: For each of the candidate's tokens, its end included, the index in the row of
            the token before it: the last of the prompt first.
        targets: The ids of the candidate's tokens.
    """

    question: int
    candidate: int
    predictors: tuple[int, ...]
    targets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PackedRow:
    """Sequences packed as a trie, each without its last token.

    Attributes:
        ids: Token ids, shape ``(tokens,)``; a parent always stands before its children.
        parents: For each token the index of the one before it on its path, -1 at a root.
        positions: For each token its depth: 0 at a root.
        branches: The candidates that the row holds.
        given: How many tokens would be computed if each sequence had a row of its own.
    """

    ids: NDArray[np.int64]
    parents: NDArray[np.int64]
    positions: NDArray[np.int64]
    branches: tuple[Branch, ...]
    given: int

    def __len__(self) -> int:
        return len(self.ids)

    def ancestors(self) -> NDArray[np.bool_]:
        """Which tokens each token sees: ``[i, j]`` is true if ``j`` is ``i`` or before it.

        Returns:
            Shape ``(tokens, tokens)``.
        """
        seen = np.zeros((len(self), len(self)), dtype=np.bool_)
        for index, parent in enumerate(self.parents):
            if parent >= 0:
                seen[index] = seen[parent]
            seen[index, index] = True
        return seen


class PrefixTree:
    """A trie of token sequences that grows by one question at a time."""

    def __init__(self) -> None:
        self._children: dict[tuple[int, int], int] = {}
        self._ids: list[int] = []
        self._parents: list[int] = []
        self._positions: list[int] = []
        self._branches: list[Branch] = []
        self._given = 0

    def __len__(self) -> int:
        return len(self._ids)

    def added_by(self, sequences: Iterable[Sequence[int]]) -> int:
        """How many tokens the trie would grow by if these sequences were added.

        Args:
            sequences: Prompts with a candidate each; their last tokens count for nothing.
        """
        new: dict[tuple[int, int], int] = {}
        for sequence in sequences:
            node = -1
            for token in sequence[:-1]:
                key = (node, token)
                child = self._children.get(key, new.get(key))
                if child is None:
                    child = new[key] = -2 - len(new)
                node = child
        return len(new)

    def add(self, index: int, question: EncodedQuestion, candidates: Iterable[int]) -> None:
        """Add a question's candidates as branches.

        Args:
            index: The question's index in what is packed, kept in its branches.
            question: Its token ids.
            candidates: Which of its candidates to add.
        """
        start = self._extend(-1, question.prompt)[-1]
        for candidate in candidates:
            ids = question.candidates[candidate]
            predictors = (start, *self._extend(start, ids[:-1]))
            self._branches.append(Branch(index, candidate, predictors, tuple(ids)))
            self._given += len(question.prompt) + len(ids) - 1

    def _extend(self, node: int, tokens: Sequence[int]) -> list[int]:
        path = []
        for token in tokens:
            key = (node, token)
            child = self._children.get(key)
            if child is None:
                child = self._children[key] = len(self._ids)
                self._ids.append(token)
                self._parents.append(node)
                self._positions.append(0 if node < 0 else self._positions[node] + 1)
            node = child
            path.append(node)
        return path

    def row(self) -> PackedRow:
        """The trie as arrays."""
        return PackedRow(
            np.array(self._ids, dtype=np.int64),
            np.array(self._parents, dtype=np.int64),
            np.array(self._positions, dtype=np.int64),
            tuple(self._branches),
            self._given,
        )


def pack(
    questions: Sequence[EncodedQuestion], candidates: Sequence[Sequence[int]], budget: int
) -> Iterator[tuple[PackedRow, ...]]:
    """Pack questions into prefix-tree rows, one passage a row, in the order of the passages.

    Args:
        questions: Encoded questions; those of one passage need not stand together.
        candidates: For each question, which of its candidates to pack.
        budget: The most tokens of a row. A passage with more is cut into rows between its
            questions, a question with more between its candidates; only one sequence alone may
            exceed it.

    Yields:
        One row at a time, with all packed candidates of its questions; of a question that was cut,
        all its rows together.
    """
    members_by_text: dict[tuple[str, str], list[int]] = {}
    for index, question in enumerate(questions):
        # A question without a passage shares nothing with others: it gets a row of its own, and
        # the same question in other orders of its options is there as well.
        shared = (question.passage, "" if question.passage else question.id)
        members_by_text.setdefault(shared, []).append(index)
    for members in members_by_text.values():
        tree = PrefixTree()
        for index in members:
            question = questions[index]
            sequences = [
                question.prompt + question.candidates[candidate] for candidate in candidates[index]
            ]
            if len(tree) and len(tree) + tree.added_by(sequences) > budget:
                yield (tree.row(),)
                tree = PrefixTree()
            # Counting what is shared takes time that short questions need not spend.
            long = not len(tree) and sum(len(ids) - 1 for ids in sequences) > budget
            if long and tree.added_by(sequences) > budget:
                yield _cut(index, question, candidates[index], budget)
            else:
                tree.add(index, question, candidates[index])
        if len(tree):
            yield (tree.row(),)


def _cut(
    index: int, question: EncodedQuestion, candidates: Sequence[int], budget: int
) -> tuple[PackedRow, ...]:
    """The rows of a question that exceeds the budget, each with the prompt and some candidates."""
    rows = []
    tree = PrefixTree()
    # In the order of their ids, those that begin alike stand together and share the most.
    for candidate in sorted(candidates, key=question.candidates.__getitem__):
        sequence = question.prompt + question.candidates[candidate]
        if len(tree) and len(tree) + tree.added_by([sequence]) > budget:
            rows.append(tree.row())
            tree = PrefixTree()
        tree.add(index, question, [candidate])
    return (*rows, tree.row())


def pack_flat(
    questions: Sequence[EncodedQuestion], candidates: Sequence[Sequence[int]]
) -> Iterator[tuple[PackedRow, ...]]:
    """Give every candidate a row of its own, with its prompt: what sharing is compared with.

    Args:
        questions: Encoded questions.
        candidates: For each question, which of its candidates to pack.

    Yields:
        For each question its rows, with one branch each.
    """
    for index, question in enumerate(questions):
        rows = []
        for candidate in candidates[index]:
            tree = PrefixTree()
            tree.add(index, question, [candidate])
            rows.append(tree.row())
        yield tuple(rows)


def plain_row(ids: Sequence[int], scored: int) -> PackedRow:
    """One sequence in a row of its own, without a question.

    Args:
        ids: Its token ids.
        scored: How many of its last tokens are scored; fewer than there are.
    """
    count = len(ids) - 1
    predictors = tuple(range(count - scored, count))
    positions = np.arange(count, dtype=np.int64)
    branch = Branch(0, 0, predictors, tuple(ids[-scored:]))
    return PackedRow(np.array(ids[:-1], dtype=np.int64), positions - 1, positions, (branch,), count)
