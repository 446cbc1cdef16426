//! The evaluator for a million questions: whom each peer means is worked out once, not for every question.
//!
//! A question about two pods takes time in proportion to the policies that isolate the subject, whatever rules
//! they have. It says what [`Evaluator`] says; a test compares the two.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::Service;
use crate::lists::Lists;

use super::evaluate::subject_of;
use super::policy::{Direction, NetworkPolicy, PeerKind, PolicyRule, PortMatch, Ports};
use super::{Blocks, Connections, End, Evaluator, Operator, Pod, Requirement, Selector, World};

/// Pods by their indices, in order.
type Pods = Arc<[usize]>;

/// A rule that means more pods than this is remembered with its policy and not with each of the pods: what is
/// remembered stays in proportion to the rules.
const WIDE: usize = 64;

/// Services that are asked about at once.
pub(crate) const AT_ONCE: usize = u64::BITS as usize;

/// Tells what policies allow in a world, quickly.
#[derive(Debug)]
pub(crate) struct Indexed<'a> {
    world: &'a World,
    evaluator: Evaluator<'a>,
    policies: &'a [NetworkPolicy],
    /// For ingress and egress, for each policy: whether one of its rules allows everything.
    open: [Vec<bool>; 2],
    /// For ingress and egress; made when a question needs them.
    sides: OnceCell<[Side<'a>; 2]>,
}

/// The rules of one direction.
#[derive(Debug, Default)]
struct Side<'a> {
    /// Those of all policies, in order.
    rules: Vec<IndexedRule<'a>>,
    /// Where those of each policy end.
    ends: Vec<u32>,
    /// For each pod the rules that mean it, in order, but for those that are wide.
    of_peer: Lists,
    /// For each policy the rules that are wide, or mean everybody or addresses.
    wide: Lists,
}

#[derive(Debug)]
struct IndexedRule<'a> {
    rule: &'a PolicyRule,
    /// The pods that each of the peers means by selectors; `None` for a block of addresses.
    peers: Vec<Option<Pods>>,
}

impl<'a> Side<'a> {
    fn of(policies: &'a [NetworkPolicy], direction: Direction, index: &mut Index<'a>) -> Self {
        let mut side = Self::default();
        let mut narrow = Lists::default();
        let mut pods: Vec<u32> = Vec::new();
        for policy in policies {
            let mut wide = Vec::new();
            for rule in policy.rules(direction).unwrap_or_default() {
                let peers: Vec<_> = rule.peers.iter().map(|peer| index.pods(policy, &peer.kind)).collect();
                let all: Option<usize> = peers.iter().map(|pods| Some(pods.as_ref()?.len())).sum();
                pods.clear();
                if !peers.is_empty() && all.is_some_and(|all| all <= WIDE) {
                    pods.extend(peers.iter().flatten().flat_map(|pods| pods.iter().map(|&pod| pod as u32)));
                    pods.sort_unstable();
                    pods.dedup();
                } else {
                    wide.push(side.rules.len() as u32);
                }
                narrow.push(pods.iter().copied());
                side.rules.push(IndexedRule { rule, peers });
            }
            side.ends.push(side.rules.len() as u32);
            side.wide.push(wide);
        }
        side.of_peer = narrow.inverse(index.world.pods().len());
        side
    }

    /// Where the rules of a policy start and end.
    fn range(&self, policy: usize) -> (u32, u32) {
        let start = policy.checked_sub(1).map_or(0, |before| self.ends[before]);
        (start, self.ends[policy])
    }
}

impl<'a> Indexed<'a> {
    pub(crate) fn new(world: &'a World, policies: &'a [NetworkPolicy], blocks: Blocks) -> Self {
        let everything = |rule: &PolicyRule| rule.peers.is_empty() && rule.ports.is_empty();
        let open = |direction| -> Vec<bool> {
            let of =
                |policy: &NetworkPolicy| policy.rules(direction).unwrap_or_default().iter().any(everything);
            policies.iter().map(of).collect()
        };
        Self {
            world,
            evaluator: Evaluator::new(world, policies, blocks),
            policies,
            open: [open(Direction::Ingress), open(Direction::Egress)],
            sides: OnceCell::new(),
        }
    }

