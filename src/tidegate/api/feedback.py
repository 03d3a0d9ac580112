"""`POST /v1/feedback`: a label for an earlier request."""

from dataclasses import dataclass

from tidegate.api.arrival import Headers, Receive, Scope, Send, connection_of, read_body
from tidegate.api.intake import Intake
from tidegate.api.respond import JSON, send_whole
from tidegate.errors import TidegateError
from tidegate.gateway.feedback import FeedbackDesk
from tidegate.wire.feedback import FeedbackAnswer, decode_feedback, encode_feedback
from tidegate.wire.strict import check


@dataclass(frozen=True, slots=True)
class FeedbackIntake:
    """Serves the path; what is taken costs nothing and has no record."""

    intake: Intake
    desk: FeedbackDesk

    async def take(self, request_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one label; a stranger's body is never read."""
        try:
            answer = await self._take(scope, receive)
        except TidegateError as error:
            self.intake.on_refusal(error, request_id)
            raise
        headers = [JSON, (b"x-request-id", request_id.encode())]
        await send_whole(send, 200, encode_feedback(answer), headers)

    async def _take(self, scope: Scope, receive: Receive) -> FeedbackAnswer:
        headers = Headers.of(scope)
        identity = self.intake.identify(headers)
        self.desk.admit(identity)
        connection = connection_of(scope)
        is_here = connection is not None and connection.has_whole_body()
        raw = await read_body(receive, headers, self.intake.limits(), is_here=is_here)
        return await self.desk.take(identity, decode_feedback(check(raw)))
