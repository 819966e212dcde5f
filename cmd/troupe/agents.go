package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
)

// agentsCmd speaks to the agents API of a server.
type agentsCmd struct {
	List      agentsListCmd      `cmd:"" help:"List all agents."`
	Show      agentsShowCmd      `cmd:"" help:"Show one agent."`
	Save      agentsSaveCmd      `cmd:"" help:"Write to disk what an agent knows."`
	Hibernate agentsHibernateCmd `cmd:"" help:"Write an idle agent to disk and free its blocks."`
	Fork      agentsForkCmd      `cmd:"" help:"Make a new agent that knows what another one knows."`
	Pin       agentsPinCmd       `cmd:"" help:"Keep an agent from making room for others."`
	Rm        agentsRmCmd        `cmd:"" help:"Forget an agent."`
	Export    agentsExportCmd    `cmd:"" help:"Write an agent to a file, for another server."`
	Import    agentsImportCmd    `cmd:"" help:"Read an agent from a file that export wrote."`
}

// serverFlags say which server to speak to, and how to show what it says.
type serverFlags struct {
	URL    string `default:"http://127.0.0.1:8000" env:"TROUPE_URL" help:"The server (${default})."`
	APIKey secret `name:"api-key" env:"TROUPE_API_KEY" placeholder:"KEY" help:"API key, if the server has any."`
	JSON   bool   `name:"json" help:"Print what the server says as it is."`
}

type agentsListCmd struct{ serverFlags }

type agentsShowCmd struct {
	serverFlags
	ID string `arg:"" help:"The agent."`
}

type agentsSaveCmd agentsShowCmd

type agentsHibernateCmd agentsShowCmd

type agentsForkCmd struct {
	agentsShowCmd
	To string `arg:"" help:"The new agent."`
}

type agentsPinCmd struct {
	agentsShowCmd
	Off bool `help:"Let it make room again."`
}

type agentsRmCmd struct {
	agentsShowCmd
	KeepDisk bool `help:"Leave what is on disk."`
}

type agentsExportCmd struct {
	agentsShowCmd
	File string `arg:"" optional:"" help:"Where to; - is stdout. By default the id with .troupe behind it, in this folder."`
}

type agentsImportCmd struct {
	agentsShowCmd
	File     string `arg:"" help:"Where from; - is stdin."`
	AdminKey secret `env:"TROUPE_ADMIN_KEY" placeholder:"KEY" help:"Admin key, if the server has keys."`
}

// agentReply is what the server says of an agent.
type agentReply struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Tokens int    `json:"tokens"`
	Blocks struct {
		Hot    int `json:"hot"`
		Shared int `json:"shared"`
		Disk   int `json:"disk"`
	} `json:"blocks"`
	Bytes        int64     `json:"bytes"`
	LastUsed     time.Time `json:"last_used"`
	Requests     uint64    `json:"requests"`
	CachedTokens uint64    `json:"cached_tokens"`
	Pinned       bool      `json:"pinned"`
}

// Run prints all pages as one table, or each page as the server sent it.
func (c *agentsListCmd) Run(con *console) error {
	w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', 0)
	if !c.JSON {
		fmt.Fprintln(w, "AGENT\tSTATE\tTOKENS\tHOT\tSHARED\tDISK\tSIZE\tLAST USED\tPINNED")
	}
	for after := ""; ; {
		body, err := c.ask(http.MethodGet, "/v1/agents?limit=1000&after="+url.QueryEscape(after), nil)
		if err != nil {
			return err
		}
		if c.JSON {
			fmt.Fprintf(con.out, "%s\n", body)
		}
		var page struct {
			Data []agentReply `json:"data"`
			Next string       `json:"next"`
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return fmt.Errorf("the server's list of agents: %w", err)
		}
		for _, a := range page.Data {
			if !c.JSON {
				fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\n", printable(a.ID), printable(a.State), a.Tokens, a.Blocks.Hot, a.Blocks.Shared, a.Blocks.Disk,
					humanize.IBytes(uint64(max(a.Bytes, 0))), humanize.Time(a.LastUsed), yes(a.Pinned))
			}
		}
		if page.Next == "" || page.Next == after {
			return w.Flush()
		}
		after = page.Next
	}
}

// Run prints one agent.
func (c *agentsShowCmd) Run(con *console) error { return c.order(con, http.MethodGet, "", nil) }

// Run prints the agent as it is afterwards.
func (c *agentsSaveCmd) Run(con *console) error {
	return (*agentsShowCmd)(c).order(con, http.MethodPost, "/save", nil)
}

// Run prints the agent as it is afterwards.
func (c *agentsHibernateCmd) Run(con *console) error {
	return (*agentsShowCmd)(c).order(con, http.MethodPost, "/hibernate", nil)
}

