// Policies, as the API server would hand them to the engine.
package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	admin "sigs.k8s.io/network-policy-api/apis/v1alpha1"
	wide "sigs.k8s.io/network-policy-api/apis/v1alpha2"
	"sigs.k8s.io/yaml"
)

type policies struct {
	network []*networking.NetworkPolicy
	admin   []*admin.AdminNetworkPolicy
	// In order of precedence.
	baseline []*admin.BaselineAdminNetworkPolicy
}

// read takes texts of one object each, strictly.
func read(texts []string) (*policies, error) {
	all := &policies{}
	var last []*wide.ClusterNetworkPolicy
	for _, text := range texts {
		var kind meta.TypeMeta
		if err := yaml.Unmarshal([]byte(text), &kind); err != nil {
			return nil, err
		}
		var err error
		switch kind.APIVersion + "/" + kind.Kind {
		case "networking.k8s.io/v1/NetworkPolicy":
			err = all.addNetwork(text)
		case "policy.networking.k8s.io/v1alpha1/AdminNetworkPolicy":
			all.admin, err = add(all.admin, text)
		case "policy.networking.k8s.io/v1alpha1/BaselineAdminNetworkPolicy":
			all.baseline, err = add(all.baseline, text)
		case "policy.networking.k8s.io/v1alpha2/ClusterNetworkPolicy":
			last, err = add(last, text)
		default:
			err = fmt.Errorf("no policy that this judge knows: %s %s", kind.APIVersion, kind.Kind)
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(last, func(a, b *wide.ClusterNetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Spec.Priority, b.Spec.Priority), cmp.Compare(a.Name, b.Name))
	})
	for _, one := range last {
		if err := all.translate(one); err != nil {
			return nil, fmt.Errorf("%s: %w", one.Name, err)
		}
	}
	return all, nil
}

func add[T any](to []*T, text string) ([]*T, error) {
	one := new(T)
	err := yaml.UnmarshalStrict([]byte(text), one)
	return append(to, one), err
}

// addNetwork does what the API server does to a policy before any engine sees it: what says no policyTypes is about
// ingress, and about egress where it has such rules; a port without a protocol is of TCP; an empty list is none.
func (all *policies) addNetwork(text string) error {
	var written, one networking.NetworkPolicy
	if err := yaml.UnmarshalStrict([]byte(text), &written); err != nil {
		return err
	}
	kept, err := json.Marshal(written)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(kept, &one); err != nil {
		return err
	}
	if len(one.Spec.PolicyTypes) == 0 {
		one.Spec.PolicyTypes = []networking.PolicyType{networking.PolicyTypeIngress}
		if len(one.Spec.Egress) > 0 {
			one.Spec.PolicyTypes = append(one.Spec.PolicyTypes, networking.PolicyTypeEgress)
		}
	}
	for _, rule := range one.Spec.Ingress {
		withProtocols(rule.Ports)
	}
	for _, rule := range one.Spec.Egress {
		withProtocols(rule.Ports)
	}
	all.network = append(all.network, &one)
	return nil
}

func withProtocols(ports []networking.NetworkPolicyPort) {
	for at := range ports {
		if ports[at].Protocol == nil {
			tcp := core.ProtocolTCP
			ports[at].Protocol = &tcp
		}
	}
}

// egress is what the policies would be if they said nothing of ingress.
func (all *policies) egress() *policies {
	some := all.of(networking.PolicyTypeEgress)
	for _, one := range some.admin {
		one.Spec.Ingress = nil
	}
	for _, one := range some.baseline {
		one.Spec.Ingress = nil
	}
	return some
}

// ingress is what the policies would be if they said nothing of egress.
func (all *policies) ingress() *policies {
	some := all.of(networking.PolicyTypeIngress)
	for _, one := range some.admin {
		one.Spec.Egress = nil
	}
	for _, one := range some.baseline {
		one.Spec.Egress = nil
	}
	return some
}

// of copies the policies, NetworkPolicies as far as they are of one type.
func (all *policies) of(only networking.PolicyType) *policies {
	some := &policies{}
	for _, one := range all.network {
		if slices.Contains(one.Spec.PolicyTypes, only) {
			one = one.DeepCopy()
			one.Spec.PolicyTypes = []networking.PolicyType{only}
			some.network = append(some.network, one)
		}
	}
	for _, one := range all.admin {
		some.admin = append(some.admin, one.DeepCopy())
	}
	for _, one := range all.baseline {
		some.baseline = append(some.baseline, one.DeepCopy())
	}
	return some
}
