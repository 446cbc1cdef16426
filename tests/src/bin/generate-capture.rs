//! Writes the benchmark's capture: `generate-capture FILE [--packets N] [--concurrent N] [--seed N] [--snap N] [--truth FILE]`.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

use watershed_tests::capture::CaptureWriter;
use watershed_tests::traffic::{TrafficConfig, generate};

const USAGE: &str = "usage: generate-capture FILE [--packets 10000000] [--concurrent 100000] [--seed 1] \
                     [--snap 128] [--truth FILE]";

/// Large enough that system calls cost nothing beside making packets, octets.
const BUFFER: usize = 1 << 20;

struct Arguments {
    capture: String,
    truth: Option<String>,
    traffic: TrafficConfig,
    snap_length: u32,
}

fn main() -> ExitCode {
    match arguments(std::env::args().skip(1)).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("generate-capture: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
    let mut capture = None;
    let mut truth = None;
    let mut traffic = TrafficConfig { packets: 10_000_000, concurrent: 100_000, seed: 1 };
    let mut snap_length = 128;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value; {USAGE}"));
        match word.as_str() {
            "--packets" => traffic.packets = value()?.parse()?,
            "--concurrent" => traffic.concurrent = value()?.parse()?,
            "--seed" => traffic.seed = value()?.parse()?,
            "--snap" => snap_length = value()?.parse()?,
            "--truth" => truth = Some(value()?),
            _ if word.starts_with('-') || capture.is_some() => {
                return Err(format!("unexpected {word:?}; {USAGE}").into());
            }
            _ => capture = Some(word),
        }
    }
    Ok(Arguments { capture: capture.ok_or(USAGE)?, truth, traffic, snap_length })
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let file = BufWriter::with_capacity(BUFFER, File::create(&arguments.capture)?);
    let mut writer = CaptureWriter::new(file, arguments.snap_length)?;
    let truth = generate(arguments.traffic, |time, frame| writer.write(time, frame))?;
    writer.finish()?;

    if let Some(path) = &arguments.truth {
        let mut file = BufWriter::new(File::create(path)?);
        truth.write(&mut file)?;
        file.flush()?;
    }
    let (packets, connections, edges) = (truth.packets, truth.connections, truth.edges.len());
    let concurrent = truth.concurrent;
    writeln!(
        io::stdout(),
        "packets={packets} connections={connections} concurrent={concurrent} edges={edges}"
    )?;
    Ok(())
}
