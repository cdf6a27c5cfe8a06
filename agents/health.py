"""Is this container's process well? `python -m agents.health PORT` asks it.

Exit code 0 when it answers that it is: where it has an exchange, that one is reached.
"""

import sys
from urllib.error import HTTPError
from urllib.request import urlopen

TIMEOUT_S = 4.0


def problem_at(port: int) -> str | None:
    """Return what is wrong with the process that shows metrics on a port of this host."""
    try:
        urlopen(f"http://127.0.0.1:{port}/health", timeout=TIMEOUT_S).close()
    except HTTPError as error:
        with error:
            return error.read().decode(errors="replace").strip()
    except OSError as error:
        return f"no answer: {error}"
    return None


def main(arguments: list[str]) -> int:
    """Ask who is named; return the exit code."""
    problem = problem_at(int(arguments[0]))
    if problem is not None:
        sys.stdout.write(f"{problem}\n")
    return int(problem is not None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