    fn side_of(&self, direction: Direction) -> &Side<'a> {
        let sides = self.sides.get_or_init(|| {
            let mut index = Index::of(self.world, self.policies);
            [Direction::Ingress, Direction::Egress].map(|one| Side::of(self.policies, one, &mut index))
        });
        &sides[direction as usize]
    }

    /// Whether one end permits everything: no policy isolates it, or one that does allows everything.
    fn is_open(&self, direction: Direction, subject: End) -> bool {
        let isolating = self.isolating(direction, subject);
        isolating.is_empty() || isolating.iter().any(|&policy| self.open[direction as usize][policy])
    }

    /// The ends that do not permit a connection; empty where it is allowed.
    pub(crate) fn refusing(&self, client: End, server: End, service: Service) -> Vec<Direction> {
        if self.evaluator.always(client, server) {
            return Vec::new();
        }
        let refuses = |direction: &Direction| self.side(*direction, client, server, &[service]) == 0;
        [Direction::Egress, Direction::Ingress].into_iter().filter(refuses).collect()
    }

    /// Which of the first [`AT_ONCE`] services `client` may use of `server`: a bit for each.
    pub(crate) fn allowed(&self, client: End, server: End, services: &[Service]) -> u64 {
        if self.evaluator.always(client, server) {
            return all(services);
        }
        match self.side(Direction::Egress, client, server, services) {
            0 => 0,
            egress => egress & self.side(Direction::Ingress, client, server, services),
        }
    }

    /// The connections that `client` may open to `server`.
    pub(crate) fn connections(&self, client: End, server: End) -> Connections {
        if self.evaluator.always(client, server) {
            return Connections::all();
        }
        let side = |direction| {
            let (subject, peer) = subject_of(direction, client, server);
            if self.is_open(direction, subject) {
                return Connections::all();
            }
            let mut allowed = Connections::default();
            self.meaning(direction, subject, peer, |rule| {
                self.evaluator.add_rule(&mut allowed, rule, server);
            });
            allowed
        };
        side(Direction::Egress).intersection(&side(Direction::Ingress))
    }

    /// How many policies there are.
    pub(crate) const fn policies(&self) -> usize {
        self.policies.len()
    }

    /// The policies that isolate `end` for `direction`, as indices.
    pub(crate) fn isolating(&self, direction: Direction, end: End) -> &[usize] {
        self.evaluator.isolating(direction, end)
    }

    /// The files of the policies that isolate `end` for `direction`.
    pub(crate) fn files(&self, direction: Direction, end: End) -> impl Iterator<Item = &str> {
        self.isolating(direction, end).iter().map(|&policy| &*self.policies[policy].place.file)
    }

    /// Every rule, with its policy's index and the pods that its peers mean by selectors.
    pub(crate) fn rules(
        &self,
        direction: Direction,
    ) -> impl Iterator<Item = (usize, &'a PolicyRule, impl Iterator<Item = usize>)> {
        let side = self.side_of(direction);
        (0..self.policies.len()).flat_map(move |policy| {
            let (start, end) = side.range(policy);
            side.rules[start as usize..end as usize].iter().map(move |one| {
                (policy, one.rule, one.peers.iter().flatten().flat_map(|pods| pods.iter().copied()))
            })
        })
    }

    /// Which of the services one end permits.
    fn side(&self, direction: Direction, client: End, server: End, services: &[Service]) -> u64 {
        let (subject, peer) = subject_of(direction, client, server);
        if self.is_open(direction, subject) {
            return all(services);
        }
        let mut permitted = 0;
        self.meaning(direction, subject, peer, |rule| {
            for (bit, &service) in services.iter().take(AT_ONCE).enumerate() {
                permitted |= u64::from(self.has(rule, server, service)) << bit;
            }
        });
        permitted
    }

    /// Gives every rule that means `peer`, of the policies that isolate `subject`.
    fn meaning(&self, direction: Direction, subject: End, peer: End, mut give: impl FnMut(&PolicyRule)) {
        let side = self.side_of(direction);
        let mut of_peer = match peer {
            End::Pod(pod) => side.of_peer.of(pod as u32),
            End::Outside(_) => &[],
        };
        for &policy in self.isolating(direction, subject) {
            let (start, end) = side.range(policy);
            // Default deny has no rules.
            if start == end {
                continue;
            }
            of_peer = &of_peer[of_peer.partition_point(|&rule| rule < start)..];
            let of_policy = of_peer.iter().take_while(|&&rule| rule < end);
            of_policy.for_each(|&rule| give(side.rules[rule as usize].rule));
            for &rule in side.wide.of(policy as u32) {
                let rule = &side.rules[rule as usize];
                if self.means(policy, rule, peer) {
                    give(rule.rule);
                }
            }
        }
    }

    fn means(&self, policy: usize, rule: &IndexedRule<'_>, peer: End) -> bool {
        rule.rule.peers.is_empty()
            || rule.peers.iter().zip(&rule.rule.peers).any(|(pods, one)| match (pods, peer) {
                (Some(pods), End::Pod(pod)) => pods.binary_search(&pod).is_ok(),
                (Some(_), End::Outside(_)) => false,
                (None, peer) => self.evaluator.means(&self.policies[policy], &one.kind, peer),
            })
    }

    fn has(&self, rule: &PolicyRule, server: End, service: Service) -> bool {
        let Service::Port { protocol, port } = service else { return false };
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

/// A bit for each of the services that are asked about at once.
fn all(services: &[Service]) -> u64 {
    let count = services.len().min(AT_ONCE) as u32;
    1_u64.checked_shl(count).unwrap_or(0).wrapping_sub(1)
}

/// What makes the same pods: the namespace where the peer names none, and both selectors, of which alike ones lie in
/// one place.
type Meaning<'a> = (Option<&'a str>, Option<*const Selector>, Option<*const Selector>);

