//! The evaluator for a million questions: whom each peer means is worked out once, not for every question.
//!
//! It says what [`Evaluator`] says; a test compares the two.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use watershed_model::Protocol;

use super::policy::{Direction, NetworkPolicy, PeerKind, PolicyRule, PortMatch, Ports};
use super::{Blocks, End, Evaluator, Operator, Pod, Selector, World};

/// Pods by their indices, in order.
type Pods = Arc<[usize]>;

/// Tells what policies allow in a world, quickly.
#[derive(Debug)]
pub(crate) struct Indexed<'a> {
    world: &'a World,
    evaluator: Evaluator<'a>,
    /// For ingress and egress, for each policy: its rules.
    rules: [Vec<Vec<IndexedRule<'a>>>; 2],
}

#[derive(Debug)]
struct IndexedRule<'a> {
    rule: &'a PolicyRule,
    policy: &'a NetworkPolicy,
    /// The pods that each of the peers means by selectors; `None` for a block of addresses.
    peers: Vec<Option<Pods>>,
}

impl<'a> Indexed<'a> {
    pub(crate) fn new(world: &'a World, policies: &'a [NetworkPolicy], blocks: Blocks) -> Self {
        let mut index = Index::of(world);
        let mut of = |direction: Direction| -> Vec<Vec<IndexedRule<'a>>> {
            let rules = |policy: &'a NetworkPolicy, index: &mut Index<'a>| {
                let rules = policy.rules(direction).unwrap_or_default().iter();
                rules
                    .map(|rule| IndexedRule {
                        rule,
                        policy,
                        peers: rule.peers.iter().map(|peer| index.pods(policy, &peer.kind)).collect(),
                    })
                    .collect()
            };
            policies.iter().map(|policy| rules(policy, &mut index)).collect()
        };
        let rules = [of(Direction::Ingress), of(Direction::Egress)];
        Self { world, evaluator: Evaluator::new(world, policies, blocks), rules }
    }

    /// The ends that do not permit a connection; empty where it is allowed.
    pub(crate) fn refusing(&self, client: End, server: End, protocol: Protocol, port: u16) -> Vec<Direction> {
        if self.evaluator.always(client, server) {
            return Vec::new();
        }
        let refuses = |direction: &Direction| !self.side(*direction, client, server, protocol, port);
        [Direction::Egress, Direction::Ingress].into_iter().filter(refuses).collect()
    }

    /// The policies that isolate `end` for `direction`, as indices.
    pub(crate) fn isolating(&self, direction: Direction, end: End) -> &[usize] {
        self.evaluator.isolating(direction, end)
    }

    fn side(&self, direction: Direction, client: End, server: End, protocol: Protocol, port: u16) -> bool {
        let (subject, peer) = match direction {
            Direction::Ingress => (server, client),
            Direction::Egress => (client, server),
        };
        let isolating = self.evaluator.isolating(direction, subject);
        isolating.is_empty()
            || isolating
                .iter()
                .flat_map(|&policy| &self.rules[direction as usize][policy])
                .any(|rule| self.has_port(rule.rule, server, protocol, port) && self.means(rule, peer))
    }

    fn means(&self, rule: &IndexedRule<'_>, peer: End) -> bool {
        rule.rule.peers.is_empty()
            || rule.peers.iter().zip(&rule.rule.peers).any(|(pods, one)| match (pods, peer) {
                (Some(pods), End::Pod(pod)) => pods.binary_search(&pod).is_ok(),
                (Some(_), End::Outside(_)) => false,
                (None, peer) => self.evaluator.means(rule.policy, &one.kind, peer),
            })
    }

    fn has_port(&self, rule: &PolicyRule, server: End, protocol: Protocol, port: u16) -> bool {
        let matches = |one: &PortMatch| {
            one.protocol == protocol
                && match (&one.ports, server) {
                    (Ports::All, _) => true,
                    (Ports::Range(range), _) => range.contains(&port),
                    (Ports::Named(name), End::Pod(pod)) => self.world.pods()[pod]
                        .ports
                        .iter()
                        .any(|known| known.protocol == protocol && known.port == port && known.name == *name),
                    (Ports::Named(_), End::Outside(_)) => false,
                }
        };
        rule.ports.is_empty() || rule.ports.iter().any(matches)
    }
}

