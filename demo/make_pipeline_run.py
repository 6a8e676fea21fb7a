"""Makes the folders of two small pipeline runs, each with the products of a MOUS and what was left where it worked.

The names are those that the ALMA pipeline gives; the images are FITS files, the bundles real archives, the manifest
and the reports XML. Tables and raw data, which are not packaged, are not made.
"""

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from pictures import fits_bytes

PIPELINE_PROJECT = "2022.1.00999.S"
FIRST_RUN = f"{PIPELINE_PROJECT}_2023_05_14T08_21_36.512"
SECOND_RUN = f"{PIPELINE_PROJECT}_2023_06_02T17_40_05.090"
RECIPE = "hifa_calimage"
_GOUS = "SOUS_uid___A001_X2d20_X1b1/GOUS_uid___A001_X2d20_X1b2"
# The MOUS of each run with its execution blocks.
RUNS = {
    FIRST_RUN: ("uid___A001_X2d20_X1b3", ("uid___A002_Xfe90b7_X2a1c", "uid___A002_Xfe90b7_X3e0f")),
    SECOND_RUN: ("uid___A001_X2d20_X1b5", ("uid___A002_Xfea001_X11d",)),
}
_IMAGES = ("J1337-1257_bp.spw25.mfs.I.pbcor", "NGC_628_sci.spw25.cube.I.pbcor", "NGC_628_sci.spw25_27.cont.I.pbcor")
_MTIME = 1_684_052_496  # of everything in the bundles, in seconds since the epoch


def make_pipeline_runs(folder: Path) -> None:
    """Make the runs in a folder."""
    for number, (run, (mous, blocks)) in enumerate(RUNS.items()):
        path = folder / run / _GOUS / f"MOUS_{mous}"
        _make_products(path / "products", mous, blocks, seed=10 * number)
        _make_working(path / "working", mous, blocks)
        (path / "rawdata").mkdir()


def _make_products(products: Path, mous: str, blocks: tuple[str, ...], *, seed: int) -> None:
    products.mkdir(parents=True)
    for number, image in enumerate(_IMAGES):
        (products / f"{mous}.{image}.fits").write_bytes(fits_bytes(seed=seed + number))
    bundles = {
        f"{mous}.{RECIPE}.weblog.tgz": {f"pipeline-{mous}/html/index.html": f"<html><title>{mous}</title></html>\n"},
        f"{mous}.session_1.caltables.tgz": {f"{each}.ms.h_tsyscal.tbl/table.info": "Type = \n" for each in blocks},
        f"{mous}.{RECIPE}.auxproducts.tgz": {"flux.csv": "ms,field,spw,I\n", "cont.dat": "Field: NGC_628\n"},
    }
    for each in blocks:
        bundles[f"{each}.ms.flagversions.tgz"] = {f"{each}.ms.flagversions/FLAG_VERSION_LIST": "Pipeline_Final\n"}
    for name, files in bundles.items():
        (products / name).write_bytes(_bundle(files))
    names = [*bundles, f"{mous}.{RECIPE}.casa_pipescript.py", f"{mous}.{RECIPE}.casa_piperestorescript.py"]
    texts = {
        f"{mous}.{RECIPE}.casa_commands.log": "# CASA commands of the run\n",
        f"{mous}.{RECIPE}.casa_pipescript.py": "__rethrow_casa_exceptions = True\n",
        f"{mous}.{RECIPE}.casa_piperestorescript.py": "__rethrow_casa_exceptions = True\n",
        f"{mous}.{RECIPE}.pprequest.xml": f"<SciPipeRequest><MOUS>{mous}</MOUS></SciPipeRequest>\n",
        f"{mous}.{RECIPE}.pipeline_aquareport.xml": "<PipelineAquaReport/>\n",
        f"{mous}.{RECIPE}.pipeline_manifest.xml": _manifest(mous, blocks, names),
        **{f"{block}.ms.calapply.txt": "applycal(vis='" + block + ".ms')\n" for block in blocks},
    }
    for name, text in texts.items():
        (products / name).write_text(text)


def _make_working(working: Path, mous: str, blocks: tuple[str, ...]) -> None:
    working.mkdir()
    texts = {
        "casa-20230514-082140.log": "INFO  the pipeline starts\n",
        "antennapos.csv": "name,antenna,xoff,yoff,zoff,comment\n",
        "flux.csv": "ms,field,spw,I,Q,U,V,spix,comment\n",
        "cont.dat": "Field: NGC_628\n",
        f"pipeline-{mous}.context": "state of the pipeline\n",
        **{f"{block}_flagtemplate.txt": "# flags of the observatory\n" for block in blocks},
    }
    for name, text in texts.items():
        (working / name).write_text(text)


def _manifest(mous: str, blocks: tuple[str, ...], names: list[str]) -> str:
    """Return a manifest that names some of the files, as the pipeline writes it."""
    listed = {kind: name for name in names for kind in ("weblog", "pipescript", "restorescript") if kind in name}
    asdms = "".join(
        f'<asdm name="{block}"><finalflags name="{block}.ms.flagversions.tgz"/>'
        f'<applycmds name="{block}.ms.calapply.txt"/></asdm>'
        for block in blocks
    )
    images = "".join(f'<image name="{mous}.{image}.fits"/>' for image in _IMAGES)
    others = "".join(f'<{kind} name="{name}"/>' for kind, name in listed.items())
    session = f'<session name="session_1"><caltables name="{mous}.session_1.caltables.tgz"/>{asdms}</session>'
    return f'<piperesults><ous name="{mous}">{session}{others}{images}</ous></piperesults>\n'


def _bundle(files: Mapping[str, str]) -> bytes:
    """Return a `.tgz` of these texts, the same each time."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as bundle:
        for name, text in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(text), _MTIME
            bundle.addfile(entry, io.BytesIO(text.encode()))
    return gzip.compress(inner.getvalue(), compresslevel=0, mtime=_MTIME)  # README shows sizes
