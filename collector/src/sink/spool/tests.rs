//! What was appended comes back in order, whatever happened in between.

use std::fs::{self, OpenOptions};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn open(directory: &TempDir) -> Spool {
    Spool::open(&SpoolConfig { directory: directory.path().join("spool"), limit: MIN_LIMIT }).unwrap()
}

/// Batches that tell themselves apart.
fn batch(number: u32, bytes: usize) -> Vec<u8> {
    number.to_le_bytes().into_iter().cycle().take(bytes.max(4)).collect()
}

fn rest(spool: &mut Spool) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| spool.read_next()).map(|(_, batch)| batch).collect()
}

fn newest_segment(directory: &TempDir) -> PathBuf {
    let spool = directory.path().join("spool");
    let mut paths: Vec<_> = fs::read_dir(spool).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some());
    paths.into_iter().max().unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Read,
    Acknowledge,
    Rewind,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1_usize..400_000).prop_map(Step::Append),
        4 => Just(Step::Read),
        3 => Just(Step::Acknowledge),
        1 => Just(Step::Rewind),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(crate::testing::seeded(24))]

    /// Against a plain list: `done` of the batches are acknowledged, `read` are read.
    #[test]
    fn it_is_a_queue_that_survives(steps in steps()) {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = open(&directory);
        let (mut kept, mut done, mut read) = (Vec::<Vec<u8>>::new(), 0, 0);
        let mut last = None;
        for step in steps {
            match step {
                Step::Append(bytes) => {
                    let batch = batch(kept.len() as u32, bytes);
                    match spool.append(&batch) {
                        Ok(()) => kept.push(batch),
                        Err(Refusal::Full) => prop_assert!(spool.on_disk() + 400_000 + 8 > MIN_LIMIT),
                        Err(Refusal::Disk(error)) => panic!("{error}"),
                    }
                }
                Step::Read => match spool.read_next() {
                    Some((position, batch)) => {
                        prop_assert_eq!(&batch, &kept[read]);
                        read += 1;
                        last = Some(position);
                    }
                    None => prop_assert_eq!(read, kept.len()),
                },
                Step::Acknowledge => {
                    if let Some(position) = last {
                        spool.acknowledge(position);
                        done = done.max(read);
                    }
                }
                Step::Rewind => {
                    spool.rewind();
                    (read, last) = (done, None);
                }
                Step::Reopen => {
                    drop(spool);
                    spool = open(&directory);
                    (read, last) = (done, None);
                }
            }
            let waiting: usize = kept[done..].iter().map(|batch| batch.len() + 8).sum();
            prop_assert_eq!(spool.waiting(), waiting as u64);
            prop_assert_eq!(spool.is_read(), read == kept.len());
            prop_assert!(spool.on_disk() <= MIN_LIMIT);
        }
        prop_assert_eq!(rest(&mut spool), &kept[read..]);
        prop_assert_eq!(spool.torn(), 0);
    }
}

#[test]
fn a_torn_tail_is_counted_and_what_is_before_and_after_it_is_read() {
    for damage in [
        // Cut, as by a power failure; filled with zeros, as by some file systems; turned.
        (|path| OpenOptions::new().write(true).open(path).unwrap().set_len(1_000).unwrap()) as fn(PathBuf),
        |path| {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(508).unwrap();
            file.set_len(1_016).unwrap();
        },
        |path| {
            let mut bytes = fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(path, bytes).unwrap();
        },
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = open(&directory);
        spool.append(&batch(0, 500)).unwrap();
        spool.append(&batch(1, 500)).unwrap();
        drop(spool);
        damage(newest_segment(&directory));
        let mut spool = open(&directory);
        spool.append(&batch(2, 500)).unwrap();
        assert_eq!(rest(&mut spool), [batch(0, 500), batch(2, 500)]);
        assert_eq!(spool.torn(), 1);
    }
}

#[test]
fn a_cursor_that_is_damaged_gives_everything_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = open(&directory);
    spool.append(&batch(0, 50)).unwrap();
    spool.append(&batch(1, 50)).unwrap();
    let (position, _) = spool.read_next().unwrap();
    spool.acknowledge(position);
    drop(spool);
    fs::write(directory.path().join("spool/cursor"), "nonsense").unwrap();
    assert_eq!(rest(&mut open(&directory)), [batch(0, 50), batch(1, 50)]);
}

#[test]
fn losses_are_remembered_until_they_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let lost = Dropped { batches: 1, records: 20, names: 3 };
    open(&directory).note(lost);
    assert_eq!(open(&directory).untold(), lost);
    open(&directory).note(Dropped::default());
    assert_eq!(open(&directory).untold(), Dropped::default());
}

#[test]
fn two_processes_cannot_share_a_spool() {
    let directory = tempfile::tempdir().unwrap();
    let _first = open(&directory);
    let config = SpoolConfig { directory: directory.path().join("spool"), limit: MIN_LIMIT };
    let error = Spool::open(&config).unwrap_err();
    assert!(matches!(error, SinkError::SpoolInUse { .. }), "{error}");
}

#[test]
fn a_disk_that_takes_nothing_is_told_and_later_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = open(&directory);
    let path = directory.path().join("spool");
    fs::rename(&path, directory.path().join("away")).unwrap();
    assert!(matches!(spool.append(&batch(0, 50)), Err(Refusal::Disk(_))));
    fs::rename(directory.path().join("away"), &path).unwrap();
    spool.append(&batch(1, 50)).unwrap();
    assert_eq!(rest(&mut spool), [batch(1, 50)]);
}