/// What makes the same pods: the namespace where the peer names none, and both selectors.
type Meaning<'a> = (Option<&'a str>, Option<&'a Selector>, Option<&'a Selector>);

/// Pods by namespace and label.
struct Index<'a> {
    world: &'a World,
    of_namespace: BTreeMap<&'a str, Vec<usize>>,
    of_label: HashMap<(&'a str, &'a str, &'a str), Vec<usize>>,
    known: HashMap<Meaning<'a>, Pods>,
}

impl<'a> Index<'a> {
    fn of(world: &'a World) -> Self {
        let mut index =
            Self { world, of_namespace: BTreeMap::new(), of_label: HashMap::new(), known: HashMap::new() };
        // Pods on their node's network are no pods to selectors.
        let pods = world.pods().iter().enumerate().filter(|(_, pod)| !pod.host_network);
        for (at, pod) in pods {
            let Pod { namespace, labels, .. } = pod;
            index.of_namespace.entry(namespace).or_default().push(at);
            for (key, value) in labels {
                index.of_label.entry((namespace, key, value)).or_default().push(at);
            }
        }
        index
    }

    fn pods(&mut self, policy: &'a NetworkPolicy, kind: &'a PeerKind) -> Option<Pods> {
        let PeerKind::Pods { namespaces, pods } = kind else { return None };
        let own = namespaces.is_none().then_some(policy.namespace.as_str());
        let meaning = (own, namespaces.as_ref(), pods.as_ref());
        if let Some(known) = self.known.get(&meaning) {
            return Some(Arc::clone(known));
        }
        let mut found = Vec::new();
        match (own, namespaces) {
            (Some(namespace), _) => self.select(namespace, pods.as_ref(), &mut found),
            (None, Some(selector)) => {
                for (namespace, labels) in self.world.namespaces() {
                    if selector.matches(labels) {
                        self.select(namespace, pods.as_ref(), &mut found);
                    }
                }
            }
            (None, None) => {}
        }
        found.sort_unstable();
        let found: Pods = found.into();
        self.known.insert(meaning, Arc::clone(&found));
        Some(found)
    }

