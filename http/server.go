package http

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/cors"
	"github.com/gofiber/fiber/v2/middleware/pprof"
	"github.com/gofiber/fiber/v2/middleware/recover"
	"go.opentelemetry.io/otel/trace"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/model"
)

// headerLimit is the most bytes of request line and headers. Claude Code sends about 2 KB.
const headerLimit = 32 << 10

// Config says how to serve. The zero value serves with the defaults that the fields name.
type Config struct {
	Logger       *slog.Logger             // nil: slog.Default
	StrictModels bool                     // refuse model ids other than the loaded model's; clients ask for ids of their own, so it is off by default
	APIKeys      []string                 // open everything but /health and /admin; none: everybody may call, and all share one set of agents
	KeyClasses   map[string]runtime.Class // by API key: the class of its requests, unless they ask for a less urgent one; others are interactive
	AdminKey     string                   // opens /admin and /debug; without one these do not exist
	CORSOrigins  []string                 // exact origins of web pages that may call; none by default
	Hosts        []string                 // names that the server may be called by, beside those of the loopback; none: any name, but on a loopback address
	RateLimits   RateLimits               // none by default
	BodyLimit    int                      // bytes of a request body; 0: 32 MiB, the limit of the Anthropic API
	PingInterval time.Duration            // between signs of life on a stream; 0: 5 s
	ReadTimeout  time.Duration            // for a request to arrive whole; 0: 60 s
	IdleTimeout  time.Duration            // for the next request on a connection; 0: 2 min
	WriteTimeout time.Duration            // for a client to take what was flushed to it; 0: 30 s
	Tracer       trace.Tracer             // makes a span of each request; nil: none
	StuckAfter   time.Duration            // without a step while requests are there, after which the engine is taken to hang; 0: 2 min
}

// Validate returns what is wrong with a configuration that a user wrote. It never repeats a key.
func (cfg Config) Validate() error {
	for i, key := range cfg.APIKeys {
		if err := validKey(key); err != nil {
			return fmt.Errorf("API key %d: %w", i+1, err)
		}
	}
	if cfg.AdminKey != "" {
		if err := validKey(cfg.AdminKey); err != nil {
			return fmt.Errorf("admin key: %w", err)
		}
	}
	for _, origin := range cfg.CORSOrigins {
		if err := validOrigin(origin); err != nil {
			return err
		}
	}
	for _, host := range cfg.Hosts {
		if err := validHost(host); err != nil {
			return err
		}
	}
	return cfg.RateLimits.validate()
}

// Server answers HTTP. It can listen before there is a model: until [Server.Attach] or [Server.AttachHost] everything but / and /health/live says that the server is starting.
type Server struct {
	cfg     Config
	log     *slog.Logger
	app     *fiber.App
	service atomic.Pointer[service] // what is served for good; nil: starting, or there is a host
	host    atomic.Pointer[hosted]  // that says what is served; nil: starting, or there is a service
	metrics *metrics

	keys, adminKeys keyring
	classes         map[string]runtime.Class // by owner, as Config.KeyClasses
	onLoopback      bool                     // set before the first request
	limiter         *limiter                 // nil: nothing is limited

	draining atomic.Bool
	ctx      context.Context // of every generation; ends with the server
	cancel   context.CancelCauseFunc
	running  sync.RWMutex // held for reading by every generation until its answer is complete

	// What a test pins to compare whole answers.
	now           func() time.Time
	newID         func(prefix string) string
	statsPatience time.Duration // how long the house may take to give its numbers, which it does between two messages
}

// New makes a server that does not listen yet.
func New(cfg Config) *Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	setDefault(&cfg.BodyLimit, 32<<20)
	setDefault(&cfg.PingInterval, 5*time.Second)
	setDefault(&cfg.ReadTimeout, time.Minute)
	setDefault(&cfg.IdleTimeout, 2*time.Minute)
	setDefault(&cfg.WriteTimeout, 30*time.Second)
	setDefault(&cfg.StuckAfter, 2*time.Minute)
	s := &Server{
		cfg: cfg, log: cfg.Logger, now: time.Now, newID: newID, statsPatience: 5 * time.Second,
		keys: newKeyring(cfg.APIKeys...), adminKeys: newKeyring(cfg.AdminKey), limiter: newLimiter(cfg.RateLimits),
		classes: map[string]runtime.Class{},
	}
	for key, class := range cfg.KeyClasses {
		s.classes[ownerOf(key)] = class
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.metrics = newMetrics(s)
	s.app = fiber.New(fiber.Config{
		AppName:                      "troupe",
		DisableStartupMessage:        true,
		Immutable:                    true, // strings of a request go to actors, which outlive it
		StreamRequestBody:            true, // so that nobody's body is read before the key was checked; requestBody keeps the limit
		BodyLimit:                    1,    // is what is read ahead
		DisablePreParseMultipartForm: true, // it would write files, without a limit
		ReadBufferSize:               headerLimit,
		ReadTimeout:                  cfg.ReadTimeout,
		IdleTimeout:                  cfg.IdleTimeout,
		ErrorHandler:                 s.handleError,
	})
	s.routes()
	return s
}

