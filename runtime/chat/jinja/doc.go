// Package jinja renders the Jinja templates that language models carry to
// turn a conversation into a prompt.
//
// The yardstick is jinja2 3.1.6 as transformers sets it up for chat templates:
// an ImmutableSandboxedEnvironment with trim_blocks and lstrip_blocks, the
// loopcontrols extension, {% generation %} tags, and a tojson filter that is
// plain json.dumps with ensure_ascii=False. One character more or less changes
// what the model sees, so output is compared byte for byte with goldens that
// jinja2 wrote (testdata/gen.py).
//
// A template comes with a model and is not trusted. It can do nothing but
// build a string, and every run is bounded in steps, bytes, depth and time
// (see Limits). The engine never panics on any template or input.
//
// Parts, in the order in which a template meets them:
//
//	lexer, parser_*   source → tokens → tree; errors carry the line
//	eval_*, scope     the tree interpreter; one run per Render, never shared
//	value, dict       ordered values that keep int and float apart
//	ops, compare      Python's operators
//	filters_*, tests, methods_*, globals   the built-in library
//	format, tojson, repr   Python's ways of turning values into text
//
// Known differences from jinja2, all on purpose: integers beyond 64 bits pass
// through and print, but arithmetic on them is an error; filters that return
// generators in Python (map, select, ...) are evaluated at once, but can still
// be consumed only once; extends, include, import, random, lipsum, urlize,
// xmlattr, pprint and striptags are refused when the template is parsed.
package jinja
