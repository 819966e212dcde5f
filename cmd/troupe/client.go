package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// request sends a request to a server with those headers that are not empty, and returns its answer, whatever the status.
func request(ctx context.Context, method, server, path string, body io.Reader, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(server, "/")+path, body)
	if err != nil {
		return nil, fmt.Errorf("bad --url: %w", err)
	}
	for name, values := range header {
		if values[0] != "" {
			req.Header[name] = values
		}
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no answer from the server; is `troupe serve` running? %w", err)
	}
	return answer, nil
}

// accepted makes an error with the server's message of an answer whose status is not 200.
func accepted(answer *http.Response, err error) (*http.Response, error) {
	if err != nil || answer.StatusCode == http.StatusOK {
		return answer, err
	}
	return nil, refusal(answer)
}

// refusal closes an answer that is none and returns the server's message as an error.
func refusal(resp *http.Response) error {
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var refused chunk
	if json.Unmarshal(text, &refused) == nil && refused.Error != nil {
		return fmt.Errorf("%s (status %d)", refused.Error.Message, resp.StatusCode)
	}
	return fmt.Errorf("the server answered %s", resp.Status)
}

// readAnswer reads an answer to its end, without the newline behind it.
func readAnswer(answer *http.Response) ([]byte, error) {
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("the answer broke off: %w", err)
	}
	return []byte(strings.TrimRight(string(body), "\n")), nil
}
