"""What a summary says and how its row is laid out: points beside a text, and what the text was written from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from infra.outbox import Output
from infra.rows.summary_rows import SummaryRow
from processors.texts.citing import cited_reviews, cites_forgotten
from schemas.points import Forgotten, Points, Reading
from schemas.records import Op, Sources
from schemas.summaries import Summary, WriterStamp
from streams.events import event_headers


@dataclass(frozen=True, slots=True)
class TextBasis:
    """What a text was written from.

    Args:
        reading: The points.
        forgotten: How many reviews the product had forgotten by then.
    """

    reading: Reading
    forgotten: int

    def cites_forgotten(self, forgotten: Forgotten) -> bool:
        """Tell whether the text may hold words of a review that is gone by now."""
        if forgotten.count == self.forgotten:  # the common case: nobody need look who is cited
            return False
        return cites_forgotten(cited_reviews(self.reading), forgotten, self.forgotten)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the next text of a product is to be written from, whenever that is.

    It depends on the order of a product's points alone, not on when they were read or texts were written: reading
    them again asks for the same calls.
    """

    reading: Reading
    forgotten: int  # reviews the product had forgotten by then
    points_revision: int
    shown_revision: int  # of the summary that was made of these points, or of newer ones of the same run
    reason: str

    @property
    def basis(self) -> TextBasis:
        """What the row of a text written from it will tell."""
        return TextBasis(self.reading, self.forgotten)


def wanted_of(row: SummaryRow) -> Wanted | None:
    """Take what the next text is to be written from out of a row; None while none is wanted."""
    return None if row.wanted is None else msgspec.json.decode(row.wanted, type=Wanted)


def basis_of(row: SummaryRow) -> TextBasis | None:
    """Take what the standing text was written from out of its row; None when no text stands."""
    if row.text_points is None:
        return None
    return TextBasis(msgspec.json.decode(row.text_points, type=Reading), row.text_forgotten or 0)


def text_stands(row: SummaryRow, forgotten: Forgotten) -> bool:
    """Tell whether a row has a text that holds no words of a review that is gone by now."""
    if row.text_points is None or forgotten.count == row.text_forgotten:  # the common case: nobody need look closer
        return row.text_points is not None
    basis = basis_of(row)
    return basis is not None and not basis.cites_forgotten(forgotten)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What standing points tell of reviews that are gone."""

    op: Op
    forgotten: Forgotten = Forgotten()


def told_by(row: SummaryRow) -> Told:
    """Read the end of a row's points without the rest."""
    return msgspec.json.decode(row.points, type=Told)


def show(points: Points, sources: Sources, before: Summary | None, now: float) -> Summary:
    """Put new points beside the standing text.

    Args:
        points: The newest points.
        sources: What they include.
        before: The standing summary, whose text stays.
        now: Unix seconds.
    """
    return Summary(
        product_id=points.product_id,
        revision=1 if before is None else before.revision + 1,
        text_revision=None if before is None else before.text_revision,
        op=points.op,
        text=None if before is None else before.text,
        bands=points.bands,
        value_for_money=points.value_for_money,
        flags=points.flags,
        flag_counts=points.flag_counts,
        metrics=points.metrics,
        writer=None if before is None else before.writer,
        sources=sources,
        updated_at=datetime.fromtimestamp(now, UTC),
    )


def untext(summary: Summary) -> Summary:
    """Take the text off a summary, and who wrote it."""
    return msgspec.structs.replace(summary, text=None, text_revision=None, writer=None)


def retext(summary: Summary, text: str, stamp: WriterStamp, text_revision: int | None, now: float) -> Summary:
    """Put a new text over the standing points.

    Args:
        summary: What stands.
        text: The new text.
        stamp: Who wrote it.
        text_revision: Revision whose points it was written from; None when they are the standing ones.
        now: Unix seconds.
    """
    revision = summary.revision + 1
    return msgspec.structs.replace(
        summary,
        revision=revision,
        text=text,
        text_revision=text_revision or revision,
        writer=stamp,
        updated_at=datetime.fromtimestamp(now, UTC),
    )


def make_row(
    summary: Summary, points_revision: int, points: bytes, basis: TextBasis | None, wanted: Wanted | None = None
) -> SummaryRow:
    """Lay a summary out as its row.

    Args:
        summary: As published.
        points_revision: Of the points it shows.
        points: These points as JSON.
        basis: What its text was written from; None without a text.
        wanted: What its next text is to be written from.
    """
    return SummaryRow(
        product_id=summary.product_id,
        revision=summary.revision,
        points_revision=points_revision,
        points=points,
        text_points=None if basis is None else msgspec.json.encode(basis.reading),
        text_forgotten=None if basis is None else basis.forgotten,
        record=msgspec.json.encode(summary),
        review_count=summary.metrics.review_count if summary.op == "upsert" else 0,
        updated_at=summary.updated_at.timestamp(),
        wanted=None if wanted is None else msgspec.json.encode(wanted),
    )


def publishable(topic: str, row: SummaryRow, trace: Mapping[str, bytes]) -> Output:
    """Make the record that is published of a row."""
    at = datetime.fromtimestamp(row.updated_at, UTC)
    headers = event_headers(f"summary:{row.product_id}@{row.revision}", "summary", "summarize", at, trace)
    return Output(topic, row.product_id.encode(), row.record, headers)


def reading_of(points: Points) -> Reading:
    """Take what a text is written from out of a Points record."""
    return Reading(**{name: getattr(points, name) for name in Reading.__struct_fields__})
