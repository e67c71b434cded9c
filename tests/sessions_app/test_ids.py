"""The names of a session that may be kept or shown."""

import pytest

from sessions_app.ids import handle, key_hash, seal, unseal

ID, OTHER = "a1" * 16, "b2" * 16


def test_a_sealed_id_fits_its_column_and_opens_with_its_own_hash() -> None:
    assert len(seal(ID)) == 64
    assert unseal(seal(ID), key_hash(ID)) == ID


def test_a_sealed_id_does_not_open_in_another_row_or_under_another_key(settings: object) -> None:
    sealed, hashed = seal(ID), key_hash(ID)

    with pytest.raises(ValueError, match="another key"):
        unseal(sealed, key_hash(OTHER))
    settings.SECRET_KEY = "another"  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="another key"):
        unseal(sealed, hashed)


def test_no_name_shows_the_id() -> None:
    shown = (handle(ID), key_hash(ID), seal(ID))

    assert not [name for name in shown if ID in name or name in ID]
    assert len({*shown, handle(OTHER), key_hash(OTHER), seal(OTHER)}) == 6
