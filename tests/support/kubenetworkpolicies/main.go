// A judge: what Kubernetes' own implementation of NetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy,
// sigs.k8s.io/kube-network-policies, says of policies in a cluster, for the tests of this project.
//
// It reads one cluster a line from standard input, as JSON, and answers each with a line. Policies may also be
// ClusterNetworkPolicies, which that implementation does not know: they are put into the words of the two kinds that
// they replace, by the API's own types.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
)

// A cluster, and what is asked about it: may each end reach each end by each service?
type cluster struct {
	Policies []string  `json:"policies"`
	Ends     []end     `json:"ends"`
	Services []service `json:"services"`
	// What addresses outside are called.
	Names map[string][]string `json:"names"`
	// Whether what the policies say of one direction alone is asked too.
	ByDirection bool `json:"by_direction"`
}

type end struct {
	Address string `json:"address"`
	// Nil for an address outside of the cluster.
	Pod *pod `json:"pod"`
}

type pod struct {
	Namespace       string            `json:"namespace"`
	NamespaceLabels map[string]string `json:"namespace_labels"`
	Labels          map[string]string `json:"labels"`
	// Names of ports, by protocol and number: `TCP/80`.
	Ports       map[string]string `json:"ports"`
	HostNetwork bool              `json:"host_network"`
}

type service struct {
	Protocol string `json:"protocol"`
	Port     int    `json:"port"`
}

type answer struct {
	Error string `json:"error,omitempty"`
	// For each service, client and server, each `0` or `1`: what all policies together say, what they say where they
	// have nothing but their egress, and where they have nothing but their ingress.
	Allowed string `json:"allowed"`
	Egress  string `json:"egress,omitempty"`
	Ingress string `json:"ingress,omitempty"`
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	var asks *engine
	var called map[string][]string
	for in.Scan() {
		var asked cluster
		if err := json.Unmarshal(in.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, "this is no question:", err)
			os.Exit(1)
		}
		// An engine never forgets a name.
		if asks == nil || !maps.EqualFunc(called, asked.Names, slices.Equal) {
			asks, called = newEngine(), asked.Names
		}
		told, _ := json.Marshal(asks.judge(&asked))
		fmt.Fprintln(out, string(told))
	}
}

func (asks *engine) judge(asked *cluster) (told answer) {
	// The engine panics at a policy that the API server would refuse.
	defer func() {
		if reason := recover(); reason != nil {
			told = answer{Error: fmt.Sprint(reason)}
		}
	}()
	all, err := read(asked.Policies)
	if err != nil {
		return answer{Error: err.Error()}
	}
	asks.settle(asked)
	told = answer{Allowed: asks.verdicts(all, asked)}
	if asked.ByDirection {
		told.Egress, told.Ingress = asks.verdicts(all.egress(), asked), asks.verdicts(all.ingress(), asked)
	}
	return told
}
