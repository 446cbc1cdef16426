//! What AuthorizationPolicy can say of rules: fewer rules than there were, and wider ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use watershed_model::{Labels, Protocol};

use crate::export::directory::NotExpressed;
use crate::istio::{ROOT_NAMESPACE, SERVICE_ACCOUNT_LABELS};
use crate::k8s::Direction;
use crate::mine::{Census, NodeId, Plan, whole};
use crate::rule::{Origin, sizes};
use crate::{Allowed, Namespace, Observed, Rule, Service, Whom};

/// Ports that are listed one by one: a policy has no ranges, and a list of more is nobody's to read.
const MOST_PORTS: u32 = 64;

/// Every port: what a policy says that lists none.
const EVERY_PORT: Allowed = Allowed::Ports(Protocol::TCP, 1, u16::MAX);

/// Rules as AuthorizationPolicy can say them.
#[derive(Debug)]
pub struct Sayable {
    /// The rules, each for TCP to a workload, with the price of what it now says.
    pub plan: Plan,
    /// What was left out or widened, and what that admits.
    pub not_expressed: Vec<NotExpressed>,
}

/// Clients as a policy can tell them, with the classes that these are.
type Client = (Whom, Arc<[u32]>);

impl Sayable {
    /// Turns the rules of `plan`, which was mined from `census`, into such.
    #[must_use]
    pub fn of(census: &Census, plan: Plan) -> Self {
        let mut widener = Widener { census, plan: &plan, not_expressed: Vec::new(), rules: BTreeMap::new() };
        let mut inside = 0_u64;
        for rule in &plan.rules {
            match rule.direction {
                Direction::Ingress => widener.ingress(rule),
                Direction::Egress
                    if matches!(
                        rule.peer,
                        Whom::Workloads { namespace: Namespace::One(_) | Namespace::Every, .. }
                    ) =>
                {
                    inside += 1;
                }
                Direction::Egress => {
                    widener.cannot(rule.to_string(), "AuthorizationPolicy denies no egress: this passes, and so does every other connection to the outside");
                }
            }
        }
        if inside > 0 {
            widener.cannot(format!("{inside} rules for egress to workloads"), "AuthorizationPolicy denies no egress: the servers' own policies decide about these connections");
        }
        let (not_expressed, rules) = (widener.not_expressed, widener.rules);
        let rules = rules.into_values().collect();
        let mut plan = Plan { rules, ..plan };
        // What no policy can deny is not denied.
        plan.rejected.retain(|rule| {
            rule.direction == Direction::Ingress && rule.subject.namespace() != Some(ROOT_NAMESPACE)
        });
        Self { plan, not_expressed }
    }
}

struct Widener<'a> {
    census: &'a Census,
    plan: &'a Plan,
    not_expressed: Vec<NotExpressed>,
    /// By subject and client, of which there is one rule each.
    rules: BTreeMap<(Whom, Whom), Rule>,
}

