from hypothesis import given
from hypothesis import strategies as st

from infra.kafka.producer import Receipt
from streams.cli.sending.frontier import Frontier


def receipt(number: int) -> Receipt:
    return Receipt("t", 0, number)


def test_nothing_is_settled_beyond_a_row_that_waits():
    frontier = Frontier()
    for _ in range(4):
        frontier.sent()
    for number in (2, 1, 3):
        frontier.confirmed(number, receipt(number))
    assert frontier.take().rows == 0
    frontier.confirmed(0, receipt(0))
    assert frontier.take().receipts == ["t:0:0", "t:0:1", "t:0:2", "t:0:3"]


def test_a_run_that_goes_on_counts_rows_from_there_and_records_from_nothing():
    frontier = Frontier(10)
    frontier.rejected("ten")
    frontier.sent()
    frontier.confirmed(0, receipt(0))
    settled = frontier.take()
    assert (settled.rows, settled.rejected, settled.rejects, settled.receipts) == (12, 1, ["ten"], ["t:0:0"])


@given(taken=st.lists(st.booleans(), max_size=30), data=st.data())
def test_whatever_the_order_of_confirmations_what_is_taken_is_the_settled_beginning(taken, data):
    """``taken``: whether each row is sent. Rows and confirmations come in any order the broker may choose."""
    frontier, told = Frontier(), []
    numbers, sent, confirmed, row = {}, [], set(), 0
    while row < len(taken) or sent:
        if row < len(taken) and (not sent or data.draw(st.booleans())):
            if taken[row]:
                numbers[row] = len(numbers)
                sent.append(numbers[row])
                frontier.sent()
            else:
                frontier.rejected(f"row {row}")
            row += 1
        else:
            number = sent.pop(data.draw(st.integers(0, len(sent) - 1)))
            confirmed.add(number)
            frontier.confirmed(number, receipt(number))
        settled = frontier.take()
        told += [*settled.receipts]
        waiting = [place for place in range(row) if taken[place] and numbers[place] not in confirmed]
        assert settled.rows == min(waiting, default=row)
        assert told == [f"t:0:{numbers[place]}" for place in range(settled.rows) if taken[place]]