// setDefault gives a setting its default if it is zero.
func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (s *Server) routes() {
	s.app.Use(s.frame, recover.New(recover.Config{EnableStackTrace: true, StackTraceHandler: s.logPanic}), s.checkHost)
	if len(s.cfg.CORSOrigins) > 0 {
		s.app.Use(cors.New(cors.Config{
			AllowOrigins: strings.Join(s.cfg.CORSOrigins, ","),
			AllowMethods: "GET,POST,DELETE,HEAD,OPTIONS",
			ExposeHeaders: "request-id,x-request-id,x-agent-id,x-cache-miss,retry-after,retry-after-ms," +
				"anthropic-ratelimit-requests-limit,anthropic-ratelimit-requests-remaining,anthropic-ratelimit-requests-reset," +
				"anthropic-ratelimit-tokens-limit,anthropic-ratelimit-tokens-remaining,anthropic-ratelimit-tokens-reset," +
				"x-ratelimit-limit-requests,x-ratelimit-remaining-requests,x-ratelimit-reset-requests," +
				"x-ratelimit-limit-tokens,x-ratelimit-remaining-tokens,x-ratelimit-reset-tokens",
		}))
	}
	s.app.Use(s.checkOrigin)
	// A handler that is registered before a lock is outside of it, however its path is written.
	s.app.Get("/", s.getRoot)
	s.app.Get("/health", s.getHealth)
	s.app.Get("/health/live", s.getLive)
	s.app.Get("/health/ready", s.getReady)
	s.app.Get("/health/startup", s.getStartup)
	if !s.adminKeys.empty() {
		s.app.Group("/debug", s.requireAdmin, pprof.New(pprof.Config{Next: func(c *fiber.Ctx) bool {
			return strings.HasSuffix(c.Path(), "/cmdline") // keys may be on the command line
		}}))
		s.adminRoutes()
	}
	s.app.Use(s.authenticate)
	s.app.Get("/metrics", s.metrics.handler())
	s.app.Get("/v1/models", s.listModels)
	s.app.Get("/v1/models/*", s.getModel)
	s.app.Post("/v1/messages", s.handle(anthropic{}))
	s.app.Post("/v1/messages/count_tokens", s.countTokens)
	s.app.Post("/v1/chat/completions", s.handle(openai{}))
	s.agentRoutes()
}

// frame is around every handler: it names the request, and bounds how long the client may take to accept the answer. A stream extends the bound with
// every flush.
func (s *Server) frame(c *fiber.Ctx) error {
	s.identify(c)
	span := s.trace(c)
	err := c.Next()
	if err != nil {
		err = s.handleError(c, err)
	}
	if s.draining.Load() {
		c.Context().SetConnectionClose() // so that a proxy does not send its next request here
	}
	s.metrics.response(c)
	span.end(c, s.now)
	if e := c.Context().SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout)); e != nil {
		s.log.Debug("no write deadline on this connection", "error", e)
	}
	return err
}

// logPanic logs a panic of a handler, which the client sees as an internal error.
func (s *Server) logPanic(c *fiber.Ctx, p any) {
	s.log.Error("panic in a handler", "request", s.identify(c), "route", routeOf(c), "panic", p, "stack", string(debug.Stack()))
}

// identify gives the request an id, once, and puts it in the headers of the answer: request-id is Anthropic's, x-request-id is OpenAI's.
func (s *Server) identify(c *fiber.Ctx) string {
	if id := c.GetRespHeader("Request-Id"); id != "" {
		return id
	}
	id := s.newID("req_")
	c.Set("Request-Id", id)
	c.Set("X-Request-Id", id)
	return id
}

// newID makes an id of 96 random bits.
func newID(prefix string) string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return prefix + hex.EncodeToString(b[:])
}

// Attach gives the server the model that it serves for good; from here on it is ready. Without an archive, agents cannot be exported and imported. The caller
// keeps ownership of all.
func (s *Server) Attach(m *model.Model, sys *actors.System, archive Archive) {
	s.attach(&service{
		agents: sys, archive: archive,
		model:    m,
		generate: func(ctx context.Context, r actors.Request) (stream, error) { return sys.Generate(ctx, r) },
		stats:    sys.Stats,
	})
}

func (s *Server) attach(v *service) { s.service.Store(v) }

// Serve answers connections of a listener, which it closes, until [Server.Shutdown]; then it returns nil. On a loopback address it answers only to names of
// the loopback.
func (s *Server) Serve(ln net.Listener) error {
	s.onLoopback = IsLoopback(ln.Addr())
	if err := s.app.Listener(ln); err != nil {
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	return nil
}

// Drain makes /health and /health/ready say that the server is draining, and closes every connection behind its answer. Refusing new requests is up to the system's own Drain.
func (s *Server) Drain() { s.draining.Store(true) }

// Shutdown stops listening and waits for the running requests until ctx ends; then it cancels them, waits for their last words (an error that says why)
// and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	err := s.app.ShutdownWithContext(ctx)
	s.cancel(errShutdown)
	s.running.Lock() // all have ended
	defer s.running.Unlock()
	if err != nil {
		return fmt.Errorf("requests were cut off: %w", err)
	}
	return nil
}
