//! What a collector counts: every packet is in a flow, skipped for a reason, or refused by a limit.

use serde::{Deserialize, Serialize};

/// Why a packet is in no flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum SkipReason {
    /// Its link type is none that is decoded.
    UnknownLinkType,
    /// A link-layer frame without data: 802.11 management and control, PPP control, PPPoE discovery.
    LinkControl,
    /// An encrypted link-layer frame.
    LinkEncrypted,
    /// ARP or RARP.
    Arp,
    /// Another network protocol than IP: spanning tree, LLDP, IPX ...
    NotIp,
    /// The link-layer header is cut short or contradicts itself.
    BadLinkHeader,
    /// The IP header is cut short or contradicts itself.
    BadIpHeader,
    /// The transport header is cut short or contradicts itself.
    BadTransportHeader,
    /// More layers of encapsulation than are followed.
    TooDeep,
    /// A fragment whose first fragment was never seen.
    FragmentWithoutFirst,
}

impl SkipReason {
    /// Every reason, in declaration order.
    pub const ALL: [Self; 10] = [
        Self::UnknownLinkType,
        Self::LinkControl,
        Self::LinkEncrypted,
        Self::Arp,
        Self::NotIp,
        Self::BadLinkHeader,
        Self::BadIpHeader,
        Self::BadTransportHeader,
        Self::TooDeep,
        Self::FragmentWithoutFirst,
    ];

    /// Its name in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownLinkType => "unknown_link_type",
            Self::LinkControl => "link_control",
            Self::LinkEncrypted => "link_encrypted",
            Self::Arp => "arp",
            Self::NotIp => "not_ip",
            Self::BadLinkHeader => "bad_link_header",
            Self::BadIpHeader => "bad_ip_header",
            Self::BadTransportHeader => "bad_transport_header",
            Self::TooDeep => "too_deep",
            Self::FragmentWithoutFirst => "fragment_without_first",
        }
    }

    /// Whether the packet was understood and simply is not part of any flow, as opposed to not decoded.
    #[must_use]
    pub const fn understood(self) -> bool {
        matches!(self, Self::LinkControl | Self::Arp | Self::NotIp)
    }
}

/// Which limit refused a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Refused {
    /// Too many datagrams were waiting for their fragments.
    FragmentLimit,
}

impl Refused {
    /// Every limit, in declaration order.
    pub const ALL: [Self; 1] = [Self::FragmentLimit];

    /// Its name in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FragmentLimit => "fragment_limit",
        }
    }
}

/// A collector's own counters since it started.
///
/// Once a run is over, `packets` = `in_flows` + the sum of `skipped` + the sum of `refused`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets read from the source.
    pub packets: u64,
    /// Their captured octets.
    pub captured_bytes: u64,
    /// Packets that became part of at least one flow.
    pub in_flows: u64,
    /// Of these, packets that another interface had shown before: no flow's totals count them again.
    pub repeated: u64,
    /// Packets skipped, by [`SkipReason`].
    pub skipped: [u64; SkipReason::ALL.len()],
    /// Packets refused, by [`Refused`].
    pub refused: [u64; Refused::ALL.len()],
    /// Packets that the kernel dropped before they could be read.
    pub kernel_dropped: u64,
    /// Packets that the kernel received on the interfaces: read, dropped, or not read yet.
    pub kernel_received: u64,
    /// Packets captured shorter than they were on the wire.
    pub snapped: u64,
    /// Datagrams put together from fragments.
    pub reassembled: u64,
    /// Connections started.
    pub flows_started: u64,
    /// Connections evicted because the flow table was full.
    pub flows_evicted: u64,
    /// Flow records written.
    pub records: u64,
    /// Name observations written.
    pub names: u64,
    /// How often a limit kept a name in a payload from being read.
    pub names_limited: u64,
    /// Batches that could not be kept until their receiver took them: they never got a number, so that they
    /// leave no gap in the sequence.
    pub batches_dropped: u64,
    /// Flow records in them.
    pub records_dropped: u64,
    /// Name observations in them.
    pub names_dropped: u64,
    /// Octets that wait in the spool, as of this batch.
    pub spooled_bytes: u64,
    /// Flow records that became part of summaries.
    pub summarized: u64,
    /// Summaries that were written before their time, because there were too many.
    pub summaries_cut: u64,
    /// Interfaces that are captured on; 0 where packets come from capture files. Only of a capture on interfaces
    /// is it known that nothing was seen between one start and the next.
    pub interfaces: u64,
    /// How often interfaces went away.
    pub interfaces_away: u64,
}

impl Counters {
    /// Counts one skipped packet.
    pub const fn skip(&mut self, reason: SkipReason) {
        self.skipped[reason as usize] += 1;
    }

    /// Counts one refused packet.
    pub const fn refuse(&mut self, limit: Refused) {
        self.refused[limit as usize] += 1;
    }

    /// How many packets were skipped for `reason`.
    #[must_use]
    pub const fn skipped_for(&self, reason: SkipReason) -> u64 {
        self.skipped[reason as usize]
    }

    /// Whether every packet read is accounted for; holds once a run is over.
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.packets == self.in_flows + self.skipped.iter().sum::<u64>() + self.refused.iter().sum::<u64>()
    }

    /// The share of packets that is in flows or known to belong in none, between 0 and 1.
    #[must_use]
    pub fn understood(&self) -> f64 {
        if self.packets == 0 {
            return 1.0;
        }
        let set_aside: u64 =
            SkipReason::ALL.into_iter().filter(|r| r.understood()).map(|r| self.skipped_for(r)).sum();
        (self.in_flows + set_aside) as f64 / self.packets as f64
    }

    /// Adds the counters of `other`, such as another file's or agent's.
    pub fn merge(&mut self, other: &Self) {
        let Self {
            packets,
            captured_bytes,
            in_flows,
            repeated,
            skipped,
            refused,
            kernel_dropped,
            kernel_received,
            snapped,
            reassembled,
            flows_started,
            flows_evicted,
            records,
            names,
            names_limited,
            batches_dropped,
            records_dropped,
            names_dropped,
            spooled_bytes,
            summarized,
            summaries_cut,
            interfaces,
            interfaces_away,
        } = other;
        self.packets += packets;
        self.captured_bytes += captured_bytes;
        self.in_flows += in_flows;
        self.repeated += repeated;
        self.skipped.iter_mut().zip(skipped).for_each(|(mine, theirs)| *mine += theirs);
        self.refused.iter_mut().zip(refused).for_each(|(mine, theirs)| *mine += theirs);
        self.kernel_dropped += kernel_dropped;
        self.kernel_received += kernel_received;
        self.snapped += snapped;
        self.reassembled += reassembled;
        self.flows_started += flows_started;
        self.flows_evicted += flows_evicted;
        self.records += records;
        self.names += names;
        self.names_limited += names_limited;
        self.batches_dropped += batches_dropped;
        self.records_dropped += records_dropped;
        self.names_dropped += names_dropped;
        self.spooled_bytes += spooled_bytes;
        self.summarized += summarized;
        self.summaries_cut += summaries_cut;
        self.interfaces += interfaces;
        self.interfaces_away += interfaces_away;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_the_index_of_its_counter() {
        for (index, reason) in SkipReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
        for (index, limit) in Refused::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, index);
        }
    }

    #[test]
    fn a_packet_that_is_nowhere_unbalances_the_books() {
        let mut counters = Counters { packets: 3, in_flows: 1, ..Counters::default() };
        counters.skip(SkipReason::Arp);
        assert!(!counters.balanced());
        counters.refuse(Refused::FragmentLimit);
        assert!(counters.balanced());
    }
}
