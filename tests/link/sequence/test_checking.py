from heliograph.link.dictionary import Argument, CommandDefinition, Dictionary, Hazard, Role
from heliograph.link.sequence.checking import check, definitions_of, hazards
from heliograph.link.sequence.language import parse

DEFINITIONS = definitions_of(
    Dictionary(
        commands=(
            CommandDefinition(name="node.ping", description="Answer.", aliases=("cmdDisp.CMD_NO_OP",)),
            CommandDefinition(name="node.restart", description="Restart.", role=Role.ADMIN),
            CommandDefinition(
                name="camera.set",
                description="Set.",
                arguments=(Argument(name="exposure", type="number", minimum=1, maximum=100, unit="us"),),
            ),
            CommandDefinition(name="vehicle.arm", description="Starts the motors.", hazard=Hazard.HAZARDOUS),
        )
    )
)


def told(text: str) -> list[tuple[int, int, str]]:
    steps, faults = parse(text)
    assert not faults
    found = check(steps, DEFINITIONS.get, list(DEFINITIONS))
    return [(each.line, each.column, each.message) for each in found]


def test_commands_and_arguments_that_fit_are_no_fault() -> None:
    assert told("R00:00:01 node.ping\nR0:00:00 cmdDisp.CMD_NO_OP\nR0:00:00 camera.set exposure=5") == []


def test_an_unknown_command_is_told_with_what_was_meant() -> None:
    [(line, column, message)] = told("\n R00:00:01 node.pign")
    assert (line, column) == (2, 12)
    assert "no command node.pign" in message
    assert "node.ping" in message


def test_an_argument_out_of_range_is_told_at_the_arguments() -> None:
    [(line, column, message)] = told("R00:00:01 camera.set 500")
    assert (line, column) == (1, 22)
    assert "1 to 100 us" in message


def test_a_missing_argument_is_told_at_the_command() -> None:
    [(_, column, message)] = told("R00:00:01 camera.set")
    assert column == 11
    assert "exposure is missing" in message


def test_a_sequence_cannot_do_what_its_operator_may_not() -> None:
    [(_, _, message)] = told("R00:00:01 node.restart")
    assert "needs the role admin" in message


def test_every_fault_is_told() -> None:
    assert [line for line, *_ in told("R0:00:00 a\nR0:00:00 node.ping\nR0:00:00 node.ping 1\nR0:00:00 b")] == [1, 3, 4]


def test_hazardous_steps_are_told() -> None:
    steps, _ = parse("R00:00:00 node.ping\nR00:00:00 vehicle.arm\nR00:00:00 unknown")
    assert [(each.line, each.message) for each in hazards(steps, DEFINITIONS.get)] == [
        (2, "vehicle.arm is hazardous: Starts the motors.")
    ]
