//! The inventory that the settings choose: several sources, one over the other.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use ipnet::IpNet;
use watershed_model::{Endpoint, Protocol, TimeRange, Timestamp, Workload, WorkloadKind};

use super::fronts::{Backend, FrontChange, FrontUpdate, Fronts, Server};
use super::labels::Labelling;
use super::{
    FileInventory, History, HistoryCounts, Identity, Inventory, LabelRules, News, Overlap, Ranges, Source,
    Tenure, Told, Update,
};
use crate::{AggregatorError, InventoryConfig};

/// Updates that may wait between one who watches and the aggregator, which takes them between deliveries. Enough
/// for some seconds of a busy cluster; a full queue holds the watcher back, so nothing is lost.
pub const QUEUE_UPDATES: usize = 1024;

/// Several sources together: the longest prefix that somebody had then wins, and of the same prefix what the source
/// says that comes first.
#[derive(Debug, Default)]
pub struct OpenInventory {
    /// In order of their sources.
    layers: Vec<Layer>,
    /// Asked last.
    ranges: Ranges,
    labelling: Labelling,
    overlaps: Vec<Overlap>,
    fronts: Fronts,
}

/// What one source says.
#[derive(Debug)]
struct Layer {
    source: Source,
    history: History,
    /// Where it says more, while somebody watches.
    updates: Option<Receiver<Update>>,
    /// Where it says where Services lead and what is declared, while somebody watches.
    front_updates: Option<Receiver<FrontUpdate>>,
}

/// Opens the inventory that `config` asks for.
///
/// # Errors
///
/// When the file cannot be read, or lines of it are wrong.
pub fn open(config: &InventoryConfig) -> Result<OpenInventory, AggregatorError> {
    let mut inventory = OpenInventory::new(config.labels.clone(), Ranges::load(&config.ranges)?);
    if let Some(path) = &config.file {
        inventory.read(FileInventory::load(path)?);
    }
    Ok(inventory)
}

/// With the rules for labels that are usual.
impl From<FileInventory> for OpenInventory {
    fn from(file: FileInventory) -> Self {
        let mut inventory = Self::default();
        inventory.read(file);
        inventory
    }
}

/// As a store kept it: workloads have their labels already.
impl FromIterator<Told> for OpenInventory {
    fn from_iter<T: IntoIterator<Item = Told>>(told: T) -> Self {
        let mut inventory = Self::default();
        inventory.restore(told);
        inventory
    }
}

impl OpenInventory {
    /// One that knows networks of others only, and gives workloads labels by these rules.
    #[must_use]
    pub fn new(rules: LabelRules, ranges: Ranges) -> Self {
        Self { labelling: Labelling::new(rules), ranges, ..Self::default() }
    }

    /// Takes over what a store kept; workloads have their labels already.
    pub fn restore(&mut self, told: impl IntoIterator<Item = Told>) {
        for Told { source, change } in told {
            self.layer(source).history.apply(&change);
        }
    }

    /// Takes over where Services led, as a store kept it.
    pub fn restore_fronts(&mut self, fronts: impl IntoIterator<Item = FrontChange>) {
        for change in fronts {
            self.fronts.apply(&change);
        }
    }

    /// Takes over a file for all times, as far as it says no others.
    fn read(&mut self, file: FileInventory) {
        let at = Timestamp::MIN;
        self.take(Source::File, Update::Everything { at, owned: file.changes() });
        self.fronts.take(Source::File, FrontUpdate::Everything { at, led: file.declared().to_vec() });
        self.overlaps = file.into_overlaps();
    }

    /// The rules by which workloads get labels.
    #[must_use]
    pub const fn label_rules(&self) -> &LabelRules {
        self.labelling.rules()
    }

    /// Where one who watches says what `source` has to say; it waits while [`QUEUE_UPDATES`] wait. Where somebody
    /// watched over it before, that one is no longer heard.
    pub fn follow(&mut self, source: Source) -> Sender<Update> {
        let (sender, updates) = bounded(QUEUE_UPDATES);
        self.layer(source).updates = Some(updates);
        sender
    }

    /// Where one who watches says where Services lead and what is declared; it waits while [`QUEUE_UPDATES`] wait.
    pub fn follow_fronts(&mut self, source: Source) -> Sender<FrontUpdate> {
        let (sender, updates) = bounded(QUEUE_UPDATES);
        self.layer(source).front_updates = Some(updates);
        sender
    }

