package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"
)

// Sockets are what a name server listens on: UDP and TCP on one port (RFC 7766).
type Sockets struct {
	UDP net.PacketConn
	TCP net.Listener
}

// Listen opens both sockets on the address. Port 0 finds a port that is free for both.
func Listen(address string) (Sockets, error) {
	var s Sockets
	var err error
	for range 20 {
		if s.TCP, err = net.Listen("tcp", address); err != nil {
			return Sockets{}, err
		}
		if s.UDP, err = net.ListenPacket("udp", s.TCP.Addr().String()); err == nil {
			return s, nil
		}
		_ = s.TCP.Close()
	}
	return Sockets{}, fmt.Errorf("listening on udp beside tcp: %w", err)
}

// Address is the host:port of both sockets.
func (s Sockets) Address() string { return s.TCP.Addr().String() }

// Close gives both sockets back.
func (s Sockets) Close() error { return errors.Join(s.UDP.Close(), s.TCP.Close()) }

// Serve answers on the sockets until ctx ends, and closes them.
func (a *Authority) Serve(ctx context.Context, s Sockets) error { return serve(ctx, s, a, a.keys) }

// Serve answers on the sockets until ctx ends, and closes them.
func (r *Resolver) Serve(ctx context.Context, s Sockets) error { return serve(ctx, s, r, nil) }

func serve(ctx context.Context, s Sockets, handler dns.Handler, keys map[string]string) error {
	servers := []*dns.Server{{PacketConn: s.UDP, UDPSize: dns.DefaultMsgSize}, {Listener: s.TCP}}
	group, ctx := errgroup.WithContext(ctx)
	for _, server := range servers {
		server.Handler, server.TsigSecret, server.MsgAcceptFunc = handler, keys, accept
		server.ReadTimeout, server.WriteTimeout = 5*time.Second, 5*time.Second
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		group.Go(server.ActivateAndServe)
		group.Go(func() error {
			<-ctx.Done()
			select {
			case <-started:
				return server.Shutdown()
			case <-time.After(time.Second):
				return s.Close()
			}
		})
	}
	err := group.Wait()
	if ctx.Err() != nil && (err == nil || errors.Is(err, net.ErrClosed)) {
		return nil
	}
	return err
}

// accept lets updates in, which the library's own rule does not, and holds every section to a sane length.
func accept(h dns.Header) dns.MsgAcceptAction {
	const response = 1 << 15
	opcode := int(h.Bits>>11) & 0xF
	switch {
	case h.Bits&response != 0:
		return dns.MsgIgnore
	case opcode != dns.OpcodeQuery && opcode != dns.OpcodeUpdate:
		return dns.MsgRejectNotImplemented
	case h.Qdcount != 1, h.Ancount > 100, h.Nscount > 100, h.Arcount > 4:
		return dns.MsgReject
	}
	return dns.MsgAccept
}
