"""Where a stack of containers could let a secret slip: image, logs, figures, environments."""

import gzip
import subprocess
from collections.abc import Iterator
from pathlib import Path

from agents.cli import keys_stack
from bench.container_house import PARTS, Stack
from bench.secrets_sought import Sought, secrets_in

CHUNK = 1 << 26
PORTS = {
    "coordinator": 9100, "executor": 9101, "optimizer": 9102, "guardian": 9110, "desk": 9111,
    "exchange": 9112,
}  # fmt: skip
ASK = "import sys, urllib.request as r; sys.stdout.buffer.write(r.urlopen(sys.argv[1]).read())"
EVERYBODY = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null; env"


def found_in(stack: Stack) -> tuple[list[str], int]:
    """Look everywhere; return which secret stands where, and how many places were looked at.

    A text that is in the image is looked for beside the secrets, and must be found: whoever finds
    nothing in its layers has not looked into them.
    """
    keys = stack.folder / "counterpoint-data/keys"
    known = Path(keys_stack.__file__).read_text(encoding="utf-8").partition("\n")[0]
    sought = Sought({**secrets_in(keys), "known": known})
    sought.look("image", layers(stack))
    assert {"known in image"} <= sought.found, "the image was not looked into"
    sought.found -= {"known in image"}
    for name, words in (
        ("image inspect", ("image", "inspect")),
        ("history", ("history", "--no-trunc")),
    ):
        sought.look(name, [stack.run("docker", *words, stack.image).encode()])
    for part in (*PARTS, "postgres", "prometheus"):
        sought.look(f"log of {part}", [stack.logs(part).encode()])
        sought.look(f"inspect of {part}", [str(stack.containers(part)).encode()])
        said = stack.compose("exec", "-T", part, "sh", "-c", EVERYBODY)
        sought.look(f"environments of {part}", [said.encode()])
    for part, port in PORTS.items():
        url = f"http://127.0.0.1:{port}/metrics"
        sought.look(
            f"figures of {part}",
            [stack.compose("exec", "-T", part, "python", "-c", ASK, url).encode()],
        )
    for words in (
        ("report", "/session"),
        ("report", "/session", "--json"),
        ("status", "--json"),
        ("incident", "--run", "/session"),
        ("config", "show"),
    ):
        sought.look(" ".join(words), [stack.operator(*words, check=False).encode()])
    page = stack.run_in(
        "operator", "counterpoint report /session --html /tmp/page && cat /tmp/page"
    )
    sought.look("page of the report", [page.encode()])
    sought.look("volumes", [gzip.decompress(stack.archived())])
    for path in ("status", "logs", "health", "decisions", "fills"):
        sought.look(f"desk {path}", [stack.desk(path)])
    return sorted(sought.found), sought.looked


def layers(stack: Stack) -> Iterator[bytes]:
    """Yield every byte of the image, its layers unpacked as the engine saves them."""
    saved = subprocess.Popen(["docker", "save", stack.image], stdout=subprocess.PIPE)
    assert saved.stdout is not None
    with saved.stdout as stream:
        while part := stream.read(CHUNK):
            yield part
    assert saved.wait() == 0
