"""Ask a running server in both dialects and both modes with the official clients, and check the form of the answers.

Usage: clients.py URL MODEL

The clients read answers leniently, so every body and every event is also validated, strictly, against the models that they are typed with. Any
deviation is an exception; the last line is "ok" and the number of bodies and events that were validated.
"""

import json
import sys

import anthropic
import openai
from anthropic.types import Message, RawMessageStreamEvent
from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

QUESTION = [{"role": "user", "content": "Hello! Who are you?"}]
validated = 0


def check(condition, what):
    """An assertion that -O does not remove."""
    if not condition:
        raise SystemExit(f"not as it should be: {what!r}")


def validate(kind, text):
    """Parse a body or event as what it should be, without any conversion."""
    global validated
    validated += 1
    return TypeAdapter(kind).validate_json(text, strict=True)


def events(response):
    """The (event, data) pairs of a stream, read by hand."""
    check(response.status_code == 200, response.status_code)
    check(response.headers["content-type"].startswith("text/event-stream"), dict(response.headers))
    name, data = None, []
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            data.append(line[6:])
        elif line == "":
            if data:
                yield name, "\n".join(data)
            name, data = None, []
        else:
            check(False, line)


def anthropic_plain(client, model):
    raw = client.messages.with_raw_response.create(model=model, max_tokens=16, messages=QUESTION)
    check(raw.status_code == 200, raw.status_code)
    check(raw.headers["request-id"].startswith("req_"), dict(raw.headers))
    message = validate(Message, raw.text())
    check(message.stop_reason in ("end_turn", "max_tokens"), message)
    check(len(message.content) == 1 and message.content[0].text, message)
    check(message.usage.input_tokens > 0 and 0 < message.usage.output_tokens <= 16, message.usage)
    return message


def anthropic_stream(client, model):
    with client.messages.with_streaming_response.create(model=model, max_tokens=16, messages=QUESTION, stream=True) as response:
        order, text = [], ""
        for name, data in events(response):
            check(json.loads(data)["type"] == name, (name, data))
            if name == "ping":
                continue
            event = validate(RawMessageStreamEvent, data)
            if not order or order[-1] != name:
                order.append(name)
            if name == "content_block_delta":
                text += event.delta.text
            if name == "message_delta":
                check(event.delta.stop_reason in ("end_turn", "max_tokens"), data)
    want = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"]
    check(order == want, order)
    with client.messages.stream(model=model, max_tokens=16, messages=QUESTION) as stream:
        pieces = "".join(stream.text_stream)
        final = stream.get_final_message()
    check(pieces and final.content[0].text == pieces, (pieces, final))
    check(final.usage.output_tokens > 0, final)
    return text


def openai_plain(client, model):
    raw = client.chat.completions.with_raw_response.create(model=model, max_tokens=16, temperature=0, messages=QUESTION)
    check(raw.status_code == 200, raw.status_code)
    completion = validate(ChatCompletion, raw.text)
    check(len(completion.choices) == 1, completion)
    choice, usage = completion.choices[0], completion.usage
    check(choice.message.content and choice.finish_reason in ("stop", "length"), choice)
    check(usage.prompt_tokens > 0 and 0 < usage.completion_tokens <= 16, usage)
    check(usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage)
    return choice.message.content


def openai_stream(client, model):
    options = {"include_usage": True}
    arguments = dict(model=model, max_tokens=16, temperature=0, messages=QUESTION, stream=True, stream_options=options)
    with client.chat.completions.with_streaming_response.create(**arguments) as response:
        data = [d for _, d in events(response)]
    check(data[-1] == "[DONE]", data[-1])
    chunks = [validate(ChatCompletionChunk, d) for d in data[:-1]]
    check(chunks[0].choices[0].delta.role == "assistant", data[0])
    check(chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 0, data[-2])
    check(chunks[-2].choices[0].finish_reason in ("stop", "length"), data[-3])
    check(all(c.usage is None for c in chunks[:-1]), data)
    text = "".join(c.choices[0].delta.content or "" for c in chunks[:-1])
    read = "".join(c.choices[0].delta.content or "" for c in client.chat.completions.create(**arguments) if c.choices)
    check(read == text, (read, text))
    return text


def models(a, o, model):
    listed = list(o.models.list())
    check([m.id for m in listed] == [model], listed)
    validate(Model, listed[0].model_dump_json())
    check([m.id for m in a.models.list()] == [model], "models of the anthropic client")


def errors(a, o, model):
    try:
        a.messages.create(model=model, max_tokens=16, messages=[])
        check(False, "no error for an empty conversation")
    except anthropic.BadRequestError as e:
        check(e.body["type"] == "error" and e.body["error"]["type"] == "invalid_request_error", e.body)
    try:
        o.chat.completions.create(model=model, messages=[])
        check(False, "no error for an empty conversation")
    except openai.BadRequestError as e:
        check(e.type == "invalid_request_error" and "messages" in e.message, e.body)


def main(url, model):
    a = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
    o = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0)
    models(a, o, model)
    anthropic_plain(a, model)
    anthropic_stream(a, model)
    plain, streamed = openai_plain(o, model), openai_stream(o, model)
    check(plain == streamed, (plain, streamed))
    errors(a, o, model)
    print("ok", validated)


if __name__ == "__main__":
    main(*sys.argv[1:])
