"""PyTorch's FlexAttention (arXiv 2412.05496) on the masks of `attn sparse`, a line of JSON each.

python3 flex-attention.py '{"heads": 8, "headDim": 64, "dtype": "float32", "seconds": 90, "rounds": 7, "problems":
  [{"length": 65536, "window": 1024, "stride": 256, "summary": 32, "names": ["causal", "strided"]}]}'

The masks see the same pairs as those of @attn/masks: window, BigBird (blocks of 64, a window of 3, 3
random ones, first and last global; drawn by another generator), strided and fixed. One mask at a time is
built, compiled and timed by CUDA events, after a second of work: the clock of a data centre's GPU takes
that long to rise. Each line stands as soon as it is known, so that whoever ends the program keeps it.
"""

import json
import statistics
import sys
import time

BLOCK = 128
WARM_UP_MILLISECONDS = 1000
SAMPLE_MILLISECONDS = 15


def tell(**line):
    print(json.dumps(line), flush=True)


def masks(torch, length, window, stride, summary):
    blocks = length // 64

    def draw():
        generator = torch.Generator().manual_seed(0)
        drawn = torch.zeros(blocks, blocks, dtype=torch.bool)
        for row in range(1, blocks - 1):
            near = {0, blocks - 1, row - 1, row, row + 1}
            others = torch.randperm(blocks, generator=generator)[:16].tolist()
            drawn[row, [block for block in others if block not in near][:3]] = True
        return drawn.cuda()

    def causal(b, h, q, k):
        return k <= q

    def window_mask(b, h, q, k):
        return (k <= q) & (q - k < window)

    def strided(b, h, q, k):
        return (k <= q) & ((q - k <= stride) | ((q - k) % stride == 0))

    def fixed(b, h, q, k):
        return (k <= q) & ((q // stride == k // stride) | (k % stride >= stride - summary))

    def big_bird():
        drawn = draw()

        def mask(b, h, q, k):
            qb, kb = q // 64, k // 64
            ends = (qb == 0) | (qb == blocks - 1) | (kb == 0) | (kb == blocks - 1)
            return ends | ((qb - kb).abs() <= 1) | drawn[qb, kb]

        return mask

    return {
        "causal": lambda: causal,
        "window": lambda: window_mask,
        "bigBird": big_bird,
        "strided": lambda: strided,
        "fixed": lambda: fixed,
    }


def count_pairs(torch, mask, length, deadline):
    """Visible pairs of each tile. The mask is evaluated a strip of rows at a time: create_block_mask
    either writes down every pair or compiles for a while, once for every mask."""
    tiles = -(-length // BLOCK)
    padding = tiles * BLOCK - length
    index = torch.arange(length, device="cuda", dtype=torch.int64)
    zero = torch.zeros((), device="cuda", dtype=torch.int64)
    counts = torch.zeros(tiles, tiles, device="cuda", dtype=torch.int64)
    strip = max(2**26 // length // BLOCK, 1) * BLOCK
    for first in range(0, length, strip):
        if time.monotonic() > deadline:
            raise TimeoutError("its tiles were not counted in time")
        rows = index[first : first + strip].view(-1, 1)
        seen = mask(zero, zero, rows, index.view(1, -1)).expand(rows.shape[0], length)
        below = -rows.shape[0] % BLOCK
        seen = torch.nn.functional.pad(seen.to(torch.uint8), (0, padding, 0, below))
        sums = seen.view(-1, BLOCK, tiles, BLOCK).sum(dim=(1, 3), dtype=torch.int64)
        counts[first // BLOCK : first // BLOCK + sums.shape[0]] = sums
    return counts


def build(torch, flex, mask, length, counts):
    """The block mask: empty tiles are left out, full ones need no mask."""
    full = counts == BLOCK * BLOCK
    partial = (counts > 0) & ~full

    def ordered(chosen):
        chosen = chosen.to(torch.int32)
        indices = torch.argsort(chosen, dim=-1, descending=True, stable=True).to(torch.int32)
        return chosen.sum(dim=-1, dtype=torch.int32)[None, None], indices[None, None].contiguous()

    return flex.BlockMask.from_kv_blocks(
        *ordered(partial),
        *ordered(full),
        BLOCK_SIZE=(BLOCK, BLOCK),
        mask_mod=mask,
        seq_lengths=(length, length),
    )


def elapsed(torch, run, iterations):
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(iterations):
        run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / iterations


def measure(torch, flex, compiled, inputs, mask, rounds, deadline):
    length = inputs[0].shape[2]
    started = time.monotonic()
    counts = count_pairs(torch, mask, length, deadline)
    try:
        block_mask = build(torch, flex, mask, length, counts)
    except (AttributeError, TypeError):  # another version's BlockMask
        block_mask = flex.create_block_mask(
            mask, None, None, length, length, device="cuda", _compile=True
        )

    def run():
        return compiled(*inputs, block_mask=block_mask)

    run()
    torch.cuda.synchronize()
    compile_seconds = time.monotonic() - started
    iterations, worked = 1, 0.0
    while worked < WARM_UP_MILLISECONDS:
        each = elapsed(torch, run, iterations)
        worked += each * iterations
        iterations = max(1, min(200, int(SAMPLE_MILLISECONDS / max(each, 1e-3))))
    samples = [elapsed(torch, run, iterations) for _ in range(rounds)]
    return {
        "median": statistics.median(samples),
        "minimum": min(samples),
        "maximum": max(samples),
        "samples": samples,
        "pairs": int(counts.sum()),
        "emptyBlocks": float((counts == 0).double().mean()),
        "compileSeconds": compile_seconds,
    }


def main():
    deadline = time.monotonic()
    options = json.loads(sys.argv[1])
    deadline += options["seconds"]
    try:
        import torch
    except ImportError:
        return tell(missing="python3 has no torch")
    if not torch.cuda.is_available():
        return tell(missing="torch " + torch.__version__ + " sees no CUDA device")
    import torch._dynamo
    from torch.nn.attention import flex_attention as flex

    # TF32 is another precision than the float32 of everyone else.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch._dynamo.config.cache_size_limit = 64
    tell(version=torch.__version__, device=torch.cuda.get_device_name())
    torch.manual_seed(0)
    dtype = getattr(torch, options["dtype"])
    compiled = torch.compile(flex.flex_attention, dynamic=False)
    for problem in options["problems"]:
        length = problem["length"]
        shape = (1, options["heads"], length, options["headDim"])
        names = masks(torch, length, problem["window"], problem["stride"], problem["summary"])
        inputs = [torch.randn(shape, device="cuda", dtype=dtype) for _ in range(3)]
        for name in problem["names"]:
            if time.monotonic() > deadline:
                tell(length=length, name=name, error="not begun in time")
                continue
            try:
                with torch.no_grad():
                    found = measure(
                        torch, flex, compiled, inputs, names[name](), options["rounds"], deadline
                    )
                tell(length=length, name=name, **found)
            except Exception as error:  # one mask that fails must not lose the others
                reason = (str(error).strip() or type(error).__name__).split("\n")[0]
                tell(length=length, name=name, error=reason[:300])


if __name__ == "__main__":
    sys.exit(main())
