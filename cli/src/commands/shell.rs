//! What a shell and `man` want to know: completions and manual pages.

use std::io::{self, Write};

use anyhow::anyhow;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Arguments;
use crate::failure::Failure;

/// Prints a completion script.
pub(crate) fn completions(shell: Shell, out: &mut impl Write) -> io::Result<()> {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "watershed", &mut script);
    out.write_all(&script)
}

/// Prints the manual page of `watershed`, or of one of its commands.
pub(crate) fn manual(name: Option<&str>, out: &mut impl Write) -> Result<(), Failure> {
    let mut root = Arguments::command();
    root.build();
    let command = match name {
        None => root,
        Some(name) => {
            let found = root.find_subcommand(name).cloned();
            let known =
                || root.get_subcommands().map(|c| c.get_name().to_owned()).collect::<Vec<_>>().join(", ");
            found.ok_or_else(|| {
                Failure::usage(anyhow!("there is no command `{name}`: choose one of {}", known()))
            })?
        }
    };
    clap_mangen::Man::new(command).render(out)?;
    Ok(())
}