    /// Where Services lead and what is declared, as far as somebody said so.
    #[must_use]
    pub const fn fronts(&self) -> &Fronts {
        &self.fronts
    }

    /// Takes over what `source` says, and returns what of it is new.
    pub fn take(&mut self, source: Source, update: Update) -> Vec<Told> {
        let update = self.labelling.update(update);
        let changes = self.layer(source).history.take(update);
        changes.into_iter().map(|change| Told { source, change }).collect()
    }

    fn layer(&mut self, source: Source) -> &mut Layer {
        let place = self.layers.partition_point(|layer| layer.source < source);
        if self.layers.get(place).is_none_or(|layer| layer.source != source) {
            let (updates, front_updates) = (None, None);
            self.layers.insert(place, Layer { source, history: History::default(), updates, front_updates });
        }
        &mut self.layers[place]
    }

    /// Whether no source is asked.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// What each source has said, in their order.
    pub fn histories(&self) -> impl Iterator<Item = (Source, &History)> {
        self.layers.iter().map(|layer| (layer.source, &layer.history))
    }

    /// Entries of the file that lie inside another workload's.
    #[must_use]
    pub fn overlaps(&self) -> &[Overlap] {
        &self.overlaps
    }

    /// Every workload that had something, source by source in order of their first mention.
    pub fn workloads(&self) -> impl Iterator<Item = &Arc<Workload>> {
        self.layers.iter().flat_map(|layer| layer.history.workloads())
    }

    /// Who has each prefix now, in order of the prefixes; of several sources the first to tell of one is believed.
    #[must_use]
    pub fn owned(&self) -> BTreeMap<IpNet, &Arc<Workload>> {
        let mut owned = BTreeMap::new();
        for (prefix, workload) in self.layers.iter().flat_map(|layer| layer.history.owned()) {
            owned.entry(prefix).or_insert(workload);
        }
        owned
    }

    /// Who had `address` at any time, the longest prefix first and each in order of source and time, and at last whose
    /// network it lies in by the ranges.
    #[must_use]
    pub fn tenures(&self, address: IpAddr) -> Vec<Tenure<'_>> {
        let tenures = self.layers.iter().flat_map(|layer| {
            layer.history.tenures(address).map(|tenure| Tenure { source: Some(layer.source), ..tenure })
        });
        let mut tenures: Vec<Tenure<'_>> = tenures.collect();
        tenures.sort_by_key(|tenure| std::cmp::Reverse(tenure.prefix.prefix_len()));
        tenures.extend(self.ranges.find(address).map(|workload| Tenure {
            prefix: address.into(),
            from: Timestamp::MIN,
            until: Timestamp::MAX,
            workload,
            source: None,
        }));
        tenures
    }
}

impl Inventory for OpenInventory {
    fn identify(&self, address: IpAddr, during: TimeRange) -> Identity<'_> {
        let mut found: Option<(u8, Identity<'_>)> = None;
        for (length, identity) in self.layers.iter().filter_map(|layer| layer.history.find(address, during)) {
            if found.is_none_or(|(longest, _)| longest < length) {
                found = Some((length, identity));
            }
        }
        let by_others = || Identity { workload: self.ranges.find(address), handed_over: false };
        found.map_or_else(by_others, |(_, identity)| identity)
    }

    fn reach(
        &self,
        to: Endpoint,
        protocol: Protocol,
        owner: Option<&Arc<Workload>>,
        at: Timestamp,
    ) -> Option<&Backend> {
        let on_node = owner.is_some_and(|owner| owner.kind == WorkloadKind::Node);
        self.fronts.find(to, protocol, on_node, at)
    }

    fn is_cluster(&self) -> bool {
        self.layers.iter().any(|layer| layer.source == Source::Kubernetes)
    }

    fn counts(&self) -> HistoryCounts {
        self.layers.iter().fold(HistoryCounts::default(), |sum, layer| sum.plus(layer.history.counts()))
    }

