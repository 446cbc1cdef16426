//! 802.11: from a data frame to the IP packet in it.

use watershed_model::SkipReason;

use super::bytes::{after, be16};
use super::{End, MAX_AGGREGATED, Step, Walk};

const CUT: SkipReason = SkipReason::BadLinkHeader;

impl<'a> Walk<'_, 'a> {
    /// An 802.11 frame (IEEE 802.11 section 9.2); only unencrypted data frames hold IP.
    pub(super) fn wifi(&mut self, data: &'a [u8]) -> Step {
        const DATA: u8 = 2;
        let [control, flags, ..] = *data else { return Err(CUT) };
        let (version, kind, subtype) = (control & 0x03, (control >> 2) & 0x03, control >> 4);
        if version != 0 {
            return Err(CUT);
        }
        // Subtypes with bit 2 set are announcements without data.
        if kind != DATA || subtype & 0x4 != 0 {
            return Err(SkipReason::LinkControl);
        }
        if flags & 0x40 != 0 {
            return Err(SkipReason::LinkEncrypted);
        }
        let between_stations = flags & 0x03 == 0x03;
        let mut header = if between_stations { 30 } else { 24 };
        let mut aggregated = false;
        if subtype & 0x8 != 0 {
            aggregated = data.get(header).ok_or(CUT)? & 0x80 != 0;
            header += 2;
            // The order flag of a QoS frame announces an HT control field.
            header += if flags & 0x80 != 0 { 4 } else { 0 };
        }
        let payload = after(data, header).ok_or(CUT)?;
        if aggregated { self.aggregated(payload) } else { self.llc(payload) }
    }

    /// An A-MSDU: several frames in one, each padded to four octets.
    fn aggregated(&mut self, mut data: &'a [u8]) -> Step {
        let mut step = Err(CUT);
        let outside = self.wrapping.clone();
        for _ in 0..MAX_AGGREGATED {
            self.wrapping.clone_from(&outside);
            let Some(length) = be16(data, 12).map(usize::from) else { break };
            let Some(payload) = data.get(14..).map(|d| &d[..length.min(d.len())]) else { break };
            match self.llc(payload) {
                // Whatever follows a fragment could not be counted apart from it.
                Ok(End::Fragment) => return Ok(End::Fragment),
                Ok(End::Flow) => step = Ok(End::Flow),
                Err(reason) => step = step.or(Err(reason)),
            }
            let Some(rest) = data.get((14 + length).next_multiple_of(4)..) else { break };
            data = rest;
        }
        step
    }
}
