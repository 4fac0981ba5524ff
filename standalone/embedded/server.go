package embedded

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
)

// Options say where the server keeps its data and where it listens.
type Options struct {
	// Dir holds the database, its version and the server's log. It is made if it isn't there.
	Dir string
	// Port is the gRPC port on 127.0.0.1, UIPort the Web UI's.
	Port, UIPort int
	// Namespace is made at the first start, with Retention for closed workflows.
	Namespace string
	Retention time.Duration
	// Dynamic overrides single values of the server's dynamic configuration; tests make limits small with it.
	Dynamic map[string]any
}

// Server is a running server with its Web UI.
type Server struct {
	// Address is the gRPC address, host:port; UI is the Web UI's URL.
	Address, UI string

	server temporal.Server
	ui     *webUI
	unlock func()
}

// clusterName is the name of the only cluster.
const clusterName = "active"

// loopback is the one address that anything here listens on.
const loopback = "127.0.0.1"

// Start opens the database, making or checking it first, and starts the server and the Web UI. The caller must call
// Stop. Errors name the port or the file, and what to do.
func Start(ctx context.Context, o Options) (*Server, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the Temporal server's directory: %w", err)
	}
	unlock, err := lock(o.Dir)
	if err != nil {
		return nil, err
	}
	s, err := start(ctx, o)
	if err != nil {
		unlock()
		return nil, err
	}
	s.unlock = unlock
	return s, nil
}

func start(ctx context.Context, o Options) (*Server, error) {
	for _, port := range []struct {
		what, flag string
		number     int
	}{{"Temporal", "--port", o.Port}, {"the Web UI", "--ui-port", o.UIPort}} {
		if err := free(port.number); err != nil {
			return nil, fmt.Errorf("%s cannot listen on port %d: %w; end what uses it, or choose another with %s", port.what, port.number, err, port.flag)
		}
	}
	store := config.SQL{
		PluginName:        sqliteplugin.PluginName,
		DatabaseName:      filepath.Join(o.Dir, databaseFile),
		ConnectAttributes: map[string]string{"mode": "rwc", "_journal_mode": "wal", "_synchronous": "full", "_busy_timeout": "10000"},
	}
	if err := prepare(o, store); err != nil {
		return nil, err
	}
	server, err := newServer(o, store)
	if err != nil {
		return nil, fmt.Errorf("set the Temporal server up: %w", err)
	}
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("start the Temporal server: %w; its log is %s", err, filepath.Join(o.Dir, logFile))
	}
	s := &Server{Address: address(o.Port), UI: "http://" + address(o.UIPort), server: server}
	if s.ui, err = startUI(ctx, o); err != nil {
		return nil, fmt.Errorf("%w; %w", err, server.Stop())
	}
	return s, nil
}

// Stop ends the Web UI and the server and frees the directory.
func (s *Server) Stop() error {
	s.ui.Stop()
	err := s.server.Stop()
	s.unlock()
	return err
}

const logFile = "server.log"

func newServer(o Options, store config.SQL) (temporal.Server, error) {
	hosts := map[primitives.ServiceName]static.Hosts{}
	c := serverConfig(o, store)
	for _, service := range []primitives.ServiceName{primitives.FrontendService, primitives.HistoryService, primitives.MatchingService, primitives.WorkerService} {
		port := o.Port
		if service != primitives.FrontendService {
			var err error
			if port, err = anyPort(); err != nil {
				return nil, err
			}
		}
		c.Services[string(service)] = config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: loopback}}
		hosts[service] = static.SingleLocalHost(address(port))
	}
	logger := log.NewZapLogger(log.BuildZapLogger(log.Config{Level: "warn", OutputFile: filepath.Join(o.Dir, logFile)}))
	authorizer, err := authorization.GetAuthorizerFromConfig(&c.Global.Authorization)
	if err != nil {
		return nil, err
	}
	claims, err := authorization.GetClaimMapperFromConfig(&c.Global.Authorization, logger)
	if err != nil {
		return nil, err
	}
	return temporal.NewServer(
		temporal.WithConfig(c),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(logger),
		temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims }),
		temporal.WithDynamicConfigClient(dynamic(o)),
	)
}

func serverConfig(o Options, store config.SQL) *config.Config {
	c := &config.Config{Services: map[string]config.Service{}}
	c.Global.Membership.MaxJoinDuration = 30 * time.Second
	c.Global.Membership.BroadcastAddress = loopback
	c.Persistence = config.Persistence{
		DefaultStore: "sqlite", VisibilityStore: "sqlite", NumHistoryShards: 1,
		DataStores: map[string]config.DataStore{"sqlite": {SQL: &store}},
	}
	c.ClusterMetadata = &cluster.Config{
		FailoverVersionIncrement: 10, MasterClusterName: clusterName, CurrentClusterName: clusterName,
		ClusterInformation: map[string]cluster.ClusterInformation{
			clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: address(o.Port), ClusterID: "mailferry"},
		},
	}
	c.DCRedirectionPolicy.Policy = "noop"
	const disabled = "disabled"
	c.Archival.History.State, c.Archival.Visibility.State = disabled, disabled
	c.NamespaceDefaults.Archival.History.State, c.NamespaceDefaults.Archival.Visibility.State = disabled, disabled
	c.PublicClient.HostPort = address(o.Port)
	return c
}

// dynamic is the server's dynamic configuration: tenants share the task queues fairly, and one small server on one
// file needs neither the caching nor the request limits of a cluster.
func dynamic(o Options) dynamicconfig.StaticClient {
	values := dynamicconfig.StaticClient{
		dynamicconfig.MakeKey("matching.enableFairness"):                        true,
		dynamicconfig.MakeKey("system.forceSearchAttributesCacheRefreshOnRead"): true,
		dynamicconfig.MakeKey("frontend.persistenceMaxQPS"):                     10_000,
		dynamicconfig.MakeKey("history.persistenceMaxQPS"):                      45_000,
		dynamicconfig.MakeKey("frontend.namespaceRPS.visibility"):               100,
	}
	for key, value := range o.Dynamic {
		values[dynamicconfig.MakeKey(key)] = value
	}
	return values
}

func address(port int) string { return fmt.Sprintf("%s:%d", loopback, port) }

func free(port int) error {
	l, err := net.Listen("tcp", address(port))
	if err != nil {
		return err
	}
	return l.Close()
}

func anyPort() (int, error) {
	l, err := net.Listen("tcp", address(0))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
