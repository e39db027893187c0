"""PyTorch's scaled_dot_product_attention as a peer: requests and replies are lines of JSON.

The same requests as worker.ts answers. Each backend is a variant; one that refuses a problem says so
in an error. Only an NVIDIA GPU is timed: elsewhere the device would be another than WebGPU's.
"""

import json
import math
import sys
import time
import warnings


def load_torch():
    try:
        import torch
    except ImportError:
        return None, "python3 has no torch"
    if not torch.cuda.is_available():
        return None, "torch " + torch.__version__ + " sees no CUDA device"
    # TF32 is another precision than the float32 of everyone else.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch, None


def backends(torch):
    from torch.nn.attention import SDPBackend

    return {
        "math": SDPBackend.MATH,
        "efficient": SDPBackend.EFFICIENT_ATTENTION,
        "flash": SDPBackend.FLASH_ATTENTION,
        "cudnn": SDPBackend.CUDNN_ATTENTION,
    }


class Prepared:
    """One problem on the GPU, for one backend."""

    def __init__(self, torch, backend, shape, files):
        import torch.nn.functional as functional
        from torch.nn.attention import sdpa_kernel

        self.torch, self.backend, self.shape = torch, backend, shape
        self.kernel, self.attention = sdpa_kernel, functional.scaled_dot_product_attention
        dtype = getattr(torch, shape["dtype"])

        def load(name, heads, length):
            sizes = (shape["batch"], shape[heads], length, shape["headDim"])
            count = sizes[0] * sizes[1] * sizes[2] * sizes[3]
            data = torch.from_file(files[name], shared=False, size=count, dtype=torch.float32)
            return data.cuda().to(dtype).view(sizes)

        self.query = load("query", "heads", shape["queryLength"])
        self.key = load("key", "kvHeads", shape["keyLength"])
        self.value = load("value", "kvHeads", shape["keyLength"])
        self.options = {}
        if shape["kvHeads"] != shape["heads"]:
            self.options["enable_gqa"] = True
        if shape["mask"] == "causal":
            self.options["is_causal"] = True
        elif shape["mask"] == "window":
            # SDPA knows no windows: a mask of booleans, which some backends refuse.
            rows = torch.arange(shape["queryLength"], device="cuda").unsqueeze(1)
            keys = torch.arange(shape["keyLength"], device="cuda").unsqueeze(0)
            mask = (keys <= rows) & (keys > rows - shape["window"])
            self.options["attn_mask"] = mask
        self.gradient = None
        if shape.get("backward"):
            self.gradient = load("dOutput", "heads", shape["queryLength"])
            for tensor in (self.query, self.key, self.value):
                tensor.requires_grad_(True)
        self.call(1)

    def call(self, chain):
        result = self.query
        with self.kernel(self.backend), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(chain):
                if self.gradient is None:
                    result = self.attention(result, self.key, self.value, **self.options)
                else:
                    result = self.step()
        return result

    def step(self):
        """A forward and a backward pass; gradients are made anew, not added up."""
        inputs = (self.query, self.key, self.value)
        output = self.attention(*inputs, **self.options)
        return self.torch.autograd.grad(output, inputs, self.gradient)[0]

    def time(self, chain):
        self.torch.cuda.synchronize()
        started = time.perf_counter()
        self.call(chain)
        self.torch.cuda.synchronize()
        return (time.perf_counter() - started) * 1000

    def time_on_gpu(self, chain=9):
        begin = self.torch.cuda.Event(enable_timing=True)
        end = self.torch.cuda.Event(enable_timing=True)
        begin.record()
        self.call(chain)
        end.record()
        self.torch.cuda.synchronize()
        return begin.elapsed_time(end) / chain

    def rows(self, blocks):
        output = self.call(1).float().contiguous().view(-1).cpu()
        rows = [output[b["first"] : b["first"] + b["count"]].tolist() for b in blocks]
        # JSON has no NaN; what is missing counts as wrong.
        return [[x if math.isfinite(x) else None for x in row] for row in rows]


def main():
    torch, missing = load_torch()
    prepared = {}

    def answer(message):
        name, variant = message["name"], message.get("variant")
        if name == "open":
            if missing is not None:
                return {"version": "", "variants": [], "missing": missing}
            version = torch.__version__ + " on " + torch.cuda.get_device_name()
            return {"version": version, "variants": list(backends(torch))}
        if name == "prepare":
            prepared.pop(variant, None)
            backend = backends(torch)[variant]
            prepared[variant] = Prepared(torch, backend, message["shape"], message["files"])
            return {}
        if name == "rows":
            return {"rows": prepared[variant].rows(message["blocks"])}
        if name == "time":
            return {"milliseconds": prepared[variant].time(message["chain"])}
        if name == "timeOnGpu":
            return {"milliseconds": prepared[variant].time_on_gpu()}
        if name == "release":
            prepared.pop(variant, None)
            torch.cuda.empty_cache()
            return {}
        raise ValueError("unknown request " + name)

    for line in sys.stdin:
        try:
            reply = {"result": answer(json.loads(line))}
        except Exception as error:  # Any refusal of PyTorch's is an answer.
            first_line = (str(error) or type(error).__name__).strip().split("\n")[0]
            reply = {"error": first_line}
        print(json.dumps(reply), flush=True)


main()