    /// Adds the pods of a namespace that `selector` selects; those with a label that it asks for are looked at.
    fn select(&self, namespace: &'a str, selector: Option<&'a Selector>, found: &mut Vec<usize>) {
        let all = || self.of_namespace.get(namespace).into_iter().flatten().copied();
        let Some(selector) = selector else { return found.extend(all()) };
        let matches = |&pod: &usize| selector.matches(&self.world.pods()[pod].labels);
        let asked = selector.requirements.iter().find_map(|requirement| match &requirement.operator {
            Operator::In(values) => Some((requirement.key.as_str(), values)),
            _ => None,
        });
        match asked {
            // A pod has one value for a key, so it is found once.
            Some((key, values)) => found.extend(
                values
                    .iter()
                    .filter_map(|value| self.of_label.get(&(namespace, key, value.as_str())))
                    .flatten()
                    .copied()
                    .filter(matches),
            ),
            None => found.extend(all().filter(matches)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::k8s::{Manifests, PROTOCOLS};

    const PORTS: [u16; 3] = [80, 81, 443];

    fn labels() -> impl Strategy<Value = String> {
        let pair = (prop::sample::select(vec!["app", "tier"]), prop::sample::select(vec!["a", "b"]));
        prop::collection::btree_map(
            pair.clone().prop_map(|(key, _)| key),
            pair.prop_map(|(_, value)| value),
            0..3,
        )
        .prop_map(|labels| {
            let pairs: Vec<_> = labels.iter().map(|(key, value)| format!("{key}: {value}")).collect();
            format!("{{{}}}", pairs.join(", "))
        })
    }

    fn selector() -> impl Strategy<Value = String> {
        prop_oneof![
            labels().prop_map(|labels| format!("{{matchLabels: {labels}}}")),
            Just("{matchExpressions: [{key: app, operator: In, values: [a, b]}]}".to_owned()),
            Just("{matchExpressions: [{key: app, operator: NotIn, values: [a]}]}".to_owned()),
            Just("{matchExpressions: [{key: tier, operator: Exists}]}".to_owned()),
        ]
    }

    fn peer() -> impl Strategy<Value = String> {
        prop_oneof![
            selector().prop_map(|pods| format!("podSelector: {pods}")),
            Just("namespaceSelector: {}".to_owned()),
            selector().prop_map(|pods| format!("namespaceSelector: {{}}, podSelector: {pods}")),
            Just("ipBlock: {cidr: 10.0.0.0/29, except: [10.0.0.1/32]}".to_owned()),
        ]
    }

    fn rule(side: &'static str) -> impl Strategy<Value = String> {
        let port = prop_oneof![
            Just("{port: 80}".to_owned()),
            Just("{port: 80, endPort: 100, protocol: UDP}".to_owned()),
            Just("{port: web}".to_owned()),
            Just("{protocol: SCTP}".to_owned()),
        ];
        (prop::collection::vec(peer(), 0..3), prop::collection::vec(port, 0..3)).prop_map(
            move |(peers, ports)| {
                let peers: Vec<_> = peers.into_iter().map(|peer| format!("{{{peer}}}")).collect();
                format!("{{{side}: [{}], ports: [{}]}}", peers.join(", "), ports.join(", "))
            },
        )
    }

    fn world() -> impl Strategy<Value = String> {
        let namespace = prop::sample::select(vec!["one", "two"]);
        let pod = (namespace.clone(), labels(), any::<bool>());
        let rules = |side| prop::collection::vec(rule(side), 0..3);
        let policy = (namespace, selector(), rules("from"), rules("to"));
        (prop::collection::vec(pod, 1..6), prop::collection::vec(policy, 1..5)).prop_map(|(pods, policies)| {
            let mut text = String::new();
            for (at, (namespace, labels, host)) in pods.into_iter().enumerate() {
                text += &format!(
                    "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{at}, namespace: {namespace}, labels: {labels}}}\nspec: {{hostNetwork: {host}, containers: [{{name: c, ports: [{{name: web, containerPort: 81}}]}}]}}\nstatus: {{podIP: 10.0.0.{at}}}\n"
                );
            }
            for (at, (namespace, subject, from, to)) in policies.into_iter().enumerate() {
                text += &format!(
                    "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: n{at}, namespace: {namespace}}}\nspec:\n  podSelector: {subject}\n  policyTypes: [Ingress, Egress]\n  ingress: [{}]\n  egress: [{}]\n",
                    from.join(", "),
                    to.join(", ")
                );
            }
            text
        })
    }

    proptest! {
        #[test]
        fn it_says_what_the_evaluator_says(text in world()) {
            let manifests = Manifests::read([("w.yaml", text.as_str())], "default").unwrap();
            let outside = ["10.0.0.1", "10.0.0.3", "192.0.2.1"].map(|a| End::Outside(a.parse().unwrap()));
            let ends: Vec<End> = (0..manifests.world.pods().len()).map(End::Pod).chain(outside).collect();
            for blocks in [Blocks::OutsideOnly, Blocks::PodsToo] {
                let slow = Evaluator::new(&manifests.world, &manifests.policies, blocks);
                let fast = Indexed::new(&manifests.world, &manifests.policies, blocks);
                for &client in &ends {
                    for &server in &ends {
                        for protocol in PROTOCOLS {
                            for port in PORTS {
                                let denied = slow.denied_by(client, server, protocol, port);
                                let expected: Vec<_> = denied.iter().map(|one| one.direction).collect();
                                prop_assert_eq!(fast.refusing(client, server, protocol, port), expected);
                            }
                        }
                    }
                }
            }
        }
    }
}
