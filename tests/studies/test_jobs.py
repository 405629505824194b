"""Jobs in processes of their own: what dies, raises or is interrupted leaves the others alone."""

import os
import signal
import subprocess
import sys
import time

import pytest

from mmkeras.studies.jobs import (
    Job,
    JobDied,
    JobsMissing,
    Workers,
    refuse_missing,
    run_job,
    run_jobs,
)


def leave_a_file(folder, name):
    (folder / name).write_text(str(os.getpid()))
    return name


def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)


def end_without_a_word():
    os._exit(7)


def refuse(number):
    raise ValueError(f"{number} is not enough")


class Picky(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def raise_what_cannot_be_pickled():
    raise Picky("this", "that")


def return_what_cannot_be_pickled():
    return lambda: None


def environment_variable(name):
    return os.environ.get(name), os.getpid()


def test_the_death_of_one_job_leaves_the_others_alone(tmp_path, capsys):
    def missing():
        jobs = [Job("killed", kill_itself), Job("silent", end_without_a_word)]
        jobs += [Job("refused", refuse, (3,)), Job("picky", raise_what_cannot_be_pickled)]
        jobs += [Job("strange", return_what_cannot_be_pickled)]
        jobs += [Job(name, leave_a_file, (tmp_path, name)) for name in ("one", "two")]
        return [job for job in jobs if not (tmp_path / job.name).exists()]

    first = {outcome.job.name: outcome for outcome in run_jobs(missing(), workers=2)}
    assert {name for name, outcome in first.items() if outcome.error is None} == {"one", "two"}
    assert first["one"].result == "one"
    assert (tmp_path / "one").read_text() != (tmp_path / "two").read_text(), "its own process each"
    assert "signal 9 (SIGKILL), probably because memory ran out" in first["killed"].reason
    assert "exit code 7" in first["silent"].reason
    assert isinstance(first["refused"].error, ValueError)
    assert first["refused"].reason == "ValueError: 3 is not enough"
    assert first["picky"].reason == "RuntimeError: Picky: this and that"
    assert "pickle" in first["strange"].reason
    printed = capsys.readouterr().out
    assert "job 7/7" in printed and "killed FAILED, its process was killed" in printed
    failed = [outcome for outcome in first.values() if outcome.error is not None]
    with pytest.raises(JobsMissing, match=r"(?s)5 of 7 jobs are missing:.*- silent: .*exit code 7"):
        refuse_missing(failed, len(first))
    assert [job.name for job in missing()] == ["killed", "silent", "refused", "picky", "strange"]


def test_a_process_can_do_several_jobs_and_is_replaced_when_it_dies():
    jobs = [Job(str(n), environment_variable, ("COLOUR",)) for n in range(3)]
    jobs.insert(1, Job("killed", kill_itself))
    outcomes = list(run_jobs(jobs, jobs_per_process=2, environment={"COLOUR": "red"}))
    assert [outcome.job.name for outcome in outcomes] == ["0", "killed", "1", "2"]
    assert "COLOUR" not in os.environ
    (a, first), (b, second), (c, third) = (o.result for o in outcomes if o.error is None)
    assert (a, b, c) == ("red",) * 3
    assert first != second == third != os.getpid()


def test_without_workers_jobs_run_in_this_process_when_they_are_waited_for(tmp_path):
    with Workers(0) as workers:
        workers.start(Job("one", leave_a_file, (tmp_path, "one")))
        assert not workers.has_room and not (tmp_path / "one").exists()
        assert workers.wait().result == "one" and workers.running == 0
    assert (tmp_path / "one").read_text() == str(os.getpid())
    outcomes = list(run_jobs([Job("no", refuse, (1,)), Job("yes", int, ("5",))], workers=0))
    assert [outcome.result for outcome in outcomes] == [None, 5]
    with pytest.raises(ValueError, match="0 or more"):
        Workers(-1)


def test_a_single_job_raises_what_it_raised():
    assert run_job(Job("five", int, ("5",)), workers=0) == 5
    with pytest.raises(ValueError, match="3 is not enough"):
        run_job(Job("no", refuse, (3,)))
    with pytest.raises(JobDied, match="exit code 7"):
        run_job(Job("silent", end_without_a_word))


def test_a_script_with_missing_jobs_exits_with_code_1_and_names_them():
    from mmkeras.cli import run_script  # not above: every process of a job would import it

    jobs = [Job("no", refuse, (1,)), Job("five", int, ("5",))]

    def main():
        outcomes = list(run_jobs(jobs, workers=0))
        refuse_missing([outcome for outcome in outcomes if outcome.error is not None], len(jobs))

    # Python prints such a message on standard error and exits with code 1.
    with pytest.raises(SystemExit, match="1 of 2 jobs are missing:\n- no: ValueError: 1 is not"):
        run_script(main)


SCRIPT = """
import os, sys, time
from pathlib import Path
from mmkeras.studies.jobs import Job, run_jobs

def sleep(folder):
    (folder / f"started-{os.getpid()}").write_text("")
    time.sleep(60)

if __name__ == "__main__":
    job = Job("sleep", sleep, (Path(__file__).parent,))
    try:
        list(run_jobs([job, job], workers=2))
    except KeyboardInterrupt:
        sys.exit(130)
"""


PRINTS = """
from mmkeras.studies.jobs import Job, run_jobs

def say(word):
    print(word)
    return word

if __name__ == "__main__":
    (outcome,) = run_jobs([Job("say", say, ("✓ 日本 ±",))])
    assert outcome.error is None and outcome.result == "✓ 日本 ±"
"""


@pytest.mark.parametrize(
    "terminal",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_a_job_does_not_fail_for_a_letter_that_the_terminal_lacks(tmp_path, terminal):
    script = tmp_path / "script.py"
    script.write_text(PRINTS, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **terminal}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert rb"\u2713 \u65e5\u672c" in done.stdout and b"say done" in done.stdout


def start_script(folder):
    """A process that runs two jobs in two processes, both of which have begun."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Programs that a shell starts in the background ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    for _ in range(600):
        if len(list(folder.glob("started-*"))) == 2:
            return process
        time.sleep(0.1)
    raise AssertionError("the jobs have not begun")


def wait_until_the_group_has_ended(process):
    with pytest.raises(ProcessLookupError):  # multiprocessing's own helper ends a little later
        for _ in range(100):
            os.killpg(process.pid, 0)
            time.sleep(0.1)


MASKS = """
import signal
from mmkeras.studies.jobs import Job, run_jobs

def deaf():
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())

if __name__ == "__main__":
    jobs = [Job("first", deaf), Job("second", deaf)]
    print([outcome.result for outcome in run_jobs(jobs)])
"""


def test_ctrl_c_reaches_no_process_of_a_job_not_even_the_first(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(MASKS)
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.splitlines()[-1] == "[True, True]", done.stderr


def test_ctrl_c_ends_all_processes_without_a_traceback(tmp_path):
    process = start_script(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == ""
    wait_until_the_group_has_ended(process)


def test_when_the_first_process_is_killed_its_jobs_end_too(tmp_path):
    process = start_script(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)  # also waits for the jobs: they hold its standard error
    assert process.returncode == -signal.SIGKILL
    wait_until_the_group_has_ended(process)
