package main

import (
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/http"
	"troupe/runtime/enginetest"
	"troupe/runtime/model"
)

// TestTheSocketIsClosedLast stops a server whose drain delay has not passed yet: it says that it is not ready and answers all the same. Afterwards nobody
// is there, and the service manager was told.
func TestTheSocketIsClosedLast(t *testing.T) {
	name := filepath.Join(t.TempDir(), "n")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	require.NoError(t, err)
	defer func() { require.NoError(t, manager.Close()) }()
	t.Setenv("NOTIFY_SOCKET", name)

	log := slog.New(slog.DiscardHandler)
	m := &model.Model{ID: "fake", Context: 64}
	system, err := actors.Start(actors.Config{Engine: enginetest.NewFake(enginetest.Options{Blocks: 16}), Model: m, Logger: log})
	require.NoError(t, err)
	server := http.New(http.Config{Logger: log})
	server.Attach(m, system, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	get := func(path string) (status int, closed bool) {
		t.Helper()
		resp, err := nethttp.Get("http://" + listener.Addr().String() + path)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode, resp.Close
	}
	status, closed := get("/health/ready")
	require.Equal(t, 200, status)
	require.False(t, closed)

	c := &serveCmd{Drain: time.Minute}
	delay, finished := make(chan time.Time), make(chan error, 1)
	go func() { finished <- c.finish(server, system, delay, log) }()
	told := make([]byte, 100)
	n, err := manager.Read(told)
	require.NoError(t, err)
	require.Equal(t, "STOPPING=1", string(told[:n]))
	for status != 503 { // it comes right behind the notice
		status, closed = get("/health/ready")
	}
	require.True(t, closed, "so that a proxy uses another connection next time, which goes elsewhere")
	status, closed = get("/v1/models")
	require.Equal(t, 200, status, "who comes nevertheless is served")
	require.True(t, closed)

	close(delay)
	require.NoError(t, <-finished)
	require.NoError(t, <-served)
	_, err = net.Dial("tcp", listener.Addr().String())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}
