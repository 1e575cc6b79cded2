"""Writes tokenizer.json: texts and their ids under the vocabulary of emoji-clip/, by Hugging Face's `tokenizers`.

    python tokenizer.py GOLDENS      GOLDENS has tokenizer.json, whose texts are used

Texts with HTML entities are left out: OpenAI's tokenizer unescapes them, and so does ours; Hugging Face's does not.
"""

import json
import os
import sys

from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
CONTEXT, END = 32, 1023

tokenizer = Tokenizer.from_file(os.path.join(HERE, "../../emoji-clip/teacher/tokenizer.json"))
rows = []
with open(os.path.join(sys.argv[1], "tokenizer.json")) as file:
    texts = [entry["text"] for entry in json.load(file) if "&" not in entry["text"]]
for text in texts:
    ids = tokenizer.encode(text).ids
    ids = ids[: CONTEXT - 1] + [END] if len(ids) > CONTEXT else ids + [0] * (CONTEXT - len(ids))
    rows.append("  " + json.dumps({"text": text, "ids": ids}, ensure_ascii=False))
with open(os.path.join(HERE, "tokenizer.json"), "w") as file:
    file.write("[\n" + ",\n".join(rows) + "\n]\n")
