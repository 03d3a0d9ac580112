"""Makes an encoder's folder out of published weights, without torch: `build.py` is the entrance.

The `onnx` library comes with the extra `build`; only `graph.py` needs it.
"""
