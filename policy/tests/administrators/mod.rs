//! Random policies of administrators, each in the words of both versions of the API.

use crate::random_clusters::random::Random;

/// The versions of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// AdminNetworkPolicy and BaselineAdminNetworkPolicy.
    V1alpha1,
    /// ClusterNetworkPolicy.
    V1alpha2,
}

impl Version {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::V1alpha1 => Self::V1alpha2,
            Self::V1alpha2 => Self::V1alpha1,
        }
    }
}

/// What addresses outside are called; two of them nearly as what stands behind a wildcard.
pub(crate) const NAMES: [(&str, &[&str]); 5] = [
    ("198.51.100.20", &["api.partner.example"]),
    ("198.51.100.1", &["shop.example"]),
    ("203.0.113.7", &["www.partner.example", "a.eu.shop.example"]),
    ("2001:db8::1", &["six.example"]),
    ("2001:db8:0:1::1", &["workshop.example"]),
];

/// A policy of one tier.
pub(crate) struct Administrators {
    name: String,
    pub(crate) is_baseline: bool,
    priority: u16,
    subject: String,
    ingress: Vec<Rule>,
    egress: Vec<Rule>,
}

/// One rule; its ports are none where it is about everything.
struct Rule {
    action: Action,
    peers: Vec<String>,
    ports: Vec<Ports>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Accept,
    Deny,
    Pass,
}

