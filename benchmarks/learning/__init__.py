"""Replays labelled texts through a node that learns, and looks at what it then answers itself."""
