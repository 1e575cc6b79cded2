"""PromptKD's stage-2 step, its largest kernels and its image encoder in eager PyTorch, with random weights: what the engine is
compared with on an NVIDIA GPU. The student is CLIP ViT-B/16 with deep vision prompts and a projection, the teacher CLIP ViT-L/14
with deep vision prompts (forward only), the class vectors are stored, the loss is KL, the optimiser SGD with momentum.

    python3 pytorch_step.py [--only step,kernels,encoder] [--json FILE] [--batch 8] [--classes 100] [--repeats 5] [--quick]
                            [--device cuda|cpu]

Times are medians of samples that alternate between precisions; CUDA is synchronised around each sample. The file is written, and
the table printed, after each group: a call that is stopped keeps what it measured.
"""

import argparse
import json
import os
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

VISION = {
    "ViT-B/16": dict(width=768, layers=12, patch=16, resolution=224, embed=512),
    "ViT-L/14": dict(width=1024, layers=24, patch=14, resolution=224, embed=768),
    "small": dict(width=128, layers=2, patch=8, resolution=48, embed=64),
}
PROMPT_LENGTH = 4
PROMPT_DEPTH = 9


class Block(nn.Module):
    """Pre-norm transformer block with QuickGELU, heads of 64."""

    def __init__(self, width):
        super().__init__()
        self.heads = width // 64
        self.ln_1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.ln_2 = nn.LayerNorm(width)
        self.fc = nn.Linear(width, 4 * width)
        self.proj = nn.Linear(4 * width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        q, k, v = self.qkv(self.ln_1(x)).view(batch, tokens, 3, self.heads, 64).permute(2, 0, 3, 1, 4)
        attended = attention(q, k, v).transpose(1, 2).reshape(batch, tokens, width)
        x = x + self.out(attended)
        hidden = self.fc(self.ln_2(x))
        return x + self.proj(hidden * torch.sigmoid(1.702 * hidden))


def attention(q, k, v):
    """The fused one where this PyTorch has it."""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v)
    return torch.softmax(q @ k.transpose(-2, -1) / 8, dim=-1) @ v


class ImageEncoder(nn.Module):
    """CLIP's image encoder; prompt 0 behind the patches, prompt i in their place at the input of block i."""

    def __init__(self, width, layers, patch, resolution, embed, prompted=True):
        super().__init__()
        self.tokens = (resolution // patch) ** 2 + 1
        self.conv = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width) * 0.02)
        self.positions = nn.Parameter(torch.randn(self.tokens, width) * 0.02)
        self.ln_pre = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(layers))
        self.ln_post = nn.LayerNorm(width)
        self.projection = nn.Parameter(torch.randn(width, embed) * width**-0.5)
        self.requires_grad_(False)
        depth = min(PROMPT_DEPTH, layers) if prompted else 0
        self.prompts = nn.ParameterList(
            nn.Parameter(torch.randn(PROMPT_LENGTH, width) * 0.02) for _ in range(depth)
        )

    def forward(self, images):
        x = self.conv(images).flatten(2).transpose(1, 2)
        batch = x.shape[0]
        x = torch.cat([self.class_embedding.expand(batch, 1, -1), x], dim=1) + self.positions
        if len(self.prompts) > 0:
            x = torch.cat([x, self.prompts[0].expand(batch, -1, -1)], dim=1)
        x = self.ln_pre(x)
        for i, block in enumerate(self.blocks):
            if 0 < i < len(self.prompts):
                x = torch.cat([x[:, : self.tokens], self.prompts[i].expand(batch, -1, -1)], dim=1)
            x = block(x)
        return self.ln_post(x[:, 0]) @ self.projection


