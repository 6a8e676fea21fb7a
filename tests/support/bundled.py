"""A small package with bundles: a tar of two trees, a compressed image, and a note beside them."""

import json
from pathlib import Path

import pytest

from support.commands import Ran, run_here

Capsys = pytest.CaptureFixture[str]
TOP = "readme = false\n" + "".join(f'[[folder]]\nname = "{name}"\n' for name in ("cal", "product", "log"))
TOP += '[[place]]\nname = "top"\n'
TREES = '[[rule]]\nkind = "tree"\nmatch = "*.cal"\nto = "cal/all.tgz!all/{name}"\n'
IMAGES = '[[rule]]\nkind = "file"\nmatch = "*.fits"\nto = "product/{name}.gz!"\n'
REST = '[[rule]]\nmatch = "*"\nto = "log/{name}"\n'
TAR, IMAGE = Path("cal/all.tgz"), Path("product/pb.fits.gz")


class Bundled:
    """A folder with two trees, an image and a note, and the package that is made of it."""

    def __init__(self, folder: Path, capsys: Capsys) -> None:
        self.origin, self.package, self.layout = folder / "run", folder / "P", folder / "mine.toml"
        self.layout.write_text(TOP + TREES + IMAGES + REST)
        for name in ("a.cal/table.txt", "a.cal/sub/inner", "b.cal/big", "pb.fits", "note.txt"):
            path = self.origin / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode() * 1000)
        (self.origin / "a.cal/empty").mkdir()
        (self.origin / "a.cal/table.txt").chmod(0o755)
        self.capsys = capsys

    def run(self, *words: str | Path) -> Ran:
        return run_here(self.capsys, *words)

    def plan(self, mode: str = "copy", *more: str) -> Ran:
        return self.run(
            "plan", self.origin, self.package, "--layout", self.layout, "--mode", mode, "--jobs", "1", *more
        )

    def make(self, mode: str = "copy", *more: str) -> None:
        for ran in (self.plan(mode, *more), self.run("apply", self.package, "--jobs", "1")):
            assert ran.code == 0, ran.err
        assert self.run("verify", self.package).code == 0

    def problems(self) -> list[tuple[str, str]]:
        verified = self.run("verify", self.package, "--json")
        return [(each["code"], each["path"]) for each in json.loads(verified.out)["problems"]]

    @property
    def changes(self) -> list[str]:
        lines = self.run("diff", self.origin, self.package).out.splitlines()
        return [line for line in lines if line[:2] in ("~ ", "+ ", "- ")]
