"""What a process keeps for some seconds is bounded."""

from epicops.kept import MOST, Kept


def test_beyond_the_most_only_what_came_first_is_forgotten() -> None:
    kept = Kept[int, str](3600)
    for key in range(MOST + 1):
        kept.put(key, "known")

    assert kept.last(0, within=3600) is None
    assert kept.last(MOST // 10, within=3600) == "known"
    assert kept.last(MOST, within=3600) == "known"
