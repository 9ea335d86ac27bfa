"""A Flask service with its own ``/metrics``, where costmeter's families stand beside its own.

What costmeter needs is marked; the rest is an ordinary Flask application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import openai
from flask import Flask, Response, request
from prometheus_client import Counter, make_wsgi_app
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import costmeter

if TYPE_CHECKING:
    from collections.abc import Iterator

costmeter.instrument()  # costmeter: meter the SDK, and know which endpoint spends

client = openai.OpenAI(max_retries=1)
questions = Counter("questions", "Questions that were asked.", ["topic"])
app = Flask(__name__)


@app.post("/summarise")
@costmeter.track(feature="summarise", team="content")  # costmeter: whom it is for
def summarise() -> dict[str, str | None]:
    """Summarise a text."""
    completion = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": f"Summarise: {request.get_data(as_text=True)}"}],
    )
    return {"summary": completion.choices[0].message.content}


@app.post("/chat/<topic>")
@costmeter.track(feature="chat", team="support")  # costmeter
def chat(topic: str) -> Response:
    """Answer word by word."""
    questions.labels(topic).inc()
    question = f"On {topic}: {request.get_data(as_text=True)}"
    stream = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": question}], stream=True
    )

    def words() -> Iterator[str]:
        with stream:
            for chunk in stream:
                if chunk.choices and (word := chunk.choices[0].delta.content):
                    yield word

    return Response(words(), mimetype="text/plain")


costmeter.register()  # costmeter: its families in prometheus_client's registry
app.wsgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
    app.wsgi_app, {"/metrics": make_wsgi_app()}
)
