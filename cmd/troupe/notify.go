package main

import (
	"fmt"
	"net"
	"os"
)

// States that a service manager is told.
const (
	stateReady    = "READY=1"
	stateStopping = "STOPPING=1"
)

// notify tells the service manager that started us a state, as sd_notify(3) does: systemd, for a unit with Type=notify. Without one it does nothing.
func notify(state string) error {
	path := os.Getenv("NOTIFY_SOCKET") // one that begins with @ is abstract, which package net knows
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell the service manager %s: %w", state, err)
	}
	defer func() { _ = conn.Close() }() // what was written is with the manager
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("tell the service manager %s: %w", state, err)
	}
	return nil
}
