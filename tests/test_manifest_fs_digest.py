"""Reading and hashing: memory and files."""

import os

from qa2pack.manifest.fs.digest import aligned_buffer


def test_buffer_is_not_shared_with_processes_that_are_forked_later() -> None:
    buffer = aligned_buffer()
    buffer[0] = 1
    child = os.fork()
    if child == 0:
        buffer[0] = 2  # the child of a fork has the same object
        os._exit(buffer[0])
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 2
    assert buffer[0] == 1
