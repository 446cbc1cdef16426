// A judge: what Istio's own code makes of AuthorizationPolicies, and what an engine of Envoy's RBAC that gRPC's people wrote
// says of the result, for the tests of this project.
//
// It reads one mesh a line from standard input, as JSON, and answers each with a line: what is wrong with the policies, by
// the validation of Istio's admission, or for every server, client and port whether the connection is allowed. Istio's code
// chooses the policies of each server and turns them into network filters for Envoy, as for a sidecar.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	rbac "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	filter "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/rbac/v3"
	"sigs.k8s.io/yaml"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/config/memory"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/security/authz/builder"
	"istio.io/istio/pilot/pkg/security/trustdomain"
	"istio.io/istio/pilot/pkg/util/protoconv"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/config/mesh/meshwatcher"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/resource"
	"istio.io/istio/pkg/log"
)

type question struct {
	// Each an AuthorizationPolicy, as YAML.
	Policies []string `json:"policies"`
	Servers  []server `json:"servers"`
	Clients  []client `json:"clients"`
	// Of TCP.
	Ports []uint16 `json:"ports"`
}

// A server is a workload with a sidecar.
type server struct {
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels"`
	Address   string            `json:"address"`
}

// A client is who opens a connection; one without an account shows no certificate.
type client struct {
	Address   string `json:"address"`
	Namespace string `json:"namespace"`
	Account   string `json:"account"`
}

// Digits for each server, client and port, in this order: whether a connection is allowed.
type answer struct {
	Error string `json:"error,omitempty"`
	// By the policies that are in force.
	Enforced string `json:"enforced,omitempty"`
	// By all policies, as if none of them were a dry run.
	Meant string `json:"meant,omitempty"`
	// By the dry runs alone: what Envoy counts as refused in their name.
	Shadow string `json:"shadow,omitempty"`
}

// The mesh as Istio is installed.
var installed = mesh.DefaultMeshConfig()

func main() {
	// Istio logs to standard output, where the answers go.
	quiet := log.DefaultOptions()
	quiet.SetDefaultOutputLevel(log.OverrideScopeName, log.NoneLevel)
	if err := log.Configure(quiet); err != nil {
		panic(err)
	}
	watcher := meshwatcher.NewTestWatcher(installed)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for lines.Scan() {
		var asked question
		var said answer
		err := json.Unmarshal(lines.Bytes(), &asked)
		if err == nil {
			said, err = judge(watcher, &asked)
		}
		if err != nil {
			said = answer{Error: err.Error()}
		}
		line, _ := json.Marshal(said)
		fmt.Fprintln(out, string(line))
	}
}

func judge(watcher meshwatcher.WatcherCollection, asked *question) (answer, error) {
	store := memory.Make(collections.Pilot)
	for _, text := range asked.Policies {
		policy, err := read(text)
		if err != nil {
			return answer{}, err
		}
		if _, err := store.Create(*policy); err != nil {
			return answer{}, err
		}
	}
	policies := model.GetAuthorizationPolicies(&model.Environment{ConfigStore: store, Watcher: watcher})
	var enforced, meant, shadow strings.Builder
	for _, server := range asked.Servers {
		chains, err := chainsOf(policies, server)
		if err != nil {
			return answer{}, err
		}
		for _, client := range asked.Clients {
			for _, port := range asked.Ports {
				connection, err := connect(client, server, port)
				if err != nil {
					return answer{}, err
				}
				enforced.WriteByte(digit(chains.enforced.allows(connection)))
				meant.WriteByte(digit(chains.meant.allows(connection)))
				shadow.WriteByte(digit(chains.shadow.allows(connection)))
			}
		}
	}
	return answer{Enforced: enforced.String(), Meant: meant.String(), Shadow: shadow.String()}, nil
}

func digit(allowed bool) byte {
	if allowed {
		return '1'
	}
	return '0'
}

// read takes a policy as the API server and Istio's admission do: without unknown fields, and valid.
func read(text string) (*config.Config, error) {
	var object crd.IstioKind
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		return nil, err
	}
	kind := object.GroupVersionKind()
	schema, known := collections.Pilot.FindByGroupVersionAliasesKind(resource.FromKubernetesGVK(&kind))
	if !known {
		return nil, fmt.Errorf("no kind %v", kind)
	}
	if len(object.Spec) == 0 {
		object.Spec = json.RawMessage("{}")
	}
	strict := func(schema resource.Schema, text string) (config.Spec, error) {
		spec, err := schema.NewInstance()
		if err != nil {
			return nil, err
		}
		return spec, config.ApplyJSONStrict(spec, text)
	}
	policy, err := crd.ConvertObjectInternal(schema, &object, "", strict)
	if err != nil {
		return nil, err
	}
	if _, err := schema.ValidateConfig(*policy); err != nil {
		return nil, err
	}
	return policy, nil
}

// The filters that a connection passes one after the other, in three readings.
type chains struct{ enforced, meant, shadow chain }

// chainsOf is what Istio makes of the policies of a server. What only logs, AUDIT, refuses nothing and is left out, and so is
// what asks an authorizer, CUSTOM: that is in a filter of its own.
func chainsOf(policies *model.AuthorizationPolicies, server server) (chains, error) {
	workload := model.PolicyMatcherFor(server.Namespace, server.Labels, false).WithRootNamespace(policies.RootNamespace)
	of := policies.ListAuthorizationPolicies(workload)
	domains := trustdomain.NewBundle(installed.TrustDomain, installed.TrustDomainAliases)
	made := builder.New(domains, &model.PushContext{Mesh: installed}, of, builder.Option{})
	if made == nil {
		return chains{}, nil
	}
	var enforced, meant, shadow []*rbac.RBAC
	for _, one := range made.BuildTCP() {
		network, err := protoconv.UnmarshalAny[filter.RBAC](one.GetTypedConfig())
		if err != nil {
			return chains{}, err
		}
		rules, dry := network.GetRules(), network.GetShadowRules()
		if rules.GetAction() == rbac.RBAC_LOG || dry.GetAction() == rbac.RBAC_LOG {
			continue
		}
		both := &rbac.RBAC{Policies: map[string]*rbac.Policy{}}
		for _, part := range []*rbac.RBAC{rules, dry} {
			if part != nil {
				both.Action = part.Action
			}
			for name, policy := range part.GetPolicies() {
				both.Policies[name] = policy
			}
		}
		meant = append(meant, both)
		if rules != nil {
			enforced = append(enforced, rules)
		}
		if dry != nil {
			shadow = append(shadow, dry)
		}
	}
	var result chains
	for _, one := range []struct {
		to    *chain
		rules []*rbac.RBAC
	}{{&result.enforced, enforced}, {&result.meant, meant}, {&result.shadow, shadow}} {
		engine, err := newChain(one.rules)
		if err != nil {
			return chains{}, err
		}
		*one.to = engine
	}
	return result, nil
}