class Step:
    """One training step of stage 2 on random images."""

    def __init__(self, student, teacher, batch, classes, dtype, device):
        self.student = ImageEncoder(**VISION[student]).to(device, dtype)
        self.teacher = ImageEncoder(**VISION[teacher]).to(device, dtype).requires_grad_(False)
        s, t = VISION[student]["embed"], VISION[teacher]["embed"]
        # Two linear layers with BatchNorm between, in float32 as statistics are.
        self.head = nn.Sequential(nn.Linear(s, t), nn.BatchNorm1d(t), nn.ReLU(), nn.Linear(t, t)).to(device)
        self.classes = F.normalize(torch.randn(classes, t, device=device), dim=1)
        self.images = torch.randn(batch, 3, VISION[student]["resolution"], VISION[student]["resolution"], device=device, dtype=dtype)
        trained = [*self.student.prompts, *self.head.parameters()]
        self.optimiser = torch.optim.SGD(trained, lr=1e-3, momentum=0.9, weight_decay=5e-4)

    def run(self):
        with torch.no_grad():
            target = 100 * F.normalize(self.teacher(self.images).float(), dim=1) @ self.classes.t()
        features = F.normalize(self.head(self.student(self.images).float()), dim=1)
        logits = 100 * features @ self.classes.t()
        loss = F.kl_div(F.log_softmax(logits, 1), F.log_softmax(target, 1), reduction="sum", log_target=True)
        loss = 1000 * loss / logits.numel()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()


def sample(run, least, device):
    """Milliseconds a run, over enough runs to last `least` milliseconds."""

    def timed(count):
        synchronise(device)
        started = time.perf_counter()
        for _ in range(count):
            run()
        synchronise(device)
        return (time.perf_counter() - started) * 1000

    timed(2)
    count = max(1, min(1000, int(least / max(timed(1), 1e-3))))
    return lambda: timed(count) / count


def synchronise(device):
    if device == "cuda":
        torch.cuda.synchronize()


def measure(cases, repeats, least, device):
    """Rows of every case, `(what it is, FLOPs, run)`; the cases take their turns."""
    samplers = [(what, flops, sample(run, least, device)) for what, flops, run in cases]
    times = [[] for _ in samplers]
    for _ in range(repeats):
        for i, (_, _, one) in enumerate(samplers):
            times[i].append(one())
    rows = []
    for (what, flops, _), samples in zip(samplers, times):
        median = statistics.median(samples)
        rows.append(dict(what, ms=median, samples=samples, tflops=flops / median / 1e9 if flops else None))
    return rows


def short(dtype):
    return "f16" if dtype == torch.float16 else "f32"


