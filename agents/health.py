"""Is this container's process well? `python -m agents.health PORT` asks its metrics endpoint.

Exit code 0 when it answers and, where it has an exchange, reaches it.
"""

import re
import sys
from urllib.request import urlopen

TIMEOUT_S = 4.0
WANTED = {
    "counterpoint_executor_venue_connected": 1.0,
    "counterpoint_guardian_exchange_reached": 1.0,
}
"""What a gauge must show, where there is one."""


def problem_of(text: str) -> str | None:
    """Return what is wrong with a process by its metrics, None when nothing is."""
    for name, wanted in WANTED.items():
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        if found is not None and float(found[1]) != wanted:
            return f"{name} must be {wanted:g}, found {found[1]}"
    return None


def problem_at(port: int) -> str | None:
    """Return what is wrong with the process that shows metrics on a port of this host."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT_S) as answer:
            return problem_of(answer.read().decode())
    except OSError as error:
        return f"no answer: {error}"


def main(arguments: list[str]) -> int:
    """Look at what is named; return the exit code."""
    problem = problem_at(int(arguments[0]))
    if problem is not None:
        sys.stdout.write(f"{problem}\n")
    return int(problem is not None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
