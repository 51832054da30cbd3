"""Texts that are the same but for small changes, found without comparing each with each."""

from __future__ import annotations

import itertools
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from zhmcq.errors import QuestionError
from zhmcq.zh._fold import fold_texts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["clusters_of_folded", "near_copy_clusters", "quotations"]

# Shared characters, as rapidfuzz counts them, from which two texts count as copies.
SIMILARITY = 85.0
# Share of the shorter text's character n-grams found in the longer one: an excerpt is a copy too.
CONTAINED = 0.85
# MinHash signatures: texts that agree in all rows of a band are compared. A pair of Jaccard
# similarity s is proposed with probability 1 - (1 - s ** ROWS) ** BANDS, 1/2 at s = 0.41, so that
# few copies are missed.
BANDS = 24
ROWS = 4
NGRAM = 4
# Excerpts are looked for by so many of a text's n-grams, where so few texts at most have them. An
# excerpt of nothing but commoner ones is missed, and else each would be compared with thousands.
MARKS = 16
RARE = 100
# Of texts that agree in a band so many at most are compared with each further one. Beyond that
# they are one family, found to be copies by the first of them.
CROWD = 16
# Shorter texts are copies only when they fold to the same: in 「3+5＝？」 one character is all.
SHORT = 16
# A passage as short as this is quoted where it stands as a whole; a shorter one is a mere name.
SHORTEST_QUOTED = 10


def near_copy_clusters(texts: Sequence[str]) -> list[int]:
    """Which texts are near-copies of each other, directly or through others.

    Texts are compared after folding width, script, case, whitespace and punctuation. Candidates
    come from MinHash signatures of their character 4-grams, and from rare 4-grams that they share,
    since an excerpt resembles its source too little for those. A pair is accepted when rapidfuzz
    finds 85 % of their characters in common order, or 85 % of the shorter one's 4-grams are in the
    longer one.

    Args:
        texts: The texts; empty ones are copies of nothing.

    Returns:
        For each text the index of the first text of its cluster.

    Raises:
        QuestionError: If they are no texts.
    """
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise QuestionError(
            f"near_copy_clusters({texts!r:.60}): expected a list of texts, found "
            f"{type(texts).__name__}"
        )
    if wrong := [text for text in texts if not isinstance(text, str)]:
        raise QuestionError(
            f"near_copy_clusters(…): expected a list of texts, found {wrong[0]!r:.60} in it"
        )
    return clusters_of_folded(fold_texts(texts))


def clusters_of_folded(texts: Sequence[str]) -> list[int]:
    """:func:`near_copy_clusters` of texts that are folded already."""
    from scipy.cluster.hierarchy import DisjointSet

    clusters = DisjointSet(range(len(texts)))
    same: dict[str, int] = {}
    for index, text in enumerate(texts):
        if text:
            clusters.merge(same.setdefault(text, index), index)
    # Sorted, so that the order of rows decides nothing.
    long = {index: text for text, index in sorted(same.items()) if len(text) >= SHORT}
    for first, second in itertools.chain(_similar(long), _excerpts(long)):
        if not clusters.connected(first, second) and _is_copy(long[first], long[second]):
            clusters.merge(first, second)
    # What stands for a set there is any of its members; here it is the first.
    firsts: dict[int, int] = {}
    return [firsts.setdefault(clusters[index], index) for index in range(len(texts))]


