"""Speaks the protocol of ``models.local.wire`` and misbehaves on demand; ``scripted_child.py MODE RECORD``.

Every order is appended to RECORD, after a first line with the process id. A well-behaved one says the prompt's tokens
back, the last first, up to ``max_tokens``.
"""

import json
import os
import sys
import time
from pathlib import Path

MODE, RECORD = (sys.argv[1], Path(sys.argv[-1])) if __name__ == "__main__" else ("", Path())


def record(what: dict) -> None:
    with RECORD.open("a") as file:
        file.write(json.dumps(what) + "\n")


def say(**what) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def finish(row: dict) -> None:
    if row.get("targets") is not None:
        say(type="scored", number=row["number"], logprobs=[[-1.0] * len(target) for target in row["targets"]])
        return
    said = row["tokens"][::-1][: row.get("max_tokens", 1)]
    if row.get("streamed"):
        for token in said:
            say(type="piece", number=row["number"], tokens=[token])
    say(type="said", number=row["number"], tokens=said, ended=MODE != "cut")


def misbehave() -> None:
    if MODE == "crash":
        sys.exit("the last words")
    if MODE == "crash_once" and sum('"pid"' in line for line in RECORD.read_text().splitlines()) == 1:
        os.abort()
    if MODE == "garbage":
        print("Loading weights: 100%", flush=True)
    if MODE == "stranger":
        say(type="said", number=999, tokens=[], ended=True)
    if MODE == "refuses":
        say(type="failed", number=1, error="xgrammar does not take this schema: no", lasting=True)
        sys.exit()


def main() -> None:
    record({"pid": os.getpid()})
    record(json.loads(sys.stdin.readline()))
    if MODE == "broken":
        say(type="broken", error="torch is missing; install it")
        sys.exit(1)
    if MODE == "never_ready":
        time.sleep(600)  # it is killed
    say(type="ready", device="cpu", versions={})
    for text in sys.stdin:
        order = json.loads(text)
        record(order)
        if order["type"] in {"join", "together"}:
            misbehave()
            for row in order.get("rows") or [order["row"]]:
                if MODE not in {"hang", "until_cancelled"}:
                    finish(row)
        elif order["type"] == "cancel" and MODE == "until_cancelled":
            say(type="said", number=order["number"], tokens=[], ended=False)


if __name__ == "__main__":
    main()
