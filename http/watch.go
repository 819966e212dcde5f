package http

import (
	"net"
	"syscall"
	"time"
)

// watch calls onClose once, within about 0.1 ms, when the peer closes its side of conn, without reading or writing a byte. fasthttp never tells, and
// a write only fails after the kernel has answered an earlier one, so before the first token there is no other way to know.
//
// It clears the connection's read deadline. Nobody else may read from conn until stop has returned; stop waits for the watcher, leaves the
// connection without a read deadline, and may be called more than once. After it onClose is not called any more.
//
// Bytes that arrive while it watches (a pipelined request) end the watch without a verdict, and so does a connection that is not a socket;
// failing writes are the only sign then. A peer that shuts down only its writing half is taken to have left, as net/http does.
func watch(conn net.Conn, onClose func()) (stop func()) {
	if tls, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = tls.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return func() {}
	}
	raw, err := socket.SyscallConn()
	if err != nil || conn.SetReadDeadline(time.Time{}) != nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		closed := false
		// Read parks the goroutine in the netpoller whenever peek finds nothing, and fails once the deadline is in the past.
		err := raw.Read(func(fd uintptr) bool {
			var arrived bool
			arrived, closed = peek(int(fd))
			return arrived || closed
		})
		if err == nil && closed {
			onClose()
		}
	}()
	return func() {
		// Both fail only on a connection that is closed, and then the watcher has ended by itself.
		_ = conn.SetReadDeadline(time.Unix(1, 0))
		<-done
		_ = conn.SetReadDeadline(time.Time{})
	}
}

// peek looks at a socket without taking anything from it.
func peek(fd int) (arrived, closed bool) {
	var buf [1]byte
	for {
		n, _, err := syscall.Recvfrom(fd, buf[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return false, false
		default:
			return err == nil && n > 0, err != nil || n == 0
		}
	}
}
