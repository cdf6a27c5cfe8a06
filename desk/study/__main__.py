"""`python -m desk.study`: reads a study from stdin as one JSON document, writes its page.

What went wrong is one line on stderr; exit codes are those of `counterpoint`.
"""

import sys
from typing import TextIO

from pydantic import ValidationError

from desk.study.page import page_of
from desk.study.told import Study
from protocol.errors import printable

OK, DATA = 0, 4


def main(stream: TextIO = sys.stdin) -> int:
    """Write the page, or say in one line what is wrong."""
    try:
        study = Study.model_validate_json(stream.read())
        study.path.write_text(page_of(study), encoding="utf-8")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(each) for each in first["loc"])
        said = f"stdin must be as `counterpoint optimize` writes it: {where}: {first['msg']}"
    except OSError as error:
        said = f"{error.filename} cannot be written: {error.strerror}"
    else:
        return OK
    sys.stderr.write(f"counterpoint: {printable(said, 400)}\n")
    return DATA


if __name__ == "__main__":
    sys.exit(main())
