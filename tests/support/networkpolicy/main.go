// A judge: what Cyclonus' model of NetworkPolicy, from which the network-policy-api's policy-assistant was made, says of
// policies in a cluster, for the tests of this project.
//
// It reads one cluster a line from standard input, as JSON, and answers each with a line. A line may also ask which
// labels a selector matches: Kubernetes' own code answers that.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// A cluster, and what is asked about it: may each end reach each end by each service?
type cluster struct {
	Policies []string  `json:"policies"`
	Ends     []end     `json:"ends"`
	Services []service `json:"services"`
	// A selector as YAML, and labels that it is asked about; where it is there, nothing else is looked at.
	Selector string              `json:"selector"`
	Labels   []map[string]string `json:"labels"`
}

type end struct {
	Address string `json:"address"`
	// Nil for an address outside of the cluster.
	Pod *struct {
		Namespace       string            `json:"namespace"`
		NamespaceLabels map[string]string `json:"namespace_labels"`
		Labels          map[string]string `json:"labels"`
		// Names of ports, by protocol and number: `TCP/80`.
		Ports map[string]string `json:"ports"`
	} `json:"pod"`
}

type service struct {
	Protocol string `json:"protocol"`
	Port     int    `json:"port"`
}

type answer struct {
	Error string `json:"error,omitempty"`
	// For each service, client and server: what the client's policies say, what the server's say, each `0` or `1`.
	Egress  string `json:"egress"`
	Ingress string `json:"ingress"`
	// For each set of labels whether the selector matches.
	Matches []bool `json:"matches,omitempty"`
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		var asked cluster
		if err := json.Unmarshal(in.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, "this is no question:", err)
			os.Exit(1)
		}
		told, _ := json.Marshal(judge(&asked))
		fmt.Fprintln(out, string(told))
	}
}

func judge(asked *cluster) (told answer) {
	// The engine panics at a policy that the API server would refuse.
	defer func() {
		if reason := recover(); reason != nil {
			told = answer{Error: fmt.Sprint(reason)}
		}
	}()
	if asked.Selector != "" {
		return matches(asked.Selector, asked.Labels)
	}
	policies, err := read(asked.Policies)
	if err != nil {
		return answer{Error: err.Error()}
	}
	all := matcher.BuildNetworkPolicies(false, policies)
	var egress, ingress strings.Builder
	for _, service := range asked.Services {
		for from := range asked.Ends {
			for to := range asked.Ends {
				client, server := asked.Ends[from], asked.Ends[to]
				traffic := &matcher.Traffic{
					Source:       client.peer(),
					Destination:  server.peer(),
					ResolvedPort: service.Port,
					Protocol:     core.Protocol(service.Protocol),
				}
				if server.Pod != nil {
					key := fmt.Sprintf("%s/%d", service.Protocol, service.Port)
					traffic.ResolvedPortName = server.Pod.Ports[key]
				}
				allowed := all.IsTrafficAllowed(traffic)
				egress.WriteString(digit(allowed.Egress.IsAllowed()))
				ingress.WriteString(digit(allowed.Ingress.IsAllowed()))
			}
		}
	}
	return answer{Egress: egress.String(), Ingress: ingress.String()}
}

func matches(text string, sets []map[string]string) answer {
	var written meta.LabelSelector
	if err := yaml.UnmarshalStrict([]byte(text), &written); err != nil {
		return answer{Error: err.Error()}
	}
	selector, err := meta.LabelSelectorAsSelector(&written)
	if err != nil {
		return answer{Error: err.Error()}
	}
	found := make([]bool, 0, len(sets))
	for _, set := range sets {
		found = append(found, selector.Matches(labels.Set(set)))
	}
	return answer{Matches: found}
}

func digit(is bool) string {
	if is {
		return "1"
	}
	return "0"
}

func (one end) peer() *matcher.TrafficPeer {
	peer := &matcher.TrafficPeer{IP: one.Address}
	if one.Pod != nil {
		peer.Internal = &matcher.InternalPeer{
			PodLabels:       one.Pod.Labels,
			NamespaceLabels: one.Pod.NamespaceLabels,
			Namespace:       one.Pod.Namespace,
		}
	}
	return peer
}

// read does to policies what the API server does to them before any engine sees one: what says no policyTypes is about
// ingress, and about egress where it has such rules.
func read(texts []string) ([]*networking.NetworkPolicy, error) {
	var policies []*networking.NetworkPolicy
	for _, text := range texts {
		var policy networking.NetworkPolicy
		if err := yaml.UnmarshalStrict([]byte(text), &policy); err != nil {
			return nil, err
		}
		if len(policy.Spec.PolicyTypes) == 0 {
			policy.Spec.PolicyTypes = []networking.PolicyType{networking.PolicyTypeIngress}
			if len(policy.Spec.Egress) > 0 {
				policy.Spec.PolicyTypes = append(policy.Spec.PolicyTypes, networking.PolicyTypeEgress)
			}
		}
		policies = append(policies, &policy)
	}
	return policies, nil
}
