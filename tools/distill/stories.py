"""From the teacher's raw token stream to clean story texts. No torch here: worker processes import this file.

The stream is a matrix of int16, one row a decoding step, one column a slot of the batch. A slot writes one story after
the other. Entries below zero are borders: CUT closes a story that ran into the end of the teacher's context, any other
one a story that the teacher finished, and holds its surprise: the teacher's mean negative log-likelihood, at temperature 1,
of the tokens after the opening. Stories whose later parts surprise their own teacher are mostly the ones that do not hold
together, so that surprise is the score by which training chooses.
"""
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np

CUT, FINISHED = -1, -2
SURPRISE_UNIT = 1e-4
LONGEST = 256

SENTENCE = re.compile(r'[^.!?]+[.!?]+')
WORD = re.compile(r"[A-Za-z']+")
NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+")
PRINTABLE = re.compile(r'[\n\x20-\x7e]*')
# Capitalised inside sentences without being anybody's name.
NO_NAMES = {'I', 'Mom', 'Mommy', 'Mama', 'Mum', 'Mummy', 'Dad', 'Daddy', 'Papa', 'Grandma', 'Grandpa', 'Mr', 'Mrs', 'Miss'}


def token_bytes(tokenizer_json: Path) -> list[bytes]:
    """The bytes each id of a SentencePiece-style BPE stands for; nothing for the control tokens."""
    model = json.loads(tokenizer_json.read_text())
    control = {token['id'] for token in model['added_tokens']}
    table = [b''] * len(model['model']['vocab'])
    for piece, index in model['model']['vocab'].items():
        if index in control:
            continue
        byte = re.fullmatch(r'<0x([0-9A-F]{2})>', piece)
        table[index] = bytes([int(byte[1], 16)]) if byte else piece.replace('\u2581', ' ').encode()
    return table


def finished_stories(stream: np.ndarray, begin: int, end: int, columns: slice):
    """Yields (ids, surprise) of every story that the teacher finished in rows [begin, end), and None for a cut one."""
    first = max(0, begin - LONGEST - 1)
    window = np.ascontiguousarray(stream[first:end, columns].T)
    for column in window:
        borders = np.flatnonzero(column < 0)
        before = -1 if first == 0 else None
        for border in borders:
            if border + first >= begin and before is not None:
                mark = int(column[border])
                yield None if mark == CUT else (column[before + 1 : border], (FINISHED - mark) * SURPRISE_UNIT)
            before = border


def flaw(text: str) -> str | None:
    """Why a story is not worth learning from, or None. Cheap signs only; the teacher's slips in logic pass."""
    if not PRINTABLE.fullmatch(text):
        return 'odd characters'
    if len(text) < 200:
        return 'short'
    if text[-1] not in '.!?"':
        return 'no end'
    if text.count('"') % 2:
        return 'open quotation'
    sentences = Counter(s.strip(' "\n').lower() for s in SENTENCE.findall(text) if len(s.split()) >= 4)
    if sentences and sentences.most_common(1)[0][1] > 1:
        return 'repeats itself'
    last_third = text[len(text) * 2 // 3 :]
    late_names = set(NAME.findall(last_third)) - NO_NAMES
    if late_names:
        counts = Counter(word.removesuffix("'s") for word in WORD.findall(text))
        if any(counts[name] <= 1 for name in late_names):
            return 'a name out of nowhere'
    return None


def tidy(text: str) -> str:
    text = re.sub(r'[ \t]+', ' ', text.replace('\r', ''))
    return re.sub(r' ?\n[ \n]*', '\n', text).strip()


def clean_stories(
    stream: np.ndarray, begin: int, end: int, columns: slice, table: list[bytes]
) -> tuple[list[str], list[float], Counter]:
    """The stories worth keeping that end in the given rows and columns, their surprise, and how many were dropped why."""
    texts, surprises, fates = [], [], Counter()
    for story in finished_stories(stream, begin, end, columns):
        if story is None:
            fates['longer than the context'] += 1
            continue
        ids, surprise = story
        try:
            text = tidy(b''.join([table[i] for i in ids.tolist()]).decode())
        except UnicodeDecodeError:
            fates['odd characters'] += 1
            continue
        reason = flaw(text) if text else 'short'
        fates[reason or 'kept'] += 1
        if reason is None:
            texts.append(text)
            surprises.append(surprise)
    return texts, surprises, fates
