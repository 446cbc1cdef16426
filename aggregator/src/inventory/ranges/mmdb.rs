//! Networks from a MaxMind DB (<https://maxmind.github.io/MaxMind-DB/>).

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use ipnet::IpNet;
use maxminddb::{MaxMindDbError, Reader, WithinOptions};
use serde::Deserialize;
use watershed_model::{Labels, Workload};

use super::{MAX_RANGES, Named, network_of};

/// What of a record is used: that of databases by autonomous system, by provider, and by country or city.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Record {
    autonomous_system_number: Option<u32>,
    autonomous_system_organization: Option<String>,
    isp: Option<String>,
    organization: Option<String>,
    country: Country,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Country {
    iso_code: Option<String>,
}

/// Every network of the database that has a name; what is wrong with it otherwise, and what to do.
pub(super) fn read(bytes: Vec<u8>) -> Result<Vec<Named>, String> {
    let wrong = |error: MaxMindDbError| error.to_string();
    let reader = Reader::from_source(bytes).map_err(wrong)?;
    // Many networks share a record.
    let mut known: HashMap<Option<usize>, Option<Arc<Workload>>> = HashMap::new();
    let mut named = Vec::new();
    for found in reader.networks(WithinOptions::default()).map_err(wrong)? {
        let found = found.map_err(wrong)?;
        let workload = match known.get(&found.offset()) {
            Some(workload) => workload.clone(),
            None => {
                let record: Option<Record> = found.decode().map_err(wrong)?;
                let workload = record.and_then(workload_of).map(Arc::new);
                known.insert(found.offset(), workload.clone());
                workload
            }
        };
        let network = found.network().map_err(wrong)?;
        let (address, length): (IpAddr, u8) = (network.ip(), network.prefix());
        if let (Some(workload), Ok(network)) = (workload, IpNet::new(address, length)) {
            named.push((network.trunc(), workload));
        }
        if named.len() > MAX_RANGES {
            return Err(format!(
                "it has more than {MAX_RANGES} networks; use one by autonomous system or country"
            ));
        }
    }
    if named.is_empty() {
        return Err(format!(
            "no record of this {} has an organization, a provider or a country; use a database by autonomous system, \
             provider or country",
            reader.metadata().database_type
        ));
    }
    Ok(named)
}

/// Called by who runs the network, else by the country it is in.
fn workload_of(record: Record) -> Option<Workload> {
    let Record { autonomous_system_number, autonomous_system_organization, isp, organization, country } =
        record;
    let system = autonomous_system_number.map(|number| format!("AS{number}"));
    let usable = |name: &String| !name.trim().is_empty();
    let names = [organization, isp, autonomous_system_organization, system.clone(), country.iso_code.clone()];
    let name = names.into_iter().flatten().find(usable)?;
    let labels: [(&str, Option<String>); 2] = [("asn", system), ("country", country.iso_code)];
    let labels: Labels =
        labels.into_iter().filter_map(|(label, value)| Some((label.to_owned(), value?))).collect();
    Some(network_of(&name, labels))
}
