from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.runtime.attribute_values import UnsupportedValueError, from_attributes, to_attributes

_NUMBERS = st.integers(-(10**38) + 1, 10**38 - 1) | st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=6
)
_TEXTS = st.text(st.characters(codec="utf-8"))
_SCALARS = st.none() | st.booleans() | _TEXTS | _NUMBERS | st.binary()
_SETS = st.frozensets(_TEXTS, min_size=1) | st.frozensets(_NUMBERS, min_size=1) | st.frozensets(st.binary(), min_size=1)
_VALUES = st.recursive(
    _SCALARS | _SETS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)
_ITEMS = st.dictionaries(_TEXTS, _VALUES, max_size=4)


@settings(deadline=None)
@given(_ITEMS)
def test_what_was_put_is_what_is_read(item: dict[str, Any]) -> None:
    """Nothing is rounded, and nothing changes its kind."""
    assert from_attributes(to_attributes(item)) == item


@settings(deadline=None)
@given(_ITEMS)
def test_items_are_those_boto3_would_make(item: dict[str, Any]) -> None:
    """Other programs that read the table with boto3 see the same values."""
    ours = to_attributes(item)
    theirs = {name: TypeSerializer().serialize(value) for name, value in item.items()}
    assert {name: TypeDeserializer().deserialize(value) for name, value in ours.items()} == {
        name: TypeDeserializer().deserialize(value) for name, value in theirs.items()
    }


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1.5, "total: an item holds no float; give an int or a Decimal"),
        (object(), "total: an item holds no object; it holds str, int"),
        (set(), "total: a set must hold text, numbers or bytes"),
        ({"a", 1}, "total: a set must hold"),
        ({True}, "total: a set must hold"),
        (Decimal("NaN"), "total: a number must be finite"),
        (Decimal("1E126"), "total: a number has at most 38 digits"),
        (Decimal("1E-131"), "total: a number has at most 38 digits"),
        (10**38 + 1, "total: a number has at most 38 digits"),
        pytest.param(10**5_000, "total: a number has at most 38 digits", id="very long"),
        ("\ud800", "total: the text has half of a surrogate pair"),
        ({1: "x"}, "total: must be a dict whose names are text"),
        ({"lines": [{"price": 0.5}]}, r"total\.lines\[0\]\.price: an item holds no float"),
    ],
)
def test_values_an_item_cannot_hold_are_refused_by_name(value: object, reason: str) -> None:
    """The error says where and what kind, and never the value."""
    with pytest.raises(UnsupportedValueError, match=f"^{reason}"):
        to_attributes({"total": value})


@pytest.mark.parametrize("number", [10**125, Decimal("1E-130"), 0, -(10**38) + 1, Decimal("0E+200")])
def test_numbers_at_the_limits_are_kept(number: int | Decimal) -> None:
    """38 digits count without the zeros around them."""
    assert from_attributes(to_attributes({"n": number})) == {"n": number}


def test_what_is_no_attribute_value_is_an_error() -> None:
    """A type DynamoDB does not have is not read as something else."""
    with pytest.raises(ValueError, match="DynamoDB has no type 'X'"):
        from_attributes({"n": {"X": "1"}})


@pytest.mark.parametrize("item", ["text", None, {1: "x"}])
def test_what_is_no_item_is_refused(item: Any) -> None:
    with pytest.raises(UnsupportedValueError, match=r"^an item: must be a dict whose names are text"):
        to_attributes(item)
