"""What a receive does for each folder and each file of a delivery, counted: more would be slow at a million files."""

import shutil
from collections import Counter

from support.counted_calls import counted_calls
from support.receiver import Receiver


def calls_for(receiver: Receiver, *, folders: int, files: int) -> Counter[str]:
    """Return the calls of receiving so many folders of so many files, in one tar."""
    paths = (f"calibrated/d{folder:02d}/plot{file:03d}" for folder in range(folders) for file in range(files))
    receiver.deliver(limit=10 << 20, files=dict.fromkeys(paths, b"a plot"))
    with counted_calls() as calls:
        receiver.received()
    shutil.rmtree(receiver.path.parent)
    receiver.path.parent.mkdir()
    return calls


def test_a_file_takes_few_calls(receiver: Receiver) -> None:
    calls_for(receiver, folders=1, files=1)  # what is imported is no call of a file
    few, many = (calls_for(receiver, folders=1, files=files) for files in (10, 110))
    assert {name: (many - few)[name] for name in ("open", "write", "utime", "close")} == dict.fromkeys(
        ("open", "write", "utime", "close"), 100
    )
    # Rounded down for each function: mounts of the machine are listed, too, and come and go meanwhile.
    assert sum(more // 100 for more in (many - few).values()) <= 41


def test_a_folder_is_decoded_once_in_each_step(receiver: Receiver) -> None:
    few, many = (calls_for(receiver, folders=folders, files=1) for folders in (2, 22))
    steps = ("checked as a tree", "planned", "compared with the tar", "counted for the manifest", "written into it")
    assert many["decode_record"] - few["decode_record"] == 20 * len(steps)
