package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"
)

// adminFlags say which server's models to change.
type adminFlags struct {
	serverFlags
	AdminKey secret `env:"TROUPE_ADMIN_KEY" placeholder:"KEY" help:"Admin key of the server."`
}

// changeFlags say how.
type changeFlags struct {
	adminFlags
	Drain time.Duration `default:"30s" placeholder:"TIME" help:"How long running requests may go on before they are stopped; what they know is kept (${default})."`
	Queue bool          `help:"Let requests that come meanwhile wait instead of refusing them."`
	Force bool          `help:"Go on although agents could not be saved."`
}

type modelsListCmd struct{ adminFlags }

type modelsSwapCmd struct {
	changeFlags
	Model string `arg:"" help:"Name of the model, as list shows it."`
}

type modelsLoadCmd struct {
	changeFlags
	Model string `arg:"" optional:"" help:"Name of the model; by default the one that was there last."`
}

type modelsOffloadCmd struct{ changeFlags }

type modelsCancelCmd struct{ adminFlags }

// modelsReply is what the server says of its models.
type modelsReply struct {
	State   string `json:"state"`
	Reason  string `json:"reason"`
	Current *struct {
		Name string `json:"name"`
	} `json:"current"`
	Available []string `json:"available"`
	Swap      *struct {
		Model string `json:"model"`
		Phase string `json:"phase"`
	} `json:"swap"`
}

// changeReply is what the server says of a change that is done.
type changeReply struct {
	Model   string  `json:"model"`
	Seconds float64 `json:"seconds"`
	Gap     float64 `json:"gap_seconds"`
	Stopped int     `json:"stopped"`
}

// Run prints the models, the current one marked.
func (c *modelsListCmd) Run(con *console) error { return c.list(con, http.MethodGet, "/admin/models") }

// Run prints the models when the old one serves again.
func (c *modelsCancelCmd) Run(con *console) error {
	return c.list(con, http.MethodDelete, "/admin/models/swap")
}

// list asks for the models and prints them.
func (f *adminFlags) list(con *console, method, path string) error {
	answer, err := f.send(method, path, nil, f.AdminKey) //nolint:bodyclose // reply does
	if err != nil {
		return err
	}
	var m modelsReply
	if printed, err := f.reply(con, answer, "list of models", &m); printed || err != nil {
		return err
	}
	for _, name := range m.Available {
		mark := " "
		if m.Current != nil && m.Current.Name == name {
			mark = "*"
		}
		fmt.Fprintf(con.out, "%s %s\n", mark, printable(name))
	}
	if m.Reason != "" {
		fmt.Fprintf(con.out, "%s: %s\n", printable(m.State), printable(m.Reason))
	}
	if m.Swap != nil && m.Reason == "" {
		fmt.Fprintf(con.out, "%s is on its way: %s\n", printable(m.Swap.Model), printable(m.Swap.Phase))
	}
	return nil
}

// Run swaps the model.
func (c *modelsSwapCmd) Run(con *console) error { return c.change(con, "swap", c.Model) }

// Run loads a model.
func (c *modelsLoadCmd) Run(con *console) error { return c.change(con, "load", c.Model) }

// Run takes the model out of memory.
func (c *modelsOffloadCmd) Run(con *console) error { return c.change(con, "offload", "") }

// change asks for a change and waits for its end. An interrupt cancels it on the server and waits for what that says; a second one ends the program.
func (c *changeFlags) change(con *console, what, model string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	return c.changeUntil(ctx, stop, ticker.C, con, what, model)
}

// changeUntil does that. At each tick it looks what the change is at.
func (c *changeFlags) changeUntil(ctx context.Context, stop func(), ticks <-chan time.Time, con *console, what, model string) error {
	in, err := json.Marshal(map[string]any{"model": model, "drain": c.Drain.Seconds(), "queue": c.Queue, "force": c.Force})
	if err != nil {
		return err
	}
	cancelled := make(chan error, 1)
	forget := context.AfterFunc(ctx, func() {
		stop()
		answer, err := c.send(http.MethodDelete, "/admin/models/swap", nil, c.AdminKey)
		if err == nil {
			err = answer.Body.Close()
		}
		cancelled <- err
	})
	arrived, over := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() { c.follow(arrived, ticks, con) })
	answer, err := c.send(http.MethodPost, "/admin/models/"+what, strings.NewReader(string(in)), c.AdminKey) //nolint:bodyclose // reply does
	over()
	following.Wait()
	if !forget() {
		if e := <-cancelled; err != nil { // otherwise it was done before
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		return err
	}
	var done changeReply
	if printed, err := c.reply(con, answer, "answer", &done); printed || err != nil {
		return err
	}
	result := "no model is in memory"
	if done.Model != "" {
		result = printable(done.Model) + " is served"
	}
	_, err = fmt.Fprintf(con.out, "%s, after %.1f s, %.1f s of them without a model; %d requests were stopped\n", result, done.Seconds, done.Gap, done.Stopped)
	return err
}

// follow prints each phase of a change on stderr until ctx ends. If it cannot, the answer to the change says why.
func (c *changeFlags) follow(ctx context.Context, ticks <-chan time.Time, con *console) {
	for shown := ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
		var m modelsReply
		answer, err := c.sendUntil(ctx, http.MethodGet, "/admin/models", nil, c.AdminKey) //nolint:bodyclose // readAnswer closes it
		if err != nil {
			continue
		}
		body, err := readAnswer(answer)
		if err != nil || json.Unmarshal(body, &m) != nil || m.Swap == nil || m.Swap.Phase == shown || c.JSON {
			continue
		}
		shown = m.Swap.Phase
		fmt.Fprintf(con.err, "%s\n", printable(shown))
	}
}
