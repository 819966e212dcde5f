#!/usr/bin/env python3
"""Writes the goldens of the Jinja engine and of package chat.

    pip install jinja2==3.1.6 markupsafe==3.0.4
    python3 gen.py

The environment is built as transformers 5.23 builds it for chat templates
(utils/chat_template_utils.py), written anew from its behaviour. Run with
--check-transformers to compare every conversation with transformers itself.
"""

import datetime
import json
import pathlib
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox

import micro
import micro2

assert jinja2.__version__ == "3.1.6", jinja2.__version__

HERE = pathlib.Path(__file__).parent
CHAT = HERE.parent.parent / "testdata"
NOW = datetime.datetime(2026, 3, 7, 4, 5, 6, 789012)


class Generation(jinja2.ext.Extension):
    """{% generation %} marks what the assistant says; it prints its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


class Raised(jinja2.exceptions.TemplateError):
    pass


class Namespace(jinja2.utils.Namespace):
    def __init__(*args, **kwargs):
        self, args = args[0], args[1:]
        attrs = dict(*args, **kwargs)
        for name in attrs:
            Namespace.check(name)
        jinja2.utils.Namespace.__init__(self, attrs)

    def __setitem__(self, name, value):
        Namespace.check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def check(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(name)


class Dict:
    def __call__(self, *args, **kwargs):
        return dict(*args, **kwargs)


def environment():
    def raise_exception(message):
        raise Raised(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def strftime_now(format):
        return NOW.strftime(format)

    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    env.filters["tojson"] = tojson
    env.globals.update(raise_exception=raise_exception, strftime_now=strftime_now, namespace=Namespace, dict=Dict())
    return env


def outcome(env, source, variables):
    """The golden: {"output": text}, {"raised": message} or {"fails": reason}."""
    try:
        return {"output": env.from_string(source).render(**variables)}
    except Raised as error:
        return {"raised": str(error.message)}
    except Exception as error:
        return {"fails": f"{type(error).__name__}: {error}"[:120]}


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size} bytes")


def micros(env):
    sources = micro.MICRO + micro2.MICRO
    seen, cases = set(), []
    for source in sources:
        if source not in seen:
            seen.add(source)
            cases.append({"template": source, **outcome(env, source, micro.CONTEXT)})
    print(f"{len(cases)} micro templates, {sum('fails' in c for c in cases)} that fail")
    write(HERE / "micro.json", {"context": micro.CONTEXT, "cases": cases})


TAG = "CONTINUE_FINAL_MESSAGE_TAG "


def conversation_variables(c):
    messages = json.loads(json.dumps(c["messages"]))
    for message in messages:
        reasoning = message.get("reasoning_content")
        if reasoning is not None:
            message["thinking"] = reasoning
    if c.get("continue_final_message"):
        content = messages[-1]["content"]
        if isinstance(content, list):
            part = [p for p in content if "text" in p][-1]
            part["text"] += TAG
        else:
            messages[-1]["content"] = content + TAG
    return dict(
        messages=messages,
        tools=c.get("tools"),
        documents=None,
        add_generation_prompt=c.get("add_generation_prompt", False),
        bos_token="<s>",
        eos_token="</s>",
        **c.get("extra", {}),
    )


def finish(c, result):
    """What transformers does to a prefilled conversation after rendering."""
    if "output" not in result or not c.get("continue_final_message"):
        return result
    content = c["messages"][-1]["content"]
    final = content if isinstance(content, str) else [p for p in content if "text" in p][-1]["text"]
    text = result["output"]
    if final.strip() not in text or TAG.strip() not in text:
        return {"fails": "final message does not appear"}
    at = text.rindex(TAG.strip())
    if text[at : at + len(TAG)] == TAG:
        return {"output": text[:at]}
    return {"output": text[:at].rstrip()}


def conversations(env, check):
    convs = json.loads((CHAT / "conversations.json").read_text(encoding="utf-8"))
    goldens = {}
    for path in sorted((CHAT / "templates").glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        goldens[path.stem] = {}
        for c in convs:
            result = finish(c, outcome(env, source, conversation_variables(c)))
            goldens[path.stem][c["name"]] = result
            if check:
                compare(path.stem, source, c, result)
    count = sum(len(g) for g in goldens.values())
    failing = sum("output" not in r for g in goldens.values() for r in g.values())
    print(f"{len(goldens)} templates x {len(convs)} conversations = {count}, {failing} without output")
    write(CHAT / "goldens.json", goldens)


def compare(name, source, c, result):
    import transformers.utils.chat_template_utils as utils

    utils.datetime = type("Clock", (), {"now": staticmethod(lambda: NOW)})
    try:
        rendered, _ = utils.render_jinja_template(
            [c["messages"]],
            tools=c.get("tools"),
            chat_template=source,
            add_generation_prompt=c.get("add_generation_prompt", False),
            continue_final_message=c.get("continue_final_message", False),
            bos_token="<s>",
            eos_token="</s>",
            **c.get("extra", {}),
        )
        ok = result.get("output") == rendered[0]
    except Exception:
        ok = "output" not in result
    if not ok:
        sys.exit(f"{name} x {c['name']}: transformers differs")


if __name__ == "__main__":
    env = environment()
    micros(env)
    if (CHAT / "conversations.json").exists():
        conversations(env, "--check-transformers" in sys.argv)
