"""The codes of vital signs."""

import pytest

from vitals.codes import LOINC


@pytest.mark.parametrize("code", LOINC)
def test_a_loinc_code_has_its_check_digit(code: str) -> None:
    digits, _, check = code.partition("-")
    backwards = digits[::-1]
    luhn = backwards[1::2] + str(int(backwards[::2]) * 2)  # LOINC Users' Guide, "the LOINC check digit"

    assert sum(map(int, luhn + check)) % 10 == 0
