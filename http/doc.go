// Package http serves a model over the Anthropic and the OpenAI HTTP API.
//
// It owns the wire: routes, decoding and validation of requests, the two forms of answer, server-sent events, and the map from an error's kind to
// a status. It knows no actor: a decoded request becomes an [actors.Request], and the events that come back are written in the dialect of the
// path that was called. The reading order is server.go, generate.go, anthropic_request.go, anthropic_stream.go; the openai files mirror them.
//
// # Life of a request
//
// Whoever calls us by a wrong name, from a foreign web page or without a key (guard.go) is refused before the body is read. Then a request is read whole,
// within a limit of bytes and time, before it is looked at. What is wrong with it, or with the server, is answered with
// a status and a body of the dialect before anything is generated. From then on the socket is watched: a client that leaves cancels its
// generation at once, also before the first token. A stream gets its status 200 when the generation has started, or at the first ping if it is
// still waiting then; whatever fails later is the dialect's error event, and the stream ends.
//
// # What the answers do not do yet
//
// Tools are shown to the model as its chat template says, but the model's tool calls come back as the text that the model wrote. A request that
// needs more than that (a forced tool choice, a response format, logprobs, several choices) is refused and not quietly served without it.
package http
