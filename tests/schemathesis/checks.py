"""What is checked of every answer beside what the tester checks by itself."""

import os

import schemathesis

ROLES = ["viewer", "operator", "manager", "admin", "super_admin"]
ROLE = os.environ["GATELEDGER_TEST_ROLE"]
BEARER = "Bearer " + os.environ["GATELEDGER_TEST_TOKEN"]

# Values of the right shape that may be refused all the same, because no schema tells the usable ones from the others:
# names in the configuration, IANA time zones, cron patterns that come some day, values that exclude or need each other, what
# fits a conflict, accounts of the ERP that are in use, and addresses on this server.
UNSAYABLE = {
    "createMapping": {"account", "timezone", "schedule"},
    "configureMapping": {"timezone", "schedule", "account_schedule"},
    "connectAccount": {"return_to"},
    "assignSalesperson": {"salesperson_id"},
    "decideConflict": {"decision", "user_id"},
    "decideUserRole": {"role"},
}
# Texts in which characters that leave no trace on paper are refused; a pattern with all of them helps nobody.
PRINTABLE = {"createMapping": {"client_id", "room_id", "channel_name"}}


def definition(case):
    return case.operation.definition.raw


def is_ours(response):
    """Whether the request bore the token; the tester also sends some without it or with a wrong one."""
    return response.request.headers.get("Authorization") == BEARER


@schemathesis.check
def refuses_values_only_where_a_schema_cannot(ctx, response, case):
    operation = definition(case).get("operationId")
    if response.status_code != 422 or operation == "redriveDeadLetter":
        return
    errors = response.json().get("errors") or []
    assert errors, "422 without a word on what is wrong"
    for error in errors:
        field = error["field"]
        odd = field in PRINTABLE.get(operation, ()) and not str(case.body.get(field)).isascii()
        assert odd or field in UNSAYABLE.get(operation, ()), (
            f"{field} is refused although the schema allows it: {error['problem']}"
        )


@schemathesis.check
def refuses_cursors_of_the_provider_and_nothing_else(ctx, response, case):
    """Of what the schema allows, 400 is only for a cursor with a token that the provider did not give."""
    if response.status_code != 400 or definition(case).get("operationId") != "listChannels":
        return
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    fields = {(error["in"], error["field"]) for error in response.json().get("errors") or []}
    assert fields == {("query", "cursor")} and (case.query or {}).get("cursor"), f"{fields} is refused"


@schemathesis.check
def takes_the_token(ctx, response, case):
    assert response.status_code != 401 or not is_ours(response), "the token of the run is refused"


@schemathesis.check
def asks_for_the_role_of_the_description(ctx, response, case):
    if not is_ours(response):
        return
    needed = definition(case)["x-minimum-role"]
    if ROLES.index(ROLE) < ROLES.index(needed):
        assert response.status_code >= 400, f"a {ROLE} may do what takes a {needed}"
    else:
        assert response.status_code != 403, f"a {ROLE} is refused what a {needed} may do"
