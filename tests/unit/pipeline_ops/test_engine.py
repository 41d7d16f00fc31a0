"""Running the engine: its environment, its end, and the interrupts that reach it. A script stands in for the CLI."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pulumi.automation import CommandError

from pipeline_ops.engine import EngineCommand
from pipeline_ops.interrupts import Interrupts
from tests.polling import eventually


def script(folder: Path, body: str) -> Path:
    path = folder / "pulumi"
    path.write_text(f"#!{sys.executable}\n{body}")
    path.chmod(0o755)
    return path


def run(executable: Path, environment: dict[str, str], interrupts: Interrupts | None = None, *args: str) -> str:
    command = EngineCommand(executable, None, environment, interrupts or Interrupts())
    return command.run([*args], str(executable.parent), {"ADDED": "yes"}).stdout


def test_the_engine_gets_the_given_environment_and_nothing_of_this_processs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    written = run(script(tmp_path, "import os; print(dict(os.environ))"), {"GIVEN": "yes"})
    assert "'GIVEN': 'yes'" in written
    assert "'ADDED': 'yes'" in written
    assert "real" not in written


def test_a_failed_command_raises_and_leaves_what_it_wrote(tmp_path: Path) -> None:
    executable = script(tmp_path, "import sys; print('out'); print('why', file=sys.stderr); sys.exit(3)")
    command = EngineCommand(executable, None, {}, Interrupts())
    lines: list[str] = []
    with pytest.raises(CommandError):
        command.run(["up"], str(tmp_path), {}, on_output=lines.append)
    assert command.failure is not None
    assert (command.failure.stdout, command.failure.stderr, command.failure.code) == ("out", "why", 3)
    assert lines == ["out"]


def test_no_command_may_ask_a_question(tmp_path: Path) -> None:
    written = run(script(tmp_path, "import sys; print(sys.argv[1:], repr(sys.stdin.read()))"), {}, None, "up")
    assert written == "['--non-interactive', 'up'] ''"


COUNTS = """
import signal, sys, time
count = 0
def interrupted(*_):
    global count
    count += 1
    open(FILE, "w").write(str(count))
signal.signal(signal.SIGINT, interrupted)
open(FILE, "w").write("0")
deadline = time.monotonic() + 20
while count < WANTED and time.monotonic() < deadline:
    time.sleep(0.01)
end = time.monotonic() + 0.3
while time.monotonic() < end:
    time.sleep(0.01)
print(count)
"""


@pytest.mark.parametrize("presses", [1, 2])
def test_each_interrupt_reaches_the_engine_once_and_this_process_waits_for_it(tmp_path: Path, presses: int) -> None:
    file = tmp_path / "count"
    executable = script(tmp_path, COUNTS.replace("FILE", repr(str(file))).replace("WANTED", str(presses)))
    seen: list[int] = []
    interrupts = Interrupts(seen.append)

    def press() -> None:
        for pressed in range(presses):

            def reached(number: int = pressed) -> bool:
                return file.exists() and file.read_text() == str(number)

            eventually(reached, what="the engine had the interrupts of before", within=15)
            # To this process alone: the engine has to get it from here.
            os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    with interrupts.passed_on():
        presser.start()
        written = run(executable, {}, interrupts)
    presser.join()
    assert written == str(presses)
    assert seen == list(range(1, presses + 1))


def test_the_engine_is_not_in_this_processs_group_so_that_a_terminals_interrupt_reaches_it_once(tmp_path: Path) -> None:
    group = run(script(tmp_path, "import os; print(os.getpgrp(), os.getpid())"), {})
    assert group.split()[0] == group.split()[1] != str(os.getpgrp())


def test_an_interrupt_between_two_engines_reaches_the_next() -> None:
    interrupts = Interrupts()
    with interrupts.passed_on():
        os.kill(os.getpid(), signal.SIGINT)
        eventually(lambda: interrupts.count == 1, what="it was counted", within=5)
        # Inside the block, as an engine is: who started the tests with SIGINT ignored would have it ignored here too.
        process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        with process, interrupts.engine(process):
            assert process.wait(20) == -signal.SIGINT


def test_the_handlers_of_before_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts().passed_on():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


OWNER = """
import sys
from pathlib import Path
from pipeline_ops.engine import EngineCommand
from pipeline_ops.interrupts import Interrupts
EngineCommand(Path(sys.argv[1]), None, {}, Interrupts()).run([], sys.argv[2], {})
"""

GOES_ON = """
import os, time
from pathlib import Path
Path("began").write_text("")
parent = os.getppid()
deadline = time.monotonic() + 20
while os.getppid() == parent and time.monotonic() < deadline:
    time.sleep(0.01)
print("still writing", flush=True)
Path("finished").write_text("")
"""


def test_an_engine_whose_owner_is_killed_still_finishes(tmp_path: Path) -> None:
    executable = script(tmp_path, GOES_ON)
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(executable), str(tmp_path)])
    eventually((tmp_path / "began").exists, what="the engine runs", within=20)
    owner.kill()
    owner.wait()
    eventually((tmp_path / "finished").exists, what="the engine finished", within=20)
