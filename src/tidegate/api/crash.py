"""What may be told of a fault of ours: its kind and its place, never its message."""


def where(error: Exception) -> str:
    """Name the kind of a fault and its place; its message could hold request text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    code = trace.tb_frame.f_code
    return f"{type(error).__name__} in {code.co_qualname} line {trace.tb_lineno}"
