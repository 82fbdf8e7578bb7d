"""Settings are printed as one enters them."""

import pytest

from pipeline.workflow.formatting import format_setting


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, "3"),
        ("residual", "'residual'"),
        ("", "''"),
        ((), "none"),
        (("me.jpg",), "me.jpg"),
        ((120, 84), "120 84"),
        (("a" * 200,), "a" * 200),
        (tuple(f"{number:04}.png" for number in range(981)), "0000.png ... (981 values)"),
    ],
)
def test_a_setting_is_formatted_as_its_flag_has_it(value, expected):
    assert format_setting(value) == expected
