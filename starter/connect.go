package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"

	"github.com/mailferry/mailferry/internal/operator"
)

// connection is how the Temporal server is reached: the Temporal CLI's flags, over its variables, over its file.
type connection struct {
	address, namespace, apiKey      string
	profile, configFile             string
	authority                       string
	tls                             bool
	certPath, keyPath, caPath       string
	certData, keyData, caData, name string
	metadata                        map[string]string
	timeout                         time.Duration

	set *pflag.FlagSet
}

func (c *connection) flags(set *pflag.FlagSet) {
	c.set = set
	set.StringVar(&c.address, "address", "", "Temporal server, host:port (TEMPORAL_ADDRESS; default localhost:7233)")
	set.StringVarP(&c.namespace, "namespace", "n", "", "Temporal namespace (TEMPORAL_NAMESPACE; default \"default\")")
	set.StringVar(&c.apiKey, "api-key", "", "API key; better given as TEMPORAL_API_KEY, which other users of this machine don't see")
	set.StringVar(&c.profile, "profile", "", "profile of the configuration file (TEMPORAL_PROFILE)")
	set.StringVar(&c.configFile, "config-file", "", "the Temporal CLI's configuration file (TEMPORAL_CONFIG_FILE)")
	set.StringVar(&c.authority, "client-authority", "", "the :authority of requests, where a proxy needs it")
	set.BoolVar(&c.tls, "tls", false, "connect over TLS (TEMPORAL_TLS); on by itself with an API key or any other --tls-... flag")
	set.StringVar(&c.certPath, "tls-cert-path", "", "client certificate, PEM file")
	set.StringVar(&c.keyPath, "tls-key-path", "", "client certificate's key, PEM file")
	set.StringVar(&c.caPath, "tls-ca-path", "", "the server's certificate authority, PEM file")
	set.StringVar(&c.certData, "tls-cert-data", "", "client certificate, PEM")
	set.StringVar(&c.keyData, "tls-key-data", "", "client certificate's key, PEM")
	set.StringVar(&c.caData, "tls-ca-data", "", "the server's certificate authority, PEM")
	set.StringVar(&c.name, "tls-server-name", "", "name that the server's certificate must have, where it isn't the address's")
	set.StringToStringVar(&c.metadata, "grpc-meta", nil, "headers of requests, KEY=VALUE")
	set.DurationVar(&c.timeout, "client-connect-timeout", 10*time.Second, "how long to try to connect")
}

// repeat is the flags that a command printed for the operator must have to reach the same place; never a secret.
func (c *connection) repeat() string {
	var b strings.Builder
	for _, name := range []string{"address", "namespace", "profile", "config-file", "tls-cert-path", "tls-key-path", "tls-ca-path", "tls-server-name"} {
		if flag := c.set.Lookup(name); flag.Changed {
			fmt.Fprintf(&b, " --%s %s", name, flag.Value)
		}
	}
	if c.set.Lookup("tls").Changed {
		fmt.Fprintf(&b, " --tls=%t", c.tls)
	}
	return b.String()
}

// options are the client's options from file, variables and flags.
func (c *connection) options() (client.Options, error) {
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{
		ConfigFilePath: c.configFile, ConfigFileProfile: c.profile,
	})
	if err != nil {
		return client.Options{}, fmt.Errorf("the connection's configuration: %w", err)
	}
	override(&profile.Address, c.address)
	override(&profile.Namespace, c.namespace)
	override(&profile.APIKey, c.apiKey)
	override(&profile.Authority, c.authority)
	c.overrideTLS(&profile)
	for key, value := range c.metadata {
		if profile.GRPCMeta == nil {
			profile.GRPCMeta = map[string]string{}
		}
		profile.GRPCMeta[envconfig.NormalizeGRPCMetaKey(key)] = value
	}
	if profile.TLS != nil && profile.TLS.DisableHostVerification {
		return client.Options{}, &operator.Error{
			Kind: operator.Invalid, Text: "the configuration asks not to verify the server's certificate, which isn't done here",
			Hints: []string{"name the server's certificate authority with --tls-ca-path, and its name with --tls-server-name"},
		}
	}
	options, err := profile.ToClientOptions(envconfig.ToClientOptionsRequest{})
	if err != nil {
		return client.Options{}, fmt.Errorf("the connection's configuration: %w", err)
	}
	if options.HostPort == "" {
		options.HostPort = client.DefaultHostPort
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	options.Identity = "starter"
	options.Logger = log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	return options, nil
}

func (c *connection) overrideTLS(profile *envconfig.ClientConfigProfile) {
	given := func(name string) bool { return c.set.Lookup(name).Changed }
	if given("tls") && !c.tls {
		profile.TLS = &envconfig.ClientConfigTLS{Disabled: true}
		return
	}
	touched := given("tls")
	for _, name := range []string{"cert-path", "key-path", "ca-path", "cert-data", "key-data", "ca-data", "server-name"} {
		touched = touched || given("tls-"+name)
	}
	if !touched {
		return
	}
	if profile.TLS == nil {
		profile.TLS = &envconfig.ClientConfigTLS{}
	}
	t := profile.TLS
	t.Disabled = false
	override(&t.ClientCertPath, c.certPath)
	override(&t.ClientKeyPath, c.keyPath)
	override(&t.ServerCACertPath, c.caPath)
	override(&t.ServerName, c.name)
	for into, data := range map[*[]byte]string{&t.ClientCertData: c.certData, &t.ClientKeyData: c.keyData, &t.ServerCACertData: c.caData} {
		if data != "" {
			*into = []byte(data)
		}
	}
}

func override(value *string, by string) {
	if by != "" {
		*value = by
	}
}

// link is an open connection.
type link struct {
	*operator.Operator
	client    client.Client
	namespace string
}

func (l link) close() { l.client.Close() }

// dial connects. The caller must close the link.
func (s *starter) dial(cmd *cobra.Command) (link, error) {
	options, err := s.connection.options()
	if err != nil {
		return link{}, err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), s.connection.timeout)
	defer cancel()
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return link{}, unreachable(options.HostPort, err)
	}
	return link{operator.New(c), c, options.Namespace}, nil
}

// unreachable names the address that was tried.
func unreachable(address string, err error) error {
	translated := operator.Translate(err)
	var known *operator.Error
	if errors.As(translated, &known) && known.Kind == operator.Unreachable {
		known.Text = strings.Replace(known.Text, "the Temporal server", "the Temporal server at "+address, 1)
	}
	return translated
}

// with runs do over a connection and closes it.
func (s *starter) with(cmd *cobra.Command, do func(link) error) error {
	l, err := s.dial(cmd)
	if err != nil {
		return err
	}
	defer l.close()
	return do(l)
}
