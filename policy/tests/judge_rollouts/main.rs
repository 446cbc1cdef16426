//! Steps of roll-outs put to independent judges: the kernel's nftables, Cyclonus' model of NetworkPolicy, and Cilium's own
//! policy engine. Whatever steps are in force, what was seen passes; what goes to those who have a step and was never
//! seen is denied, as far as rules at that level say; and who has none is left as it was.

mod addresses;
#[path = "../judges/cilium.rs"]
mod agent;
mod cluster;
mod estate;
#[path = "../judges/mod.rs"]
mod judges;
#[path = "../kernel/mod.rs"]
mod kernel;
mod likeness;
#[path = "../judges/networkpolicy.rs"]
mod networkpolicy;
mod nftables;
mod policies;
#[path = "../kernel/shell.rs"]
mod shell;
