"""What every refusal has to be: one line, exit code 2, nothing claimed, nothing left, nothing touched."""

import os
import stat

import pytest
import toy

from polarbgb.cli.main import main


@pytest.fixture(scope="session")
def good_file(tmp_path_factory):
    """A good file of the toy detector; not to be written to."""
    return toy.write(tmp_path_factory.mktemp("toy") / "rows.root", toy.columns())


@pytest.fixture(scope="session")
def good_bytes(good_file):
    return good_file.read_bytes()


@pytest.fixture
def desk(tmp_path, monkeypatch, good_bytes):
    """A folder with a good file, its configuration and its known events, in which commands are typed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.root").write_bytes(good_bytes)
    (tmp_path / "toy.toml").write_text(toy.toml(toy.CONFIG))
    (tmp_path / "known.csv").write_text(toy.KNOWN)
    return tmp_path


def held(folder):
    """Return all that a folder holds, to the last byte."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in folders:
            found[os.path.join(place, name)] = "folder"  # noqa: PTH118 - names may be of any bytes
        for name in files:
            path = os.path.join(place, name)  # noqa: PTH118
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode):
                with open(path, "rb") as file:  # noqa: PTH123
                    found[path] = file.read()
            else:
                found[path] = stat.S_IFMT(mode)
    return found


@pytest.fixture
def typed(desk, capfd):
    """Type a command; return its exit code and what it wrote to stdout and stderr."""

    def run(*words):
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main.main(args=[str(word) for word in words], prog_name="polarbgb")
        out, err = capfd.readouterr()
        return end.value.code or 0, out, err

    return run


@pytest.fixture
def refused(desk, typed):
    """Type a command that has to be refused, and return the line that says why."""

    def run(*words, told=()):
        before = held(desk)
        code, out, err = typed(*words, "-q")
        assert held(desk) == before
        assert out == ""
        lines = err.splitlines()
        assert len(lines) == 1, err
        assert lines[0].startswith("error: ")
        assert code == 2
        for part in told:
            assert part in lines[0]
        return lines[0]

    return run


@pytest.fixture
def accepted(desk, typed):
    """Type a command that has to work, and return what it wrote to stdout."""

    def run(*words):
        code, out, err = typed(*words)
        assert (code, "error: " in err) == (0, False), err
        assert "Traceback" not in err
        return out

    return run
