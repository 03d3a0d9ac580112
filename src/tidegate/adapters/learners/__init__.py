"""The learner of a task, elsewhere."""
