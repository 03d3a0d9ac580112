"""How many files and sockets this process may have open; systems start with few."""

import resource


def allow_open_files(wanted: int) -> int:
    """Raise the soft limit to `wanted`, as far as the hard one allows; gives what is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