// Run prints the new agent.
func (c *agentsForkCmd) Run(con *console) error {
	return c.order(con, http.MethodPost, "/fork", map[string]any{"to": c.To})
}

// Run prints the agent as it is afterwards.
func (c *agentsPinCmd) Run(con *console) error {
	return c.order(con, http.MethodPost, "/pin", map[string]any{"pinned": !c.Off})
}

// Run says that it is gone.
func (c *agentsRmCmd) Run(con *console) error {
	body, err := c.ask(http.MethodDelete, c.path("")+fmt.Sprintf("?keep_disk=%t", c.KeepDisk), nil)
	if err != nil {
		return err
	}
	if c.JSON {
		fmt.Fprintf(con.out, "%s\n", body)
		return nil
	}
	fmt.Fprintf(con.out, "agent %s is forgotten\n", c.ID)
	return nil
}

// Run writes a file that is there as a whole or not at all.
func (c *agentsExportCmd) Run(con *console) error {
	answer, err := c.send(http.MethodGet, c.path("/export"), nil, "")
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	switch c.File {
	case "-":
		_, err := io.Copy(con.out, answer.Body)
		return broken(err)
	case "":
		c.File = c.ID + ".troupe"
	}
	part, err := os.CreateTemp(filepath.Dir(c.File), "."+filepath.Base(c.File)+"-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(part.Name()) }() // fails once it has its name
	n, err := io.Copy(part, answer.Body)
	if err = errors.Join(broken(err), part.Close()); err != nil {
		return err
	}
	if err := os.Rename(part.Name(), c.File); err != nil {
		return err
	}
	fmt.Fprintf(con.out, "agent %s is in %s, %s\n", c.ID, c.File, humanize.IBytes(uint64(n)))
	return nil
}

func broken(err error) error {
	if err != nil {
		return fmt.Errorf("the export broke off: %w", err)
	}
	return nil
}

// Run prints the agent that the file became.
func (c *agentsImportCmd) Run(con *console) error {
	in := con.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	answer, err := c.send(http.MethodPost, "/v1/agents/import?id="+url.QueryEscape(c.ID), in, c.AdminKey) //nolint:bodyclose // show does
	if err != nil {
		return err
	}
	return c.show(con, answer)
}

// order asks something of the agent and prints it.
func (c *agentsShowCmd) order(con *console, method, what string, body any) error {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = strings.NewReader(string(b))
	}
	answer, err := c.send(method, c.path(what), in, "") //nolint:bodyclose // show does
	if err != nil {
		return err
	}
	return c.show(con, answer)
}

func (c *agentsShowCmd) path(what string) string { return "/v1/agents/" + url.PathEscape(c.ID) + what }

// show prints an agent.
func (c *agentsShowCmd) show(con *console, answer *http.Response) error {
	var a agentReply
	if printed, err := c.reply(con, answer, "answer", &a); printed || err != nil {
		return err
	}
	return writeTable(con.out, [][2]string{
		{"agent", printable(a.ID)},
		{"state", printable(a.State)},
		{"tokens", humanize.Comma(int64(a.Tokens))},
		{"blocks", fmt.Sprintf("%d in the pool, %d of them shared; %d on disk", a.Blocks.Hot, a.Blocks.Shared, a.Blocks.Disk)},
		{"size", humanize.IBytes(uint64(max(a.Bytes, 0)))},
		{"last used", a.LastUsed.Format(time.RFC3339)},
		{"requests", fmt.Sprintf("%d, with %d cached tokens", a.Requests, a.CachedTokens)},
		{"pinned", yes(a.Pinned)},
	})
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// ask sends a request and returns the whole answer.
func (f *serverFlags) ask(method, path string, body io.Reader) ([]byte, error) {
	answer, err := f.send(method, path, body, "") //nolint:bodyclose // readAnswer does
	if err != nil {
		return nil, err
	}
	return readAnswer(answer)
}

// reply prints an answer as it came, with --json, or else reads what it says into v.
func (f *serverFlags) reply(con *console, answer *http.Response, what string, v any) (printed bool, err error) {
	body, err := readAnswer(answer)
	if err != nil {
		return false, err
	}
	if f.JSON {
		_, err := fmt.Fprintf(con.out, "%s\n", body)
		return true, err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return false, fmt.Errorf("the server's %s: %w", what, err)
	}
	return false, nil
}

// send sends a request. A status other than 200 is an error with the server's message.
func (f *serverFlags) send(method, path string, body io.Reader, admin secret) (*http.Response, error) {
	return f.sendUntil(context.Background(), method, path, body, admin)
}

func (f *serverFlags) sendUntil(ctx context.Context, method, path string, body io.Reader, admin secret) (*http.Response, error) {
	return accepted(request(ctx, method, f.URL, path, body, http.Header{
		"X-Api-Key": {string(f.APIKey)}, "X-Admin-Key": {string(admin)},
	}))
}