impl Widener<'_> {
    fn cannot(&mut self, rule: String, reason: impl Into<std::borrow::Cow<'static, str>>) {
        self.not_expressed.push(NotExpressed { rule, reason: reason.into() });
    }

    fn ingress(&mut self, rule: &Rule) {
        if !matches!(rule.subject, Whom::Workloads { namespace: Namespace::One(_), .. }) {
            return self
                .cannot(rule.to_string(), "its subject is no pod: nothing of it is enforced by the mesh");
        }
        if rule.subject.namespace() == Some(ROOT_NAMESPACE) {
            return self.cannot(rule.to_string(), format!("policies of {ROOT_NAMESPACE} are for the whole mesh: its own workloads stay open, to everybody and on every port"));
        }
        let (ports, others) = tcp(&rule.ports);
        if others {
            self.cannot(rule.to_string(), "AuthorizationPolicy governs TCP alone: UDP, SCTP and ICMP pass, from everybody and on every port");
        }
        if ports.is_empty() {
            return;
        }
        let ports = match count(&ports) {
            few if few <= MOST_PORTS => ports,
            u32::MAX => ports,
            _ => {
                self.cannot(rule.to_string(), format!("AuthorizationPolicy has no ranges, and these are more than {MOST_PORTS} ports: it says every port of TCP"));
                BTreeSet::from([EVERY_PORT])
            }
        };
        let clients = self.clients(rule);
        let before = self.price_of(&rule.subjects, &rule.peers, &rule.peer, &ports);
        let mut after = 0_u64;
        for (whom, classes) in clients {
            after = after.saturating_add(self.price_of(&rule.subjects, &classes, &whom, &ports));
            self.add(rule, whom, classes, &ports);
        }
        if after > before {
            let reason = format!(
                "AuthorizationPolicy tells clients by service account or namespace, not by labels: it says {}, which admits {} more connections",
                self.said(rule),
                after - before
            );
            self.cannot(rule.to_string(), reason);
        }
    }

    /// The clients that a policy says instead, for people.
    fn said(&self, rule: &Rule) -> String {
        let clients: Vec<String> = self.clients(rule).iter().map(|(whom, _)| whom.to_string()).collect();
        clients.join(" and ")
    }

    /// Adds a rule, or the ports to the one that is there for the same clients.
    fn add(&mut self, rule: &Rule, peer: Whom, peers: Arc<[u32]>, ports: &BTreeSet<Allowed>) {
        let key = (rule.subject.clone(), peer.clone());
        let mut all = ports.clone();
        let mut merged = Rule { peer, peers, ..rule.clone() };
        if let Some(earlier) = self.rules.get(&key) {
            all.extend(earlier.ports.iter().cloned());
            merged.names.extend(earlier.names.iter().cloned());
            merged.origin = of_both(merged.origin, &earlier.origin);
            merged.said = merged.said.or_else(|| earlier.said.clone());
            merged.observed = both(merged.observed, earlier.observed);
        }
        if all.contains(&EVERY_PORT) {
            all = BTreeSet::from([EVERY_PORT]);
        }
        merged.price = self.price_of(&merged.subjects, &merged.peers, &merged.peer, &all);
        let ends = (&*merged.subjects, &*merged.peers);
        let wide = u64::from(count_ports(&all));
        merged.all = whole(self.census, &self.plan.classes, ends, &merged.peer, wide);
        merged.ports = all.into_iter().collect();
        self.rules.insert(key, merged);
    }

    /// Those whom a policy can say that are nearest to the clients of a rule.
    fn clients(&self, rule: &Rule) -> Vec<Client> {
        let Whom::Workloads { namespace, labels } = &rule.peer else {
            return vec![(rule.peer.clone(), Arc::clone(&rule.peers))];
        };
        let by_account =
            labels.len() == 1 && labels.keys().all(|key| SERVICE_ACCOUNT_LABELS.contains(&key.as_str()));
        let exact = match namespace {
            Namespace::Hosts => true,
            Namespace::One(_) => labels.is_empty() || by_account,
            Namespace::Every => labels.is_empty(),
        };
        if exact {
            return vec![(rule.peer.clone(), Arc::clone(&rule.peers))];
        }
        let members = rule.peers.iter().flat_map(|&class| &self.plan.classes.class(class).members);
        let namespaces: BTreeSet<&str> =
            members.filter_map(|&node| self.census.nodes[node as usize].namespace()).collect();
        namespaces.into_iter().flat_map(|namespace| self.in_namespace(rule, namespace)).collect()
    }

    /// By service accounts where those of all clients are known, else the whole namespace.
    fn in_namespace(&self, rule: &Rule, namespace: &str) -> Vec<Client> {
        let there = |class: &u32| self.namespace_of(*class) == Some(namespace);
        let clients: Vec<u32> = rule.peers.iter().copied().filter(there).collect();
        let accounts: Option<BTreeSet<(&str, &str)>> =
            clients.iter().map(|&class| self.account(class)).collect();
        let all: Vec<u32> = (0..self.plan.classes.list.len() as u32).filter(|class| there(class)).collect();
        let Some(accounts) = accounts else {
            let labels = Labels::new().into();
            let whom = Whom::Workloads { namespace: Namespace::One(namespace.to_owned()), labels };
            return vec![(whom, all.into())];
        };
        let of_account = |(key, account): (&str, &str)| {
            let labels = Labels::from([(key.to_owned(), account.to_owned())]).into();
            let classes = all.iter().copied().filter(|&class| self.account(class) == Some((key, account)));
            (Whom::Workloads { namespace: Namespace::One(namespace.to_owned()), labels }, classes.collect())
        };
        accounts.into_iter().map(of_account).collect()
    }

    fn namespace_of(&self, class: u32) -> Option<&str> {
        let node = self.plan.classes.class(class).members.first()?;
        self.census.nodes[*node as usize].namespace()
    }

    /// The service account that all members of a class always had, with the label that tells it.
    fn account(&self, class: u32) -> Option<(&str, &str)> {
        let nodes = self.plan.classes.class(class).members.iter();
        let mut variants = nodes.flat_map(|&node| &self.census.nodes[node as usize].variants);
        let of = |labels: &Labels| {
            SERVICE_ACCOUNT_LABELS.iter().find_map(|&key| Some((key, labels.get(key)?.clone())))
        };
        let first = variants.next()?;
        let (key, account) = SERVICE_ACCOUNT_LABELS.iter().find_map(|&key| Some((key, first.get(key)?)))?;
        variants.all(|labels| of(labels) == Some((key, account.clone()))).then_some((key, account.as_str()))
    }

    /// Connections that are admitted without having been observed: of members, or of the addresses of networks.
    fn price_of(&self, subjects: &[u32], peers: &[u32], peer: &Whom, ports: &BTreeSet<Allowed>) -> u64 {
        let nodes = |classes: &[u32]| -> Vec<NodeId> {
            classes.iter().flat_map(|&class| self.plan.classes.class(class).members.iter().copied()).collect()
        };
        let (servers, clients) = (nodes(subjects), nodes(peers));
        let wide = match peer {
            Whom::Networks(networks) => sizes(networks),
            Whom::Workloads { .. } | Whom::Parties(_) => clients.len() as u64,
        };
        let clients: BTreeSet<NodeId> = clients.into_iter().collect();
        let mut seen = 0;
        for server in &servers {
            let all = &self.census.dependencies;
            let start = all.partition_point(|one| one.server < *server);
            let own = all[start..].iter().take_while(|one| one.server == *server);
            let meant = |service: Service| ports.iter().any(|one| one.includes(service));
            seen += own.filter(|one| clients.contains(&one.client) && meant(one.service)).count() as u64;
        }
        let all = (servers.len() as u64).saturating_mul(wide).saturating_mul(u64::from(count_ports(ports)));
        all.saturating_sub(seen)
    }
}

