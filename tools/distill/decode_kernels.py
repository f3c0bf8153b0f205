"""Triton kernels of one decoding step of the teacher, for thousands of slots at once. Every slot has its own position."""
import triton
import triton.language as tl


@triton.jit
def add_norm(residual, delta, weight, out, epsilon, WIDTH: tl.constexpr, PADDED: tl.constexpr, ADD: tl.constexpr):
    """residual += delta (if ADD); out = RMS norm of residual. residual: float32, the others 16 bits, [slots, WIDTH]."""
    row = tl.program_id(0).to(tl.int64) * WIDTH
    column = tl.arange(0, PADDED)
    live = column < WIDTH
    x = tl.load(residual + row + column, mask=live, other=0.0)
    if ADD:
        x += tl.load(delta + row + column, mask=live, other=0.0).to(tl.float32)
        tl.store(residual + row + column, x, mask=live)
    scale = 1.0 / tl.sqrt(tl.sum(x * x, 0) / WIDTH + epsilon)
    w = tl.load(weight + column, mask=live, other=0.0).to(tl.float32)
    tl.store(out + row + column, (x * scale * w).to(out.dtype.element_ty), mask=live)


@triton.jit
def silu_times(gate_up, out, WIDTH: tl.constexpr, PADDED: tl.constexpr):
    """out = silu(gate) * up. gate_up: [slots, 2 * WIDTH], out: [slots, WIDTH]."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, PADDED)
    live = column < WIDTH
    gate = tl.load(gate_up + row * 2 * WIDTH + column, mask=live, other=0.0).to(tl.float32)
    up = tl.load(gate_up + row * 2 * WIDTH + WIDTH + column, mask=live, other=0.0).to(tl.float32)
    tl.store(out + row * WIDTH + column, (gate * tl.sigmoid(gate) * up).to(out.dtype.element_ty), mask=live)


@triton.jit
def rotate_and_attend(
    qkv, keys, values, position, cosine, sine, out,
    HEADS: tl.constexpr, DIM: tl.constexpr, PADDED: tl.constexpr, CONTEXT: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """One program a slot and head: rotates the new query and key, appends key and value to the cache, attends over it.

    qkv: [slots, 3, HEADS, DIM]; keys, values: [slots, HEADS, CONTEXT, DIM]; out: [slots, HEADS, DIM].
    Bound by reading the filled part of the cache once.
    """
    slot = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    d = tl.arange(0, PADDED)
    live = d < DIM
    half = DIM // 2
    low = d < half
    partner = tl.where(low, d + half, d - half)
    frequency = tl.where(low, d, d - half)
    here = tl.load(position + slot)
    c = tl.load(cosine + here * half + frequency, mask=live, other=0.0)
    s = tl.load(sine + here * half + frequency, mask=live, other=0.0)
    s = tl.where(low, -s, s)
    row = qkv + slot * (3 * HEADS * DIM) + head * DIM
    q = tl.load(row + d, mask=live, other=0.0).to(tl.float32) * c
    q += tl.load(row + partner, mask=live, other=0.0).to(tl.float32) * s
    k = tl.load(row + HEADS * DIM + d, mask=live, other=0.0).to(tl.float32) * c
    k += tl.load(row + HEADS * DIM + partner, mask=live, other=0.0).to(tl.float32) * s
    v = tl.load(row + 2 * HEADS * DIM + d, mask=live, other=0.0)
    cache = (slot * HEADS + head) * (CONTEXT * DIM)
    tl.store(keys + cache + here * DIM + d, k.to(keys.dtype.element_ty), mask=live)
    tl.store(values + cache + here * DIM + d, v, mask=live)

    scale = 1.0 / tl.sqrt(DIM * 1.0)
    q *= scale
    best = tl.sum(q * k, 0)
    total = 1.0
    mixed = v.to(tl.float32)
    t = tl.arange(0, TILE)
    for start in range(0, here, TILE):
        seen = start + t < here
        mask = seen[:, None] & live[None, :]
        at = cache + (start + t)[:, None] * DIM + d[None, :]
        old_keys = tl.load(keys + at, mask=mask, other=0.0).to(tl.float32)
        old_values = tl.load(values + at, mask=mask, other=0.0).to(tl.float32)
        score = tl.where(seen, tl.sum(old_keys * q[None, :], 1), float('-inf'))
        best_now = tl.maximum(best, tl.max(score, 0))
        fade = tl.exp(best - best_now)
        weight = tl.exp(score - best_now)
        mixed = mixed * fade + tl.sum(old_values * weight[:, None], 0)
        total = total * fade + tl.sum(weight, 0)
        best = best_now
    tl.store(out + (slot * HEADS + head) * DIM + d, (mixed / total).to(out.dtype.element_ty), mask=live)


@triton.jit
def draw(
    logits, token, position, surprise, log, step, opening_heat, body_heat, top_p, opening, seed, slots, window,
    VOCABULARY: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, CONTEXT: tl.constexpr,
):  # fmt: skip
    """One program a slot: temperature and top-p, one draw, the log entry, and the slot's next token and position.

    The top-p set is found by bisection on the log-probability, the draw inverts the cumulative distribution of the kept
    set in token order, first over ROWS blocks of COLUMNS tokens, then inside one. The context's end is logged as -1 and
    story ends (ids 1 and 2) as -2 - 10000 * mean surprise after the opening (stories.py); both start a new story from the
    beginning-of-text token, id 1. surprise: [slots], the sum so far.
    """
    slot = tl.program_id(0)
    r = tl.arange(0, ROWS)
    c = tl.arange(0, COLUMNS)
    ids = r[:, None] * COLUMNS + c[None, :]
    here = tl.load(position + slot)
    now = tl.load(step)
    heat = tl.where(here < opening, tl.load(opening_heat + slot), tl.load(body_heat + slot))
    x = tl.load(logits + slot.to(tl.int64) * VOCABULARY + ids, mask=ids < VOCABULARY, other=float('-inf')).to(tl.float32)
    best = tl.max(x)
    x -= best
    log_total = tl.log(tl.sum(tl.exp(x)))
    p = tl.exp(x / heat)
    wanted = tl.sum(p) * top_p
    low = -14.0
    high = 0.0
    for _ in range(12):
        middle = (low + high) * 0.5
        enough = tl.sum(tl.where(p >= tl.exp(middle), p, 0.0)) >= wanted
        low = tl.where(enough, middle, low)
        high = tl.where(enough, high, middle)
    p = tl.where(p >= tl.exp(low), p, 0.0)

    blocks = tl.sum(p, 1)
    reached = tl.cumsum(blocks, 0)
    target = tl.rand(seed, now * slots + slot) * tl.sum(blocks, 0)
    row = tl.minimum(tl.sum((reached <= target).to(tl.int32), 0), tl.max(tl.where(blocks > 0, r, 0), 0))
    target -= tl.sum(tl.where(r < row, blocks, 0.0), 0)
    line = tl.sum(tl.where(r[:, None] == row, p, 0.0), 0)
    reached_in_line = tl.cumsum(line, 0)
    column = tl.minimum(tl.sum((reached_in_line <= target).to(tl.int32), 0), tl.max(tl.where(line > 0, c, 0), 0))
    drawn = row * COLUMNS + column

    ended = (drawn == 1) | (drawn == 2)
    full = here == CONTEXT - 1
    loss = log_total + best - tl.load(logits + slot.to(tl.int64) * VOCABULARY + drawn).to(tl.float32)
    sum_so_far = tl.load(surprise + slot) + tl.where(here < opening, 0.0, loss)
    mean = tl.where(here < opening, 3.0, sum_so_far / tl.maximum(here - opening + 1, 1))
    mark = -2 - (tl.minimum(mean, 3.0) * 10000.0).to(tl.int32)
    entry = tl.where(ended, mark, tl.where(full, -1, drawn))
    tl.store(surprise + slot, tl.where(ended | full, 0.0, sum_so_far))
    tl.store(log + (now % window) * slots + slot, entry.to(tl.int16))
    tl.store(token + slot, tl.where(ended | full, 1, drawn))
    tl.store(position + slot, tl.where(ended | full, 0, here + 1))
