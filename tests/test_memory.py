"""What does not fit into memory goes to disk, and comes to the same."""

import gc
import os
import resource
import subprocess
import sys

import numpy as np
import psutil
import pytest

from polarbgb import memory
from polarbgb.errors import UserError


def test_an_array_on_disk_holds_what_is_put_into_it_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    values = np.random.default_rng(0).normal(size=(1000, 7)).astype(np.float32)
    for on_disk in (False, True):
        kept = memory.empty(values.shape, on_disk=on_disk)
        assert isinstance(kept, np.memmap) is on_disk
        kept[:] = values
        np.testing.assert_array_equal(kept, values)
        assert not list(tmp_path.iterdir())  # the file has no name: it goes even if the process is killed
        del kept
        gc.collect()


def test_an_array_without_rows_needs_no_file():
    assert memory.empty((0, 5), on_disk=True).shape == (0, 5)


def test_a_disk_that_is_full_is_told_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(UserError, match=rf"no space for 2\.0 GiB of features in {tmp_path} .*TMPDIR"):
        memory.empty((2**20, 512), on_disk=True)


def test_the_folder_is_the_one_named_or_one_that_is_not_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert memory.scratch() == tmp_path
    monkeypatch.delenv("TMPDIR")
    assert str(memory.scratch()) in {"/var/tmp", "/tmp"}  # noqa: S108


def test_what_is_free_is_the_least_of_machine_container_and_own_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    available = psutil.virtual_memory().available
    assert memory.free_memory() == pytest.approx(available, rel=0.1)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert memory.free_memory() == pytest.approx(available, rel=0.1)
    (tmp_path / "memory.max").write_text("51000\n")
    assert memory.free_memory() == 50000
    (tmp_path / "memory.current").write_text("60000\n")
    assert memory.free_memory() == 0
    (tmp_path / "memory.max").unlink()
    own = psutil.Process().memory_info().vms
    monkeypatch.setattr(resource, "getrlimit", lambda _: (own + 10**9, own + 10**9))
    assert memory.free_memory() == pytest.approx(10**9, rel=0.05)


def test_a_limit_counts_what_the_process_already_holds():
    held = psutil.Process().memory_info().rss
    assert memory.room_for(0.5 * 2**30, held / 2**30 + 1)
    assert not memory.room_for(1.5 * 2**30, held / 2**30 + 1)
    assert not memory.room_for(10**18, None)
    assert memory.room_for(1, None)


def test_under_a_limit_of_address_space_threads_share_what_they_reserve_and_polars_keeps_nothing():
    program = """
import os, resource, threading
from polarbgb.memory import spare_address_space
spare_address_space()
def size():
    return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() / 2**20
before, go = size(), threading.Event()
def allocate():
    kept = bytearray(1000)
    go.wait()
threads = [threading.Thread(target=allocate) for _ in range(16)]
for thread in threads: thread.start()
print(size() - before, os.environ.get("_RJEM_MALLOC_CONF"))
go.set()
"""
    grown = {}
    for limit in ("6291456", "unlimited"):
        limited = f"ulimit -v {limit}; ulimit -s 256; exec {sys.executable} -c '{program}'"
        # polars itself notes there what it was told.
        bare = {key: value for key, value in os.environ.items() if key != "_RJEM_MALLOC_CONF"}
        told = subprocess.run(["bash", "-c", limited], env=bare, check=True, capture_output=True, text=True).stdout  # noqa: S607
        size, conf = told.split()
        grown[limit] = float(size)
        assert conf == ("retain:false" if limit == "6291456" else "None")
    assert grown["6291456"] < 200
    assert grown["unlimited"] > 500
