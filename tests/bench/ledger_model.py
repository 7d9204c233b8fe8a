"""The ledger against its model, as long as asked for: `python tests/bench/ledger_model.py SEQUENCES STEPS`.

2,000 sequences of 50 steps are 100,000 steps. Ends with 1 at the first divergence.
"""

import sys

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.storage.test_ledger_model import LedgerMachine


def main(sequences: int, steps: int) -> None:
    """A failure is told as it was found: what matters here is whether there is one."""
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=sequences,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
