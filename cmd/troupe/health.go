package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

type healthCmd struct {
	URL     string        `default:"http://127.0.0.1:8000" help:"The server to ask (${default})."`
	Live    bool          `help:"Ask whether the process works at all, not whether it takes requests."`
	Timeout time.Duration `default:"3s" placeholder:"TIME" help:"How long to wait for the answer (${default})."`
}

// Run asks a server how it is and prints its answer; it fails unless the server is well. It is what container runtimes call, where there is no curl.
func (c *healthCmd) Run(con *console) error {
	path := "/health/ready"
	if c.Live {
		path = "/health/live"
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.Timeout)
	defer cancel()
	resp, err := request(ctx, http.MethodGet, c.URL, path, nil, nil) //nolint:bodyclose // readAnswer does
	if err != nil {
		return err
	}
	body, err := readAnswer(resp)
	if err != nil {
		return err
	}
	text := printable(strings.TrimSpace(string(body)))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answered %s: %s", resp.Status, text)
	}
	_, err = fmt.Fprintln(con.out, text)
	return err
}
