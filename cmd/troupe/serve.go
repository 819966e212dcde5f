package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"troupe/actors"
	"troupe/http"
)

// serveCmd holds the settings of the server. Each can also come from the environment (see serveFromEnvironment) or a file (see configFile).
type serveCmd struct {
	setupFlags
	modelFlag
	engineFlags
	diskFlags
	securityFlags
	limitFlags
	admissionFlags
	traceFlags
	Listen       string        `default:"127.0.0.1:8000" placeholder:"HOST:PORT" help:"Address to serve on; port 0 picks a free one (${default})."`
	Models       string        `placeholder:"DIR" help:"Folder with model folders, by name or OWNER/NAME, that an administrator may swap to, beside --model and 'starter'."`
	Drain        time.Duration `default:"30s" placeholder:"TIME" help:"How long running requests may go on after SIGTERM (${default})."`
	DrainDelay   time.Duration `placeholder:"TIME" help:"How long to serve on after SIGTERM while /health/ready already says no, so that a proxy sends elsewhere before anything is refused."`
	StrictModels bool          `help:"Answer 404 to requests for a model id other than the served one's."`
	LogFormat    string        `enum:"text,json" default:"text" placeholder:"text|json" help:"Form of the log on stderr (${default})."`
}

// Validate is called by kong.
func (c *serveCmd) Validate() error {
	if c.Drain < 0 {
		return errors.New("--drain must not be negative")
	}
	if c.DrainDelay < 0 {
		return errors.New("--drain-delay must not be negative")
	}
	return errors.Join(c.admissionFlags.validate(), c.engineFlags.validate(), c.diskFlags.validate())
}

// Run serves until SIGTERM or SIGINT. A second signal ends the process at once, as if it had no handler.
func (c *serveCmd) Run(con *console) error {
	if c.Check {
		return c.check(con)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return c.serve(ctx, stop, con)
}

// serve listens, loads the model and serves it until ctx ends; then it calls stop and finishes what runs. What can be found wrong without loading is
// found first.
func (c *serveCmd) serve(ctx context.Context, stop func(), con *console) (failed error) {
	began := time.Now()
	log := newLogger(con.err, c.LogFormat)
	data, err := c.openData(log)
	if err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, data.Close()) }()
	models, err := newCatalogue(c, data, con, log)
	if err != nil {
		return err
	}
	folder, err := c.open()
	if err != nil {
		return err
	}
	fits, err := c.fit(folder)
	if err != nil {
		return err
	}
	settings, err := c.settings()
	if err != nil {
		return err
	}
	settings.Logger = log
	endTraces, err := c.trace(&settings, log)
	if err != nil {
		return err
	}
	defer endTraces()
	listener, err := c.listen(c.Listen, &settings)
	if err != nil {
		return err
	}
	server := http.New(settings)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	log.Info("listening", "url", c.scheme()+"://"+listener.Addr().String(), "model", folder.Name, "data", data.Path())

	host := actors.NewHost(models, log)
	if err := host.Serve(context.WithoutCancel(ctx), models.source(models.first, folder, fits)); err != nil {
		return errors.Join(err, server.Shutdown(ctx), host.Close())
	}
	server.AttachHost(host, func(s *actors.System) http.Archive { return &archive{data, s} })
	c.tell(stateReady, log)
	log.Info("ready", "model", folder.Name, "took", time.Since(began).Round(time.Millisecond))

	select {
	case err := <-served:
		return errors.Join(err, host.Close())
	case <-ctx.Done():
		stop()
	}
	return c.finish(server, host, time.After(c.DrainDelay), log)
}

// settings are those of the HTTP server, checked. They come with the error too, as far as they are known.
func (c *serveCmd) settings() (http.Config, error) {
	cfg := http.Config{StrictModels: c.StrictModels}
	return cfg, errors.Join(c.limit(&cfg), c.apply(&cfg))
}

// tell tells the service manager a state. A server that nobody manages, or whose manager is deaf, serves all the same.
func (c *serveCmd) tell(state string, log *slog.Logger) {
	if err := notify(state); err != nil {
		log.Warn("the service manager was not told", "error", err)
	}
}

// finish ends the service so that a restart behind a proxy loses no request: /health/ready says no while everything is still served until the delay is over, and
// every answer closes its connection; then new requests are refused, and the running ones go on as long as --drain allows. The socket is closed last, so
// that nobody is turned away without an answer. Requests that did not end in time are cancelled; that is logged, and is not an error.
func (c *serveCmd) finish(server *http.Server, house interface {
	Drain(ctx context.Context) error
	Close() error
}, delay <-chan time.Time, log *slog.Logger) error {
	log.Info("draining", "delay", c.DrainDelay, "limit", c.Drain)
	c.tell(stateStopping, log)
	server.Drain()
	<-delay // a second signal ends the process
	ctx, cancel := context.WithTimeout(context.Background(), c.Drain)
	defer cancel()
	if err := house.Drain(ctx); err != nil {
		log.Warn("requests were cut off", "error", err)
	}
	// The generations have ended; what is left is to write their last events.
	last, done := context.WithTimeout(context.Background(), time.Second)
	defer done()
	if err := server.Shutdown(last); err != nil {
		log.Warn("clients did not take their answers", "error", err)
	}
	err := house.Close()
	log.Info("stopped")
	return err
}