def kernel_cases(dtypes, device, quick):
    """The products of both models as `bench kernels` has them: with the weight as models store it (nt), and of the gradient (nn)."""
    # Rows, width, batch, tokens.
    models = [(34, 128, 2, 17)] if quick else [(1576, 768, 8, 197), (1028, 1024, 4, 257)]
    cases = []
    for dtype in dtypes:

        def leaf(*shape):
            return torch.randn(*shape, device=device, dtype=dtype)

        def product(layout, m, k, n, bias=True):
            x, w = leaf(m, k), leaf(n, k) if layout == "nt" else leaf(k, n)
            b = leaf(n) if bias and layout == "nt" else None
            run = (lambda: F.linear(x, w, b)) if layout == "nt" else (lambda: x @ w)
            what = dict(kind="gemm", layout=layout, sizes=[m, k, n], dtype=short(dtype))
            cases.append((what, 2 * m * k * n, run))

        for rows, width, batch, tokens in models:
            for k, n in [(width, 3 * width), (width, width), (width, 4 * width), (4 * width, width)]:
                product("nt", rows, k, n)
                product("nn", rows, n, k)
            sizes = [batch, width // 64, tokens, 64]
            q, k, v = (leaf(*sizes).requires_grad_() for _ in range(3))
            what = dict(kind="attention", sizes=sizes, dtype=short(dtype))
            flops = 4 * batch * width * tokens**2
            cases.append((dict(what, direction="forward"), flops, lambda q=q, k=k, v=v: attended(q, k, v)))
            y = attention(q, k, v)
            dy = torch.randn_like(y)
            cases.append((dict(what, direction="backward"), None, lambda inputs=(q, k, v), y=y, dy=dy: torch.autograd.grad(
                y, inputs, dy, retain_graph=True)))
        if not quick:
            for layout in ["nt", "nn"]:
                product(layout, 4096, 4096, 4096, bias=False)
    return cases


def attended(q, k, v):
    with torch.no_grad():
        attention(q, k, v)


def step_cases(dtypes, device, options):
    student, teacher = ("small", "small") if options.quick else ("ViT-B/16", "ViT-L/14")
    what = dict(kind="step", models=f"{teacher} to {student}", batch=options.batch, classes=options.classes)
    return [(dict(what, dtype=short(dtype)), None,
             Step(student, teacher, options.batch, options.classes, dtype, device).run) for dtype in dtypes]


def encoder_cases(dtypes, device, batch, quick):
    model = "small" if quick else "ViT-B/16"
    side = VISION[model]["resolution"]
    cases = []
    for dtype in dtypes:
        encoder = ImageEncoder(**VISION[model], prompted=False).to(device, dtype)
        images = torch.randn(batch, 3, side, side, device=device, dtype=dtype)
        what = dict(kind="encoder", model=model, batch=batch, dtype=short(dtype))
        cases.append((what, None, lambda encoder=encoder, images=images: forward(encoder, images)))
    return cases


def name_of(row):
    sizes = " x ".join(map(str, row.get("sizes", [])))
    if row["kind"] == "gemm":
        return f"GEMM {row['layout']} {sizes} {row['dtype']}"
    if row["kind"] == "attention":
        return f"attention {row['direction']} {sizes} {row['dtype']}"
    if row["kind"] == "step":
        return f"stage-2 step, {row['models']}, batch {row['batch']}, {row['classes']} classes, {row['dtype']}"
    return f"{row['model']} encoder, batch {row['batch']}, {row['dtype']}"


GROUPS = ["step", "kernels", "encoder"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(GROUPS), help="groups, separated by commas: " + ", ".join(GROUPS))
    parser.add_argument("--json")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    wanted = options.only.split(",")
    for group in wanted:
        if group not in GROUPS:
            parser.error(f"there is no group {group}: choose from {', '.join(GROUPS)}")
    device = options.device
    # float16 arithmetic on a processor is missing or slow.
    dtypes = [torch.float16, torch.float32] if device == "cuda" else [torch.float32]
    least = 2 if options.quick else 50
    name = torch.cuda.get_device_name() if device == "cuda" else "processor"
    print(f"PyTorch {torch.__version__}, {name}, eager\n")
    print("| case | ms | least | most | TFLOP/s |\n|---|---:|---:|---:|---:|", flush=True)
    rows = []

    def keep(cases):
        found = measure(cases, options.repeats, least, device)
        for row in found:
            tflops = f"{row['tflops']:.1f}" if row["tflops"] else ""
            print(f"| {name_of(row)} | {row['ms']:.3f} | {min(row['samples']):.3f} | {max(row['samples']):.3f} | {tflops} |", flush=True)
        rows.extend(found)
        if options.json:
            # In one go, as a limit may end this program at any moment.
            with open(options.json + ".part", "w") as file:
                json.dump(dict(torch=torch.__version__, device=name, rows=rows), file)
            os.replace(options.json + ".part", options.json)

    if "step" in wanted:
        keep(step_cases(dtypes, device, options))
    if "kernels" in wanted:
        # A precision at a time: the first one is kept when the other does not fit into the time.
        for dtype in dtypes:
            keep(kernel_cases([dtype], device, options.quick))
    if "encoder" in wanted:
        for batch in [2] if options.quick else [1, 64]:
            keep(encoder_cases(dtypes, device, batch, options.quick))


def forward(encoder, images):
    with torch.no_grad():
        encoder(images)


if __name__ == "__main__":
    main()
