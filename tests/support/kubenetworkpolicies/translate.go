// ClusterNetworkPolicies in the words of AdminNetworkPolicy and BaselineAdminNetworkPolicy, which they replace.
package main

import (
	"errors"
	"fmt"

	core "k8s.io/api/core/v1"
	admin "sigs.k8s.io/network-policy-api/apis/v1alpha1"
	wide "sigs.k8s.io/network-policy-api/apis/v1alpha2"
)

// translate adds what says the same. The tier becomes the kind; a baseline has no priority, so those with one have to
// come in its order.
func (all *policies) translate(one *wide.ClusterNetworkPolicy) error {
	ingress, egress, err := rules(one)
	if err != nil {
		return err
	}
	subject := admin.AdminNetworkPolicySubject{
		Namespaces: one.Spec.Subject.Namespaces,
		Pods:       (*admin.NamespacedPod)(one.Spec.Subject.Pods),
	}
	switch one.Spec.Tier {
	case wide.AdminTier:
		spec := admin.AdminNetworkPolicySpec{Priority: one.Spec.Priority, Subject: subject}
		spec.Ingress, spec.Egress = ingress, egress
		all.admin = append(all.admin, &admin.AdminNetworkPolicy{ObjectMeta: one.ObjectMeta, Spec: spec})
	case wide.BaselineTier:
		spec := admin.BaselineAdminNetworkPolicySpec{Subject: subject}
		for _, rule := range ingress {
			last := admin.BaselineAdminNetworkPolicyIngressRule{Action: ofLast(rule.Action)}
			last.From, last.Ports = rule.From, rule.Ports
			spec.Ingress = append(spec.Ingress, last)
		}
		for _, rule := range egress {
			last := admin.BaselineAdminNetworkPolicyEgressRule{Action: ofLast(rule.Action), Ports: rule.Ports}
			for _, to := range rule.To {
				if to.DomainNames != nil {
					return errors.New("v1alpha1 knows no domainNames in the baseline")
				}
				peer := admin.BaselineAdminNetworkPolicyEgressPeer{Namespaces: to.Namespaces, Pods: to.Pods}
				peer.Networks = to.Networks
				last.To = append(last.To, peer)
			}
			spec.Egress = append(spec.Egress, last)
		}
		all.baseline = append(all.baseline, &admin.BaselineAdminNetworkPolicy{ObjectMeta: one.ObjectMeta, Spec: spec})
	default:
		return fmt.Errorf("no tier that this judge knows: %s", one.Spec.Tier)
	}
	return nil
}

// ofLast is the action in the baseline, which cannot pass anything on: nothing comes after it, so that what it would
// pass on is allowed.
func ofLast(action admin.AdminNetworkPolicyRuleAction) admin.BaselineAdminNetworkPolicyRuleAction {
	if action == admin.AdminNetworkPolicyRuleActionDeny {
		return admin.BaselineAdminNetworkPolicyRuleActionDeny
	}
	return admin.BaselineAdminNetworkPolicyRuleActionAllow
}

func rules(one *wide.ClusterNetworkPolicy) (
	ingress []admin.AdminNetworkPolicyIngressRule, egress []admin.AdminNetworkPolicyEgressRule, err error,
) {
	for _, rule := range one.Spec.Ingress {
		made := admin.AdminNetworkPolicyIngressRule{Name: rule.Name}
		for _, from := range rule.From {
			peer := admin.AdminNetworkPolicyIngressPeer{Namespaces: from.Namespaces}
			peer.Pods = (*admin.NamespacedPod)(from.Pods)
			made.From = append(made.From, peer)
		}
		if made.Action, made.Ports, err = what(rule.Action, rule.Protocols); err != nil {
			return nil, nil, err
		}
		ingress = append(ingress, made)
	}
	for _, rule := range one.Spec.Egress {
		made := admin.AdminNetworkPolicyEgressRule{Name: rule.Name}
		for _, to := range rule.To {
			if to.Nodes != nil {
				return nil, nil, errors.New("nodes are not in the clusters of this judge")
			}
			peer := admin.AdminNetworkPolicyEgressPeer{Namespaces: to.Namespaces}
			peer.Pods = (*admin.NamespacedPod)(to.Pods)
			for _, network := range to.Networks {
				peer.Networks = append(peer.Networks, admin.CIDR(network))
			}
			for _, name := range to.DomainNames {
				peer.DomainNames = append(peer.DomainNames, admin.DomainName(name))
			}
			made.To = append(made.To, peer)
		}
		if made.Action, made.Ports, err = what(rule.Action, rule.Protocols); err != nil {
			return nil, nil, err
		}
		egress = append(egress, made)
	}
	return ingress, egress, nil
}

func what(action wide.ClusterNetworkPolicyRuleAction, protocols []wide.ClusterNetworkPolicyProtocol) (
	admin.AdminNetworkPolicyRuleAction, *[]admin.AdminNetworkPolicyPort, error,
) {
	actions := map[wide.ClusterNetworkPolicyRuleAction]admin.AdminNetworkPolicyRuleAction{
		wide.ClusterNetworkPolicyRuleActionAccept: admin.AdminNetworkPolicyRuleActionAllow,
		wide.ClusterNetworkPolicyRuleActionDeny:   admin.AdminNetworkPolicyRuleActionDeny,
		wide.ClusterNetworkPolicyRuleActionPass:   admin.AdminNetworkPolicyRuleActionPass,
	}
	does, known := actions[action]
	if !known {
		return "", nil, fmt.Errorf("no action that this judge knows: %s", action)
	}
	if protocols == nil {
		return does, nil, nil
	}
	ports := []admin.AdminNetworkPolicyPort{}
	for _, one := range protocols {
		switch {
		case one.TCP != nil:
			ports = append(ports, port(core.ProtocolTCP, one.TCP.DestinationPort))
		case one.UDP != nil:
			ports = append(ports, port(core.ProtocolUDP, one.UDP.DestinationPort))
		case one.SCTP != nil:
			ports = append(ports, port(core.ProtocolSCTP, one.SCTP.DestinationPort))
		default:
			return "", nil, errors.New("a named port, which this judge's engine takes by its name alone")
		}
	}
	return does, &ports, nil
}

func port(of core.Protocol, one *wide.Port) admin.AdminNetworkPolicyPort {
	switch {
	case one == nil:
		return admin.AdminNetworkPolicyPort{PortRange: &admin.PortRange{Protocol: of, Start: 1, End: 65535}}
	case one.Range != nil:
		spread := &admin.PortRange{Protocol: of, Start: one.Range.Start, End: one.Range.End}
		return admin.AdminNetworkPolicyPort{PortRange: spread}
	default:
		return admin.AdminNetworkPolicyPort{PortNumber: &admin.Port{Protocol: of, Port: one.Number}}
	}
}
