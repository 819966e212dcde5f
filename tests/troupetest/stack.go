package troupetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"troupe/actors"
	"troupe/http"
)

// Stack is the whole server in this process, on a socket like the real one, with any engine. It is for what the binary does not show: the batcher's
// numbers, and the processor time of server and client together.
type Stack struct {
	URL    string
	System *actors.System

	server *http.Server
	served chan error
}

// StartStack starts the actors and serves them on a free port of the loopback. The stack owns the engine in cfg.
func StartStack(cfg actors.Config, wire http.Config) (*Stack, error) {
	system, err := actors.Start(cfg)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w", err), system.Close())
	}
	s := &Stack{URL: "http://" + listener.Addr().String(), System: system, server: http.New(wire), served: make(chan error, 1)}
	s.server.Attach(cfg.Model, system, nil)
	go func() { s.served <- s.server.Serve(listener) }()
	return s, nil
}

// Close cancels what runs and stops everything.
func (s *Stack) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return errors.Join(s.System.Drain(ctx), s.server.Shutdown(ctx), <-s.served, s.System.Close())
}

var _ io.Closer = (*Stack)(nil)
