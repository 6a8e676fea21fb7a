from pathlib import Path
import pytest
from in_process import *
from snapshots import *
def test_x(tmp_path):
    d=Delivery(make_reduction(tmp_path/"sb1"), tmp_path/"2011.0.00229.S")
    d.make()
    for p in contents(tmp_path): print(p)
    assert d.found()==[]
    assert 0
