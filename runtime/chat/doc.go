// Package chat turns a conversation into the prompt text of a model, with the
// chat template that the model carries, exactly as transformers'
// apply_chat_template does.
//
// The template language lives in package jinja. This package holds the types
// of a conversation, gives them to the template under the names that
// templates expect (messages, tools, add_generation_prompt, bos_token, ...),
// and cuts the prompt where a prefilled answer is to be continued.
//
// Templates are untrusted; see package jinja for the limits.
package chat
