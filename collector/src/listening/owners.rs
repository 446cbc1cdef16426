//! Which processes have sockets open, as far as this one may see (proc_pid_fd(5), ptrace(2) "access mode").

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use watershed_model::Owner;

/// Open files of processes looked at in one look: beyond it sockets have no owner. A host has some ten thousand.
const MAX_FILES: usize = 1_000_000;

/// Letters of a process' name that are kept, and of its unit's: Linux gives a process 15 and a file 255.
const MAX_PROCESS: usize = 64;
const MAX_UNIT: usize = 255;

/// Octets read of a file: a process is in one control group of each hierarchy.
const MAX_OCTETS: u64 = 16 << 10;

/// Looks after which all processes are looked at again though no socket is new: what was started by a socket takes it
/// over from who waited for that, and a process may change its name.
const LOOK_AGAIN: u32 = 12;

/// Digits of a container's number, by which engines name its control group.
const CONTAINER_DIGITS: usize = 64;

/// The first process opens sockets for those that it starts once they are asked for.
const FIRST: u32 = 1;

/// Who has which socket open, by inode.
#[derive(Debug)]
pub(super) struct Owners {
    /// proc(5).
    proc: PathBuf,
    known: HashMap<u64, Option<Owner>>,
    looks: u32,
    refused: bool,
}

impl Owners {
    pub(super) fn new(proc: &Path) -> Self {
        Self { proc: proc.to_owned(), known: HashMap::new(), looks: 0, refused: false }
    }

    /// Looks who has these sockets open. Processes are only looked at where a socket is new, or after a while.
    pub(super) fn look(&mut self, sockets: &BTreeSet<u64>) {
        self.looks += 1;
        let all_known = sockets.iter().all(|inode| self.known.contains_key(inode));
        if all_known && self.looks < LOOK_AGAIN {
            self.known.retain(|inode, _| sockets.contains(inode));
            return;
        }
        self.looks = 0;
        self.refused = false;
        self.known = sockets.iter().map(|&inode| (inode, None)).collect();
        let mut missing = sockets.len();
        let mut files = 0;
        for process in processes(&self.proc) {
            if missing == 0 || files >= MAX_FILES {
                break;
            }
            let folder = self.proc.join(process.to_string());
            match open_sockets(&folder, &mut files) {
                Ok(open) => missing -= self.found(&folder, open),
                // It ended meanwhile, or it is another's.
                Err(error) => self.refused |= error.kind() == io::ErrorKind::PermissionDenied,
            }
        }
    }

    /// Notes whose these sockets are, where they are looked for and nobody else's; how many that was.
    fn found(&mut self, folder: &Path, open: Vec<u64>) -> usize {
        let mut owner = None;
        let mut found = 0;
        for inode in open {
            let Some(known @ None) = self.known.get_mut(&inode) else { continue };
            let Some(owner) = owner.get_or_insert_with(|| owner_of(folder)) else { break };
            *known = Some(owner.clone());
            found += 1;
        }
        found
    }

    /// Who has a socket open.
    pub(super) fn of(&self, inode: u64) -> Option<&Owner> {
        self.known.get(&inode)?.as_ref()
    }

    /// Whether there was a process that this one may not look at.
    pub(super) const fn refused(&self) -> bool {
        self.refused
    }
}

/// The numbers of all processes in order, so that of several with one socket it is always the same one; the first last.
fn processes(proc: &Path) -> Vec<u32> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let mut all: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    all.sort_unstable_by_key(|&process| (process == FIRST, process));
    all
}

/// The inodes of a process' open sockets: its files are links to `socket:[4711]`.
fn open_sockets(folder: &Path, files: &mut usize) -> io::Result<Vec<u64>> {
    let mut open = Vec::new();
    for entry in fs::read_dir(folder.join("fd"))? {
        *files += 1;
        if *files > MAX_FILES {
            break;
        }
        let target = match fs::read_link(entry?.path()) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            // It was closed meanwhile.
            Err(_) => continue,
        };
        let inode = target.to_str().and_then(|target| target.strip_prefix("socket:[")?.strip_suffix(']'));
        open.extend(inode.and_then(|inode| inode.parse::<u64>().ok()));
    }
    Ok(open)
}

/// `None` where the process ended meanwhile.
fn owner_of(folder: &Path) -> Option<Owner> {
    let process = clean(&read(&folder.join("comm"))?, MAX_PROCESS);
    let unit = read(&folder.join("cgroup")).and_then(|groups| unit_of(&groups));
    Some(Owner { process, unit })
}

fn read(path: &Path) -> Option<String> {
    let mut octets = Vec::new();
    File::open(path).ok()?.take(MAX_OCTETS).read_to_end(&mut octets).ok()?;
    Some(String::from_utf8_lossy(&octets).into_owned())
}

/// A name as it may be told: whoever starts a process can name it anything.
fn clean(name: &str, letters: usize) -> Box<str> {
    let name = name.trim_end_matches('\n');
    let told = name.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c });
    let told: String = told.take(letters).collect();
    if told.is_empty() { char::REPLACEMENT_CHARACTER.to_string().into() } else { told.into() }
}

