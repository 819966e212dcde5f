package http

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"troupe/runtime"
)

// ownerKey is where a request keeps the owner of the key that it showed.
type ownerKey struct{}

// authenticate lets pass who shows an API key, as x-api-key or as a bearer token; without keys it lets everybody pass. A request without a key and one with a
// wrong key get the same answer, whatever they ask for.
func (s *Server) authenticate(c *fiber.Ctx) error {
	if s.keys.empty() {
		return c.Next()
	}
	index, ok := s.keys.match(c.Get("X-Api-Key"), bearer(c.Get(fiber.HeaderAuthorization)))
	if !ok {
		return refuse(c, "this server needs a valid API key: send it as x-api-key, or as a bearer token in Authorization")
	}
	c.Locals(ownerKey{}, s.keys.owner(index))
	return c.Next()
}

// requireAdmin lets pass who shows the admin key, as X-Admin-Key or in the place of an API key. There must be an admin key.
func (s *Server) requireAdmin(c *fiber.Ctx) error {
	if _, ok := s.adminKeys.match(c.Get("X-Admin-Key"), c.Get("X-Api-Key"), bearer(c.Get(fiber.HeaderAuthorization))); !ok {
		return refuse(c, "this needs the admin key: send it as X-Admin-Key")
	}
	return c.Next()
}

func refuse(c *fiber.Ctx, message string) error {
	c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
	return &runtime.Error{Kind: runtime.Unauthorised, Message: message}
}

// owner returns who sent a request: the name of its key, or "" if there are no keys.
func owner(c *fiber.Ctx) string {
	name, _ := c.Locals(ownerKey{}).(string)
	return name
}

// clientID is what a client calls the agent with an id of the house, which is that of its key and the client's; see [runtime.JoinAgent].
func clientID(id string) string {
	_, name := runtime.SplitAgent(id)
	return name
}

// checkHost refuses requests for a name that is not ours. A web page may let its own name point at 127.0.0.1 and would then be allowed by the browser to
// read what we answer; its requests still carry that name.
func (s *Server) checkHost(c *fiber.Ctx) error {
	if !s.onLoopback && len(s.cfg.Hosts) == 0 {
		return c.Next()
	}
	// Not c.Hostname: that believes X-Forwarded-Host.
	host := hostName(string(c.Request().Header.Host()))
	if !loopbackName(host) && !slices.Contains(s.cfg.Hosts, host) {
		return fiber.NewError(http.StatusForbidden, fmt.Sprintf("this server does not answer to the name %s: --allowed-hosts adds one", textOf(host)))
	}
	return c.Next()
}

// checkOrigin refuses requests that change something and come from a web page which may not read the answer: a browser sends the simple ones without
// asking us first.
func (s *Server) checkOrigin(c *fiber.Ctx) error {
	origin := c.Get(fiber.HeaderOrigin)
	switch c.Method() {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return c.Next()
	}
	if origin == "" || slices.Contains(s.cfg.CORSOrigins, strings.ToLower(origin)) || sameOrigin(origin, string(c.Request().Header.Host())) {
		return c.Next()
	}
	return fiber.NewError(http.StatusForbidden, fmt.Sprintf("pages of %s may not call this server: --cors-origins adds an origin", textOf(origin)))
}

// sameOrigin reports whether a page came from where its request goes to.
func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

// hostName returns a Host header's name without the port, in lower case.
func hostName(header string) string {
	host := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		host = h
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// loopbackName reports whether a name always means this machine: an address of the loopback, localhost, or a name below it.
func loopbackName(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// IsLoopback reports whether only this machine can reach an address.
func IsLoopback(addr net.Addr) bool {
	switch a := addr.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	default:
		return false
	}
}

// validOrigin returns why a string cannot be the origin of a web page: a scheme and a host, as browsers send them.
func validOrigin(origin string) error {
	u, err := url.Parse(origin)
	switch {
	case err != nil:
		return fmt.Errorf("%s is not an origin: %w", textOf(origin), err)
	case u.Scheme == "" || u.Host == "" || origin != strings.ToLower(u.Scheme+"://"+u.Host) || strings.Contains(u.Host, "*"):
		return fmt.Errorf("%s is not an origin: it must be a scheme and a host in lower case, like http://localhost:3000, without a path and a star", textOf(origin))
	}
	return nil
}

// validHost returns why a string cannot be a name of this server.
func validHost(host string) error {
	_, notIP := netip.ParseAddr(host)
	if host == "" || hostName(host) != host || notIP != nil && strings.ContainsAny(host, "/*:@ ") {
		return fmt.Errorf("%s is not a host name: it must be in lower case, without a port, a path and a star", textOf(host))
	}
	return nil
}
