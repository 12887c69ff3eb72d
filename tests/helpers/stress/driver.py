"""A driver of the stress in its own process: joins the session, says that it is ready, plays when it is told to, says
what it has checked, and leaves when it is told to.

    python -m tests.helpers.stress.driver SESSION_FOLDER SEED VERBS THREADS [with_faults]

With several threads each plays for itself, with a share of the verbs.
"""

from __future__ import annotations

import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

import cellray

from tests.helpers.stress.player import Player

BOARD = "stress-board"
NAMESPACE = "stress"
SEEDS_APART = 500


def main() -> None:
    """Until the end, or the first thing that is not as the model says."""
    address, (seed, verbs, threads) = sys.argv[1], map(int, sys.argv[2:5])
    cellray.init(address=address, log_to_driver=False)
    board = cellray.get_actor(BOARD, NAMESPACE)
    players = [
        Player(seed + number * SEEDS_APART, board, with_faults="with_faults" in sys.argv) for number in range(threads)
    ]
    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(threads) as pool:
        results = [pool.submit(_play, player, verbs // threads) for player in players]
    if not all(result.result() for result in results):
        raise SystemExit(1)
    print(f"checked {sum(player.checked for player in players)}", flush=True)
    sys.stdin.readline()
    del board
    for player in players:
        player.leave()
    cellray.shutdown()


def _play(player: Player, verbs: int) -> bool:
    try:
        player.play(verbs)
    except BaseException:
        traceback.print_exc()
        print(f"{player.name}: what it did last:", *player.story, sep="\n  ", file=sys.stderr, flush=True)
        return False
    return True


if __name__ == "__main__":
    main()
