"""A job that lives for two seconds, and whose every cent arrives.

No scraper ever sees it. It needs no exporter, nor to be waited for, nor even to end in peace: what
it used stands in the journal once a call has returned, and the next exporter to run reads it there.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import openai

import costmeter

DOCUMENTS = [f"Document {number}: what was agreed, when, and by whom." for number in range(40)]

costmeter.instrument()
client = openai.OpenAI()


def index(document: str) -> int:
    """Summarise a document and take it into the search; return the tokens that it took."""
    completion = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": f"Summarise in one sentence. {document}"}],
        max_completion_tokens=30,
    )
    summary = completion.choices[0].message.content or document
    embedding = client.embeddings.create(model="text-embedding-3-small", input=summary)
    return (completion.usage.total_tokens if completion.usage else 0) + embedding.usage.total_tokens


@costmeter.track(feature="nightly-index", team="search")  # goes along into the threads
def main() -> None:
    """Index all documents."""
    with ThreadPoolExecutor(10) as threads:
        tokens = sum(threads.map(index, DOCUMENTS))
    print(f"{len(DOCUMENTS)} documents, {tokens} tokens")


if __name__ == "__main__":
    main()
