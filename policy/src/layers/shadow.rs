//! Rules that say nothing new: whatever they mean is decided before they are asked, or decided the same way by
//! another rule. All that are found can be taken out at once, and no decision changes.
//!
//! Of every rule connections are tried that stand for all that it means: its pods, one address and one port of each
//! stretch within which no other rule begins or ends. The last rule is tried first, so that of two that say the same
//! the first stays.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::evaluate::{numbered, subject_of};
use super::points::{ALIKE, Points};
use super::{Action, Layers, Part, Rule, RuleAt};
use crate::Service;
use crate::k8s::{Blocks, Direction, End, Place};

/// Connections tried for all rules together: some seconds' work. Rules whose turn comes later are not asked about.
const MOST: usize = 1 << 22;

/// Places of rules that make another needless, at most: enough to see why.
const SHOWN: usize = 3;

/// What the search for needless rules found.
#[derive(Debug, Default)]
pub(crate) struct Shadow {
    /// Every rule that can go, with some of those that say the same or come before; in order.
    pub(crate) rules: BTreeMap<(Place, Direction), Needless>,
    /// Rules that were not asked about, because there are too many connections to try.
    pub(crate) not_asked: usize,
}

/// A rule that can go.
#[derive(Debug, Default)]
pub(crate) struct Needless {
    /// Where its parts lie.
    pub(crate) at: Vec<RuleAt>,
    /// Rules that decide in its place.
    pub(crate) by: BTreeSet<Place>,
}

impl Layers<'_> {
    /// Finds rules that no decision needs.
    pub(crate) fn shadow(&self) -> Shadow {
        let mut search = Search::of(self);
        let mut groups: BTreeMap<(Place, Direction), Vec<RuleAt>> = BTreeMap::new();
        // What stands where its policy does is no rule that somebody wrote.
        let written = |part: &Part, rule: &Rule| rule.place != self.policies[part.policy].place;
        for (at, _, rule) in self.rules().filter(|(_, part, rule)| written(part, rule)) {
            groups.entry((rule.place.clone(), at.direction)).or_default().push(at);
        }
        let mut order: Vec<((Place, Direction), Vec<RuleAt>)> = groups.into_iter().collect();
        order.sort_by(|a, b| b.1.cmp(&a.1));
        let mut shadow = Shadow::default();
        for (key, at) in order {
            search.out.extend(&at);
            if let Some(by) = search.needless(&at) {
                shadow.rules.insert(key, Needless { at, by });
            } else {
                search.out.retain(|known| !at.contains(known));
                shadow.not_asked += usize::from(search.left == 0);
            }
        }
        shadow
    }

    pub(super) fn rule(&self, at: RuleAt) -> &Rule {
        &self.layers[at.layer][at.direction as usize].parts[at.part].rules[at.rule]
    }
}

/// What an end decides, and why.
#[derive(Clone, Copy)]
enum Decided<'a> {
    /// A rule did; whether it permits.
    By(&'a Rule, bool),
    /// Policies that isolate the end, or nothing.
    Otherwise,
}

/// A connection as one of its ends sees it.
#[derive(Clone, Copy)]
struct Asked {
    direction: Direction,
    client: End,
    server: End,
    service: Service,
}

struct Search<'a> {
    layers: &'a Layers<'a>,
    /// Pods that networks may mean.
    by_address: BTreeSet<usize>,
    /// Rules that are as if they were not there.
    out: HashSet<RuleAt>,
    /// Connections that may still be tried.
    left: usize,
    /// Some subjects of each part that stand for all.
    alike: HashMap<(usize, Direction, usize), Vec<usize>>,
}

impl<'a> Search<'a> {
    fn of(layers: &'a Layers<'a>) -> Self {
        let pods = layers.world.pods().iter().enumerate();
        let by_address = pods.filter(|(_, pod)| pod.host_network || layers.blocks == Blocks::PodsToo);
        Self {
            layers,
            by_address: by_address.map(|(at, _)| at).collect(),
            out: HashSet::new(),
            left: MOST,
            alike: HashMap::new(),
        }
    }

