import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.runtime.envelope import Envelope, InvalidEnvelopeError
from constructs_lib.runtime.failures import PermanentFailure
from tests.unit.runtime.events import envelope

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(id=names, key=names, tenant=names, correlation_id=names, body=st.dictionaries(st.text(), json_values))
def test_envelope_survives_the_way(id: str, key: str, tenant: str, correlation_id: str, body: dict[str, Any]) -> None:
    """What a producer writes is what a consumer reads, whatever the texts."""
    sent = envelope(id, key=key, tenant=tenant, correlation_id=correlation_id, body=body)
    assert Envelope.from_json(sent.to_json()) == sent


def test_fields_added_later_are_ignored() -> None:
    """A producer may add fields before its consumers know them."""
    fields = json.loads(envelope().to_json()) | {"priority": "high"}
    assert Envelope.from_json(json.dumps(fields)) == envelope()


TEXTS = ("id", "key", "tenant", "correlation_id")
WRONG = [
    *[(field, value) for field in TEXTS for value in (None, "", "\ud800", 17, ["hush"])],
    *[("created", value) for value in (None, "", "hush", 17, "2026-11-21T03:04:05", "2026-11-21T03:04:05+01:00")],
    *[("body", value) for value in (None, "hush", ["hush"], 17)],
    *[("v", value) for value in (None, "1", 2, 0, True, 1.0)],
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_wrong_field_is_named_and_its_value_is_not(field: str, value: object) -> None:
    """The reason says which field is wrong; it is kept and logged, so it never repeats what was sent."""
    fields = json.loads(envelope().to_json()) | {field: value}
    with pytest.raises(InvalidEnvelopeError, match=rf"\b{field} must be") as error:
        Envelope.from_json(json.dumps(fields))
    assert "hush" not in error.value.reason


@pytest.mark.parametrize("missing", ["v", "id", "key", "tenant", "correlation_id", "created", "body"])
def test_missing_field_is_named(missing: str) -> None:
    """Every field is needed, the version too: other JSON must not pass for an envelope."""
    fields = json.loads(envelope().to_json())
    del fields[missing]
    with pytest.raises(InvalidEnvelopeError, match=rf"\b{missing} must be"):
        Envelope.from_json(json.dumps(fields))


@pytest.mark.parametrize("text", ["", "no json", b"\xff\xfe", "[" * 200_000, "[]", '"text"', "null"])
def test_text_that_is_no_envelope_is_a_permanent_failure(text: str | bytes) -> None:
    """Garbage of any kind is refused in one way, the one that sends a record to quarantine."""
    with pytest.raises(PermanentFailure, match="not an envelope"):
        Envelope.from_json(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_number_json_does_not_know_is_refused(number: str) -> None:
    """What Python would read and no other consumer could is not an envelope."""
    text = envelope(body={"number": 17}).to_json().replace("17", number)
    with pytest.raises(InvalidEnvelopeError, match="not JSON"):
        Envelope.from_json(text)


def test_producer_cannot_make_a_wrong_envelope() -> None:
    """A wrong value fails where it is made, not where it arrives."""
    with pytest.raises(ValueError, match="tenant must be text"):
        envelope(tenant="")
