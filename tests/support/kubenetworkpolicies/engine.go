// The engine: its controller over stores that are filled by hand, without a cluster, a kernel or packets.
package main

import (
	"context"
	"fmt"
	"net"
	"reflect"
	"strings"
	"unsafe"

	"github.com/sirupsen/logrus"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
	admin "sigs.k8s.io/network-policy-api/apis/v1alpha1"
	adminfake "sigs.k8s.io/network-policy-api/pkg/client/clientset/versioned/fake"
	admininformers "sigs.k8s.io/network-policy-api/pkg/client/informers/externalversions"
	baselineinformers "sigs.k8s.io/network-policy-api/pkg/client/informers/externalversions/apis/v1alpha1"
	adminlisters "sigs.k8s.io/network-policy-api/pkg/client/listers/apis/v1alpha1"
)

// packet has the fields of the engine's own type, which it does not export, in its order.
type packet struct {
	id      uint32
	family  core.IPFamily
	srcIP   net.IP
	dstIP   net.IP
	proto   core.Protocol
	srcPort int
	dstPort int
	payload []byte
}

// The engine's verdict on a packet.
//
//go:linkname evaluatePacket sigs.k8s.io/kube-network-policies/pkg/networkpolicy.(*Controller).evaluatePacket
func evaluatePacket(controller *networkpolicy.Controller, ctx context.Context, one packet) bool

// What the engine does with an answer of the DNS.
//
//go:linkname addName sigs.k8s.io/kube-network-policies/pkg/networkpolicy.(*domainMap).add
func addName(names unsafe.Pointer, domain string, addresses []net.IP, seconds int)

type engine struct {
	controller *networkpolicy.Controller
	pods       cache.Indexer
	namespaces cache.Indexer
	policies   cache.Indexer
	admin      cache.Indexer
	baseline   *inOrder
}

// inOrder lists baseline policies in order. The engine takes them as they are listed: the API knows one alone.
type inOrder struct {
	baselineinformers.BaselineAdminNetworkPolicyInformer
	adminlisters.BaselineAdminNetworkPolicyLister
	policies []*admin.BaselineAdminNetworkPolicy
}

func (one *inOrder) Lister() adminlisters.BaselineAdminNetworkPolicyLister { return one }

func (one *inOrder) List(labels.Selector) ([]*admin.BaselineAdminNetworkPolicy, error) {
	return one.policies, nil
}

func newEngine() *engine {
	// That it might listen to a container runtime, which it never does here, is nothing to tell.
	logrus.SetLevel(logrus.WarnLevel)
	client, adminClient := fake.NewSimpleClientset(), adminfake.NewSimpleClientset()
	all := informers.NewSharedInformerFactory(client, 0)
	tiers := admininformers.NewSharedInformerFactory(adminClient, 0).Policy().V1alpha1()
	baseline := &inOrder{BaselineAdminNetworkPolicyInformer: tiers.BaselineAdminNetworkPolicies()}
	controller, err := networkpolicy.NewController(
		client,
		all.Networking().V1().NetworkPolicies(),
		all.Core().V1().Namespaces(),
		all.Core().V1().Pods(),
		all.Core().V1().Nodes(),
		adminClient,
		tiers.AdminNetworkPolicies(),
		baseline,
		networkpolicy.Config{NodeName: "here", AdminNetworkPolicy: true, BaselineAdminNetworkPolicy: true},
	)
	if err != nil {
		panic(err)
	}
	return &engine{
		controller: controller,
		pods:       all.Core().V1().Pods().Informer().GetIndexer(),
		namespaces: all.Core().V1().Namespaces().Informer().GetIndexer(),
		policies:   all.Networking().V1().NetworkPolicies().Informer().GetIndexer(),
		admin:      tiers.AdminNetworkPolicies().Informer().GetIndexer(),
		baseline:   baseline,
	}
}

// settle puts pods, their namespaces and names of addresses in place of those before.
func (asks *engine) settle(asked *cluster) {
	var pods, namespaces []any
	for at, one := range asked.Ends {
		if one.Pod == nil {
			continue
		}
		pods = append(pods, one.made(fmt.Sprintf("p%d", at)))
		namespace := &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: one.Pod.Namespace}}
		namespace.Labels = one.Pod.NamespaceLabels
		namespaces = append(namespaces, namespace)
	}
	replace(asks.pods, pods)
	replace(asks.namespaces, namespaces)
	names := reflect.ValueOf(asks.controller).Elem().FieldByName("domainCache").Elem().FieldByName("cache")
	for address, called := range asked.Names {
		for _, name := range called {
			addName(names.UnsafePointer(), name, []net.IP{net.ParseIP(address)}, 300)
		}
	}
}

func (one end) made(name string) *core.Pod {
	made := &core.Pod{ObjectMeta: meta.ObjectMeta{Name: name, Namespace: one.Pod.Namespace, Labels: one.Pod.Labels}}
	made.Spec.HostNetwork = one.Pod.HostNetwork
	made.Status.Phase = core.PodRunning
	made.Status.PodIPs = []core.PodIP{{IP: one.Address}}
	container := core.Container{Name: "only"}
	for at, name := range one.Pod.Ports {
		protocol, number, _ := strings.Cut(at, "/")
		port := core.ContainerPort{Name: name, Protocol: core.Protocol(protocol)}
		if _, err := fmt.Sscan(number, &port.ContainerPort); err != nil {
			panic(err)
		}
		container.Ports = append(container.Ports, port)
	}
	made.Spec.Containers = []core.Container{container}
	return made
}

func replace[T any](store cache.Indexer, with []T) {
	all := make([]any, 0, len(with))
	for _, one := range with {
		all = append(all, one)
	}
	if err := store.Replace(all, ""); err != nil {
		panic(err)
	}
}

// verdicts are `0` or `1` for each service, client and server.
func (asks *engine) verdicts(policies *policies, asked *cluster) string {
	replace(asks.policies, policies.network)
	replace(asks.admin, policies.admin)
	asks.baseline.policies = policies.baseline
	addresses := make([]net.IP, 0, len(asked.Ends))
	for _, one := range asked.Ends {
		addresses = append(addresses, net.ParseIP(one.Address))
	}
	var told strings.Builder
	for _, service := range asked.Services {
		for _, from := range addresses {
			for _, to := range addresses {
				// Which IP version it is, the engine asks nowhere.
				one := packet{srcIP: from, dstIP: to, srcPort: 40000}
				one.proto, one.dstPort = core.Protocol(service.Protocol), service.Port
				told.WriteByte(digit(evaluatePacket(asks.controller, context.Background(), one)))
			}
		}
	}
	return told.String()
}

func digit(is bool) byte {
	if is {
		return '1'
	}
	return '0'
}
