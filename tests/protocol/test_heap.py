import gc
import subprocess
import sys

PROGRAM = """
import gc
from protocol.heap import settle_heap

kept = [[index] for index in range(50_000)]
settle_heap()
print(len(gc.get_objects()), gc.get_freeze_count())
loop = []
loop.append(loop)
del loop
print(gc.collect())
"""


def test_what_a_start_made_is_looked_at_no_more_and_later_rubbish_still_is():
    """The collector's list is empty of the 50,000 lists; a later cycle is collected."""
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    ).stdout.split()
    watched, frozen, collected = (int(each) for each in told)
    assert frozen > 50_000
    assert watched < 1_000
    assert collected >= 1
    assert gc.get_freeze_count() == 0, "in a process of its own"
