import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.link.command import Stage, StageReport
from heliograph.link.stages import StageOrder


def report(number: int) -> StageReport:
    return StageReport(command="1", number=number, stage=Stage.PROGRESS, boot_time_ns=0, wall_time_ns=0)


def numbers(given_reports: list[StageReport]) -> list[int]:
    return [each.number for each in given_reports]


def test_what_the_journal_has_closes_a_gap() -> None:
    order = StageOrder()
    assert numbers(order.take(report(1))) == [1]
    assert numbers(order.take(report(3))) == []
    assert order.gap
    assert numbers(order.settle([report(1), report(2), report(3)])) == [2, 3]
    assert not order.gap
    assert order.last == report(3)


def test_progress_that_the_journal_forgot_is_passed_over() -> None:
    order = StageOrder()
    order.take(report(9))
    order.take(report(12))
    assert numbers(order.settle([report(1), report(2), report(8), report(11)])) == [1, 2, 8, 9, 11, 12]


def test_a_journal_that_knows_nothing_changes_nothing() -> None:
    order = StageOrder()
    order.take(report(2))
    assert order.settle([]) == []
    assert order.gap
    assert numbers(order.take(report(1))) == [1, 2]


@given(
    st.integers(1, 8).flatmap(
        lambda count: st.lists(
            st.integers(1, count) | st.builds(tuple, st.just(range(1, count + 1)).map(list)), max_size=30
        ).map(lambda events: (count, events))
    )
)
def test_each_is_given_once_and_in_order_whatever_comes(case: tuple[int, list[int | tuple[int, ...]]]) -> None:
    count, events = case
    order, given_numbers = StageOrder(), list[int]()
    for event in events:
        taken = order.take(report(event)) if isinstance(event, int) else order.settle(map(report, event))
        given_numbers += numbers(taken)
    # Nothing was pruned here, so nothing is passed over.
    assert given_numbers == list(range(1, len(given_numbers) + 1))
    given_numbers += numbers(order.settle(map(report, range(1, count + 1))))
    assert given_numbers == list(range(1, count + 1))


@pytest.mark.parametrize("number", [1, 2])
def test_a_duplicate_is_not_given_again(number: int) -> None:
    order = StageOrder()
    order.settle([report(1), report(2)])
    assert order.take(report(number)) == []
    assert not order.gap
