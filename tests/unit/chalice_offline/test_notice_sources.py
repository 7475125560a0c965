"""What queues and rules of notices are called."""

import pytest

from chalice_offline.notice_sources import notice_queue, rule_name

FUNCTIONS = ("on_order_status_changed_first", "on_order_status_changed_second")


@pytest.mark.parametrize("app_name", ["shop", "my-notification-service", "a" * 40])
def test_functions_whose_names_begin_alike_have_queues_and_rules_of_their_own(app_name: str) -> None:
    queues = [notice_queue(name, app_name, "dev") for name in FUNCTIONS]
    rules = [rule_name(queue) for queue in queues]
    assert len(set(queues)) == len(set(rules)) == len(FUNCTIONS)
    assert all(len(queue) <= 80 for queue in queues)
    assert all(len(rule) <= 64 for rule in rules)


def test_names_that_are_short_enough_stay_as_they_are() -> None:
    queue = notice_queue("paid", "shop", "dev")
    assert queue == rule_name(queue) == "chalice-offline-shop-dev-paid"
