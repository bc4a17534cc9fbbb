"""The `autorecovery` command. stdout is data, stderr is messages; every failure has its exit code.

Commands import what they need when they are called: `--help` loads neither boto3 nor the core.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from command_line.agent import agent
from command_line.exit_codes import ExitCode
from command_line.notify import notify
from command_line.options import DEFAULT_CONFIG, ConfigFile, Json, Stack
from command_line.windows import windows

EPILOG = (
    "Exit codes: 0 ok, 1 unexpected, 2 usage, 3 configuration invalid, 4 environment"
    " (credentials, files), 5 nothing found or problems found, 6 recovery failed, 130 interrupted."
)

app = typer.Typer(
    name="autorecovery",
    help="Notices a sick server, tells people, recovers it once, and proves that it worked.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
incidents = typer.Typer(help="What happened, and what was done about it.", no_args_is_help=True)
app.add_typer(incidents, name="incidents")
app.add_typer(windows("maintenance", "Times in which nothing is run."), name="maintenance")
app.add_typer(windows("silence", "Times in which nobody is told."), name="silence")
dead_letters = typer.Typer(help="What could not be processed, and why.", no_args_is_help=True)
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(notify, name="notify")
app.add_typer(agent, name="agent")
database = typer.Typer(help="The database of the one-machine hub.", no_args_is_help=True)
app.add_typer(database, name="db")


@app.command()
def validate(config: ConfigFile = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """Check the configuration file.

    Each mistake is told with its place, what was expected, and a suggestion; exit code 3.
    """
    from command_line import configuration

    configuration.validate(config, os.environ, as_json=as_json)


@app.command("config")
def show_config(
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: Json = False,
    everything: Annotated[bool, typer.Option("--all", help="Also show defaults.")] = False,
) -> None:
    """Show the values in force and what set each.

    That is the file, an environment variable, or a default.
    """
    from command_line import configuration

    configuration.show(config, os.environ, everything=everything, as_json=as_json)


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = DEFAULT_CONFIG,
    from_aws: Annotated[
        bool, typer.Option("--from-aws", help="List instances, and adopt the alarms that exist.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    as_json: Json = False,
) -> None:
    """Write a configuration to start from."""
    from command_line import initial

    initial.write(path, from_aws=from_aws, force=force, as_json=as_json)


@app.command()
def send(
    event: Annotated[
        Path, typer.Argument(help="An event as JSON, such as events/cpu_high.json; - is stdin.")
    ],
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Try an event: what would be told and run.

    It goes through triage as a dry run; the clock stands at the event's own time.
    """
    from command_line import rehearsal

    rehearsal.send(event, config, os.environ, as_json=as_json)


@incidents.command("list")
def list_incidents(
    stack: Stack = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    everything: Annotated[bool, typer.Option("--all", help="Canaries too.")] = False,
    as_json: Json = False,
) -> None:
    """List incidents, the newest first."""
    from command_line import stories

    stories.list_recent(stack, os.environ, limit=limit, everything=everything, as_json=as_json)


