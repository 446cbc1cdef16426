//! With libpcap: one thread reads all interfaces, or several share what is captured on them.

mod group;
mod interface;
mod privileges;
mod reader;
mod several;

use watershed_model::Timestamp;

pub use self::privileges::{become_user, drop_privileges};

use self::group::Group;
use self::interface::Interface;
use self::reader::{Reader, Taken};
use self::several::Several;
use super::{InterfaceStatus, LiveConfig};
use crate::error::SourceError;
use crate::source::{PacketBatch, PacketSource, Tapped};

/// Packets from interfaces, as they come.
///
/// It ends when it is told to stop or its time is over, with what was captured until then.
pub struct LiveSource(Readers);

enum Readers {
    /// The thread that asks for packets reads them.
    One(Box<Reader>),
    /// Opened; their threads start when packets are asked for, with the privileges that are left then.
    Opened(Vec<Reader>),
    Several(Several),
}

impl LiveSource {
    /// Opens every interface.
    ///
    /// # Errors
    ///
    /// The first interface that cannot be opened, or a filter that is none. Later on, an interface may go away
    /// and come back.
    pub fn open(config: &LiveConfig) -> Result<Self, SourceError> {
        let threads = config.threads.get();
        if threads == 1 {
            return Ok(Self(Readers::One(Box::new(Reader::open(config, &[])?))));
        }
        let groups: Vec<_> = config.interfaces.iter().map(|_| Group::default()).collect();
        let readers: Result<_, _> = (0..threads).map(|_| Reader::open(config, &groups)).collect();
        Ok(Self(Readers::Opened(readers?)))
    }

    /// What became of the packets of each interface, as of the last look at the kernel's counters.
    pub fn interfaces(&self) -> impl Iterator<Item = &InterfaceStatus> {
        let (readers, told): (&[Interface], &[InterfaceStatus]) = match &self.0 {
            Readers::One(reader) => (&reader.interfaces, &[]),
            // All have the same.
            Readers::Opened(readers) => (readers.first().map_or(&[], |reader| &reader.interfaces), &[]),
            Readers::Several(several) => (&[], several.interfaces()),
        };
        readers.iter().map(|interface| &interface.status).chain(told)
    }
}

impl PacketSource for LiveSource {
    fn fill<'a>(&'a mut self, batch: &mut PacketBatch<'a>) -> Result<(), SourceError> {
        if let Readers::Opened(readers) = &mut self.0 {
            self.0 = Readers::Several(Several::start(std::mem::take(readers)));
        }
        let taken: &Taken = match &mut self.0 {
            Readers::One(reader) => {
                reader.read()?;
                &reader.taken
            }
            Readers::Several(several) => {
                several.read()?;
                several.taken()
            }
            Readers::Opened(_) => return Ok(()),
        };
        taken.hand_out(batch);
        Ok(())
    }

    fn kernel_dropped(&self) -> u64 {
        self.interfaces().map(|status| status.dropped + status.dropped_by_interface).sum()
    }

    fn tapped(&self) -> Tapped {
        self.interfaces().fold(Tapped::default(), |sum, status| Tapped {
            interfaces: sum.interfaces + 1,
            received: sum.received + status.received,
            went_away: sum.went_away + status.went_away,
        })
    }

    fn quiet_until(&self) -> Option<Timestamp> {
        match &self.0 {
            Readers::One(reader) => reader.quiet_until(),
            Readers::Opened(_) => Some(Timestamp::MIN),
            Readers::Several(several) => several.quiet_until(),
        }
    }
}
