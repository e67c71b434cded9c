"""Numbers that commands cannot use are refused with one line, before anything is done."""

import pytest
from django.core.management import CommandError, call_command


@pytest.mark.parametrize(
    "command",
    [
        "pause_interconnect queue --reason upgrade --by olu --minutes 0",  # which would be without end
        "pause_interconnect queue --reason upgrade --by olu --minutes -5",
        "listen_mllp --port 99999",
        "prune_refused --by olu --older-than 99999999999",
        "prune_refused --by olu --older-than 0",
        "forget_dead_letters --older-than 99999999999",
        "interconnect_status --watch -1",
        "sweep_sessions --every nan",
        "compare_reads --samples 1",
        "consume_interconnect --batch 0",
        "consume_interconnect --hung-after nan",  # which would never be over
    ],
)
def test_a_number_out_of_range_is_refused(command: str) -> None:
    with pytest.raises(CommandError, match=r"is from|must be 0 or more"):
        call_command(*command.split())


@pytest.mark.parametrize("name", ["", "x" * 46])
def test_a_sender_has_a_name_that_fits(name: str) -> None:
    with pytest.raises(CommandError, match=r"blank|45 characters"):
        call_command("http_sender", name)
