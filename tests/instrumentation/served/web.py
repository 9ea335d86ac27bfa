"""A Flask application that knows nothing of costmeter; served by gunicorn."""

import os
import signal
import threading

import flask
import openai

app = flask.Flask(__name__)


def call() -> None:
    with openai.OpenAI(api_key="k", base_url=os.environ["STANDIN"], max_retries=0) as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=[])


@app.get("/users/<int:user>")
def users(user: int) -> str:
    call()
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return str(os.getpid())


@app.get("/die/<int:user>")
def die(user: int) -> str:
    call()
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"
