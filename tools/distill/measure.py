"""Losses of student and teacher on the same texts, in float32, comparable across tokenizers as bits per byte."""
import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from batches import END_OF_TEXT_ID
from student import Student
from teacher import Teacher
from train import BEST_SHARE

TEACHER_START = 1


def summary(nats: float, tokens: int, bytes_: int) -> dict:
    return {
        'tokens': tokens, 'bytes': bytes_, 'nats': nats, 'natsPerToken': nats / tokens, 'bitsPerByte': nats / math.log(2) / bytes_,
    }  # fmt: skip


@torch.no_grad()
def student_loss(model: Student, tokenizer: Tokenizer, texts: list[str], ended: bool, device: str) -> dict:
    """Every text after an end-of-text token; with `ended` the closing one counts as a prediction too."""
    nats, tokens = 0.0, 0
    for at in range(0, len(texts), 256):
        documents = [
            [END_OF_TEXT_ID, *e.ids] + [END_OF_TEXT_ID] * ended for e in tokenizer.encode_batch(texts[at : at + 256])
        ]
        inputs = [torch.tensor(d[:-1]) for d in documents]
        targets = torch.cat([torch.tensor(d[1:]) for d in documents]).to(device)
        borders = torch.tensor([0, *map(len, inputs)], dtype=torch.int32).cumsum(0, dtype=torch.int32)
        positions = torch.cat([torch.arange(len(i)) for i in inputs]).to(device)
        loss = model.loss(torch.cat(inputs).to(device), positions, borders.to(device), targets)
        nats += loss.item() * len(targets)
        tokens += len(targets)
    return summary(nats, tokens, sum(len(t.encode()) for t in texts))


@torch.no_grad()
def teacher_loss(teacher: Teacher, tokenizer: Tokenizer, texts: list[str], ended: bool) -> dict:
    """Every text after the beginning-of-text token, which also closes a story in the teacher's training data."""
    nats, tokens = 0.0, 0
    for at in range(0, len(texts), 32):
        rows = [e.ids + [TEACHER_START] * ended for e in tokenizer.encode_batch(texts[at : at + 32])]
        width = max(map(len, rows)) - 1
        ids = torch.tensor([r[:-1] + [0] * (width - len(r) + 1) for r in rows], device=teacher.device)
        targets = torch.tensor([r[1:] + [-100] * (width - len(r) + 1) for r in rows], device=teacher.device)
        logits = teacher.logits(ids)
        losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100, reduction='sum')
        nats += losses.item()
        tokens += int((targets >= 0).sum())
    return summary(nats, tokens, sum(len(t.encode()) for t in texts))


def within_context(texts: list[str], tokenizer: Tokenizer, context: int) -> list[str]:
    """Each text cut to what both models can hold: the first `context - 1` of the teacher's tokens after the first."""
    whole = [e.ids for e in tokenizer.encode_batch(texts)]
    return [t if len(ids) <= context else tokenizer.decode(ids[1:context]) for t, ids in zip(texts, whole)]


def real_texts(folder: Path) -> dict[str, list[str]]:
    excerpt = (folder / 'TinyStories-valid-excerpt.txt').read_text()
    return {
        'first 1000 training stories': json.loads((folder / 'tinystories_train_first1000.json').read_text()),
        'excerpt of the validation split': [line for line in excerpt.splitlines() if line],
    }


def measure(
    model: Student, student_tokenizer: Path, teacher_folder: Path, held_out: list, texts: Path | None, device: str
) -> dict:
    """model: with the weights as they are stored; held_out: pairs of text and surprise. Losses by collection, then by model."""
    torch.backends.cuda.matmul.allow_tf32 = False
    student_text = Tokenizer.from_file(str(student_tokenizer))
    teacher_text = Tokenizer.from_file(str(teacher_folder / 'tokenizer.json'))
    teacher = Teacher(teacher_folder, device, torch.float32)
    model = model.to(device).eval()
    # The few held-out stories that the teacher would tokenize to more than its context are left out for both.
    tokenized = teacher_text.encode_batch([text for text, _ in held_out])
    held_out = [pair for pair, e in zip(held_out, tokenized) if len(e.ids) <= teacher.context]
    best = sorted(held_out, key=lambda pair: pair[1])[: int(len(held_out) * BEST_SHARE)]
    collections = {
        'held-out samples of the teacher': ([text for text, _ in held_out], True),
        'the least surprising of them': ([text for text, _ in best], True),
    }
    if texts:
        for name, real in real_texts(texts).items():
            collections[name] = (within_context(real, teacher_text, teacher.context), False)
    return {
        name: {
            'texts': len(chosen),
            'student': student_loss(model, student_text, chosen, ended, device),
            'teacher': teacher_loss(teacher, teacher_text, chosen, ended),
        }
        for name, (chosen, ended) in collections.items()
    }
