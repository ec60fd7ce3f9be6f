"""Whether what a model said may be used."""

from dataclasses import dataclass

from models.ports import Completed, Completion, WriteFailure
from models.remote.answers import Said
from models.remote.model_names import same_model
from models.remote.server_errors import told_safely
from models.remote.spoken_json import UnfitError, fitting_json
from models.remote.spoken_text import clean_spoken, estimated_tokens, without_thoughts


@dataclass(frozen=True, slots=True)
class Unfit:
    """An answer that the model may repair.

    Args:
        reason: What is wrong with it, for the model.
        fault: The same in words that quote nothing: errors outlive what the model was told.
        text: What it said.
        tokens_in: Read for it.
        tokens_out: Said.
    """

    reason: str
    fault: str
    text: str
    tokens_in: int
    tokens_out: int


def judged(said: Said, completion: Completion, model: str) -> Completed | WriteFailure | Unfit:
    """Return what may be used, or why nothing may.

    An endpoint that does not count tokens gets an estimate, so that budgets hold.

    Args:
        said: What came.
        completion: What was asked.
        model: Who was asked.

    Example:
        >>> from models.ports import Decoding, Message
        >>> asked = Completion((Message("user", "Say one."),), Decoding(max_tokens=5))
        >>> one = judged(Said("One.", "stop"), asked, "a-model")
        >>> one.text, one.tokens_in, one.tokens_out
        ('One.', 2, 1)
        >>> judged(Said("One, two, thr", "length"), asked, "a-model").error
        'the text ran into max_tokens = 5; raise writer.max_tokens'
    """
    text = without_thoughts(clean_spoken(said.text))
    asked = sum(estimated_tokens(message.content) for message in completion.messages)
    tokens_in = asked if said.tokens_in is None else said.tokens_in
    tokens_out = estimated_tokens(said.text) if said.tokens_out is None else said.tokens_out
    if failure := _unusable(said, model, tokens_in, tokens_out):
        return failure
    cut = said.finish_reason == "length"
    try:
        fitting = _fitting(text, completion)
        if not cut or completion.schema is not None:  # JSON that is whole has nothing cut off
            return Completed(fitting, tokens_in, tokens_out)
    except UnfitError as error:
        if not cut:
            return Unfit(str(error), error.fault, text, tokens_in, tokens_out)
    limit = completion.decoding.max_tokens
    told = f"the text ran into max_tokens = {limit}; raise writer.max_tokens"
    return WriteFailure(told, retryable=False, lasting=True, tokens_in=tokens_in, tokens_out=tokens_out)


def _unusable(said: Said, model: str, tokens_in: int, tokens_out: int) -> WriteFailure | None:
    """Return why nothing of it may be used, whatever its text."""
    told, endpoint = "", False
    others = sorted(name for name in said.models if not same_model(model, name))
    if others:
        named = told_safely(others[0], None)
        told, endpoint = f"{named} answered instead of {model}; ask for it by that name if you want it", True
    elif said.refusal.strip():
        told = "the model refuses"  # in words of its own, which may be those of what it read
    elif said.finish_reason == "content_filter":
        told = "the endpoint filtered the answer"
    elif said.finish_reason == "error":
        told, endpoint = "the endpoint broke off with an error", True
    if not told:
        return None
    retryable = said.finish_reason == "error" and not others  # another model's answers are not paid for again
    return WriteFailure(
        told, retryable, endpoint=endpoint, lasting=not endpoint, tokens_in=tokens_in, tokens_out=tokens_out
    )


def _fitting(text: str, completion: Completion) -> str:
    if completion.schema is not None:
        return fitting_json(text, completion.schema)
    if not text.strip():
        raise UnfitError("there is no text in it", "there is no text in it")
    return text
