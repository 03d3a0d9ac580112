"""What each attempt at a guarantee may spend of delta, over refits and restarts. Pure.

Attempt k of a task may be wrong with probability delta 6 / (pi^2 k^2), which sums to delta over
all k. Testing again on rows that were tested on before needs more care: once a threshold has been
granted, which rows go up, and so what later heads are fitted on, depends on the test rows.

Call what an outsider sees of the attempts so far the transcript: for each, nothing granted or
which threshold of a grid that was fixed before. For any one transcript the head that is fitted
next does not depend on the test rows, so a test of it is valid at its own level, and the levels of
all transcripts that could be at hand now may be added up (union bound). With m - 1 earlier
attempts on these rows, g of them grants out of G_1, ..., G_g possible outcomes, this attempt gets

    w = 2^-(g+1) / (binomial(m - 1, g) G_1 ... G_g)

of its delta, which sums to at most 1 over transcripts: a half for having granted nothing, a
quarter for one grant, and so on. The first attempt on rows gets all, as there is one transcript.

A suspension or an expiry reveals more than a grid can bound; after it (and whenever the caller
prefers) tests use younger rows only, and the transcript starts anew.
"""

import math
from dataclasses import replace

from tidegate.domain.guarantee import AttemptLedger


def share(ledger: AttemptLedger) -> float:
    """Give the fraction of delta that the next attempt may spend."""
    number = ledger.attempts + 1
    plain = 6.0 / (math.pi * number) ** 2
    if ledger.attempts_since == 0:
        return plain
    transcripts = math.comb(ledger.attempts_since, ledger.grants_since) * ledger.outcomes_since
    return plain * 2.0 ** -(ledger.grants_since + 1) / transcripts


def begun(ledger: AttemptLedger) -> AttemptLedger:
    """Count an attempt; stored before a test row is looked at, so that no crash forgets it."""
    return replace(ledger, attempts=ledger.attempts + 1, attempts_since=ledger.attempts_since + 1)


def granted(ledger: AttemptLedger, outcomes: int, now: float = 0.0) -> AttemptLedger:
    """Count a grant of one out of so many possible outcomes, after `begun`."""
    return replace(
        ledger,
        grants_since=ledger.grants_since + 1,
        outcomes_since=ledger.outcomes_since * outcomes,
        granted_at=now,
    )


def choose_rows(ledger: AttemptLedger, delta: float, *, rows: int, younger: int) -> AttemptLedger:
    """Decide whether the next attempt tests on rows younger than the newest grant only.

    `rows` are all usable test rows, `younger` those since that grant. Rows needed grow with
    ln(1 / level), so the choice with more rows per needed row wins. Counts decide, no label does.
    """
    if ledger.grants_since == 0:
        return ledger
    fresh = renewed(ledger, ledger.granted_at)
    worth_all = rows / -math.log(delta * share(ledger))
    worth_younger = younger / -math.log(delta * share(fresh))
    return fresh if worth_younger > worth_all else ledger


def renewed(ledger: AttemptLedger, now: float) -> AttemptLedger:
    """Let later attempts test on rows younger than `now` only; what was spent stays spent."""
    return AttemptLedger(attempts=ledger.attempts, young_since=now)
