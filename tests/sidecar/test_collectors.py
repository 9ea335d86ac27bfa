"""How the parts of the pipeline did, and when they are due."""

import time

from costmeter.sidecar.collectors import Collectors, Dues


def test_a_part_is_well_until_it_reports_otherwise() -> None:
    collectors = Collectors(["ledger", "prices"])
    assert all(each.success for each in collectors.values())
    collectors.report("ledger", time.monotonic() - 5, "the disk is full")
    assert (collectors["ledger"].success, collectors["ledger"].problem) == (
        False,
        "the disk is full",
    )
    assert collectors["ledger"].seconds >= 5
    collectors.report("ledger", time.monotonic())
    assert (collectors["ledger"].success, collectors["ledger"].problem) == (True, "")
    assert collectors["prices"].success


def test_everything_is_due_once_and_again_when_hurried() -> None:
    dues = Dues()
    assert [dues.is_due("prune", 3600) for _ in range(2)] == [True, False]
    assert dues.is_due("sample", 3600)
    dues.hurry("prune", "unknown")
    assert dues.is_due("prune", 3600)
    assert not dues.is_due("sample", 3600)
