"""Makes the folders beside it out of larger reference cases: smaller models, fewer steps, fewer files.

    python make.py GOLDENS        GOLDENS has tiny/, formats/ and preprocess/

Expected numbers come from `reference.py` (PyTorch, float64), from Pillow, or unchanged from GOLDENS; none from this
project. Needs torch, safetensors, numpy and Pillow. See README.md.
"""

import json
import math
import os
import shutil
import sys

import numpy as np
import torch
from PIL import Image
from reference import HEAD, encode_images, encode_text, read, run, widen
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
EDGE, PATCH, CONTEXT, CLASSES, TEMPLATES = 12, 4, 24, 7, 2
CROP = slice(24, 24 + EDGE)


def write_json(value, *path):
    with open(os.path.join(HERE, *path), "w") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


def cut_clip(w, used, vision_width, vision_layers, text_layers, embed):
    """The first blocks, heads, columns and patches of a CLIP. `used` are the token ids that keep their rows."""
    wide = w["visual.class_embedding"].shape[0]
    sizes = {wide: vision_width, 4 * wide: 4 * vision_width}
    kept = {}
    for name, t in w.items():
        number = int(name.split("resblocks.")[1].split(".")[0]) if "resblocks." in name else -1
        vision = name.startswith("visual.")
        if number >= (vision_layers if vision else text_layers) or (text_layers == 0 and not vision and name != "logit_scale"):
            continue
        if name.startswith("visual.") and wide != vision_width:
            if "in_proj" in name:
                t = torch.cat([part[:vision_width] for part in t.split(wide)])
                t = t[:, :vision_width] if t.dim() == 2 else t
            else:
                t = t[tuple(slice(sizes.get(n, n)) for n in t.shape)]
        kept[name] = t
    kept["visual.conv1.weight"] = kept["visual.conv1.weight"][:, :, :PATCH, :PATCH]
    kept["visual.positional_embedding"] = kept["visual.positional_embedding"][: (EDGE // PATCH) ** 2 + 1]
    kept["visual.proj"] = kept["visual.proj"][:, :embed]
    if text_layers:
        kept["text_projection"] = kept["text_projection"][:, :embed]
        kept["positional_embedding"] = kept["positional_embedding"][:CONTEXT]
        kept["token_embedding.weight"] = kept["token_embedding.weight"][used]
    return {k: t.half().contiguous() for k, t in kept.items()}


def renumber(*tokens):
    """The ids in use, and the tensors in the numbers of their order: the end of text stays the highest."""
    used = torch.unique(torch.cat([t.flatten() for t in tokens]))
    return used, [torch.searchsorted(used, t.contiguous()).int() for t in tokens]


def save(tensors, *path):
    file = os.path.join(HERE, *path)
    save_file({k: t.contiguous() for k, t in tensors.items()}, file)
    os.chmod(file, 0o644)


def make_stages(goldens):
    """One block of vision with two heads and two of text in the teacher; two blocks of vision in the student, whose text tower is left out."""
    case, tensors, teacher, student = read(os.path.join(goldens, "tiny"))
    embeds = {"teacher": 32, "student": 24}
    names = ["given.tokens", "given.template_tokens", "given.plain_tokens"]
    tokens = [tensors[n][..., :CLASSES, :CONTEXT] for n in names]
    used, tokens = renumber(tokens[0], tokens[1][:TEMPLATES], tokens[2])
    given = dict(zip(names, tokens))
    teacher = cut_clip(teacher, used, 128, 1, 2, embeds["teacher"])
    student = cut_clip(student, used, 64, 2, 0, embeds["student"])
    case = {
        "description": "cut from a larger case by make.py; expected numbers by reference.py, PyTorch in float64",
        "classes": case["classes"][:CLASSES],
        "templates": case["templates"][:TEMPLATES],
        "stage1": {**case["stage1"], "steps": 3, "epochs": 3, "gpa_mean": 2.25},
        "stage2": {**case["stage2"], "steps": 4, "epochs": 2, "temperature": 2.0},
    }
    for stage in ("stage1", "stage2"):
        for step in range(case[stage]["steps"]):
            name = f"given.{stage}.images.{step}"
            given[name] = tensors[name][:, :, CROP, CROP]
    for step in range(case["stage1"]["steps"]):
        name = f"given.stage1.labels.{step}"
        given[name] = tensors[name] % CLASSES
    given["given.test.images"] = tensors["given.test.images"][:, :, CROP, CROP]
    depths = {"teacher.prompts.text": 2, "teacher.prompts.vision": 1, "student.prompts.vision": 2}
    for name, depth in depths.items():
        for i in range(depth):
            given[f"given.{name}.{i}"] = tensors[f"given.{name}.{i}"]
    columns = {"fc1.weight": embeds["student"], "fc2.weight": embeds["teacher"]}
    for name in HEAD:
        t = tensors[f"given.student.projection.{name}"][: embeds["teacher"]]
        given[f"given.student.projection.{name}"] = t[:, : columns[name]] if name in columns else t
    expected, numbers = run(case, *(widen(t) for t in (given, teacher, student)))
    os.makedirs(os.path.join(HERE, "stages"), exist_ok=True)
    save({**given, **{k: t.float() for k, t in expected.items()}}, "stages", "tensors.safetensors")
    save(teacher, "stages", "teacher.safetensors")
    student = {k.replace("visual.", "image_encoder."): t for k, t in student.items()}
    save(student, "stages", "student.safetensors")
    write_json({**case, **numbers}, "stages", "case.json")


class Node(torch.nn.Module):
    """A module whose children and parameters have the names of a state dict."""

    def forward(self, x):
        return x


def module_tree(tensors):
    root = Node()
    for name, t in tensors.items():
        node, *path = root, *name.split(".")
        for part in path[:-1]:
            if part not in dict(node.named_children()):
                node.add_module(part, Node())
            node = getattr(node, part)
        node.register_parameter(path[-1], torch.nn.Parameter(t, requires_grad=False))
    return root


HF_BLOCK = {
    "ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
}  # fmt: skip
HF_NAMES = {
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.ln_pre": "vision_model.pre_layrnorm",
    "visual.ln_post": "vision_model.post_layernorm",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final": "text_model.final_layer_norm",
}


def hugging_face(w):
    """The state dict as `transformers` names it: q, k and v apart, projections transposed."""
    out = {"logit_scale": w["logit_scale"]}
    out["visual_projection.weight"], out["text_projection.weight"] = w["visual.proj"].T, w["text_projection"].T
    for name, t in w.items():
        prefix, _, leaf = name.rpartition(".")
        if name in HF_NAMES:
            out[HF_NAMES[name]] = t
        elif prefix in HF_NAMES:
            out[f"{HF_NAMES[prefix]}.{leaf}"] = t
        elif "resblocks." in name:
            number, _, rest = name.split("resblocks.")[1].partition(".")
            block = f"{'vision' if name.startswith('visual.') else 'text'}_model.encoder.layers.{number}"
            if rest.startswith("attn.in_proj_"):
                for part, piece in zip("qkv", t.chunk(3)):
                    out[f"{block}.self_attn.{part}_proj.{rest[13:]}"] = piece
            else:
                out[f"{block}.{HF_BLOCK[rest[: -len(leaf) - 1]]}.{leaf}"] = t
    return out


def make_formats(goldens):
    """One small CLIP as a TorchScript archive, as OpenAI publishes it, and as a folder of the Hugging Face hub."""
    folder = os.path.join(goldens, "formats")
    tensors = load_file(os.path.join(folder, "tensors.safetensors"))
    used, [tokens] = renumber(tensors["given.tokens"][:, :CONTEXT])
    w = cut_clip(load_file(os.path.join(folder, "openai.safetensors")), used, 64, 1, 1, 32)
    images = tensors["given.images"][:, :, CROP, CROP]
    wide = widen(w)
    expected = {
        "expect.image_features": encode_images(wide, images.double()).float(),
        "expect.text_features": encode_text(wide, tokens.long()).float(),
    }
    os.makedirs(os.path.join(HERE, "formats", "huggingface"), exist_ok=True)
    save({"given.images": images, "given.tokens": tokens, **expected}, "formats", "tensors.safetensors")
    torch.jit.save(torch.jit.trace(module_tree(w), torch.zeros(1)), os.path.join(HERE, "formats", "openai.pt"))
    save(hugging_face(w), "formats", "huggingface", "model.safetensors")
    with open(os.path.join(folder, "huggingface", "config.json")) as file:
        config = json.load(file)
    config["projection_dim"] = 32
    config["vision_config"].update(
        hidden_size=64, intermediate_size=256, num_hidden_layers=1, num_attention_heads=1, image_size=EDGE, patch_size=PATCH
    )
    config["text_config"].update(num_hidden_layers=1, vocab_size=len(used), max_position_embeddings=CONTEXT)
    write_json(config, "formats", "huggingface", "config.json")


def test_transform(image, size):
    width, height = image.size
    short = min(width, height)
    width, height = (int(size * n / short) for n in (width, height))
    left, top = round((width - size) / 2), round((height - size) / 2)
    return image.resize((width, height), Image.BICUBIC).crop((left, top, left + size, top + size))


def train_crop(image, box):
    left, top = box["left"], box["top"]
    crop = image.crop((left, top, left + box["width"], top + box["height"]))
    crop = crop.resize((box["size"], box["size"]), Image.BICUBIC)
    return crop.transpose(Image.FLIP_LEFT_RIGHT) if box["flip"] else crop


def make_preprocess(goldens):
    """A satellite image of EuroSAT (MIT) with the numbers of GOLDENS, and a drawing with a palette, read by Pillow here."""
    folder = os.path.join(goldens, "preprocess")
    with open(os.path.join(folder, "cases.json")) as file:
        forest = next(c for c in json.load(file) if c["file"] == "forest.jpg")
    os.makedirs(os.path.join(HERE, "preprocess"), exist_ok=True)
    shutil.copyfile(os.path.join(folder, "forest.jpg"), os.path.join(HERE, "preprocess", "forest.jpg"))
    golden = load_file(os.path.join(folder, "expected.safetensors"))
    image = Image.open(os.path.join(folder, "forest.jpg")).convert("RGB")
    assert np.array_equal(np.asarray(train_crop(image, forest["train"][1])), golden["forest.jpg.train.1"].numpy())
    forest = {**forest, "test": [64], "train": forest["train"][1:]}
    expected = {
        "forest.jpg.decoded": golden["forest.jpg.decoded"],
        "forest.jpg.test.64": golden["forest.jpg.test.64"],
        "forest.jpg.train.0": golden["forest.jpg.train.1"],
    }

    width, height = 97, 61
    y, x = np.mgrid[:height, :width]
    waves = [127.5 + 127.5 * np.sin(x / a + y / b + c) for a, b, c in ((5, 9, 0), (11, -4, 1), (-7, 6, 2))]
    file = os.path.join(HERE, "preprocess", "palette.png")
    drawing = Image.fromarray(np.stack(waves, -1).round().astype(np.uint8)).quantize(64)
    drawing.save(file, transparency=3)
    image = Image.open(file).convert("RGB")
    box = {"left": 13, "top": 5, "width": 58, "height": 44, "flip": True, "size": 40}
    expected["palette.png.decoded"] = image
    expected["palette.png.test.32"] = test_transform(image, 32)
    expected["palette.png.train.0"] = train_crop(image, box)
    expected = {k: t if torch.is_tensor(t) else torch.from_numpy(np.asarray(t).copy()) for k, t in expected.items()}
    save(expected, "preprocess", "expected.safetensors")
    drawing = {"file": "palette.png", "width": width, "height": height, "test": [32], "train": [box]}
    write_json([forest, drawing], "preprocess", "cases.json")


if __name__ == "__main__":
    for make in (make_stages, make_formats, make_preprocess):
        make(sys.argv[1])
