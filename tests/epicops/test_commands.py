"""What our commands say of themselves."""

import shlex

import pytest
from django.core.management import get_commands, load_command_class

from tests.processes import PROJECT

OURS = sorted(path.stem for path in PROJECT.glob("*/management/commands/[a-z]*.py"))


@pytest.mark.parametrize("name", OURS)
def test_a_command_says_what_it_is_for_and_gives_an_example_of_what_it_needs(name: str) -> None:
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    needs = any(action.required for action in parser._actions)

    assert parser.description
    assert all(action.help for action in parser._actions)
    assert parser.epilog or not needs
    if parser.epilog:
        program, command, *arguments = shlex.split(parser.epilog.removeprefix("Example: "))
        assert (program, command) == ("manage.py", name)
        parser.parse_args(arguments)
