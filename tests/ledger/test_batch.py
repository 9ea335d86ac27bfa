"""What is committed at once."""

from costmeter.ledger.batch import Batch, EventRow


def test_batches_do_not_share_what_is_added_to_one_of_them() -> None:
    batch = Batch()
    batch.sums[1] = {7: 100}
    batch.positions["a"] = 1
    batch.events.append(EventRow(1, b"[]", None, ""))
    assert Batch() == Batch({}, {}, [], [], [], [])