def quotations(passages: Sequence[str], texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Find the texts that quote a whole passage.

    A text quotes a passage when 85 % of its character 4-grams are in the text; one of fewer than
    19 characters when it stands there as it is. Passages of fewer than 10 are not looked for: a
    name is no quotation.

    Args:
        passages: Passages, folded.
        texts: The texts that may quote them, folded.

    Yields:
        Pairs of a passage's index and the index of a text that quotes it. Of equal passages the
        first stands for all, and so of equal texts.
    """
    indexes: dict[str, int] = {}
    for index, passage in enumerate(passages):
        if len(passage) >= SHORTEST_QUOTED:
            indexes.setdefault(passage, index)
    if not indexes:
        return
    by_index = {index: passage for passage, index in indexes.items()}
    holders = _holders(by_index)
    shortest = min(map(len, indexes)) * CONTAINED
    seen: set[str] = set()
    for index, text in enumerate(texts):
        if len(text) < shortest or text in seen:
            continue
        seen.add(text)
        grams = _ngrams(text)
        for number in _sharing(holders, grams):
            quoted = by_index[number]
            if quoted in text or _contained(_ngrams(quoted), grams):
                yield number, index


def _holders(texts: Mapping[int, str]) -> dict[str, list[int]]:
    """For some n-grams of each text, evenly spaced, which texts have them; for rare ones only.

    So few are enough: what is contained in a longer text brings its n-grams to be looked up there.
    """
    holders: dict[str, list[int]] = {}
    for number, text in texts.items():
        starts = range(0, max(1, len(text) - NGRAM + 1), max(1, len(text) // MARKS))
        for gram in {text[start : start + NGRAM] for start in starts}:
            holders.setdefault(gram, []).append(number)
    return {gram: numbers for gram, numbers in holders.items() if len(numbers) <= RARE}


def _sharing(holders: Mapping[str, list[int]], grams: set[str]) -> list[int]:
    """The texts of which two of these n-grams or more are among ``grams``."""
    held = (holders[gram] for gram in holders.keys() & grams)
    shared = Counter(itertools.chain.from_iterable(held))
    return [number for number, count in shared.items() if count >= 2]


def _contained(shorter: set[str], longer: set[str]) -> bool:
    return len(shorter) >= SHORT and len(shorter & longer) >= CONTAINED * len(shorter)


def _ngrams(text: str) -> set[str]:
    return {text[start : start + NGRAM] for start in range(max(1, len(text) - NGRAM + 1))}


def _similar(texts: Mapping[int, str]) -> Iterator[tuple[int, int]]:
    """Pairs whose MinHash signatures agree in all rows of a band."""
    if len(texts) < 2:
        return
    import numpy as np

    signatures = _signatures(texts.values())
    for band in np.split(signatures, BANDS, axis=1):
        buckets: dict[bytes, list[int]] = {}
        for index, rows in zip(texts, band, strict=True):
            bucket = buckets.setdefault(rows.tobytes(), [])
            for other in bucket:
                yield other, index
            if len(bucket) < CROWD:
                bucket.append(index)


def _signatures(texts: Collection[str]) -> npt.NDArray[np.uint32]:
    """MinHash signatures of the sets of the texts' n-grams.

    Shape: (texts, BANDS * ROWS).
    """
    import numpy as np
    from datasketch import MinHash

    size = BANDS * ROWS
    # The order of a set of strings differs between runs; a signature does not depend on it.
    encoded = ([gram.encode("utf-8", "replace") for gram in _ngrams(text)] for text in texts)
    signatures = np.empty((len(texts), size), dtype=np.uint32)
    minhashes = MinHash.generator(encoded, num_perm=size, hashfunc=zlib.crc32)
    for row, minhash in enumerate(minhashes):
        signatures[row] = minhash.hashvalues
    return signatures


def _excerpts(texts: Mapping[int, str]) -> Iterator[tuple[int, int]]:
    """Pairs that share some rare n-grams: a short excerpt has a low Jaccard similarity."""
    holders = _holders(texts)
    for index, text in texts.items():
        for other in _sharing(holders, _ngrams(text)):
            if other != index:
                yield other, index


def _is_copy(text: str, other: str) -> bool:
    from rapidfuzz import fuzz

    if fuzz.ratio(text, other, score_cutoff=SIMILARITY):
        return True
    shorter, longer = sorted((_ngrams(text), _ngrams(other)), key=len)
    return _contained(shorter, longer)
