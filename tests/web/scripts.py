"""Node runs the page's modules, so that they can be compared with Python's."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "export" / "web"


def node(folder: Path, imports: dict[str, str], code: str, given: Any = None) -> Any:
    """What `code` gives, as JSON. imports: by the module's file, what is taken from it. given: is there as `given`."""
    program = shutil.which("node")
    assert program, "node is needed to compare the page with Python: apt-get install nodejs"
    taken = [f"import {names} from {json.dumps((PAGE / file).as_uri())};" for file, names in imports.items()]
    script, data = folder / "script.mjs", folder / "given.json"
    data.write_text(json.dumps(given), encoding="utf-8")
    lines = [
        *taken,
        'import { readFileSync } from "node:fs";',
        f"const given = JSON.parse(readFileSync({json.dumps(str(data))}, 'utf-8'));",
        "const told = (run) => { try { return run(); } catch (error) { return { [error.name]: error.message }; } };",
        f"const answer = (() => {{ {code} }})();",
        "console.log(JSON.stringify(answer));",
    ]
    script.write_text("\n".join(lines), encoding="utf-8")
    done = subprocess.run([program, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
