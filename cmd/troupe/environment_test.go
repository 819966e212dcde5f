package main

import (
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
)

// parse parses a command line and returns what it set.
func parse(t *testing.T, args ...string) (commands, error) {
	t.Helper()
	var cmds commands
	parser, err := kong.New(&cmds, kong.PostBuild(serveFromEnvironment), kong.Exit(func(int) { t.Fatal("the parser exits") }))
	require.NoError(t, err)
	_, err = parser.Parse(args)
	return cmds, err
}

func TestServeHasDefaults(t *testing.T) {
	cmds, err := parse(t, "serve")
	require.NoError(t, err)
	require.Equal(t, serveCmd{
		modelFlag: modelFlag{"starter"}, engineFlags: engineFlags{KVBits: 16, CPUActivations: "int8", CPUISA: "auto"}, diskFlags: diskFlags{DiskBudget: 16 << 30, IdleSave: 5 * time.Second, MaxShare: 0.5},
		Listen: "127.0.0.1:8000", Drain: 30 * time.Second,
		securityFlags: securityFlags{CORSOrigins: []string{"http://localhost:3000"}}, limitFlags: limitFlags{StuckAfter: 2 * time.Minute},
		admissionFlags: admissionFlags{MaxGap: 200 * time.Millisecond}, LogFormat: "text",
	}, cmds.Serve)
}

func TestEveryFlagOfServeComesFromTheEnvironment(t *testing.T) {
	values := map[string]string{
		"MODEL": "/models/m", "LISTEN": "[::1]:9", "DATA": "/d", "KV_MEMORY": "3GiB", "BLOCK_TOKENS": "16", "KV_BITS": "4", "THREADS": "3", "CPU_ACTIVATIONS": "f32", "CPU_ISA": "avx2", "MAX_BATCH": "8", "MAX_QUEUE": "9",
		"PREFILL_CHUNK": "64", "DRAIN": "5s", "STRICT_MODELS": "true", "CORS_ORIGINS": "http://a,http://b", "LOG_FORMAT": "json",
		"CONFIG": withConfig(t, "max-batch: 3\n"), "CHECK": "true", "MEMORY_LIMIT": "4GiB",
		"DATA_KEY": "/dk", "DISK_BUDGET": "5GiB", "IDLE_SAVE": "1s", "MAX_SHARE": "0.25",
		"API_KEY": "a,b", "API_KEY_FILE": "/k", "ADMIN_KEY": "c", "ADMIN_KEY_FILE": "/a", "INSECURE": "true", "ALLOWED_HOSTS": "x,y", "TLS_CERT": "/c", "TLS_KEY": "/t",
		"REQUESTS_PER_MINUTE": "1", "TOKENS_PER_MINUTE": "2", "AGENT_REQUESTS_PER_MINUTE": "3", "AGENT_TOKENS_PER_MINUTE": "4", "STUCK_AFTER": "5m", "DRAIN_DELAY": "6s",
		"MAX_QUEUE_TOKENS": "10", "MAX_GAP": "7ms", "MODELS": "/models",
		"OTLP_ENDPOINT": "http://c:1", "OTLP_HEADERS": "a=b,c=d",
	}
	want := serveCmd{
		setupFlags:  setupFlags{Config: configFile(values["CONFIG"]), Check: true},
		modelFlag:   modelFlag{"/models/m"},
		engineFlags: engineFlags{KVMemory: 3 << 30, MemoryLimit: 4 << 30, KVBits: 4, BlockTokens: 16, Threads: 3, CPUActivations: "f32", CPUISA: "avx2"},
		diskFlags:   diskFlags{Data: "/d", DataKey: "/dk", DiskBudget: 5 << 30, IdleSave: time.Second, MaxShare: 0.25},
		Listen:      "[::1]:9", Models: "/models",
		admissionFlags: admissionFlags{MaxBatch: 8, MaxQueue: 9, MaxQueueTokens: 10, PrefillChunk: 64, MaxGap: 7 * time.Millisecond},
		Drain:          5 * time.Second, DrainDelay: 6 * time.Second, StrictModels: true, LogFormat: "json",
		securityFlags: securityFlags{
			APIKey: []secret{"a", "b"}, APIKeyFile: "/k", AdminKey: "c", AdminKeyFile: "/a", Insecure: true, AllowedHosts: []string{"x", "y"},
			CORSOrigins: []string{"http://a", "http://b"}, TLSCert: "/c", TLSKey: "/t",
		},
		traceFlags: traceFlags{OTLPEndpoint: "http://c:1", OTLPHeaders: []secret{"a=b", "c=d"}},
		limitFlags: limitFlags{RequestsPerMinute: 1, TokensPerMinute: 2, AgentRequestsPerMinute: 3, AgentTokensPerMinute: 4, StuckAfter: 5 * time.Minute},
	}
	for _, prefix := range prefixes() {
		t.Run(strings.TrimSuffix(prefix, "_"), func(t *testing.T) {
			for name, v := range values {
				t.Setenv(prefix+name, v)
			}
			cmds, err := parse(t, "serve")
			require.NoError(t, err)
			require.Equal(t, want, cmds.Serve)
		})
	}
	var cmds commands
	parser, err := kong.New(&cmds, kong.PostBuild(serveFromEnvironment))
	require.NoError(t, err)
	require.Len(t, parser.Model.Children[0].Flags, len(values), "a flag of serve is missing in this test")
}

func TestWhatIsNearerWins(t *testing.T) {
	t.Setenv("SEMANTIC_MAX_BATCH", "3")
	cmds, err := parse(t, "serve")
	require.NoError(t, err)
	require.Equal(t, 3, cmds.Serve.MaxBatch)

	t.Setenv("TROUPE_MAX_BATCH", "2")
	cmds, err = parse(t, "serve")
	require.NoError(t, err)
	require.Equal(t, 2, cmds.Serve.MaxBatch)

	cmds, err = parse(t, "serve", "--max-batch", "1")
	require.NoError(t, err)
	require.Equal(t, 1, cmds.Serve.MaxBatch)
}

func TestTheEnvironmentIsForServeAlone(t *testing.T) {
	t.Setenv("TROUPE_MODEL", "/models/m")
	cmds, err := parse(t, "tokenize")
	require.NoError(t, err)
	require.Equal(t, "starter", cmds.Tokenize.Model)
}

func TestBadSettingsAreNamed(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--kv-memory=much", "much"},
		{"--max-batch=-1", "--max-batch"},
		{"--drain=-1s", "--drain"},
		{"--drain-delay=-1s", "--drain-delay"},
		{"--drain=soon", "--drain"},
		{"--log-format=xml", "--log-format"},
		{"--no-such-flag", "--no-such-flag"},
	} {
		_, err := parse(t, "serve", c.args)
		require.ErrorContains(t, err, c.want)
	}
	t.Setenv("TROUPE_KV_MEMORY", "much")
	_, err := parse(t, "serve")
	require.ErrorContains(t, err, "TROUPE_KV_MEMORY")
}
