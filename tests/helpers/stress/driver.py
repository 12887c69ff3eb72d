"""A driver of the stress in its own process: joins the session, says that it is ready, plays when it is told to, says
what it has checked, and leaves when it is told to.

    python -m tests.helpers.stress.driver SESSION_FOLDER SEED VERBS [with_faults]
"""

from __future__ import annotations

import sys
import traceback

import cellray

from tests.helpers.stress.player import Player

BOARD = "stress-board"
NAMESPACE = "stress"


def main() -> None:
    """Until the end, or the first thing that is not as the model says."""
    address, seed, verbs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    cellray.init(address=address, log_to_driver=False)
    player = Player(seed, cellray.get_actor(BOARD, NAMESPACE), with_faults="with_faults" in sys.argv)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        player.play(verbs)
    except BaseException:
        traceback.print_exc()
        print(f"seed {seed}: what it did last:", *player.story, sep="\n  ", file=sys.stderr, flush=True)
        raise SystemExit(1) from None
    print(f"checked {player.checked}", flush=True)
    sys.stdin.readline()
    player.leave()
    cellray.shutdown()


if __name__ == "__main__":
    main()
