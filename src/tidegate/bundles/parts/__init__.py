"""What a bundle may hold beside its manifest: one module a part.

Each has a `FILE`, an `Entry` for the manifest, `write`, which adds the part's file and gives its
entry, and `read`, which checks everything before it gives the part. A new part is such a module, a
field in `manifest.Manifest` and a line in each of `manifest.pack`, `manifest.unpack` and
`manifest._parts`.
"""
