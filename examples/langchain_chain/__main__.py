"""A LangChain chain: each call of the model is metered once, in the SDK below it.

LangChain needs no callback for it, and whatever it does with a call (batches it, streams it) is
attributed to whom it was made for.
"""

from __future__ import annotations

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

import costmeter

costmeter.instrument()

TICKETS = [
    {"ticket": "The invoice of October is missing."},
    {"ticket": "I cannot log in since this morning."},
    {"ticket": "How do I add a colleague?"},
]

prompt = ChatPromptTemplate.from_messages(
    [("system", "Name the team that a ticket is for."), ("user", "{ticket}")]
)
chain = prompt | ChatOpenAI(model="gpt-4o-mini") | StrOutputParser()


@costmeter.track(team="support")
def main() -> None:
    """Sort tickets all at once, then answer one of them word by word."""
    with costmeter.attribute(feature="triage"):
        for ticket, team in zip(TICKETS, chain.batch(TICKETS), strict=True):
            print(f"{ticket['ticket']} -> {team}")
    with costmeter.attribute(feature="answer"):
        for word in chain.stream(TICKETS[0]):
            print(word, end="", flush=True)
    print()


if __name__ == "__main__":
    main()
