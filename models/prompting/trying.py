"""Whether what a model says to a prompt would be taken: the worked examples of a prompt, and a real model's words."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from models.prompting.prompts import Case, Prompt
from processors.answers.checking import check
from processors.answers.stated import Stated, Statement, plain
from processors.texts.guarding.guard import check_sentences
from processors.texts.guarding.sentences import Sentences
from processors.texts.told import Told
from schemas.hits import Hit, Passage


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one text.

    Args:
        shown: What readers would see; empty when nothing would be shown.
        reasons: Why it, or part of it, would be refused; none when all of it would be taken.
    """

    shown: str
    reasons: tuple[str, ...]


def judge_output(prompt: Prompt, case: Case, output: str) -> Verdict:
    """Check an output as the writer that uses the prompt would.

    Args:
        prompt: Its inputs tell what it writes: ``material`` summaries, ``passages`` answers; of others only
            whether it is JSON, where there is a schema.
        case: What was asked.
        output: What was said.
    """
    if "material" in prompt.inputs:
        return _summary(case.inputs, output)
    if "passages" in prompt.inputs:
        return _answer(case.inputs, output)
    if prompt.schema is None:
        return Verdict(output, ())
    try:
        return Verdict(json.dumps(json.loads(output), ensure_ascii=False), ())
    except ValueError as error:
        return Verdict("", (f"it is no JSON: {error}",))


def _summary(inputs: Mapping[str, Any], output: str) -> Verdict:
    try:
        material = msgspec.convert(inputs["material"], type=list[Told])
        sentences = msgspec.json.decode(output, type=Sentences)
    except msgspec.MsgspecError as error:
        return Verdict("", (f"it is not the JSON that was asked for: {error}",))
    guarded = check_sentences(sentences, material, inputs.get("language", ""))
    return Verdict(guarded.text, tuple(guarded.reasons))


def _answer(inputs: Mapping[str, Any], output: str) -> Verdict:
    if not output.strip():
        return Verdict("", ())
    checked = check(output, _passages(inputs["passages"]), stated=_stated(inputs.get("features", [])))
    return (
        Verdict("", ("nothing of it is borne out",)) if checked is None else Verdict(checked.text, tuple(checked.cut))
    )


def _stated(told: Sequence[Mapping[str, Any]]) -> Stated | None:
    if not told:
        return None
    said = tuple(Statement(str(text)) for text in told[0].get("says", []))
    return Stated("", said, {name: plain(value) for name, value in told[0].get("values", {}).items()})


def _passages(told: Sequence[Mapping[str, Any]]) -> list[Passage]:
    found = []
    for number, one in enumerate(told, start=1):
        hit = Hit(document_id=str(number), chunk_id=str(number), title=one.get("title"), quote="", score=1.0, parts={})
        found.append(Passage(key=f"/{number}", row_id=number, hit=hit, text=str(one["text"])))
    return found
