package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/http"
	"troupe/runtime"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestKeysComeFromEverywhere(t *testing.T) {
	f := securityFlags{
		APIKey: []secret{"a", "b"}, APIKeyFile: write(t, "keys", "# Ann\nc\n\n  d\t\r\n#e\nnight batch\n helper  agent\nhelper\nboss interactive"), AdminKeyFile: write(t, "admin", "root\n"),
		AllowedHosts: []string{"troupe.example"}, CORSOrigins: []string{"http://a.example"},
	}
	var cfg http.Config
	require.NoError(t, f.apply(&cfg))
	require.Equal(t, http.Config{
		APIKeys:    []string{"a", "b", "c", "d", "night", "helper", "helper", "boss"},
		KeyClasses: map[string]runtime.Class{"night": runtime.Batch, "helper": runtime.SubAgent, "boss": runtime.Interactive}, AdminKey: "root", Hosts: []string{"troupe.example"}, CORSOrigins: []string{"http://a.example"},
	}, cfg)
}

func TestBadKeysAreErrors(t *testing.T) {
	for _, c := range []struct {
		flags securityFlags
		want  string
	}{
		{securityFlags{APIKeyFile: "/no/such/file"}, "--api-key-file: "},
		{securityFlags{APIKeyFile: write(t, "keys", "\n# nothing\n")}, "has no key"},
		{securityFlags{APIKeyFile: write(t, "keys", "sk-secret with spaces")}, "API key 1: "},
		{securityFlags{APIKeyFile: write(t, "keys", "a\nb sk-secret")}, "API key 2: behind a key there can only be its class"},
		{securityFlags{APIKeyFile: write(t, "keys", "b batch sk-secret")}, "API key 1: "},
		{securityFlags{APIKey: []secret{"sk-secret batch"}}, "API key 1: "},
		{securityFlags{APIKey: []secret{"sk-secret\x00"}}, "API key 1: "},
		{securityFlags{AdminKeyFile: write(t, "keys", "a\nb")}, "--admin-key-file: there can be only one"},
		{securityFlags{AdminKeyFile: write(t, "keys", "a"), AdminKey: "sk-secret"}, "--admin-key-file: there can be only one"},
		{securityFlags{AdminKeyFile: t.TempDir()}, "--admin-key-file: "},
		{securityFlags{CORSOrigins: []string{"*"}}, "is not an origin"},
		{securityFlags{AllowedHosts: []string{"*"}}, "is not a host name"},
	} {
		err := c.flags.apply(&http.Config{})
		require.ErrorContains(t, err, c.want)
		require.NotContains(t, err.Error(), "sk-secret")
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	f := securityFlags{APIKey: []secret{"sk-one"}, AdminKey: "sk-two"}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("settings", "flags", f, "key", f.AdminKey)
	asJSON, err := json.Marshal(f)
	require.NoError(t, err)
	for _, text := range []string{fmt.Sprint(f), fmt.Sprintf("%+v %#v %s %q", f, f, f.AdminKey, f.APIKey), log.String(), string(asJSON)} {
		require.NotContains(t, text, "sk-")
		require.Contains(t, text, "(hidden)")
	}
	require.Empty(t, secret("").String())
}

// TestOpenDoors: without a key only the loopback may be listened on.
func TestOpenDoors(t *testing.T) {
	for _, c := range []struct {
		address        string
		open, insecure bool
		want           string
	}{
		{"127.0.0.1:0", true, false, ""},
		{"localhost:0", true, false, ""},
		{"0.0.0.0:0", true, false, "there is no API key"},
		{":0", true, false, "there is no API key"},
		{"[::]:0", true, false, "there is no API key"},
		{"192.0.2.1:0", true, false, "there is no API key"},
		{"0.0.0.0:0", true, true, ""},
		{"0.0.0.0:0", false, false, ""},
		{"localhost", true, false, "--listen"},
		{"127.0.0.1:99999", true, false, "--listen"},
		{"192.0.2.1:1", false, false, "cannot listen"},
	} {
		f := securityFlags{Insecure: c.insecure}
		cfg := http.Config{APIKeys: []string{"a"}}
		if c.open {
			cfg.APIKeys = nil
		}
		listener, err := f.listen(c.address, &cfg)
		if c.want != "" {
			require.ErrorContains(t, err, c.want, c.address)
			continue
		}
		require.NoError(t, err, c.address)
		require.NoError(t, listener.Close())
	}
}

// certificate makes a self-signed certificate for 127.0.0.1 and returns its files.
func certificate(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool = x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(certPEM))
	return write(t, "cert.pem", string(certPEM)), write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))), pool
}

func TestTLS(t *testing.T) {
	cert, key, pool := certificate(t)
	f := securityFlags{TLSCert: cert, TLSKey: key}
	listener, err := f.listen("127.0.0.1:0", &http.Config{})
	require.NoError(t, err)
	server := http.New(http.Config{Logger: slog.New(slog.DiscardHandler)})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	conn, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{RootCAs: pool})
	require.NoError(t, err)
	_, err = io.WriteString(conn, "GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(answer), "HTTP/1.1 200 OK\r\n")
	require.NoError(t, conn.Close())

	_, err = tls.Dial("tcp", listener.Addr().String(), &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11})
	require.Error(t, err, "old versions of TLS")
	require.NoError(t, server.Shutdown(t.Context()))
	require.NoError(t, <-served)
}

func TestBadTLSFiles(t *testing.T) {
	cert, key, _ := certificate(t)
	_, other, _ := certificate(t)
	for _, f := range []securityFlags{{TLSCert: cert}, {TLSKey: key}, {TLSCert: cert, TLSKey: "/no/such/file"}, {TLSCert: key, TLSKey: key}, {TLSCert: cert, TLSKey: other}} {
		_, err := f.listen("127.0.0.1:0", &http.Config{})
		require.ErrorContains(t, err, "--tls-")
	}
}