@incidents.command("show")
def show_incident(
    incident: Annotated[str, typer.Argument(help="An incident's id, the end of one, or `last`.")],
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Show one incident and its timeline."""
    from command_line import stories

    stories.show(incident, stack, os.environ, as_json=as_json)


@app.command()
def explain(
    incident: Annotated[str, typer.Argument(help="An incident's id, the end of one, or `last`.")],
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Say why, and why not.

    Every gate's answer to every decision, in the order things happened.
    """
    from command_line import stories

    stories.explain(incident, stack, os.environ, as_json=as_json)


Wanted = Annotated[str, typer.Argument(help="An incident's id, the end of one, or `last`.")]


@app.command()
def approve(incident: Wanted, stack: Stack = None, as_json: Json = False) -> None:
    """Let the script that an incident asks about be run."""
    from command_line import answers

    answers.say(answers.approve, incident, stack, os.environ, as_json=as_json)


@app.command()
def deny(incident: Wanted, stack: Stack = None, as_json: Json = False) -> None:
    """Do not let it be run; the incident is yours then."""
    from command_line import answers

    answers.say(answers.deny, incident, stack, os.environ, as_json=as_json)


@app.command()
def ack(incident: Wanted, stack: Stack = None, as_json: Json = False) -> None:
    """Say that you are on it: reminders stop."""
    from command_line import answers

    answers.say(answers.acknowledge, incident, stack, os.environ, as_json=as_json)


@app.command()
def close(incident: Wanted, stack: Stack = None, as_json: Json = False) -> None:
    """Close an incident by hand; nothing more is run for it."""
    from command_line import answers

    answers.say(answers.close, incident, stack, os.environ, as_json=as_json)


@app.command()
def recover(
    wanted: Annotated[
        str, typer.Argument(metavar="INCIDENT|TARGET", help="An open incident, or a machine.")
    ],
    rule: Annotated[
        str | None, typer.Argument(help="For a machine: the rule whose ladder is climbed.")
    ] = None,
    config: ConfigFile = DEFAULT_CONFIG,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Have a ladder climbed now, through the same gates.

    `recover INCIDENT` climbs an open incident's ladder from its first rung, as after a hand-over;
    `recover TARGET RULE` opens an incident by hand. Your word counts as the approval of the first
    rung, whatever the rule's autonomy. `explain` tells what came of it.
    """
    from command_line import answers

    answers.recover(wanted, rule, stack, os.environ, config, as_json=as_json)


@app.command()
def analyze(
    target: Annotated[
        str | None, typer.Option(help="Only this machine; without it, the whole fleet.")
    ] = None,
    config: ConfigFile = DEFAULT_CONFIG,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Report the present state: what is open, what helped, what returns, what is not known.

    By the model of `analysis.model` where one is configured and the day's money allows it, else by
    rules; it says which. Every claim cites its evidence, and nothing it suggests is run.
    """
    from command_line import analyze

    analyze.show(target, stack, os.environ, config, as_json=as_json)


@app.command()
def scorecards(
    within: Annotated[str, typer.Option(help="How far back, such as 30d.")] = "30d",
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Show how well each script serves each rule.

    The share verified on fresh data with its 95 % interval, the time from opened to verified, and
    how many cases healed although nothing was run.
    """
    from command_line import controls, scorecards

    scorecards.show(
        stack, os.environ, within=controls.duration(within, "--within"), as_json=as_json
    )


@app.command()
def promote(
    script: Annotated[str, typer.Argument(help="A script, without .sh.")],
    rule: Annotated[str, typer.Argument(help="The rule under which it was demoted.")],
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Let a demoted script be run by itself again.

    Only what it does from now on counts for its record.
    """
    from command_line import scorecards

    scorecards.promote(script, rule, stack, os.environ, as_json=as_json)


@app.command()
def halt(
    why: Annotated[str, typer.Option("--why", help="For those who wonder.")] = "no reason given",
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Stop everything that acts, within seconds.

    People are still told, and what is running already goes on. Nothing that was held meanwhile is
    made up for after `resume`.
    """
    from command_line import controls

    controls.halt(stack, os.environ, why=why, as_json=as_json)


@app.command()
def resume(stack: Stack = None, as_json: Json = False) -> None:
    """Let it act again."""
    from command_line import controls

    controls.resume(stack, os.environ, as_json=as_json)


@app.command()
def doctor(config: ConfigFile = DEFAULT_CONFIG, stack: Stack = None, as_json: Json = False) -> None:
    """Find what keeps people from being told, and say how to mend it.

    Subscriptions nobody confirmed, tokens, channels, the SES sandbox, the model, secrets, the
    clock. Nothing is sent to anybody. Exit code 5 where something needs fixing.
    """
    from command_line import doctor as visit

    visit.doctor(config, stack, os.environ, as_json=as_json)


@database.command("schema")
def show_schema(
    dialect: Annotated[str, typer.Option(help="sqlite or mysql (MariaDB too).")] = "sqlite",
) -> None:
    """Print the statements that make the hub's tables.

    The hub makes what is missing by itself; this is for who makes tables by hand.
    """
    from command_line import database

    database.show_schema(dialect)


LETTER_IDS = "Ids, as `dead-letters list` shows them."


@dead_letters.command("list")
def list_dead_letters(
    stack: Stack = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    as_json: Json = False,
) -> None:
    """List what could not be processed, the oldest first.

    Nothing is taken out. The queue of a stack answers with a sample where it holds more than asked.
    """
    from command_line import dead_letters as letters

    letters.list_waiting(stack, os.environ, limit=limit, as_json=as_json)


@dead_letters.command("show")
def show_dead_letter(
    letter: Annotated[str, typer.Argument(help="An id, as `dead-letters list` shows it.")],
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Show one whole event, and why it is here."""
    from command_line import dead_letters as letters

    letters.show(letter, stack, os.environ, as_json=as_json)


@dead_letters.command("replay")
def replay_dead_letters(
    letter: Annotated[list[str] | None, typer.Argument(help=LETTER_IDS)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Each letter, up to --limit.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Of --all.")] = 100,
    config: ConfigFile = DEFAULT_CONFIG,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Give letters to whom they were meant for, once more.

    It is harmless: an incident is claimed once, and what is too old is told and not acted upon. A
    letter that fails again stays; then the exit code is 5. The configuration file counts on this
    machine only; a stack has its own.
    """
    from command_line import dead_letters as letters

    letters.replay_some(
        letter or [], stack, os.environ, config, everything=everything, limit=limit, as_json=as_json
    )


@dead_letters.command("discard")
def discard_dead_letters(
    letter: Annotated[list[str], typer.Argument(help=LETTER_IDS)],
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Delete letters for good: those that are read and cannot be replayed."""
    from command_line import dead_letters as letters

    letters.discard(letter, stack, os.environ, as_json=as_json)


def main() -> None:
    """Run the command; what is foreseen ends with a sentence and its code, not a traceback."""
    from command_line.failures import Failure

    try:
        app()
    except SystemExit:
        raise  # before the core is loaded for the sake of its errors
    except Failure as failure:
        sys.stderr.write(f"{failure}\n")
        sys.exit(failure.exit_code)
    except _errors_of_the_world() as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(ExitCode.ENVIRONMENT)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader went away (`… | head`): not our trouble, and no second complaint at shutdown.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.OK)


def _errors_of_the_world() -> tuple[type[Exception], ...]:
    """Return what is raised where a store or a function does not answer, or refuses."""
    from autorecovery.errors import ReadError, StoreError

    return (ReadError, StoreError)


if __name__ == "__main__":
    main()
