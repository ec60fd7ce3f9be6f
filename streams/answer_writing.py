"""Have an answer written and hold it against its passages: a model first, the documents' own words if it fails."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from infra import ledger
from infra.database import Store
from infra.ledger import Entry
from models.ports import Answerer, AnswerRequest, WriteFailure
from processors.answers.assessment import Assessment
from processors.answers.checking import Checked, check
from schemas.heartbeats import Counters
from streams.calling.asks import Ask, name_of
from streams.calling.calls import Calls, Made
from streams.calling.chain import Chain
from streams.calling.walking import told
from streams.work import Failed

RESERVE_S = 1.0
"""Kept for the last one at most, of the time until the deadline; a quarter where that is less."""

PATIENCE_S = 3.0
"""A model that was busy is asked again later only if so much time is left; its own wait comes on top."""

UNBORNE = "the passages bear out nothing that it said"
NO_TIME = "no time was left to ask it"


@dataclass(frozen=True, slots=True)
class Said:
    """What is borne out of one model's words.

    Args:
        checked: What is left of them.
        entry: Its call.
        instead_of: Who should have answered; none when they did.
        because: Why they did not.
    """

    checked: Checked
    entry: Entry
    instead_of: str | None = None
    because: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What models said to one request.

    Args:
        request: What they were given.
        assessment: Of its passages.
        entries: Their calls, in the order they were made; one that brought nothing is among them if it never will.
        first: Who should answer.
        unmade: Why others said nothing.
    """

    request: AnswerRequest
    assessment: Assessment
    entries: tuple[Entry, ...] = ()
    first: str = ""
    unmade: tuple[str, ...] = ()

    def checked(self) -> Said | None:
        """Return what the passages bear out of the first model of whom there is anything."""
        reasons = list(self.unmade)
        for entry in self.entries:
            left = check(entry.output, self.request.passages, self.assessment, self.request.stated)
            if left is not None:
                standing_in = name_of(entry) != self.first
                return Said(left, entry, *((self.first, told(reasons)) if standing_in else ()))
            reasons.append(entry.failure or UNBORNE)
        return None


class AnswerWriting:
    """Has answers written by whoever can before the deadline.

    Args:
        store: The agent's store; it has the ledger.
        calls: Makes the calls.
        chain: Who answers; the last is asked when nobody else can, or nothing that they say is borne out.
        counters: Where answers by stand-ins are counted.
        now: Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        calls: Calls[Answerer, AnswerRequest],
        chain: Chain[Answerer],
        *,
        counters: Counters,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._calls = calls
        self._chain = chain
        self._counters = counters
        self._now = now

    async def write(
        self, request: AnswerRequest, assessment: Assessment, deadline: float, product_id: str | None = None
    ) -> Draft | Failed:
        """Have one answer written.

        Args:
            request: With at least one passage, or with something that features say.
            assessment: Of its passages.
            deadline: Unix seconds; models get a little less, so that the last one can still be asked.
            product_id: What its cost is counted for; none is nothing.

        Returns:
            ``Failed`` when a model is worth asking again, and there is time for it.
        """
        ask = Ask(request.request_id, request.question, product_id, given_of(request), request)
        *models, last = self._chain.route(ask.key)
        draft, busy = Draft(request, assessment, first=name_of(models[0] if models else last)), list[WriteFailure]()
        for place, model in enumerate(models):
            made = await self._ask(model, ask, (deadline - self._now()), len(models) - place)
            if isinstance(made, WriteFailure):
                draft = replace(draft, unmade=(*draft.unmade, made.error))
                busy += [made] if made.retryable and not made.endpoint else []
                continue
            draft = replace(draft, entries=(*draft.entries, made))
            if await asyncio.to_thread(draft.checked) is not None:
                self._counters.writer_stand_ins += place > 0
                return draft
        left = deadline - self._now()
        if busy and not draft.entries and left > PATIENCE_S + (busy[0].retry_after_s or 0.0):
            return Failed(busy[0].error, busy[0].retry_after_s, again_by=deadline, asked=busy[0].asked)
        return await self._ask_last(last, ask, draft, deadline)

    async def _ask(self, model: Answerer, ask: Ask[AnswerRequest], left: float, shares: int) -> Made:
        """Ask a model that may fail; those after it get as much time."""
        patience_s = (left - min(RESERVE_S, left / 4)) / shares
        if patience_s <= 0:
            return WriteFailure(NO_TIME, retryable=False, asked=False)
        (made,) = await self._calls.ask(model, [ask], patience_s)
        return made

    async def _ask_last(self, last: Answerer, ask: Ask[AnswerRequest], draft: Draft, deadline: float) -> Draft | Failed:
        (made,) = await self._calls.ask(last, [ask])
        if isinstance(made, WriteFailure):
            return Failed(made.error, made.retry_after_s, again_by=deadline, asked=made.asked)
        self._counters.writer_stand_ins += bool(draft.entries or draft.unmade)
        return replace(draft, entries=(*draft.entries, made))

    def paid(self, draft: Draft) -> Draft:
        """Put the ledger's entries of the same calls in the place of a draft's own: they win, failures do not."""
        with self._store.read() as connection:
            found = ledger.find(connection, [entry.ledger_key for entry in draft.entries])
        won = {key: entry for key, entry in found.items() if entry.failure is None}
        return replace(draft, entries=tuple(won.get(entry.ledger_key, entry) for entry in draft.entries))


def given_of(request: AnswerRequest) -> str:
    """Return all that an answer is written from, canonical: equal questions to equal sources are one call."""
    features = [] if request.stated is None else [request.stated]
    return msgspec.json.encode([request.question, request.passages, *features], order="deterministic").decode()
