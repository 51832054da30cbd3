"""Texts that are the same but for small changes, found without comparing each with each."""

from __future__ import annotations

import itertools
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence

from zhmcq.zh._fold import fold_texts

__all__ = ["near_copy_clusters"]

# Shared characters, as rapidfuzz counts them, from which two texts count as copies.
SIMILARITY = 85.0
# Share of the shorter text's character n-grams found in the longer one: an excerpt is a copy too.
CONTAINED = 0.85
# Jaccard similarity at which the LSH is tuned to propose a pair; lower than what is accepted, so
# that few copies are missed.
PROPOSED = 0.4
PERMUTATIONS = 96
NGRAM = 4
# Excerpts are looked for by one of so many n-grams, chosen by hash, in so few texts at most.
SAMPLED = 4
RARE = 30
# Shorter texts are copies only when they fold to the same: in 「3+5＝？」 one character is all.
SHORT = 16


def near_copy_clusters(texts: Sequence[str]) -> list[int]:
    """Which texts are near-copies of each other, directly or through others.

    Texts are compared after folding width, script, case, whitespace and punctuation. Candidates
    come from MinHash signatures of their character 4-grams (datasketch's LSH), and from rare
    4-grams that they share, since an excerpt resembles its source too little for the LSH. A pair
    is accepted when rapidfuzz finds 85 % of their characters in common order, or 85 % of the
    shorter one's 4-grams are in the longer one.

    Args:
        texts: The texts; empty ones are copies of nothing.

    Returns:
        For each text the index of the first text of its cluster.
    """
    from scipy.cluster.hierarchy import DisjointSet

    clusters = DisjointSet(range(len(texts)))
    same: dict[str, int] = {}
    for index, folded in enumerate(fold_texts(texts)):
        if folded:
            clusters.merge(same.setdefault(folded, index), index)
    long = {index: folded for folded, index in same.items() if len(folded) >= SHORT}
    for first, second in itertools.chain(_similar(long), _excerpts(long)):
        if not clusters.connected(first, second) and _is_copy(long[first], long[second]):
            clusters.merge(first, second)
    # What stands for a set there is any of its members; here it is the first.
    firsts: dict[int, int] = {}
    return [firsts.setdefault(clusters[index], index) for index in range(len(texts))]


def _ngrams(text: str) -> set[str]:
    return {text[start : start + NGRAM] for start in range(max(1, len(text) - NGRAM + 1))}


def _similar(texts: dict[int, str]) -> Iterable[tuple[int, int]]:
    if len(texts) < 2:
        return
    from datasketch import MinHash, MinHashLSH

    lsh = MinHashLSH(threshold=PROPOSED, num_perm=PERMUTATIONS)
    for index, text in texts.items():
        signature = MinHash(num_perm=PERMUTATIONS, hashfunc=zlib.crc32)
        # The order of a set of strings differs between runs; a signature does not depend on it.
        signature.update_batch([gram.encode("utf-8", "replace") for gram in _ngrams(text)])
        for other in sorted(lsh.query(signature)):
            yield other, index
        lsh.insert(index, signature, check_duplication=False)


def _excerpts(texts: dict[int, str]) -> Iterable[tuple[int, int]]:
    """Pairs that share some rare n-grams: a short excerpt has a low Jaccard similarity."""
    holders: dict[int, list[int]] = {}
    for index, text in texts.items():
        for code in {zlib.crc32(gram.encode("utf-8", "replace")) for gram in _ngrams(text)}:
            if code % SAMPLED == 0:
                holders.setdefault(code, []).append(index)
    shared: Counter[tuple[int, int]] = Counter()
    for indexes in holders.values():
        if len(indexes) <= RARE:
            shared.update(itertools.combinations(indexes, 2))
    return (pair for pair, count in shared.items() if count >= 2)


def _is_copy(text: str, other: str) -> bool:
    from rapidfuzz import fuzz

    if fuzz.ratio(text, other, score_cutoff=SIMILARITY):
        return True
    first, second = _ngrams(text), _ngrams(other)
    shorter = min(len(first), len(second))
    return shorter >= SHORT and len(first & second) >= CONTAINED * shorter
