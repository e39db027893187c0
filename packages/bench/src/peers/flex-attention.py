"""PyTorch's FlexAttention (arXiv 2412.05496) on the masks of `attn sparse`, as JSON on standard output.

python3 flex-attention.py --length 65536 --heads 8 --head-dim 64 --stride 256 --json flex.json

The four masks see the same pairs as those of @attn/masks: window 1,024, BigBird (blocks of 64, a window
of 3, 3 random ones, first and last global; drawn by another generator), strided and fixed. Block masks
are built compiled, because the eager builder writes down every pair. Times are CUDA events around runs in
turn, after a second and more of work: the clock of a data centre's GPU takes that long to rise.
"""

import argparse
import json
import statistics
import sys

import torch
import torch._dynamo
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.backends.cuda.matmul.allow_tf32 = False
torch._dynamo.config.cache_size_limit = 64


def masks(length, window, stride, summary):
    blocks = length // 64
    generator = torch.Generator().manual_seed(0)
    drawn = torch.zeros(blocks, blocks, dtype=torch.bool)
    for row in range(1, blocks - 1):
        near = {0, blocks - 1, row - 1, row, row + 1}
        others = torch.randperm(blocks, generator=generator)[:16].tolist()
        drawn[row, [block for block in others if block not in near][:3]] = True
    drawn = drawn.cuda()

    def causal(b, h, q, k):
        return k <= q

    def window_mask(b, h, q, k):
        return (k <= q) & (q - k < window)

    def big_bird(b, h, q, k):
        qb, kb = q // 64, k // 64
        ends = (qb == 0) | (qb == blocks - 1) | (kb == 0) | (kb == blocks - 1)
        return ends | ((qb - kb).abs() <= 1) | drawn[qb, kb]

    def strided(b, h, q, k):
        return (k <= q) & ((q - k <= stride) | ((q - k) % stride == 0))

    def fixed(b, h, q, k):
        return (k <= q) & ((q // stride == k // stride) | (k % stride >= stride - summary))

    return {
        "causal": causal,
        "window": window_mask,
        "bigBird": big_bird,
        "strided": strided,
        "fixed": fixed,
    }


def elapsed(run, iterations):
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(iterations):
        run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / iterations


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--length", type=int, default=65536)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--head-dim", type=int, default=64)
    parser.add_argument("--window", type=int, default=1024)
    parser.add_argument("--stride", type=int, default=256)
    parser.add_argument("--summary", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dtype", choices=["float32", "float16"], default="float32")
    parser.add_argument("--json")
    options = parser.parse_args()

    shape = (1, options.heads, options.length, options.head_dim)
    torch.manual_seed(0)
    dtype = getattr(torch, options.dtype)
    query, key, value = (torch.randn(shape, device="cuda").to(dtype) for _ in range(3))
    compiled = torch.compile(flex_attention, dynamic=False)
    runs, results = {}, {}
    for name, mask in masks(options.length, options.window, options.stride, options.summary).items():
        try:
            block_mask = create_block_mask(
                mask, None, None, options.length, options.length, device="cuda", _compile=True
            )
            run = lambda block_mask=block_mask: compiled(query, key, value, block_mask=block_mask)
            with torch.no_grad():
                run()
            torch.cuda.synchronize()
            runs[name] = run
            results[name] = {"emptyBlocks": block_mask.sparsity() / 100}
        except Exception as error:  # one mask that fails must not lose the others
            results[name] = {"error": f"{type(error).__name__}: {error}"[:300]}
    with torch.no_grad():
        iterations, worked = dict.fromkeys(runs, 1), 0.0
        while runs and worked < 1500:
            for name, run in runs.items():
                each = elapsed(run, iterations[name])
                worked += each * iterations[name]
                iterations[name] = max(1, min(200, int(15 / max(each, 1e-3))))
        samples = {name: [] for name in runs}
        for _ in range(options.rounds):
            for name, run in runs.items():
                samples[name].append(elapsed(run, iterations[name]))
    for name, taken in samples.items():
        results[name].update(median=statistics.median(taken), samples=taken)
    report = {
        "schema": "flex-attention/1",
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(),
        "problem": {key: value for key, value in vars(options).items() if key != "json"},
        "milliseconds": results,
    }
    text = json.dumps(report, indent=2)
    print(text)
    if options.json:
        with open(options.json, "w") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
