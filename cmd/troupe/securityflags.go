package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"

	"troupe/http"
	"troupe/runtime"
)

// securityFlags say who may reach the server, and how.
type securityFlags struct {
	APIKey       []secret `name:"api-key" placeholder:"KEY" help:"Keys of clients; agents are private to a key. None lets everybody in. Rather set the environment or the file: a command line is seen by others."`
	APIKeyFile   string   `name:"api-key-file" placeholder:"FILE" help:"File with more keys of clients, one a line; empty lines and those with # in front do not count. 'KEY agent' and 'KEY batch' are keys whose requests are at most as urgent as that."`
	AdminKey     secret   `placeholder:"KEY" help:"Key for /admin, /debug and imports of agents; without one there are none."`
	AdminKeyFile string   `placeholder:"FILE" help:"File with the admin key."`
	Insecure     bool     `help:"Listen on an address that others can reach although there is no API key."`
	AllowedHosts []string `placeholder:"NAME" help:"Names that the server may be called by; on a loopback address it answers to localhost alone otherwise."`
	CORSOrigins  []string `name:"cors-origins" default:"http://localhost:3000" placeholder:"URL" help:"Exact origins of web pages that may call the server (${default})."`
	TLSCert      string   `name:"tls-cert" placeholder:"FILE" help:"Certificate chain in PEM; with --tls-key the server speaks TLS."`
	TLSKey       string   `name:"tls-key" placeholder:"FILE" help:"Key of the certificate in PEM."`
}

// secret is a setting that must not be shown.
type secret string

// String hides the secret.
func (s secret) String() string {
	if s == "" {
		return ""
	}
	return "(hidden)"
}

// GoString hides it too.
func (s secret) GoString() string { return s.String() }

// MarshalText hides it in JSON and YAML.
func (s secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides it in the log.
func (s secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// maxKeyFile is far more than keys take.
const maxKeyFile = 1 << 20

// apply puts the settings into the server's, and checks all that are there by then.
func (f *securityFlags) apply(cfg *http.Config) error {
	for _, key := range f.APIKey {
		cfg.APIKeys = append(cfg.APIKeys, string(key))
	}
	fromFile, err := readKeys(f.APIKeyFile)
	if err != nil {
		return fmt.Errorf("--api-key-file: %w", err)
	}
	if err := addKeys(cfg, fromFile); err != nil {
		return fmt.Errorf("--api-key-file: %w", err)
	}
	cfg.AdminKey = string(f.AdminKey)
	if f.AdminKeyFile != "" {
		keys, err := readKeys(f.AdminKeyFile)
		switch {
		case err != nil:
			return fmt.Errorf("--admin-key-file: %w", err)
		case cfg.AdminKey != "" || len(keys) > 1:
			return errors.New("--admin-key-file: there can be only one admin key")
		}
		cfg.AdminKey = keys[0]
	}
	cfg.Hosts, cfg.CORSOrigins = f.AllowedHosts, f.CORSOrigins
	return cfg.Validate()
}

// addKeys adds the lines of a file of API keys: each a key, and perhaps its class behind a space.
func addKeys(cfg *http.Config, lines []string) error {
	for i, line := range lines {
		key, rest, _ := strings.Cut(line, " ")
		cfg.APIKeys = append(cfg.APIKeys, key)
		if rest = strings.TrimSpace(rest); rest == "" {
			continue
		}
		class, err := runtime.ParseClass(rest)
		if err != nil { // its text has what may be a part of the key
			return fmt.Errorf("API key %d: behind a key there can only be its class: interactive, agent or batch", i+1)
		}
		if cfg.KeyClasses == nil {
			cfg.KeyClasses = map[string]runtime.Class{}
		}
		cfg.KeyClasses[key] = max(cfg.KeyClasses[key], class)
	}
	return nil
}

// readKeys reads a file of keys. One without a key is an error: the server would be open to everybody.
func readKeys(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxKeyFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxKeyFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var keys []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			keys = append(keys, line)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s has no key", path)
	}
	return keys, nil
}

// listen binds the address.
func (f *securityFlags) listen(address string, cfg *http.Config) (net.Listener, error) {
	addr, config, err := f.resolve(address, cfg)
	if err != nil {
		return nil, err
	}
	listener, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	if config != nil {
		return tls.NewListener(listener, config), nil
	}
	return listener, nil
}

// resolve returns where to listen, and how to speak TLS there (nil: not at all). It refuses an address that others can reach if everybody would be let in.
func (f *securityFlags) resolve(address string, cfg *http.Config) (*net.TCPAddr, *tls.Config, error) {
	config, err := f.tls()
	if err != nil {
		return nil, nil, err
	}
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, nil, fmt.Errorf("--listen: %w", err)
	}
	if len(cfg.APIKeys) == 0 && !f.Insecure && !http.IsLoopback(addr) {
		return nil, nil, fmt.Errorf("others can reach %s and there is no API key: set --api-key or --api-key-file, listen on 127.0.0.1, or say --insecure", address)
	}
	return addr, config, nil
}

// scheme is that of the server's URL.
func (f *securityFlags) scheme() string {
	if f.TLSCert != "" {
		return "https"
	}
	return "http"
}

// tls is the configuration of TLS, or nil.
func (f *securityFlags) tls() (*tls.Config, error) {
	if f.TLSCert == "" && f.TLSKey == "" {
		return nil, nil
	}
	if f.TLSCert == "" || f.TLSKey == "" {
		return nil, errors.New("--tls-cert and --tls-key belong together")
	}
	cert, err := tls.LoadX509KeyPair(f.TLSCert, f.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}, nil
}
