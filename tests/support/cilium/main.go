// A judge: what Cilium's own policy engine says of policies, for the tests of this project.
//
// It reads one world a line from standard input, as JSON, and answers each with a line: what is wrong with the
// policies, by Cilium's validation, or for every service and pair of ends whether the connection is allowed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/cilium/cilium/pkg/identity"
	"github.com/cilium/cilium/pkg/identity/identitymanager"
	cilium "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/option"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/api"
	"github.com/cilium/cilium/pkg/policy/types"
	testidentity "github.com/cilium/cilium/pkg/testutils/identity"
	testpolicy "github.com/cilium/cilium/pkg/testutils/policy"
	pkgtypes "github.com/cilium/cilium/pkg/types"
	"github.com/cilium/cilium/pkg/u8proto"
)

const cluster = "default"

type world struct {
	// Each a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy, as YAML.
	Policies []string `json:"policies"`
	Ends     []end    `json:"ends"`
	Services []struct {
		Protocol string `json:"protocol"`
		Port     uint16 `json:"port"`
	} `json:"services"`
}

// An end is a pod with the labels that Cilium sees on it, an address outside, or a node.
type end struct {
	Labels  map[string]string `json:"labels"`
	Address string            `json:"address"`
	// What the DNS calls the address, without the last dot.
	Names []string `json:"names"`
	Node  bool     `json:"node"`
	// Ports with names, of TCP.
	Ports map[string]uint16 `json:"ports"`
}

type answer struct {
	Error string `json:"error,omitempty"`
	// One digit for each service, client and server, in this order.
	Allowed string `json:"allowed,omitempty"`
}

func main() {
	option.Config.EnableNonDefaultDenyPolicies = true
	option.Config.EnableICMPRules = true
	option.Config.EnableL7Proxy = true
	option.Config.EnableExtendedIPProtocols = true
	api.InitEntities(cluster)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for lines.Scan() {
		var asked world
		var said answer
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			said.Error = "question: " + err.Error()
		} else if allowed, err := judge(&asked); err != nil {
			said.Error = err.Error()
		} else {
			said.Allowed = allowed
		}
		line, _ := json.Marshal(said)
		fmt.Fprintln(out, string(line))
	}
}

func judge(asked *world) (string, error) {
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	rules, err := read(logger, asked.Policies)
	if err != nil {
		return "", err
	}
	ids := make([]*identity.Identity, len(asked.Ends))
	known := identity.IdentityMap{}
	for at, one := range asked.Ends {
		if ids[at], err = one.identity(at, rules); err != nil {
			return "", err
		}
		known[ids[at].ID] = ids[at].LabelArray
	}
	manager := identitymanager.NewIDManager(logger)
	repository := policy.NewPolicyRepository(logger, known, nil, nil, manager, testpolicy.NewPolicyMetricsNoop())
	repository.GetSelectorCache().SetLocalIdentityNotifier(testidentity.NewDummyIdentityNotifier())
	manager.Subscribe(testpolicy.SelectorCacheObserver{Cache: repository.GetSubjectSelectorCache()})
	named := pkgtypes.NewNamedPortMultiMap()
	for at, one := range asked.Ends {
		ports := pkgtypes.NamedPortMap{}
		for name, port := range one.Ports {
			ports[name] = pkgtypes.PortProto{Port: port, Proto: u8proto.TCP}
		}
		named.Update(ids[at].ID, nil, ports)
	}
	repository.SetNamedPortsGetter(namedPorts{named})
	repository.MustAddList(rules)
	var allowed strings.Builder
	// Policies bind pods alone, whatever a selector of everything says to this engine.
	isPod := func(at int) bool { return !asked.Ends[at].Node && asked.Ends[at].Address == "" }
	for _, service := range asked.Services {
		protocol, err := u8proto.ParseProtocol(service.Protocol)
		if err != nil {
			return "", err
		}
		for from := range ids {
			for to := range ids {
				flow := types.Flow{From: ids[from], To: ids[to], Proto: protocol, Dport: service.Port, NamedPortsTCP: asked.Ends[to].Ports}
				verdict, _, _, err := policy.LookupFlow(logger, repository, manager, flow)
				if err != nil {
					return "", err
				}
				refused := isPod(from) && verdict.Egress == types.DecisionDenied ||
					isPod(to) && verdict.Ingress == types.DecisionDenied
				if !refused {
					allowed.WriteByte('1')
				} else {
					allowed.WriteByte('0')
				}
			}
		}
	}
	return allowed.String(), nil
}

// Ports by name for rules about connections to others.
type namedPorts struct{ all pkgtypes.NamedPortMultiMap }

func (one namedPorts) GetNamedPorts() pkgtypes.NamedPortMultiMap { return one.all }

// read validates policies as Cilium's agent does when they are loaded.
func read(logger *slog.Logger, texts []string) (api.Rules, error) {
	var rules api.Rules
	for _, text := range texts {
		var head struct {
			Kind string `json:"kind"`
		}
		if err := yaml.Unmarshal([]byte(text), &head); err != nil {
			return nil, err
		}
		var parsed api.Rules
		var err error
		if head.Kind == "CiliumClusterwideNetworkPolicy" {
			var one cilium.CiliumClusterwideNetworkPolicy
			if err = yaml.UnmarshalStrict([]byte(text), &one); err == nil {
				parsed, err = one.Parse(logger, cluster)
			}
		} else {
			var one cilium.CiliumNetworkPolicy
			if err = yaml.UnmarshalStrict([]byte(text), &one); err == nil {
				parsed, err = one.Parse(logger, cluster)
			}
		}
		if err != nil {
			return nil, err
		}
		rules = append(rules, parsed...)
	}
	return rules, nil
}

// identity is what Cilium's agent makes of an end: an address gets a label for each selector of names that one of its
// names is meant by, as when a pod has asked for that name.
func (one end) identity(at int, rules api.Rules) (*identity.Identity, error) {
	switch {
	case one.Node:
		known := labels.Labels{labels.IDNameRemoteNode: labels.NewLabel(labels.IDNameRemoteNode, "", labels.LabelSourceReserved)}
		return identity.NewIdentity(identity.ReservedIdentityRemoteNode, known), nil
	case one.Address != "":
		address, err := netip.ParseAddr(one.Address)
		if err != nil {
			return nil, err
		}
		known := labels.GetCIDRLabels(netip.PrefixFrom(address, address.BitLen()))
		for _, selector := range selectorsOfNames(rules) {
			means, err := selector.ToRegex()
			if err != nil {
				return nil, err
			}
			for _, name := range one.Names {
				if means.MatchString(name + ".") {
					label := selector.IdentityLabel()
					known[label.Key] = label
				}
			}
		}
		return identity.NewIdentity(identity.IdentityScopeLocal|identity.NumericIdentity(at+1), known), nil
	default:
		known := labels.Labels{}
		for key, value := range one.Labels {
			known[key] = labels.NewLabel(key, value, labels.LabelSourceK8s)
		}
		key := "io.cilium.k8s.policy.cluster"
		known[key] = labels.NewLabel(key, cluster, labels.LabelSourceK8s)
		return identity.NewIdentity(identity.NumericIdentity(1000+at), known), nil
	}
}

func selectorsOfNames(rules api.Rules) (found api.FQDNSelectorSlice) {
	for _, rule := range rules {
		for _, egress := range rule.Egress {
			found = append(found, egress.ToFQDNs...)
		}
	}
	return found
}
