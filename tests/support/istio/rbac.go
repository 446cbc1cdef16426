package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"unsafe"

	rbac "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	"google.golang.org/grpc"
	// Brings the engine into the program.
	_ "google.golang.org/grpc/authz"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"istio.io/istio/pkg/spiffe"
)

// gRPC's engine of Envoy's RBAC is for its own packages alone, so it is linked by name. Its argument is a pointer to a type
// that cannot be named here.

//go:linkname newChainEngine google.golang.org/grpc/internal/xds/rbac.NewChainEngine
func newChainEngine(policies []*rbac.RBAC, name string) (unsafe.Pointer, error)

//go:linkname isAuthorized google.golang.org/grpc/internal/xds/rbac.(*ChainEngine).IsAuthorized
func isAuthorized(engine unsafe.Pointer, connection context.Context) error

//go:linkname setConnection google.golang.org/grpc/internal/transport.SetConnection
func setConnection(ctx context.Context, conn net.Conn) context.Context

// A chain of filters; one that is empty lets everything pass.
type chain struct{ engine unsafe.Pointer }

func newChain(filters []*rbac.RBAC) (chain, error) {
	engine, err := newChainEngine(filters, "")
	return chain{engine}, err
}

func (one chain) allows(connection context.Context) bool {
	return one.engine == nil || isAuthorized(one.engine, connection) == nil
}

// connect is a connection as the engine sees it: as the first call on it, whose method and headers no filter of TCP asks for.
func connect(client client, server server, port uint16) (context.Context, error) {
	from, err := netip.ParseAddr(client.Address)
	if err != nil {
		return nil, err
	}
	to, err := netip.ParseAddr(server.Address)
	if err != nil {
		return nil, err
	}
	caller := &peer.Peer{Addr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 40_000))}
	if client.Account != "" {
		identity, err := url.Parse(spiffe.URIPrefix + installed.TrustDomain + "/ns/" + client.Namespace + "/sa/" + client.Account)
		if err != nil {
			return nil, err
		}
		shown := []*x509.Certificate{{URIs: []*url.URL{identity}}}
		caller.AuthInfo = credentials.TLSInfo{State: tls.ConnectionState{PeerCertificates: shown}}
	}
	ctx := metadata.NewIncomingContext(context.Background(), metadata.MD{})
	ctx = grpc.NewContextWithServerTransportStream(peer.NewContext(ctx, caller), stream{})
	return setConnection(ctx, accepted{to: net.TCPAddrFromAddrPort(netip.AddrPortFrom(to, port))}), nil
}

// The server's end of a connection, of which only the address is asked for.
type accepted struct {
	net.Conn
	to net.Addr
}

func (one accepted) LocalAddr() net.Addr { return one.to }

type stream struct{ grpc.ServerTransportStream }

func (stream) Method() string { return "/" }
