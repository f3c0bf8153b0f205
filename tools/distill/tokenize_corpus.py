"""The student's tokenizer, and the jobs that worker processes run: stream -> texts -> token ids. No torch here."""
import hashlib
import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from stories import clean_stories, token_bytes

END_OF_TEXT = '<|endoftext|>'
BETWEEN_TEXTS = b'\0'
HELD_OUT_OF = 500


def extract_texts(stream_file: str, slots: int, begin: int, end: int, first: int, last: int, teacher: str, out: str) -> Counter:
    """Job: the clean stories of one part of the stream into one file, their surprise into another."""
    stream = np.memmap(stream_file, np.int16, 'r', shape=(end, slots))
    texts, surprises, fates = clean_stories(stream, begin, end, slice(first, last), token_bytes(Path(teacher) / 'tokenizer.json'))
    Path(out).write_bytes(BETWEEN_TEXTS.join(text.encode() for text in texts))
    np.save(f'{out}.surprise.npy', np.array(surprises, np.float32))
    return fates


def read_texts(file: str) -> list[str]:
    data = Path(file).read_bytes()
    return [part.decode() for part in data.split(BETWEEN_TEXTS)] if data else []


def train_tokenizer(files: list[str], vocabulary: int, out: str) -> float:
    """Job: a byte-level BPE with GPT-2's pre-tokenisation. Returns its mean bytes per token on the first file."""
    os.environ['TOKENIZERS_PARALLELISM'] = 'true'
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text for file in files for text in read_texts(file)), trainer)
    part = Path(out).with_suffix('.part')
    tokenizer.save(str(part), pretty=False)
    part.rename(out)
    texts = read_texts(files[0])
    ids = sum(len(e.ids) for e in tokenizer.encode_batch_fast(texts))
    return sum(len(t) for t in texts) / max(ids, 1)


def tokenize_texts(file: str, tokenizer_file: str, out: str) -> int:
    """Job: one file of texts into ids (uint16, end to end), lengths, surprise and 64-bit hashes of the texts.

    A story is held out by its hash, so no copy of it can be trained on; its text goes into `out`.held.json.
    """
    os.environ['TOKENIZERS_PARALLELISM'] = 'false'
    tokenizer = Tokenizer.from_file(tokenizer_file)
    texts = read_texts(file)
    encoded = [e.ids for e in tokenizer.encode_batch_fast(texts)]
    digests = [int.from_bytes(hashlib.blake2b(t.encode(), digest_size=8).digest(), 'little') for t in texts]
    surprise = np.load(f'{file}.surprise.npy')
    held_out = [[t, float(s)] for t, s, d in zip(texts, surprise, digests) if d % HELD_OUT_OF == 0]
    Path(f'{out}.held.json').write_text(json.dumps(held_out))
    np.savez(
        out,
        ids=np.fromiter((i for ids in encoded for i in ids), np.uint16),
        lengths=np.fromiter(map(len, encoded), np.int32),
        hashes=np.array(digests, np.uint64),
        surprise=surprise,
    )
    return len(texts)


def join_corpus(parts: list[str], work: Path) -> dict:
    """Joins all parts without duplicates.

    Writes train-ids.npy (uint16, stories end to end), train-lengths.npy, train-surprise.npy and held-out.json (pairs of
    text and surprise).
    """
    loaded = [np.load(part) for part in parts]
    lengths, hashes, surprise, ids = (
        np.concatenate([part[name] for part in loaded]) for name in ('lengths', 'hashes', 'surprise', 'ids')
    )
    train = np.zeros(len(hashes), bool)
    train[np.unique(hashes, return_index=True)[1]] = True
    duplicates = int((~train).sum())
    train &= hashes % np.uint64(HELD_OUT_OF) != 0
    np.save(work / 'train-ids.npy', ids[np.repeat(train, lengths)])
    np.save(work / 'train-lengths.npy', lengths[train])
    np.save(work / 'train-surprise.npy', surprise[train])
    held_out = dict(pair for part in parts for pair in json.loads(Path(f'{part}.held.json').read_text()))
    (work / 'held-out.json').write_text(json.dumps(list(held_out.items())))
    return {
        'duplicates': duplicates,
        'trainStories': int(train.sum()),
        'trainTokens': int(lengths[train].sum()),
        'heldOutStories': len(held_out),
        'surpriseDeciles': [round(float(q), 4) for q in np.quantile(surprise, np.arange(1, 10) / 10)],
    }
