"""What is told of a stack that could not be made or changed."""

from typing import Any

from chalice_offline.stack import why_not


def event(resource: str, status: str, reason: str = "") -> dict[str, Any]:
    return {"LogicalResourceId": resource, "ResourceStatus": status, "ResourceStatusReason": reason}


def test_change_that_fails_names_the_resource_with_its_reason_and_how_to_begin_anew() -> None:
    latest_first = [
        event("shop-dev", "UPDATE_ROLLBACK_COMPLETE"),
        event("Table", "UPDATE_COMPLETE"),
        event(
            "shop-dev", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [Table]."
        ),
        event("Table", "UPDATE_FAILED", "a custom-named resource requires replacing."),
        event("shop-dev", "UPDATE_IN_PROGRESS", "User Initiated"),
        event("Table", "CREATE_FAILED", "an earlier one's"),
        event("shop-dev", "CREATE_IN_PROGRESS", "User Initiated"),
    ]
    assert why_not("UPDATE_ROLLBACK_COMPLETE", latest_first) == (
        "UPDATE_ROLLBACK_COMPLETE: Table: a custom-named resource requires replacing. "
        "The command reset wipes what is kept, and what is declared is made anew"
    )


def test_first_failure_is_told_first_and_one_without_a_reason_by_its_status() -> None:
    latest_first = [
        event("B", "CREATE_FAILED"),
        event("A", "CREATE_FAILED", "no such key"),
        event("shop-dev", "CREATE_IN_PROGRESS", "User Initiated"),
    ]
    assert why_not("ROLLBACK_COMPLETE", latest_first) == "ROLLBACK_COMPLETE: A: no such key; B: CREATE_FAILED"


def test_stack_without_failed_resources_is_told_by_its_status() -> None:
    assert why_not("ROLLBACK_COMPLETE", []) == "ROLLBACK_COMPLETE"
