package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"unicode"
)

type chatCmd struct {
	URL    string `default:"http://127.0.0.1:8000" help:"The server to talk to (${default})."`
	APIKey secret `name:"api-key" env:"TROUPE_API_KEY" placeholder:"KEY" help:"API key, if the server has any."`
	Agent  string `placeholder:"ID" help:"Id of the agent, whose cache the server keeps between turns; a new one by default."`
}

const chatHelp = `/new begins a new conversation, /quit ends. Ctrl-C stops an answer.`

// Run talks until stdin ends or /quit. The conversation is kept here, since the API has no memory; the agent id lets the server find its cache of it.
func (c *chatCmd) Run(con *console) error {
	client := &chatClient{url: strings.TrimRight(c.URL, "/"), agent: c.Agent, key: string(c.APIKey)}
	if client.agent == "" {
		client.agent = newAgent()
	}
	model, err := client.discover(context.Background())
	if err != nil {
		return err
	}
	fmt.Fprintf(con.out, "Talking to %s as agent %s. %s\n", model, client.agent, chatHelp)
	lines := bufio.NewReader(con.in)
	for {
		fmt.Fprint(con.out, "\n> ")
		line, err := lines.ReadString('\n')
		text := strings.TrimSpace(line)
		switch {
		case errors.Is(err, io.EOF) && text == "":
			fmt.Fprintln(con.out)
			return nil
		case err != nil && !errors.Is(err, io.EOF):
			return fmt.Errorf("read stdin: %w", err)
		case text == "":
		case text == "/quit", text == "/exit":
			return nil
		case text == "/new":
			client.reset(newAgent())
			fmt.Fprintf(con.out, "A new conversation, with agent %s.\n", client.agent)
		case strings.HasPrefix(text, "/"):
			fmt.Fprintln(con.out, chatHelp)
		default:
			answer(con, client, text)
		}
	}
}

// answer prints one turn as it is generated. Ctrl-C ends the turn, not the program.
func answer(con *console, client *chatClient, text string) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := client.say(ctx, text, func(piece string) { fmt.Fprint(con.out, printable(piece)) })
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(con.out, " [stopped]")
	case err != nil:
		fmt.Fprintf(con.err, "\ntroupe: %v\n", err)
	default:
		fmt.Fprintln(con.out)
	}
}

// printable drops control characters but newlines and tabs: a model's text must not steer the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
}

func newAgent() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return "chat-" + hex.EncodeToString(b[:])
}