/// Pods by namespace and label.
struct Index<'a> {
    world: &'a World,
    of_namespace: BTreeMap<&'a str, Vec<usize>>,
    of_label: HashMap<(&'a str, &'a str, &'a str), Vec<usize>>,
    known: HashMap<Meaning<'a>, Pods>,
    /// The namespaces that each selector means.
    namespaces: HashMap<*const Selector, Vec<&'a str>>,
}

impl<'a> Index<'a> {
    fn of(world: &'a World, policies: &'a [NetworkPolicy]) -> Self {
        let asked = asked(policies);
        let mut index = Self {
            world,
            of_namespace: BTreeMap::new(),
            of_label: HashMap::new(),
            known: HashMap::new(),
            namespaces: HashMap::new(),
        };
        // Pods on their node's network are no pods to selectors.
        let pods = world.pods().iter().enumerate().filter(|(_, pod)| !pod.host_network);
        for (at, pod) in pods {
            let Pod { namespace, labels, .. } = pod;
            index.of_namespace.entry(namespace).or_default().push(at);
            for (key, value) in labels.iter().filter(|(key, _)| asked.contains(key.as_str())) {
                index.of_label.entry((namespace, key, value)).or_default().push(at);
            }
        }
        index
    }

    fn pods(&mut self, policy: &'a NetworkPolicy, kind: &'a PeerKind) -> Option<Pods> {
        let PeerKind::Pods { namespaces, pods } = kind else { return None };
        let own = namespaces.is_none().then_some(policy.namespace.as_str());
        let meaning = (own, namespaces.as_ref().map(Arc::as_ptr), pods.as_ref().map(Arc::as_ptr));
        if let Some(known) = self.known.get(&meaning) {
            return Some(Arc::clone(known));
        }
        let mut found = Vec::new();
        match (own, namespaces) {
            (Some(namespace), _) => self.select(namespace, pods.as_deref(), &mut found),
            (None, Some(selector)) => {
                let world = self.world;
                let meant = self.namespaces.entry(Arc::as_ptr(selector)).or_insert_with(|| {
                    let all = world.namespaces().iter();
                    all.filter(|(_, labels)| selector.matches(labels))
                        .map(|(name, _)| name.as_str())
                        .collect()
                });
                for namespace in meant.clone() {
                    self.select(namespace, pods.as_deref(), &mut found);
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

/// The keys of labels that selectors of peers ask for by their values.
fn asked(policies: &[NetworkPolicy]) -> HashSet<&str> {
    let rules = policies.iter().flat_map(|policy| [&policy.ingress, &policy.egress]).flatten().flatten();
    let selectors = rules.flat_map(|rule| &rule.peers).filter_map(|peer| match &peer.kind {
        PeerKind::Pods { pods, .. } => pods.as_deref(),
        PeerKind::Block { .. } => None,
    });
    let by_value = |one: &&Requirement| matches!(one.operator, Operator::In(_));
    selectors.flat_map(|one| &one.requirements).filter(by_value).map(|one| one.key.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::k8s::{Manifests, PROTOCOLS};

    const PORTS: [u16; 3] = [80, 81, 443];

    #[test]
    fn as_many_services_as_there_are_bits_are_asked_about_at_once() {
        let service = Service::Port { protocol: PROTOCOLS[0], port: 1 };
        assert_eq!(
            [0, 1, 63, 64, 65].map(|count| all(&vec![service; count]).count_ones()),
            [0, 1, 63, 64, 64]
        );
    }

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
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(13), failure_persistence: None, ..ProptestConfig::default() })]

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
                        prop_assert_eq!(fast.connections(client, server), slow.connections(client, server));
                        for protocol in PROTOCOLS {
                            for port in PORTS {
                                let denied = slow.denied_by(client, server, protocol, port);
                                let expected: Vec<_> = denied.iter().map(|one| one.direction).collect();
                                let service = Service::Port { protocol, port };
                                let allowed = fast.allowed(client, server, &[service]) == 1;
                                prop_assert_eq!(allowed, expected.is_empty());
                                prop_assert_eq!(fast.refusing(client, server, service), expected);
                            }
                        }
                    }
                }
            }
        }
    }
}
