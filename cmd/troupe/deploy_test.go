package main

import (
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const deploy = "../deploy"

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploy, path))
	require.NoError(t, err)
	return string(text)
}

func TestTheExampleOfAConfigurationIsValid(t *testing.T) {
	_, err := parse(t, "serve", "--config", filepath.Join(deploy, "troupe.yaml"))
	require.NoError(t, err)
	// What is commented out is valid as well.
	all := regexp.MustCompile(`(?m)^# ([a-z-]+: \S+)$`).ReplaceAllString(read(t, "troupe.yaml"), "$1")
	require.Contains(t, all, "\napi-key-file: ")
	_, err = parse(t, "serve", "--config", withConfig(t, all))
	require.NoError(t, err)
}

// TestDeploymentsUseSettingsThatExist looks at the flags behind "troupe serve" and at the variables in the files of cmd/deploy.
func TestDeploymentsUseSettingsThatExist(t *testing.T) {
	known := map[string]bool{}
	for _, f := range flagsOfServe(t) {
		known["--"+f.Name], known["TROUPE_"+variable(f.Name)] = true, true
	}
	found := 0
	for _, name := range []string{"troupe.service", "io.troupe.server.plist", "Dockerfile", "compose.yaml", "dist.sh", "troupe.yaml"} {
		text := read(t, name)
		settings := regexp.MustCompile(`TROUPE_[A-Z_]+`).FindAllString(text, -1)
		for _, serve := range regexp.MustCompile(`troupe serve (.*)`).FindAllStringSubmatch(text, -1) {
			settings = append(settings, regexp.MustCompile(`--[a-z][a-z-]+`).FindAllString(serve[1], -1)...)
		}
		for _, arg := range regexp.MustCompile(`<string>(--[^<]*)</string>`).FindAllStringSubmatch(text, -1) {
			settings = append(settings, arg[1])
		}
		for _, setting := range settings {
			require.True(t, known[setting], "%s: there is no %s", name, setting)
		}
		found += len(settings)
	}
	require.Greater(t, found, 12)
}

func TestComposeNamesFilesThatExist(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Image   string
			Build   struct{ Context, Dockerfile string }
			Volumes []string
			Secrets []string
		}
		Volumes map[string]any
		Secrets map[string]struct{ File string }
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "compose.yaml")), &compose))
	require.Len(t, compose.Services, 3)
	for name, s := range compose.Services {
		if s.Build.Dockerfile != "" {
			require.FileExists(t, filepath.Join(deploy, s.Build.Context, s.Build.Dockerfile))
		} else {
			require.Regexp(t, `^[a-z/]+:v?\d+\.\d+\.\d+$`, s.Image, "a version is pinned")
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if strings.HasPrefix(from, ".") {
				_, err := os.Stat(filepath.Join(deploy, from))
				require.NoError(t, err, name)
			} else {
				require.Contains(t, compose.Volumes, from)
			}
		}
		for _, secret := range s.Secrets {
			require.Contains(t, compose.Secrets, secret)
		}
	}
	require.Contains(t, read(t, "prometheus/prometheus.yml"), "credentials_file: /run/secrets/api_key")
	for _, file := range []string{"prometheus/prometheus.yml", "grafana/provisioning/datasources/prometheus.yml", "grafana/provisioning/dashboards/troupe.yml"} {
		var any map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(read(t, file)), &any), file)
	}
}

func TestThePlistIsXML(t *testing.T) {
	decoder := xml.NewDecoder(strings.NewReader(read(t, "io.troupe.server.plist")))
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

func TestTheUnitIsValid(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze here")
	}
	// It wants the program to be there.
	program, err := os.Executable()
	require.NoError(t, err)
	unit := filepath.Join(t.TempDir(), "troupe.service")
	text := strings.ReplaceAll(read(t, "troupe.service"), "/opt/troupe/bin/troupe ", program+" ")
	require.NoError(t, os.WriteFile(unit, []byte(text), fs.FileMode(0o600)))
	out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NotContains(t, string(out), unit, "it warns")
}
