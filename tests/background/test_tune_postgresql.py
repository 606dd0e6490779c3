"""A study in a real PostgreSQL server, which is started here and thrown away; and what is told where there is none."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import sqlalchemy
from optuna.trial import TrialState
from test_tune import draws, ended_in, journal, start, trials_in, tuned

from polarbgb.errors import UserError

WHERE = os.pathsep.join([os.environ["PATH"], *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin")))])
PASSWORD = "se/cr:e@t"  # noqa: S105
NUMBERS = count()
USER = f"tuner:{quote(PASSWORD, safe='')}"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def server():
    """Start a server; its URL up to the name of a database."""
    initdb, pg_ctl = (shutil.which(name, path=WHERE) for name in ("initdb", "pg_ctl"))
    if not (initdb and pg_ctl):
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    # The server refuses to run as root, and its own account cannot reach pytest's folders.
    account = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        (folder / "password").write_text(PASSWORD)
        if account:
            for path in (folder, folder / "password"):
                shutil.chown(path, "postgres", "postgres")

        def do(*command):
            # Into a file: a pipe would stay open for as long as the server runs.
            with (folder / "output").open("a+") as output:
                done = subprocess.run(command, cwd=folder, stdout=output, stderr=output, check=False, **account)
            assert done.returncode == 0, (folder / "output").read_text()

        own = "--username=tuner", "--pwfile=password", "--auth=scram-sha-256"
        do(initdb, "--pgdata=data", *own, "--encoding=UTF8", "--no-locale", "--no-sync")
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' -c fsync=off"
        do(pg_ctl, "start", "--pgdata=data", "--wait", f"--options={options}")
        yield f"postgresql://{USER}@127.0.0.1:{port}"
        do(pg_ctl, "stop", "--pgdata=data", "--wait", "--mode=immediate")


@pytest.fixture
def database(server):
    """Make an empty database; its URL, spelled as in the README."""
    name = f"study{next(NUMBERS)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


@pytest.fixture(autouse=True)
def close_what_optuna_leaves_open(monkeypatch):
    create, engines = sqlalchemy.engine.create_engine, []

    def auxiliary(*arguments, **options):
        engines.append(create(*arguments, **options))
        return engines[-1]

    monkeypatch.setattr(sqlalchemy.engine, "create_engine", auxiliary)
    yield
    for engine in engines:
        engine.dispose()


def start_together(storage, number, trials, folder):
    """Start processes that wait for each other before they open the study."""
    ready, go = [folder / f"ready{me}" for me in range(number)], folder / "go"
    children = [start(storage, "share", trials, me, go) for me in ready]
    while not all(me.exists() for me in ready):
        assert all(child.poll() is None for child in children), [child.communicate() for child in children]
        time.sleep(0.01)
    go.touch()
    return children


def test_two_sittings_equal_one_of_a_journal(database, tmp_path):
    assert tuned(database, 4).finished == 4
    assert tuned(database, 9) == tuned(journal(tmp_path), 9)
    mine, theirs = trials_in(database), trials_in(journal(tmp_path))
    assert draws(mine) == draws(theirs)
    assert [(t.state, t.values, t.intermediate_values) for t in mine] == [
        (t.state, t.values, t.intermediate_values) for t in theirs
    ]


def test_three_processes_join_an_empty_database_at_the_same_moment(database, tmp_path):
    children = start_together(database, 3, 20, tmp_path)
    answers = [child.communicate(timeout=120) for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], answers
    assert all(out.count("trial") for out, _ in answers), answers
    ended = ended_in(database)
    assert 20 <= len(ended) <= 22  # the other two may be in their last trial when one ends the 20th
    assert len(ended) == len(trials_in(database))
    assert sorted(trial.user_attrs["place"] for trial in ended) == list(range(len(ended)))
    assert len(set(draws(ended))) == len(ended)


def test_two_processes_finish_what_a_third_one_killed_in_a_trial_began(database, tmp_path):
    with start(database, "hang", 14) as killed:
        for line in killed.stdout:
            if line == "hanging\n":
                break
        others = start_together(database, 2, 14, tmp_path)
        while len(ended_in(database)) <= 3 and None in [child.poll() for child in others]:
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    answers = [child.communicate(timeout=120) for child in others]
    assert [child.returncode for child in others] == [0, 0], answers
    ended = ended_in(database)
    assert 14 <= len(ended) <= 15  # both may be in their last trial at once
    assert [trial.number for trial in trials_in(database, TrialState.RUNNING)] == [3]

    asked = len(ended) + 1
    found = tuned(database, asked)
    assert found.finished + found.pruned == asked
    assert [trial.number for trial in trials_in(database) if not trial.state.is_finished()] == []
    assert [trial.number for trial in trials_in(database, TrialState.FAIL)] == [3]
    ended = ended_in(database)
    assert sorted(trial.user_attrs["place"] for trial in ended) == list(range(asked))
    assert len(set(draws(ended))) == asked


def told(storage, **options):
    with pytest.raises(UserError) as error:
        tuned(storage, 1, **options)
    message = str(error.value)
    assert "\n" not in message
    assert not [secret for secret in (PASSWORD, quote(PASSWORD, safe=""), "wrong", "cr:e", "@t") if secret in message]
    return message


def test_the_driver_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert told(f"postgresql://{USER}@host/study") == (
        "--storage postgresql://tuner:***@host/study: cannot be opened as a study "
        "(the driver is missing: pip install 'polarbgb[postgresql]')"
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql://{USER}@127.0.0.1:PORT/study", "postgresql://tuner:***@127.0.0.1:PORT/study"),
        (
            "postgresql://127.0.0.1:PORT/study?user=tuner&password=wrong",
            "postgresql://127.0.0.1:PORT/study?user=tuner&password=***",
        ),
    ],
)
def test_a_server_that_is_not_there_is_told_without_the_password(url, shown):
    port = str(free_port())
    message = told(url.replace("PORT", port))
    assert message.startswith(f"--storage {shown.replace('PORT', port)}: cannot be opened as a study (")
    assert "refused" in message


def test_a_wrong_password_is_told_without_it(database):
    message = told(database.replace(USER, "tuner:wrong"))
    assert message.startswith("--storage postgresql://tuner:***@127.0.0.1:")
    assert 'password authentication failed for user "tuner"' in message


def test_a_database_that_is_not_there_is_named(server):
    message = told(f"{server}/nowhere")
    assert "/nowhere: cannot be opened as a study" in message
    assert 'database "nowhere" does not exist' in message


def test_a_password_with_a_plain_at_sign_is_not_taken_for_a_host():
    assert told(f"postgresql://tuner:{PASSWORD}@127.0.0.1/study") == (
        "--storage postgresql://tuner:***@127.0.0.1/study: cannot be opened as a study "
        "(write each @ of a user name or password as %40)"
    )


def test_a_study_of_something_else_is_refused_without_the_password(database):
    tuned(database, 1)
    assert told(database, contract="two").startswith("postgresql://tuner:***@127.0.0.1:")