/// The ports of TCP, and whether there is anything else.
fn tcp(ports: &[Allowed]) -> (BTreeSet<Allowed>, bool) {
    let (mut tcp, mut others) = (BTreeSet::new(), false);
    for allowed in ports {
        match allowed {
            Allowed::Anything => {
                tcp.insert(EVERY_PORT);
            }
            Allowed::Ports(Protocol::TCP, ..) => {
                tcp.insert(allowed.clone());
            }
            Allowed::Ports(..) | Allowed::Service(_) => others = true,
        }
    }
    (tcp, others)
}

/// How many ports would have to be listed; the most where it is every port, which is not listed.
fn count(ports: &BTreeSet<Allowed>) -> u32 {
    if ports.contains(&EVERY_PORT) { u32::MAX } else { count_ports(ports) }
}

fn count_ports(ports: &BTreeSet<Allowed>) -> u32 {
    let wide = |allowed: &Allowed| match *allowed {
        Allowed::Ports(_, first, last) => u32::from(last - first) + 1,
        Allowed::Anything | Allowed::Service(_) => 0,
    };
    ports.iter().map(wide).sum()
}

/// What is shared stays so; what a person and what was observed ask for is no longer that person's alone.
fn of_both(one: Origin, other: &Origin) -> Origin {
    match (&one, other) {
        (Origin::Shared, _) | (_, Origin::Shared) => Origin::Shared,
        (Origin::Manual(_), Origin::Manual(_)) => one,
        (Origin::Observed, _) | (_, Origin::Observed) => Origin::Observed,
    }
}

fn both(one: Option<Observed>, other: Option<Observed>) -> Option<Observed> {
    match (one, other) {
        (Some(mut one), Some(other)) => {
            one.merge(&other);
            Some(one)
        }
        (one, other) => one.or(other),
    }
}