    /// Whether nothing changes without the rules at `at`, and which rules are why; `None` where something does, or
    /// where they mean nothing.
    fn needless(&mut self, at: &[RuleAt]) -> Option<BTreeSet<Place>> {
        let (mut any, mut by) = (false, BTreeSet::new());
        for &at in at {
            for subject in self.subjects(at) {
                let points = Points::of(self.layers, &self.by_address, at, subject);
                for (client, server) in points.pairs() {
                    for service in points.services(server) {
                        self.left = self.left.saturating_sub(1);
                        let asked = Asked { direction: at.direction, client, server, service };
                        let reason = self.reason(at, asked).filter(|_| self.left > 0)?;
                        any = true;
                        if by.len() < SHOWN {
                            by.extend(reason);
                        }
                    }
                }
            }
        }
        any.then_some(by)
    }

    /// What decides a connection where the rule at `at` is not needed for it; `None` where it is.
    fn reason(&self, at: RuleAt, asked: Asked) -> Option<Option<Place>> {
        let place = |decided| match decided {
            Decided::By(rule, _) => Some(rule.place.clone()),
            Decided::Otherwise => None,
        };
        let (with, met) = self.decided(asked, Some(at));
        if !met {
            return Some(place(with));
        }
        match (with, self.decided(asked, None).0) {
            (Decided::By(_, permits), Decided::By(rule, same)) if permits == same => {
                Some(Some(rule.place.clone()))
            }
            _ => None,
        }
    }

    /// The decision without the rules that are out, but for the one at `back`; and whether that is met on the way.
    fn decided(&self, asked: Asked, back: Option<RuleAt>) -> (Decided<'a>, bool) {
        let (subject, _) = subject_of(asked.direction, asked.client, asked.server);
        let mut met = false;
        for layer in 0..self.layers.layers.len() {
            match self.first(layer, asked, back) {
                Some(at) => {
                    met |= back == Some(at);
                    let rule = self.layers.rule(at);
                    if rule.action != Action::Pass {
                        return (Decided::By(rule, rule.action == Action::Allow), met);
                    }
                }
                None if self.isolates(layer, asked.direction, subject) => break,
                None => {}
            }
        }
        (Decided::Otherwise, met)
    }

    /// The first rule of a layer that is there and decides.
    fn first(&self, layer: usize, asked: Asked, back: Option<RuleAt>) -> Option<RuleAt> {
        let Asked { direction, client, server, service } = asked;
        let (subject, peer) = subject_of(direction, client, server);
        let laid = &self.layers.layers[layer][direction as usize];
        let parts = numbered(laid, subject);
        let mut rules =
            parts.flat_map(|(part, one)| one.rules.iter().enumerate().map(move |one| (part, one)));
        let decides = |&(part, (rule, one)): &(usize, (usize, &Rule))| {
            let at = RuleAt { layer, direction, part, rule };
            (back == Some(at) || !self.out.contains(&at))
                && self.layers.offers(one, server, service)
                && self.layers.means(&one.peers, peer)
        };
        let (part, (rule, _)) = rules.find(decides)?;
        Some(RuleAt { layer, direction, part, rule })
    }

    fn isolates(&self, layer: usize, direction: Direction, subject: End) -> bool {
        numbered(&self.layers.layers[layer][direction as usize], subject).any(|(_, part)| part.isolates)
    }

    /// Some subjects of the rule at `at` that stand for all.
    fn subjects(&mut self, at: RuleAt) -> Vec<usize> {
        let layers = self.layers;
        let find = || {
            let mut alike: HashMap<_, usize> = HashMap::new();
            let laid = &layers.layers[at.layer][at.direction as usize];
            let bound = |pod: &&usize| !layers.world.pods()[**pod].host_network;
            let fresh = |&&pod: &&usize| {
                let parts: Vec<&[u32]> =
                    layers.layers.iter().map(|sides| &*sides[at.direction as usize].of_pod[pod]).collect();
                let pod = &layers.world.pods()[pod];
                let ports: Vec<_> = pod.ports.iter().map(|p| (&p.name, p.protocol, p.port)).collect();
                let known = alike.entry((parts, ports)).or_default();
                *known += 1;
                *known <= ALIKE
            };
            laid.parts[at.part].subjects.iter().filter(bound).filter(fresh).copied().collect()
        };
        self.alike.entry((at.layer, at.direction, at.part)).or_insert_with(find).clone()
    }
}
