"""What the operator asks of the local answers of a task that learns."""

from tidegate.config.configuration import Configuration
from tidegate.domain.guarantee import Loss
from tidegate.domain.label import Owner
from tidegate.domain.promise import DAY_S, Promise
from tidegate.domain.question import Question


def promise_of(configuration: Configuration, owner: Owner, question: Question) -> Promise:
    """Give what is asked of the task, else what is asked of all that learn."""
    for task in configuration.tasks:
        if task.name == owner.task and task.promise is not None:
            return task.promise
    settings = configuration.learning
    return Promise(
        settings.max_error,
        loss=Loss(question.type),
        expires_after_s=settings.expires_after_days * DAY_S,
        expires_after_answers=settings.expires_after_answers,
    )