/// The unit or the container of lines such as `0::/system.slice/nginx.service` (cgroups(7)): the innermost group that is
/// one, as containers and users have groups of their own within theirs.
fn unit_of(groups: &str) -> Option<Box<str>> {
    let path = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        ((number == "0" && controllers.is_empty()) || controllers == "name=systemd").then(|| path.to_owned())
    };
    let is_container =
        |name: &&str| name.len() == CONTAINER_DIGITS && name.bytes().all(|digit| digit.is_ascii_hexdigit());
    let is_unit = |name: &&str| name.ends_with(".service") || name.ends_with(".scope") || is_container(name);
    let units = groups.lines().filter_map(path);
    units.filter_map(|path| path.rsplit('/').find(is_unit).map(|unit| clean(unit, MAX_UNIT))).next()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_group_is_a_unit_or_a_container() {
        let container = "0123456789abcdef".repeat(4);
        for (groups, expected) in [
            ("0::/system.slice/nginx.service\n", Some("nginx.service")),
            ("0::/\n", None),
            ("", None),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service", Some("web.service")),
            ("0::/user.slice/user-0.slice/session-3.scope", Some("session-3.scope")),
            ("0::/system.slice/docker-12ab.scope/init", Some("docker-12ab.scope")),
            (
                "0::/../../kubepods.slice/kubepods-pod7.slice/cri-containerd-9.scope",
                Some("cri-containerd-9.scope"),
            ),
            (&format!("0::/kubepods/burstable/pod7/{container}"), Some(&*container)),
            ("4:memory:/a.service\n1:name=systemd:/system.slice/ssh.service\n", Some("ssh.service")),
            ("0::/system.slice/a\u{7}.service", Some("a\u{fffd}.service")),
            ("nonsense\n0:\n::::\n", None),
        ] {
            assert_eq!(unit_of(groups).as_deref(), expected, "{groups}");
        }
        let long = format!("0::/{}.service", "ü".repeat(400));
        assert_eq!(unit_of(&long).unwrap().chars().count(), MAX_UNIT);
    }

    #[test]
    fn a_name_is_made_harmless() {
        assert_eq!(&*clean("nginx\n", MAX_PROCESS), "nginx");
        assert_eq!(&*clean("\u{1b}[31m\nred\n", MAX_PROCESS), "\u{fffd}[31m\u{fffd}red");
        assert_eq!(&*clean("\n", MAX_PROCESS), "\u{fffd}");
        assert_eq!(clean(&"a".repeat(9_999), MAX_PROCESS).len(), MAX_PROCESS);
    }

    /// A process in a folder that is as proc(5) is.
    fn process(proc: &Path, number: u32, comm: &[u8], sockets: &[u64]) {
        let folder = proc.join(number.to_string());
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("fd")).unwrap();
        fs::write(folder.join("comm"), comm).unwrap();
        fs::write(folder.join("cgroup"), "0::/system.slice/test.service\n").unwrap();
        symlink("/dev/null", folder.join("fd/0")).unwrap();
        for (number, inode) in (1..).zip(sockets) {
            symlink(format!("socket:[{inode}]"), folder.join(format!("fd/{number}"))).unwrap();
        }
    }

    #[test]
    fn a_socket_is_whose_it_is_and_soon_whose_it_became() {
        let proc = tempfile::tempdir().unwrap();
        let proc = proc.path();
        fs::create_dir(proc.join("sys")).unwrap();
        process(proc, FIRST, b"systemd\n", &[7, 8]);
        process(proc, 30, b"\xffworker\n", &[7, 9]);
        process(proc, 200, b"master\n", &[7]);
        let mut owners = Owners::new(proc);
        let names = |owners: &Owners| {
            [7, 8, 9, 10].map(|inode| owners.of(inode).map(|owner| owner.process.to_string()))
        };
        let told = |names: [Option<&str>; 4]| names.map(|name| name.map(str::to_owned));
        let all = BTreeSet::from([7, 8, 9, 10]);
        owners.look(&all);
        let worker = Some("\u{fffd}worker");
        assert_eq!(names(&owners), told([worker, Some("systemd"), worker, None]));
        assert_eq!(owners.of(7).unwrap().unit.as_deref(), Some("test.service"));
        assert!(!owners.refused());

        process(proc, 30, b"other\n", &[8, 9]);
        owners.look(&all);
        assert_eq!(names(&owners)[0].as_deref(), worker, "nothing is new, so nobody was looked at");
        for _ in 1..LOOK_AGAIN {
            owners.look(&all);
        }
        let other = Some("other");
        assert_eq!(names(&owners), told([Some("master"), other, other, None]));

        process(proc, 30, b"new\n", &[11]);
        owners.look(&BTreeSet::from([11]));
        assert_eq!(&*owners.of(11).unwrap().process, "new");
        assert_eq!(names(&owners), told([None; 4]), "what is closed is forgotten");
    }
}
