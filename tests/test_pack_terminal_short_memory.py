"""A command with too little memory to say so as any other failure: one line, and no traceback."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.terminal.short_memory import run_in_short_memory

PACK = ("cli", ["plan", "o", "2011.0.00229.S", "--layout", "as-is", "--mode", "copy"])
TARSPLIT = ("tarsplit_command", ["2011.0.00229.S", "-n", "2012-06-20", "-o", "out"])


@pytest.mark.parametrize(("module", "words"), [PACK, TARSPLIT])
@pytest.mark.parametrize("limit_mib", [10, 14])
def test_command_that_cannot_import_its_messages_ends_with_one_line(
    tmp_path: Path, module: str, words: list[str], limit_mib: int
) -> None:
    (tmp_path / "o").mkdir()
    (tmp_path / "o/file").write_bytes(b"1")
    start = f"from qa2pack.pack.{module} import main\n"
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_DATA, ({limit_mib << 20}, {limit_mib << 20}))\n"
    program = f"import sys\n{start}{limit}sys.exit(main({words!r}))"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600
    )
    assert ran.returncode == Exit.RESUMABLE, ran.stderr
    assert ran.stderr.startswith(("pack: memory-short: ", "tarsplit: memory-short: "))
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [SystemError("a fault"), ImportError("No module named 'casacore'"), OSError(errno.EIO, os.strerror(errno.EIO))],
)
def test_other_errors_are_left_alone(error: Exception) -> None:
    def fail(_: object) -> int:
        raise error

    with pytest.raises(type(error)) as caught:
        run_in_short_memory(fail, (), name="pack")
    assert caught.value is error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, ""),
        SystemError("error return without exception set"),
        SystemError("<function _find_and_load> returned NULL without setting an exception"),
        ImportError("unicodedata.so: failed to map segment from shared object"),
        ImportError("libz.so.1: cannot map: Cannot allocate memory"),
    ],
)
def test_each_way_in_which_memory_is_short_is_told(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: object) -> int:
        raise error

    assert run_in_short_memory(fail, (), name="pack") == Exit.RESUMABLE
    assert "pack: memory-short: memory is short. Raise the limit" in capsys.readouterr().err
