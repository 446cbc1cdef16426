//! Looks at the host again and again, and tells what has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use watershed_model::{Listener, Owner, Timestamp};

use super::MAX_LISTENERS;
use super::owners::Owners;
use super::sockets::{End, Sockets};

/// A user's number, and the process where it may be seen.
type Who = (u32, Option<Owner>);

/// The host that this runs on, or whose network namespace it runs in.
#[derive(Debug)]
pub struct Host {
    net: PathBuf,
    owners: Owners,
    /// Who listened on each end by the last look, and since when.
    known: BTreeMap<End, BTreeMap<Who, Timestamp>>,
    looked: Timestamp,
    /// When all of it was last told.
    told: Timestamp,
}

/// What a look has found.
#[derive(Debug, Default)]
pub struct Look {
    /// What the host listens on.
    pub sockets: Sockets,
    /// What is to be told of that: what has changed, or all of it after a while.
    pub news: Vec<Listener>,
    /// How many sockets listen.
    pub listening: usize,
    /// Of how many of them the owner is not known.
    pub unknown: usize,
    /// Whether there was a process that this one may not look at.
    pub refused: bool,
    /// Ends beyond [`MAX_LISTENERS`], of which nothing is told.
    pub beyond: usize,
}

impl Host {
    /// The host whose processes `proc` has (proc(5)).
    #[must_use]
    pub fn new(proc: &Path) -> Self {
        Self {
            net: proc.join("self/net"),
            owners: Owners::new(proc),
            known: BTreeMap::new(),
            looked: Timestamp::MIN,
            told: Timestamp::MIN,
        }
    }

    /// Looks what the host listens on by `now`.
    ///
    /// # Errors
    ///
    /// The kernel's tables cannot be read.
    pub fn look(&mut self, now: Timestamp) -> io::Result<Look> {
        let sockets = Sockets::read(&self.net)?;
        let inodes: BTreeSet<u64> = sockets.sockets().iter().map(|socket| socket.inode).collect();
        self.owners.look(&inodes);
        let mut ends = sockets.ends();
        let beyond = ends.len().saturating_sub(MAX_LISTENERS);
        if let Some(end) = ends.keys().nth(MAX_LISTENERS).copied() {
            ends.split_off(&end);
        }
        let ends = ends.into_iter().map(|(end, sockets)| {
            let who = sockets.iter().map(|socket| (socket.user, self.owners.of(socket.inode).cloned()));
            (end, who.collect())
        });
        let news = self.compare(ends.collect(), now);
        let unknown = inodes.iter().filter(|&&inode| self.owners.of(inode).is_none()).count();
        let refused = self.owners.refused();
        Ok(Look { sockets, news, listening: inodes.len(), unknown, refused, beyond })
    }

    /// What is to be told of who listens `now`: of an end with a change all who listen there, so that it can be told who
    /// went on, and those who are gone as they were last seen.
    fn compare(&mut self, ends: BTreeMap<End, BTreeSet<Who>>, now: Timestamp) -> Vec<Listener> {
        let all = self.told == Timestamp::MIN || now.since(self.told) >= Listener::TOLD_EVERY;
        let mut before = std::mem::take(&mut self.known);
        let mut news = Vec::new();
        for (end, who) in ends {
            let then = before.remove(&end).unwrap_or_default();
            let changed = !then.keys().eq(who.iter());
            let since = |who: Who| {
                let since = then.get(&who).copied().unwrap_or(now);
                (who, since)
            };
            let current: BTreeMap<Who, Timestamp> = who.into_iter().map(since).collect();
            if all || changed {
                news.extend(current.iter().map(|(who, since)| listener(end, who, *since, now)));
            }
            let gone = then.iter().filter(|(who, _)| !current.contains_key(*who));
            news.extend(gone.map(|(who, since)| listener(end, who, *since, self.looked)));
            self.known.insert(end, current);
        }
        for (end, gone) in before {
            news.extend(gone.iter().map(|(who, since)| listener(end, who, *since, self.looked)));
        }
        self.looked = now;
        if all {
            self.told = now;
        }
        news
    }
}

fn listener(
    (address, protocol, port): End,
    who: &Who,
    first_seen: Timestamp,
    last_seen: Timestamp,
) -> Listener {
    let (user, owner) = who.clone();
    Listener { address, protocol, port, first_seen, last_seen, user, owner }
}

#[cfg(test)]
mod tests {
    use watershed_model::Protocol;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_parts(second, 0)
    }

    fn who(process: &str) -> Who {
        (33, Some(Owner { process: process.into(), unit: None }))
    }

    /// Who listened on port 80 and from when until when, of what is told.
    fn told(news: &[Listener]) -> Vec<(String, i64, i64)> {
        let second = |time: Timestamp| time.as_nanos() / 1_000_000_000;
        let name =
            |listener: &Listener| listener.owner.as_ref().map_or("-", |owner| &owner.process).to_owned();
        news.iter().map(|it| (name(it), second(it.first_seen), second(it.last_seen))).collect()
    }

    #[test]
    fn what_changes_is_told_at_once_and_all_of_it_again() {
        let end = ("10.0.0.1".parse().unwrap(), Protocol::TCP, 80);
        let mut host = Host::new(Path::new("/nowhere"));
        let mut look = |second, all: &[Who]| {
            let ends =
                if all.is_empty() { BTreeMap::new() } else { [(end, all.iter().cloned().collect())].into() };
            told(&host.compare(ends, at(second)))
        };
        let is = |name: &str, from, to| (name.to_owned(), from, to);
        assert_eq!(look(10, &[who("a")]), [is("a", 10, 10)]);
        assert_eq!(look(15, &[who("a")]), []);
        assert_eq!(look(20, &[who("b")]), [is("b", 20, 20), is("a", 10, 15)]);
        assert_eq!(
            look(25, &[who("b"), who("c")]),
            [is("b", 20, 25), is("c", 25, 25)],
            "who went on is told"
        );
        assert_eq!(look(30, &[]), [is("b", 20, 25), is("c", 25, 25)]);
        assert_eq!(look(35, &[(0, None)]), [is("-", 35, 35)]);
        assert_eq!(look(309, &[(0, None)]), []);
        assert_eq!(look(310, &[(0, None)]), [is("-", 35, 310)], "all of it, five minutes after the first");
        assert_eq!(look(315, &[(0, None)]), []);
    }

    #[test]
    fn a_host_without_tables_says_so_and_one_without_processes_nothing_of_them() {
        let proc = tempfile::tempdir().unwrap();
        let net = proc.path().join("self/net");
        std::fs::create_dir_all(&net).unwrap();
        let table = "head\n0: 0100000A:0050 00000000:0000 0A 0:0 00:0 0 33 0 4711 1\n";
        std::fs::write(net.join("tcp"), table).unwrap();
        let look = Host::new(proc.path()).look(at(5)).unwrap();
        assert_eq!((look.listening, look.unknown, look.refused, look.beyond), (1, 1, false, 0));
        assert_eq!((look.news.len(), look.news[0].user, &look.news[0].owner), (1, 33, &None));
    }
}