/// A protocol with the first and the last port.
type Ports = (&'static str, u16, u16);

const PORTS: [Ports; 9] = [
    ("TCP", 80, 80),
    ("TCP", 443, 443),
    ("TCP", 80, 443),
    ("TCP", 81, 65535),
    ("TCP", 1, 65535),
    ("UDP", 53, 53),
    ("UDP", 53, 80),
    ("SCTP", 443, 443),
    ("SCTP", 1, 9900),
];

/// Few, so that some policies have the same.
const PRIORITIES: [u16; 5] = [0, 7, 7, 500, 1000];

impl Administrators {
    /// Policies of both tiers in no order.
    pub(crate) fn random(random: &mut Random, baselines: usize) -> Vec<Self> {
        let admins = random.0.usize(..4);
        let mut all: Vec<Self> = (0..admins).map(|at| Self::one(random, at, false)).collect();
        all.extend((admins..admins + baselines).map(|at| Self::one(random, at, true)));
        random.0.shuffle(&mut all);
        all
    }

    fn one(random: &mut Random, at: usize, is_baseline: bool) -> Self {
        let mut rules = |is_egress: bool| -> Vec<Rule> {
            (0..random.0.usize(..4)).map(|_| Rule::random(random, is_baseline, is_egress)).collect()
        };
        let (ingress, egress) = (rules(false), rules(true));
        // Names in another order than they are made in.
        let name = format!("{}-{at}", random.one(&["z", "a", "m"]));
        let priority = PRIORITIES[random.0.usize(..PRIORITIES.len())];
        Self { name, is_baseline, priority, subject: pods(random), ingress, egress }
    }

    pub(crate) fn text(&self, version: Version) -> String {
        let mut spec = format!("subject: {}", self.subject);
        if version == Version::V1alpha2 {
            let tier = if self.is_baseline { "Baseline" } else { "Admin" };
            spec += &format!(", tier: {tier}");
        }
        if version == Version::V1alpha2 || !self.is_baseline {
            spec += &format!(", priority: {}", self.priority);
        }
        for (key, side, rules) in [("ingress", "from", &self.ingress), ("egress", "to", &self.egress)] {
            if !rules.is_empty() {
                let rules: Vec<_> =
                    rules.iter().map(|rule| rule.text(version, self.is_baseline, side)).collect();
                spec += &format!(", {key}: [{}]", rules.join(", "));
            }
        }
        let (number, kind, name) = match version {
            Version::V1alpha2 => ("v1alpha2", "ClusterNetworkPolicy", &*self.name),
            Version::V1alpha1 if self.is_baseline => ("v1alpha1", "BaselineAdminNetworkPolicy", "default"),
            Version::V1alpha1 => ("v1alpha1", "AdminNetworkPolicy", &*self.name),
        };
        format!(
            "apiVersion: policy.networking.k8s.io/{number}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
        )
    }
}

impl Rule {
    fn random(random: &mut Random, is_baseline: bool, is_egress: bool) -> Self {
        let action = match random.0.usize(..8) {
            0..3 => Action::Accept,
            3..6 => Action::Deny,
            _ => Action::Pass,
        };
        // Names stand in rules that accept alone, and the baseline of v1alpha1 has none.
        let with_names = is_egress && !is_baseline && action == Action::Accept;
        let peer = |random: &mut Random| match random.0.usize(..8) {
            0..2 if is_egress => networks(random),
            2 if with_names => names(random),
            _ => pods(random),
        };
        let peers = (0..random.0.usize(1..4)).map(|_| peer(random)).collect();
        let ports = (0..random.0.usize(..4)).map(|_| PORTS[random.0.usize(..PORTS.len())]).collect();
        Self { action, peers, ports }
    }

    fn text(&self, version: Version, is_baseline: bool, side: &str) -> String {
        let action = match (self.action, version) {
            (Action::Accept, Version::V1alpha2) => "Accept",
            (Action::Accept, Version::V1alpha1) => "Allow",
            (Action::Deny, _) => "Deny",
            // There is no tier below the baseline, and its older kind has no such action.
            (Action::Pass, Version::V1alpha1) if is_baseline => "Allow",
            (Action::Pass, _) => "Pass",
        };
        let mut text = format!("action: {action}, {side}: [{}]", self.peers.join(", "));
        if !self.ports.is_empty() {
            let (key, port): (_, fn(&Ports) -> String) = match version {
                Version::V1alpha1 => ("ports", port_of_v1alpha1),
                Version::V1alpha2 => ("protocols", port_of_v1alpha2),
            };
            let ports: Vec<_> = self.ports.iter().map(port).collect();
            text += &format!(", {key}: [{}]", ports.join(", "));
        }
        format!("{{{text}}}")
    }
}

fn port_of_v1alpha1(&(protocol, first, last): &Ports) -> String {
    match first == last {
        true => format!("{{portNumber: {{protocol: {protocol}, port: {first}}}}}"),
        false => format!("{{portRange: {{protocol: {protocol}, start: {first}, end: {last}}}}}"),
    }
}

fn port_of_v1alpha2(&(protocol, first, last): &Ports) -> String {
    let port = match first == last {
        true => format!("number: {first}"),
        false => format!("range: {{start: {first}, end: {last}}}"),
    };
    format!("{{{}: {{destinationPort: {{{port}}}}}}}", protocol.to_lowercase())
}

/// A subject or a peer.
fn pods(random: &mut Random) -> String {
    match random.0.bool() {
        true => format!("{{namespaces: {}}}", random.namespaces()),
        false => format!(
            "{{pods: {{namespaceSelector: {}, podSelector: {}}}}}",
            random.namespaces(),
            random.selector()
        ),
    }
}

fn networks(random: &mut Random) -> String {
    let networks = random.one(&[
        "198.51.100.0/24",
        "203.0.113.7/32, \"2001:db8::/64\"",
        "10.0.0.0/24",
        "10.0.0.0/8, \"fd00::/8\"",
        "\"fd00:2::/32\"",
        "\"::/0\"",
        "0.0.0.0/0",
        "0.0.0.0/0, \"::/0\"",
    ]);
    format!("{{networks: [{networks}]}}")
}

fn names(random: &mut Random) -> String {
    let names = random.one(&[
        "api.partner.example",
        "\"*.partner.example\"",
        "\"*.shop.example\", nobody.example",
        "eu.shop.example, six.example",
        "partner.example",
    ]);
    format!("{{domainNames: [{names}]}}")
}
