//! nftables rules for each host by itself: what may come in to it, at the input hook, and nothing about others.
//!
//! A host that protects itself needs no router or bridge in the way; it loads its own three files and learns nothing
//! of the rest of the estate.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use watershed_model::{Party, WorkloadKind};

use super::nftables::{self, Nftables};
use crate::identity::{FieldDigest, Identity};
use crate::nft::Hook;
use crate::who::Who;
use crate::{Rule, RuleSet, text};

/// The directory of the hosts' own.
pub const HOSTS: &str = "hosts";

/// A host with its rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// What its files are kept under: lower-case letters, digits and hyphens. It stays whatever the rules become.
    pub name: String,
    /// Who it is.
    pub party: Party,
    /// The rules of people about it.
    pub by_hand: Vec<Rule>,
    /// Its files.
    pub files: Nftables,
}

impl Host {
    /// Its files by their paths in the directory of the export.
    pub fn paths(&self) -> impl Iterator<Item = (String, &str)> {
        let Nftables { allow, default_deny, revert, .. } = &self.files;
        let files =
            [(nftables::ALLOW, allow), (nftables::DEFAULT_DENY, default_deny), (nftables::REVERT, revert)];
        files.into_iter().map(|(file, text)| (format!("{HOSTS}/{}/{file}", self.name), text.as_str()))
    }
}

/// The hosts among `parties`, which come with their addresses, in order, with the rules of `rules` that are for them; with none where nobody was seen
/// to use anything of one.
///
/// Machines and addresses: pods, containers and nodes are not theirs who would load such a file.
#[must_use]
pub fn hosts<'a>(
    rules: &RuleSet,
    parties: impl IntoIterator<Item = (&'a Party, &'a BTreeSet<IpAddr>)>,
) -> Vec<Host> {
    let mut own: BTreeMap<Who<'_>, Vec<&Rule>> = BTreeMap::new();
    for rule in rules.observed() {
        for server in rule.subject.parties() {
            own.entry(Who::of(&server.party)).or_default().push(rule);
        }
    }
    let is_host = |party: &Party| match party {
        Party::Workload(workload) => workload.kind == WorkloadKind::Host,
        Party::Address(_) => true,
    };
    let mut met = BTreeSet::new();
    let mut hosts: Vec<Host> = parties
        .into_iter()
        .filter(|(party, _)| is_host(party))
        .filter(|(party, _)| met.insert(Who::of(party)))
        .map(|(party, addresses)| {
            let own = own.get(&Who::of(party)).into_iter().flatten().map(|&rule| rule.clone());
            let by_hand: Vec<Rule> = rules.by_hand().iter().filter_map(|rule| rule.to(addresses)).collect();
            let rules = RuleSet { rules: own.collect(), held_back: Vec::new() }.with(by_hand.clone());
            let place = format!("{party} itself");
            let files = nftables::export_for(&rules, Hook::Input, &place);
            Host { name: name(party), party: party.clone(), by_hand, files }
        })
        .collect();
    hosts.sort_by(|a, b| (&a.name, &a.party).cmp(&(&b.name, &b.party)));
    hosts
}

/// `shop-db-4f0c2a9b`: 32 bits of who it is tell those apart that look alike.
fn name(party: &Party) -> String {
    /// Long enough to be known, short enough for a directory.
    const SLUG: usize = 40;
    const DIGITS: usize = 8;
    let mut digest = FieldDigest::default();
    Identity::of(party).digest(&mut digest);
    let digest: String = digest.finish().chars().take(DIGITS).collect();
    match text::slug(&party.to_string(), SLUG).as_str() {
        "" => digest,
        slug => format!("{slug}-{digest}"),
    }
}
