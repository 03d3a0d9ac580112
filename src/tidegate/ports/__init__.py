"""The outside world as the execution layer sees it: Protocols, and the values that cross them.

Every adapter implements one of these; a fake of each ships beside the real ones and passes the
same contract suite in `tests/contract`.
"""
