"""A language model that says what a test wrote down."""

from collections import deque

from models.ports import Completed


class ScriptedEngine:
    """Answers in order: texts, or whole outcomes; keeps what it was asked."""

    engine = "openai"
    model = "scripted"
    endpoint = "https://model.example/v1"

    def __init__(self, *answers):
        self.answers = deque(answers)
        self.asked = []
        self.closed = False

    async def complete(self, completion):
        self.asked.append(completion)
        answer = self.answers.popleft()
        return Completed(answer, tokens_in=100, tokens_out=10) if isinstance(answer, str) else answer

    async def stream(self, completion):
        answer = await self.complete(completion)
        if isinstance(answer, Completed):
            for word in answer.text.split(" "):
                yield f"{word} "
        yield answer

    async def close(self):
        self.closed = True
