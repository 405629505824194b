"""Answer rows over HTTP with a trained model.

python experiments/serve.py runs/train-glyphs/20260102-030405-fused
curl -F image=@glyph.png -F name="Greek small letter alpha" http://127.0.0.1:8000/predict
"""

from __future__ import annotations

import mmkeras.interrupts  # first: Ctrl-C while the rest is imported

# isort: split

from pathlib import Path
from typing import Annotated

import tyro

import mmkeras
from mmkeras.cli import run_script


def main(
    run: Annotated[Path, tyro.conf.Positional],
    host: str = "127.0.0.1",
    port: int = 8000,
    max_body_mb: float = 32.0,
    max_rows: int = 256,
    wait_ms: float = 4.0,
) -> None:
    """Answer rows over HTTP with a trained model.

    Needs the extra "serve". There is no password: whoever reaches the port can ask. The page
    http://HOST:PORT/docs shows the columns and what an answer looks like.

    Args:
        run: The run's folder.
        host: The address to listen at; 0.0.0.0 is every address of this machine.
        port: The port.
        max_body_mb: The largest body of a request, in MiB.
        max_rows: The most rows of a request.
        wait_ms: How long a row waits for others to be answered with it, in milliseconds.
    """
    # Imports FastAPI, or says what is missing.
    from mmkeras.serving.server.app import make_app
    from mmkeras.serving.server.limits import Limits

    import uvicorn  # isort: skip

    opened = mmkeras.Run(run)
    limits = Limits(body_bytes=int(max_body_mb * 2**20), rows=max_rows, wait=wait_ms / 1000)
    app = make_app(opened.model, opened.preprocessing, opened.path.resolve().name, limits)
    uvicorn.run(app, host=host, port=port, timeout_keep_alive=30, log_level="warning")


if __name__ == "__main__":
    run_script(lambda: tyro.cli(main))
