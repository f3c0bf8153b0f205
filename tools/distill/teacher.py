"""The teacher: a Llama checkpoint read without the transformers library, as plain matrices and one readable forward pass."""
import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file


@dataclass
class TeacherLayer:
    """Matrices are [out, in]; query, key and value are stacked, and so are gate and up."""

    attention_norm: torch.Tensor
    qkv: torch.Tensor
    output: torch.Tensor
    mlp_norm: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


class Teacher:
    def __init__(self, folder: Path, device: str, dtype: torch.dtype):
        config = json.loads((folder / 'config.json').read_text())
        self.hidden, self.heads, self.layers = (
            config[k] for k in ('hidden_size', 'num_attention_heads', 'num_hidden_layers')
        )
        assert config['num_key_value_heads'] == self.heads and config['tie_word_embeddings']
        self.vocabulary, self.context = config['vocab_size'], config['max_position_embeddings']
        self.intermediate, self.epsilon = config['intermediate_size'], config['rms_norm_eps']
        self.head_dim, self.device, self.dtype = self.hidden // self.heads, device, dtype
        weights = load_file(folder / 'model.safetensors', device=device)

        def get(name: str) -> torch.Tensor:
            return weights[name].to(dtype)

        self.embedding, self.final_norm = get('model.embed_tokens.weight'), get('model.norm.weight')
        self.blocks = [
            TeacherLayer(
                get(f'{p}.input_layernorm.weight'),
                torch.cat([get(f'{p}.self_attn.{n}_proj.weight') for n in 'qkv']),
                get(f'{p}.self_attn.o_proj.weight'),
                get(f'{p}.post_attention_layernorm.weight'),
                torch.cat([get(f'{p}.mlp.{n}_proj.weight') for n in ('gate', 'up')]),
                get(f'{p}.mlp.down_proj.weight'),
            )
            for p in (f'model.layers.{i}' for i in range(self.layers))
        ]
        frequency = config['rope_theta'] ** (-torch.arange(0, self.head_dim, 2, dtype=torch.float64) / self.head_dim)
        angle = torch.arange(self.context, dtype=torch.float64)[:, None] * frequency
        self.cosine, self.sine = angle.cos().float().to(device), angle.sin().float().to(device)

    def norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        x = x.float()
        return (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.epsilon)).to(self.dtype) * weight

    def rotate(self, x: torch.Tensor) -> torch.Tensor:
        """x: [rows, heads, positions, head_dim], pairs half-split."""
        low, high = x.float().chunk(2, -1)
        cosine, sine = self.cosine[: x.shape[2]], self.sine[: x.shape[2]]
        return torch.cat([low * cosine - high * sine, high * cosine + low * sine], -1).to(x.dtype)

    @torch.no_grad()
    def logits(self, ids: torch.Tensor) -> torch.Tensor:
        """ids: [rows, positions] from position 0. Returns [rows, positions, vocabulary] in float32."""
        rows, positions = ids.shape
        x = F.embedding(ids, self.embedding)
        for block in self.blocks:
            qkv = F.linear(self.norm(x, block.attention_norm), block.qkv)
            q, k, v = qkv.view(rows, positions, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(self.rotate(q), self.rotate(k), v, is_causal=True)
            x = x + F.linear(mixed.transpose(1, 2).reshape(rows, positions, -1), block.output)
            gate, up = F.linear(self.norm(x, block.mlp_norm), block.gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, block.down)
        return F.linear(self.norm(x, self.final_norm), self.embedding).float()
