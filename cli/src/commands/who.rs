//! `watershed who`: whose an address was, and as what it was seen; what became different of who is who.

use std::io::Write;
use std::net::IpAddr;

use anyhow::anyhow;
use watershed_aggregator::inventory::Drift;
use watershed_aggregator::{
    FlowStore as _, HistoryStore as _, OpenStore, StoreConfig, StoreError, Wanted, store,
};
use watershed_model::{TimeRange, Timestamp};

use crate::args::PeriodArguments;
use crate::args::who::{WhoArguments, WhoFormat};
use crate::clock;
use crate::failure::Failure;
use crate::inventory;
use crate::output::{drift, json, listeners, who};
use crate::settings::Settings;
use crate::terminal::Style;

/// Every time there is.
const ALWAYS: TimeRange = TimeRange { start: Timestamp::MIN, end: Timestamp::MAX };

/// Asks the inventory and the store, those of them that are given.
pub(crate) fn run(
    arguments: &WhoArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let store = open(arguments, settings)?;
    match (arguments.address, &store) {
        (Some(_), _) if is_asked(&arguments.period) => Err(Failure::usage(anyhow!(
            "a time for one address is --at TIME; --since, --from and --to go with --changes"
        ))),
        (Some(address), store) => whose(address, store.as_ref(), arguments, settings, style, out),
        (None, Some(store)) => changes(store, arguments, style, out),
        (None, None) => {
            Err(Failure::usage(anyhow!("name the store that kept the inventory (--store STORE)")))
        }
    }
}

const fn is_asked(period: &PeriodArguments) -> bool {
    period.since.is_some() || period.from.is_some() || period.to.is_some()
}

/// Whose an address was.
fn whose(
    address: IpAddr,
    store: Option<&OpenStore>,
    arguments: &WhoArguments,
    settings: &Settings,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    if settings.inventory.is_none() && settings.ranges.is_empty() && store.is_none() {
        let message =
            "there is nobody to ask; name an inventory (--inventory FILE) or a store (--store STORE)";
        return Err(Failure::usage(anyhow!(message)));
    }
    let mut inventory = inventory::open(settings)?;
    let mut place = settings.inventory.as_ref().map(ToString::to_string);
    if let (None, Some(store)) = (&place, store) {
        inventory.restore(store.history(&Wanted { period: ALWAYS, address: Some(address) })?);
        place = arguments.store.as_ref().filter(|_| !inventory.is_empty()).map(ToString::to_string);
    }
    let period = arguments.at.map(|at| TimeRange { start: at, end: at });
    let snapshot = store.map(|store| store.snapshot(period)).transpose()?;
    let tenures = inventory.tenures(address);
    let answer = who::Answer {
        address,
        at: arguments.at,
        inventory: place.or_else(|| (!tenures.is_empty()).then(|| "ranges.files".to_owned())),
        why: arguments.why.then(|| inventory.label_rules()),
        tenures,
        store: arguments.store.as_ref().map(ToString::to_string),
        seen: snapshot.iter().flat_map(|kept| who::Seen::of(address, kept)).collect(),
        listeners: snapshot
            .iter()
            .flat_map(|kept| listeners::of(|it| it == address, arguments.at, &kept.listeners))
            .collect(),
        names: snapshot.iter().flat_map(|kept| &kept.names).filter(|n| n.address == address).collect(),
    };
    match arguments.format {
        WhoFormat::Text => answer.write(out, style)?,
        WhoFormat::Json => json::line(out, &who::Mirror::of(&answer))?,
    }
    Ok(())
}

/// What became different in the inventory that the store kept.
fn changes(
    store: &OpenStore,
    arguments: &WhoArguments,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let period = period_of(&arguments.period, store)?;
    if let TimeRange { start, end } = period
        && end < start
    {
        return Err(StoreError::Period { start, end }.into());
    }
    let wanted = Wanted { period: TimeRange { start: Timestamp::MIN, ..period }, address: None };
    let found = Drift::of(&store.history(&wanted)?, period);
    match arguments.format {
        WhoFormat::Text => drift::write(&found, period, out, style)?,
        WhoFormat::Json => json::line(out, &drift::Mirror::of(&found, period))?,
    }
    Ok(())
}

/// The time asked about: an inventory may have changed after the newest packet, so that there is no end unless asked for.
fn period_of(arguments: &PeriodArguments, store: &OpenStore) -> Result<TimeRange, StoreError> {
    let PeriodArguments { since, from, to, now } = *arguments;
    let start = match since {
        Some(since) => {
            let newest = store.extent()?.map(|extent| extent.end);
            now.or(newest).unwrap_or_else(clock::now).minus(since)
        }
        None => from.unwrap_or(ALWAYS.start),
    };
    Ok(TimeRange { start, end: to.or(now).unwrap_or(ALWAYS.end) })
}

fn open(arguments: &WhoArguments, settings: &Settings) -> Result<Option<OpenStore>, Failure> {
    let Some(location) = arguments.store.clone() else { return Ok(None) };
    Ok(Some(store::open_existing(&StoreConfig { location, ..settings.store.clone() })?))
}
