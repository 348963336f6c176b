"""A folder for a service in a process of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from server_folder import new_folder
from service_process import end_processes_of


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder, and leave no process of it behind."""
    made = new_folder()
    yield made
    end_processes_of(made)
    shutil.rmtree(made, ignore_errors=True)