    fn catch_up(&mut self) -> News {
        let mut news = News::default();
        let Self { layers, labelling, fronts, .. } = self;
        for Layer { source, history, updates, .. } in layers.iter_mut() {
            // As many as there is room for: one who goes on talking does not hold up the delivery.
            let updates = updates.iter().flat_map(|updates| updates.try_iter().take(QUEUE_UPDATES));
            let changes = updates.flat_map(|update| history.take(labelling.update(update)));
            news.told.extend(changes.map(|change| Told { source: *source, change }));
        }
        // After the addresses, before which they are said: whoever knows a Service's address knows where it leads.
        for Layer { source, front_updates, .. } in layers {
            let updates = front_updates.iter().flat_map(|updates| updates.try_iter().take(QUEUE_UPDATES));
            for mut update in updates {
                let (FrontUpdate::Changes(changes) | FrontUpdate::Everything { led: changes, .. }) =
                    &mut update;
                changes.iter_mut().for_each(|change| label(change, labelling));
                news.fronts.extend(fronts.take(*source, update));
            }
        }
        news
    }
}

/// Gives the workload that a front leads to the same labels as when its own addresses are asked for.
fn label(change: &mut FrontChange, labelling: &mut Labelling) {
    if let Some(backend) = &mut change.backend
        && let Server::Workload(workload) = &backend.server
    {
        let server = Server::Workload(labelling.label(workload));
        *backend = Arc::new(Backend { server, ..Backend::clone(backend) });
    }
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;

    use super::*;
    use crate::Change;
    use crate::inventory::FileFormat;

    fn change(at: i64, prefix: &str, name: &str) -> Change {
        let workload = Arc::new(Workload { name: name.to_owned(), ..Workload::default() });
        let prefix: IpNet = prefix.parse().unwrap();
        Change { at: Timestamp::from_parts(at, 0), prefix, workload: Some(workload) }
    }

    fn who(inventory: &OpenInventory, address: &str, at: i64) -> Option<String> {
        let found = inventory.identify_at(address.parse().unwrap(), Timestamp::from_parts(at, 0));
        found.map(ToString::to_string)
    }

    #[test]
    fn the_longest_prefix_wins_and_of_the_same_the_first_source() {
        let text = "address,name\n10.0.0.0/8,site\n10.0.0.1,listed\n";
        let file = FileInventory::parse("hosts", FileFormat::Csv, text.as_bytes()).unwrap();
        let mut inventory = OpenInventory::from(file);
        let said = vec![change(5, "10.0.0.1/32", "pod"), change(5, "10.0.0.2/32", "pod")];
        inventory.take(Source::Kubernetes, Update::Changes(said));
        inventory.take(Source::Docker, Update::Changes(vec![change(5, "10.0.0.2/32", "container")]));
        assert_eq!(who(&inventory, "10.0.0.1", 6).as_deref(), Some("listed"));
        assert_eq!(who(&inventory, "10.0.0.2", 6).as_deref(), Some("pod"));
        assert_eq!(who(&inventory, "10.0.0.2", 4).as_deref(), Some("site"));
        assert_eq!(who(&inventory, "10.0.0.3", 6).as_deref(), Some("site"));
        let tenures = inventory.tenures("10.0.0.2".parse().unwrap());
        let tenures: Vec<_> = tenures.iter().map(|tenure| tenure.workload.name.as_str()).collect();
        assert_eq!(tenures, ["pod", "container", "site"]);
        inventory.take(Source::Docker, Update::Changes(vec![change(7, "10.0.0.4/32", "brief")]));
        let gone = Change {
            at: Timestamp::from_parts(8, 0),
            prefix: "10.0.0.4/32".parse().unwrap(),
            workload: None,
        };
        inventory.take(Source::Docker, Update::Changes(vec![gone]));
        let owned = inventory.owned();
        let owned: Vec<_> = owned.iter().map(|(prefix, owner)| format!("{prefix} {}", owner.name)).collect();
        assert_eq!(owned, ["10.0.0.0/8 site", "10.0.0.1/32 listed", "10.0.0.2/32 pod"]);
    }

    #[test]
    fn what_a_watcher_says_is_taken_over_without_waiting_for_it() {
        let mut inventory = OpenInventory::default();
        let watcher = inventory.follow(Source::Docker);
        assert_eq!(inventory.catch_up(), News::default());
        let said = change(5, "10.0.0.2/32", "container");
        for _ in 0..2 {
            watcher.send(Update::Changes(vec![said.clone()])).unwrap();
        }
        assert_eq!(inventory.catch_up().told, [Told { source: Source::Docker, change: said }]);
        assert_eq!(who(&inventory, "10.0.0.2", 6).as_deref(), Some("container"));
        drop(watcher);
        assert_eq!(inventory.catch_up(), News::default());
        assert_eq!(who(&inventory, "10.0.0.2", 6).as_deref(), Some("container"), "the last state stays");
    }
}
