"""CLIP and both stages of PromptKD in plain PyTorch, in float64. It shares no code with this project.

    python reference.py CASE      recomputes every expected number of a training case and prints the largest error

Needs torch and safetensors. See README.md.
"""

import json
import math
import os
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

torch.set_default_dtype(torch.float64)


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def layer_norm(x, w, name):
    return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], 1e-5)


def block(x, w, name, mask):
    """One pre-norm transformer block with QuickGELU; heads of 64 columns."""
    batch, tokens, width = x.shape
    h = layer_norm(x, w, name + ".ln_1")
    qkv = h @ w[name + ".attn.in_proj_weight"].T + w[name + ".attn.in_proj_bias"]
    q, k, v = (part.view(batch, tokens, width // 64, 64).transpose(1, 2) for part in qkv.split(width, -1))
    scores = q @ k.transpose(-1, -2) / 8
    if mask is not None:
        scores = scores + mask
    h = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, tokens, width)
    x = x + h @ w[name + ".attn.out_proj.weight"].T + w[name + ".attn.out_proj.bias"]
    h = layer_norm(x, w, name + ".ln_2") @ w[name + ".mlp.c_fc.weight"].T + w[name + ".mlp.c_fc.bias"]
    h = h * torch.sigmoid(1.702 * h)
    return x + h @ w[name + ".mlp.c_proj.weight"].T + w[name + ".mlp.c_proj.bias"]


def layers(w, prefix):
    return len([k for k in w if k.startswith(prefix) and k.endswith(".attn.in_proj_weight")])


def encode_images(w, images, prompts=()):
    conv = w["visual.conv1.weight"]
    x = F.conv2d(images, conv, stride=conv.shape[-1]).flatten(2).transpose(1, 2)
    batch = x.shape[0]
    x = torch.cat([w["visual.class_embedding"].expand(batch, 1, -1), x], 1) + w["visual.positional_embedding"]
    if prompts:
        x = torch.cat([x, prompts[0].expand(batch, -1, -1)], 1)
    x = layer_norm(x, w, "visual.ln_pre")
    for i in range(layers(w, "visual.transformer.")):
        if 0 < i < len(prompts):
            x = torch.cat([x[:, : -len(prompts[i])], prompts[i].expand(batch, -1, -1)], 1)
        x = block(x, w, f"visual.transformer.resblocks.{i}", None)
    return layer_norm(x[:, 0], w, "visual.ln_post") @ w["visual.proj"]


def encode_text(w, tokens, prompts=()):
    x = w["token_embedding.weight"][tokens]
    count, length, _ = x.shape

    def insert(x, prompt):
        n = len(prompt)
        return torch.cat([x[:, :1], prompt.expand(count, -1, -1), x[:, 1 + n :]], 1)

    if prompts:
        x = insert(x, prompts[0])
    x = x + w["positional_embedding"]
    mask = torch.full((length, length), -math.inf).triu(1)
    for i in range(layers(w, "transformer.")):
        if 0 < i < len(prompts):
            x = insert(x, prompts[i])
        x = block(x, w, f"transformer.resblocks.{i}", mask)
    x = x[torch.arange(count), tokens.argmax(-1)]
    return layer_norm(x, w, "ln_final") @ w["text_projection"]


def frozen_text(w, templates):
    """Unit mean over the templates of the features, which are not normalised before."""
    return unit(torch.stack([encode_text(w, tokens) for tokens in templates]).mean(0))


def kl(teacher, student, temperature):
    """KL(teacher || student) of softened logits, summed over everything and divided by batch * classes."""
    p, r = (teacher / temperature).log_softmax(-1), (student / temperature).log_softmax(-1)
    return temperature**2 * (p.exp() * (p - r)).sum() / p.numel()


def learning_rate(stage, epoch):
    warm = stage["warmup_epochs"]
    if epoch <= warm:
        return stage["warmup_lr"]
    return 0.5 * stage["lr"] * (1 + math.cos(math.pi * (epoch - 1 - warm) / stage["epochs"]))


def descend(loss, parameters, momenta, stage, rate):
    """One SGD step; returns the gradients."""
    gradients = torch.autograd.grad(loss, parameters)
    with torch.no_grad():
        for i, (p, g) in enumerate(zip(parameters, gradients)):
            d = g + stage["weight_decay"] * p
            momenta[i] = d if momenta[i] is None else stage["momentum"] * momenta[i] + d
            p -= rate * momenta[i]
    return gradients


def numbered(tensors, prefix):
    found = []
    while f"{prefix}.{len(found)}" in tensors:
        found.append(tensors[f"{prefix}.{len(found)}"])
    return found


def leaves(tensors):
    return [t.clone().requires_grad_() for t in tensors]


def stage1(case, given, w, out):
    """Returns the averaged prompts."""
    s = case["stage1"]
    scale = w["logit_scale"].exp()
    f = frozen_text(w, given["given.template_tokens"])
    out["expect.stage1.frozen_text"] = f
    text, vision = (leaves(numbered(given, f"given.teacher.prompts.{t}")) for t in ("text", "vision"))
    parameters = text + vision
    names = [f"text.{i}" for i in range(len(text))] + [f"vision.{i}" for i in range(len(vision))]
    momenta = [None] * len(parameters)
    density = [math.exp(-0.5 * ((e - s["gpa_mean"]) / s["gpa_std"]) ** 2) for e in range(1, s["epochs"] + 1)]
    average = [torch.zeros_like(p) for p in parameters]
    per_epoch = s["steps"] // s["epochs"]
    losses = []
    for step in range(s["steps"]):
        images, labels = given[f"given.stage1.images.{step}"], given[f"given.stage1.labels.{step}"].long()
        u, v = unit(encode_images(w, images, vision)), unit(encode_text(w, given["given.tokens"], text))
        z = unit(encode_images(w, images))
        q, q0 = scale * u @ v.T, scale * z @ f.T
        parts = {
            "ce": F.cross_entropy(q, labels),
            "scl_text": s["w_text"] * (v - f).abs().mean(),
            "scl_image": s["w_image"] * (u - z).abs().mean(),
            "scl_logits": kl(q0, q, 1),
        }
        total = sum(parts.values())
        rate = learning_rate(s, step // per_epoch + 1)
        gradients = descend(total, parameters, momenta, s, rate)
        losses.append({"total": total.item(), **{k: p.item() for k, p in parts.items()}, "lr": rate})
        if step == 0:
            out.update({f"expect.stage1.grad.{n}": g for n, g in zip(names, gradients)})
        if (step + 1) % per_epoch == 0:
            for total_sum, p in zip(average, parameters):
                total_sum += density[step // per_epoch] / sum(density) * p.detach()
    out.update({f"expect.stage1.last.{n}": p.detach() for n, p in zip(names, parameters)})
    out.update({f"expect.stage1.averaged.{n}": p for n, p in zip(names, average)})
    return losses, average[: len(text)], average[len(text) :]


HEAD = ["fc1.weight", "fc1.bias", "bn.weight", "bn.bias", "fc2.weight", "fc2.bias"]


def stage2(case, given, teacher, student, text, vision, out):
    s = case["stage2"]
    vectors = unit(encode_text(teacher, given["given.tokens"], text))
    out["expect.class_vectors"] = vectors
    prompts = leaves(numbered(given, "given.student.prompts.vision"))
    head = dict(zip(HEAD, leaves([given[f"given.student.projection.{n}"] for n in HEAD])))
    parameters = prompts + list(head.values())
    names = [f"vision.{i}" for i in range(len(prompts))] + [f"projection.{n}" for n in HEAD]
    momenta = [None] * len(parameters)
    mean, var = torch.zeros_like(head["bn.bias"]), torch.ones_like(head["bn.bias"])

    def logits(images, training):
        x = encode_images(student, images, prompts) @ head["fc1.weight"].T + head["fc1.bias"]
        x = F.batch_norm(x, mean, var, head["bn.weight"], head["bn.bias"], training, 0.1, 1e-5)
        x = unit(x.relu() @ head["fc2.weight"].T + head["fc2.bias"])
        return student["logit_scale"].exp() * x @ vectors.T

    per_epoch = s["steps"] // s["epochs"]
    losses = []
    for step in range(s["steps"]):
        images = given[f"given.stage2.images.{step}"]
        with torch.no_grad():
            q = teacher["logit_scale"].exp() * unit(encode_images(teacher, images, vision)) @ vectors.T
        found = logits(images, True)
        loss = s["kd_weight"] * kl(q, found, s["temperature"])
        rate = learning_rate(s, step // per_epoch + 1)
        gradients = descend(loss, parameters, momenta, s, rate)
        losses.append({"loss": loss.item(), "lr": rate})
        out[f"expect.stage2.teacher_logits.{step}"] = q
        if step == 0:
            out["expect.stage2.student_logits.0"] = found.detach()
            out.update({f"expect.stage2.grad.{n}": g for n, g in zip(names, gradients)})
    out.update({f"expect.stage2.last.{n}": p.detach() for n, p in zip(names, parameters)})
    out["expect.stage2.bn.mean"], out["expect.stage2.bn.var"] = mean, var
    with torch.no_grad():
        final = logits(given["given.test.images"], False)
    out["expect.eval.logits"] = final
    base = math.ceil(len(case["classes"]) / 2)
    predictions = {
        "all": final.argmax(-1).tolist(),
        "base": final[:, :base].argmax(-1).tolist(),
        "novel": (base + final[:, base:].argmax(-1)).tolist(),
    }
    return losses, predictions


def plain(given, name, w, out):
    image = out[f"expect.clip.{name}.image_features"] = encode_images(w, given["given.test.images"])
    if "positional_embedding" in w:
        text = out[f"expect.clip.{name}.text_features"] = encode_text(w, given["given.plain_tokens"])
        out[f"expect.clip.{name}.logits_per_image"] = w["logit_scale"].exp() * unit(image) @ unit(text).T


def run(case, given, teacher, student):
    """Every expected number of a case: tensors by name, losses and predictions."""
    out = {}
    plain(given, "teacher", teacher, out)
    plain(given, "student", student, out)
    first, text, vision = stage1(case, given, teacher, out)
    second, predictions = stage2(case, given, teacher, student, text, vision, out)
    return out, {"losses": {"stage1": first, "stage2": second}, "predictions": predictions}


def widen(tensors):
    return {k: t.double() if t.is_floating_point() else t.long() for k, t in tensors.items()}


def read(folder):
    with open(os.path.join(folder, "case.json")) as file:
        case = json.load(file)
    files = [load_file(os.path.join(folder, f"{n}.safetensors")) for n in ("tensors", "teacher", "student")]
    # The authors' students have an image encoder alone, under another name.
    tensors, *clips = files
    return case, tensors, *({k.replace("image_encoder.", "visual."): t for k, t in w.items()} for w in clips)


def check(folder):
    """The largest relative L2 error of any tensor, and of any number of case.json."""
    case, tensors, teacher, student = read(folder)
    out, numbers = run(case, *(widen(t) for t in (tensors, teacher, student)))
    expected = {k for k in tensors if k.startswith("expect.")}
    assert expected <= set(out), sorted(expected - set(out))
    worst = 0
    for name in sorted(expected):
        wanted = tensors[name].double()
        error = ((out[name] - wanted).norm() / max(wanted.norm(), 1e-6)).item()
        if error > 1e-6:
            print(f"{name}: {error:.1e}")
        worst = max(worst, error if "fc1.bias" not in name else 0)
    for stage, steps in case["losses"].items():
        for a, b in zip(steps, numbers["losses"][stage], strict=True):
            worst = max(worst, *(abs(a[k] - b[k]) / abs(a[k]) for k in a))
    assert case["predictions"] == numbers["predictions"]
    print(f"{folder}: {len(expected)} tensors, all losses and predictions; largest relative error {worst:.1e}")


if __name__ == "__main__":
    check(sys.argv[1])
