"""What one more record of a review means, whatever order its records arrive in."""

from typing import Literal

from schemas.records import Op

Verdict = Literal["new", "edit", "delete", "bury", "nothing"]
"""new: counts from now on; edit: counts differently; delete: counts no more; bury: never counted, and older
records of it never will; nothing: older than, or the same as, what stands."""


def judge(op: Op, revision: int, standing: int | None, deleted: bool) -> Verdict:
    """Say what a record changes.

    A deletion wins over an upsert of the same revision, so that whoever numbers nothing can still delete.

    Args:
        op: Of the record.
        revision: Of the record.
        standing: The revision that stands; None when nothing was ever heard of the review.
        deleted: Whether what stands is a deletion.

    Example:
        >>> judge("upsert", 0, None, False), judge("upsert", 0, 0, False), judge("delete", 0, 0, False)
        ('new', 'nothing', 'delete')
        >>> judge("upsert", 3, 4, True), judge("upsert", 5, 4, True), judge("delete", 2, None, False)
        ('nothing', 'new', 'bury')
    """
    if standing is None:
        return "new" if op == "upsert" else "bury"
    if op == "upsert":
        return ("new" if deleted else "edit") if revision > standing else "nothing"
    if deleted:
        return "bury" if revision > standing else "nothing"
    return "delete" if revision >= standing else "nothing"
