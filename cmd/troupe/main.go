// Command troupe serves language models to many agents at once.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
)

// commands is the command line. Kong fills in the chosen command and calls its Run.
type commands struct {
	Serve    serveCmd    `cmd:"" help:"Serve a model over HTTP."`
	Chat     chatCmd     `cmd:"" help:"Talk to a running server in the terminal."`
	Health   healthCmd   `cmd:"" help:"Ask a running server how it is; the exit status tells."`
	Agents   agentsCmd   `cmd:"" help:"Look after the agents of a running server."`
	Models   modelsCmd   `cmd:"" help:"Check model folders, and change the model of a running server."`
	Tokenize tokenizeCmd `cmd:"" help:"Print the token ids of the text on stdin as JSON."`
	Render   renderCmd   `cmd:"" help:"Print the prompt that a chat request on stdin becomes."`
	Version  versionCmd  `cmd:"" help:"Print the versions of troupe and of MLX."`
}

// console is where a command reads and writes.
type console struct {
	in       io.Reader
	out, err io.Writer
}

// Exit statuses.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	os.Exit(run(os.Args[1:], &console{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// run executes a command line and returns the exit status of the process. It prints what went wrong as one line on stderr.
func run(args []string, con *console) int {
	var cmds commands
	parser := kong.Must(&cmds,
		kong.Name("troupe"),
		kong.Description("Troupe serves language models to many agents at once."),
		kong.Writers(con.out, con.err),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.PostBuild(serveFromEnvironment),
	)
	ctx, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(con.err, "troupe: %v\nTry: troupe --help\n", err)
		return exitUsage
	}
	if err := ctx.Run(con); err != nil {
		fmt.Fprintf(con.err, "troupe: %v\n", err)
		return exitFailed
	}
	return 0
}
