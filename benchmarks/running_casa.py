"""A CASA that is running: simulates or splits the measurement sets that it is told of, a line each.

Run by a Python that has casatasks and casadata. A line is a name below and what it is called with, in JSON; each is
answered with `done`. CASA looks for newer data in the network, and writes a log, unless it is told not to before its
import.
"""

import json
import sys
from collections.abc import Callable

import casadata
from casaconfig import config

config.measures_auto_update = config.data_auto_update = False
config.measurespath = casadata.datapath
config.logfile = "/dev/null"

import numpy as np  # noqa: E402
from casatasks import split  # noqa: E402
from casatools import calibrater, measures, simulator, table  # noqa: E402

_ANTENNAS = 25
_CHANNELS = 3840
_POLARISATIONS = 2
_BYTES_PER_ROW = 3 * 8 * _CHANNELS * _POLARISATIONS  # of DATA, MODEL_DATA and CORRECTED_DATA
_SECONDS = 6  # of an integration


def simulated(path: str, size_bytes: int) -> None:
    """Make a measurement set of one target and one spectral window, with noise in three data columns."""
    chance = np.random.default_rng(1)
    east, north = chance.normal(0, 100, (2, _ANTENNAS))
    integrations = max(1, round(size_bytes / _BYTES_PER_ROW / (_ANTENNAS * (_ANTENNAS - 1) / 2)))
    place = measures()
    tool = simulator()
    tool.open(path)
    tool.setconfig(
        telescopename="ALMA",
        x=list(east),
        y=list(north),
        z=[0.0] * _ANTENNAS,
        dishdiameter=[12.0] * _ANTENNAS,
        mount=["alt-az"],
        antname=[f"DV{number:02d}" for number in range(_ANTENNAS)],
        coordsystem="local",
        referencelocation=place.observatory("ALMA"),
    )
    width = "0.488MHz"
    tool.setspwindow(
        spwname="0",
        freq="230GHz",
        deltafreq=width,
        freqresolution=width,
        nchannels=_CHANNELS,
        stokes="XX YY",
    )
    tool.setfeed(mode="perfect X Y", pol=[""])
    tool.setfield(sourcename="target", sourcedirection=place.direction("J2000", "10h00m00", "-23d00m00"))
    tool.setauto(0.0)
    observed = place.epoch("UTC", "2012/05/02")
    tool.settimes(integrationtime=f"{_SECONDS}s", usehourangle=True, referencetime=observed)
    tool.observe("target", "0", starttime="0s", stoptime=f"{_SECONDS * integrations}s")
    tool.close()
    _fill(path, chance)


def _fill(path: str, chance: np.random.Generator) -> None:
    tool = calibrater()
    tool.open(path, addcorr=True, addmodel=True)
    tool.close()
    rows = table()
    rows.open(path, nomodify=False)
    step = 300
    noise = chance.normal(size=(_POLARISATIONS, _CHANNELS, step, 2)).view(complex)[..., 0]
    for start in range(0, rows.nrows(), step):
        count = min(step, rows.nrows() - start)
        for column in ("DATA", "MODEL_DATA", "CORRECTED_DATA"):
            rows.putcol(column, noise[:, :, :count], start, count)
    rows.close()


def split_column(path: str, result: str, column: str) -> None:
    """Split as a reducer does."""
    split(vis=path, outputvis=result, datacolumn=column)


_CALLS: dict[str, Callable[..., None]] = {"simulated": simulated, "split_column": split_column}


def main() -> None:
    """Say `done` when CASA is there, and after each line."""
    print("done", flush=True)
    for line in sys.stdin:
        name, *values = json.loads(line)
        _CALLS[name](*values)
        print("done", flush=True)


if __name__ == "__main__":
    main()
