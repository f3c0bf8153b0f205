"""The student: GPT-2's architecture over a flat stream of documents, with the parameter names GPT2LMHeadModel saves."""
import inspect
import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.attention.varlen import varlen_attn

# The option that makes varlen_attn causal was renamed between releases of torch.
CAUSAL = {'window_size': (-1, 0)} if 'window_size' in inspect.signature(varlen_attn).parameters else {'is_causal': True}


@dataclass
class StudentConfig:
    vocabulary: int = 4096
    hidden: int = 256
    layers: int = 8
    heads: int = 8
    context: int = 512


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, borders: torch.Tensor, longest: int) -> torch.Tensor:
    """Causal attention inside each document. q, k, v: [tokens, heads, head_dim]; borders: document starts and the end."""
    if q.is_cuda and q.dtype != torch.float32:
        return varlen_attn(q, k, v, borders, borders, longest, longest, **CAUSAL)
    q, k, v = (x.transpose(0, 1) for x in (q, k, v))
    pairs = zip(borders.tolist(), borders.tolist()[1:])
    parts = [
        F.scaled_dot_product_attention(q[:, a:b], k[:, a:b], v[:, a:b], is_causal=True) for a, b in pairs if b > a
    ]
    return torch.cat(parts, 1).transpose(0, 1)


class Projection(nn.Module):
    """GPT-2 keeps its matrices as [in, out]."""

    def __init__(self, inputs: int, outputs: int, deviation: float):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) * deviation)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.addmm(self.bias, x, self.weight)


class Attention(nn.Module):
    def __init__(self, c: StudentConfig):
        super().__init__()
        self.heads, self.context = c.heads, c.context
        self.c_attn = Projection(c.hidden, 3 * c.hidden, 0.02)
        self.c_proj = Projection(c.hidden, c.hidden, 0.02 / math.sqrt(2 * c.layers))

    def forward(self, x: torch.Tensor, borders: torch.Tensor) -> torch.Tensor:
        q, k, v = self.c_attn(x).view(x.shape[0], 3, self.heads, -1).unbind(1)
        return self.c_proj(attend(q, k, v, borders, self.context).reshape(x.shape[0], -1))


class Mlp(nn.Module):
    def __init__(self, c: StudentConfig):
        super().__init__()
        self.c_fc = Projection(c.hidden, 4 * c.hidden, 0.02)
        self.c_proj = Projection(4 * c.hidden, c.hidden, 0.02 / math.sqrt(2 * c.layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.c_proj(F.gelu(self.c_fc(x), approximate='tanh'))


class Block(nn.Module):
    def __init__(self, c: StudentConfig):
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(c.hidden), Attention(c)
        self.ln_2, self.mlp = nn.LayerNorm(c.hidden), Mlp(c)

    def forward(self, x: torch.Tensor, borders: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln_1(x), borders)
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, c: StudentConfig):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(c.vocabulary, c.hidden), nn.Embedding(c.context, c.hidden)
        self.h = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.ln_f = nn.LayerNorm(c.hidden)
        nn.init.normal_(self.wte.weight, std=0.02)
        nn.init.normal_(self.wpe.weight, std=0.02)


class Student(nn.Module):
    """The head is the token embedding."""

    def __init__(self, config: StudentConfig):
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)

    def forward(self, ids: torch.Tensor, positions: torch.Tensor, borders: torch.Tensor) -> torch.Tensor:
        """ids, positions: [tokens]; borders: [documents + 1]. Returns logits [tokens, vocabulary]."""
        t = self.transformer
        x = t.wte(ids) + t.wpe(positions)
        for block in t.h:
            x = block(x, borders)
        return F.linear(t.ln_f(x), t.wte.weight)

    def loss(self, ids: torch.Tensor, positions: torch.Tensor, borders: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean over the tokens whose target is not -100, nats."""
        return F.cross_entropy(self(ids, positions, borders).float(), targets, ignore_index=-100)


def save_student(model: Student, folder: Path, dtype: torch.dtype = torch.bfloat16) -> None:
    """Writes model.safetensors and config.json as transformers' GPT2LMHeadModel reads them."""
    c = model.config
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: p.detach().to('cpu', dtype).contiguous() for name, p in model.state_dict().items()}
    save_file(weights, folder / 'model.safetensors', {'format': 'pt'})
    config = {
        'architectures': ['GPT2LMHeadModel'],
        'model_type': 'gpt2',
        'vocab_size': c.vocabulary,
        'n_positions': c.context,
        'n_embd': c.hidden,
        'n_layer': c.layers,
        'n_head': c.heads,
        'n_inner': None,
        'activation_function': 'gelu_new',
        'layer_norm_epsilon': 1e-5,
        'resid_pdrop': 0.0,
        'embd_pdrop': 0.0,
        'attn_pdrop': 0.0,
        'scale_attn_weights': True,
        'tie_word_embeddings': True,
        'bos_token_id': 0,
        'eos_token_id': 0,
        'dtype': str(dtype).removeprefix('torch.'),
    }
    (folder / 'config.json').write_text(json.dumps(config, indent=2) + '\n')


def load_student(folder: Path) -> Student:
    c = json.loads((folder / 'config.json').read_text())
    model = Student(StudentConfig(c['vocab_size'], c['n_embd'], c['n_layer'], c['n_head'], c['n_positions']))
    model.load_state_dict({name: w.float() for name, w in load_file(folder / 'model.safetensors').items()})
    return model
