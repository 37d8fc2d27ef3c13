//! Assignment of cores to CPUs, and pinning.

use std::fs;

use core_affinity::CoreId as CpuId;

use crate::config::Cpus;

/// CPUs left to everything but media, where there are enough.
const CPUS_FOR_OTHERS: usize = 2;

/// The CPUs that carry a core each; never empty.
pub(crate) fn choose(wanted: &Cpus) -> Vec<usize> {
    match wanted {
        Cpus::List(list) if !list.is_empty() => list.clone(),
        Cpus::List(_) | Cpus::Auto => automatic(&isolated(), &allowed()),
    }
}

/// Pins the calling thread. `false` when it may not run there.
pub(crate) fn pin(cpu: usize) -> bool {
    core_affinity::set_for_current(CpuId { id: cpu })
}

fn allowed() -> Vec<usize> {
    let mut cpus: Vec<usize> =
        core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|cpu| cpu.id).collect();
    cpus.sort_unstable();
    cpus
}

fn isolated() -> Vec<usize> {
    let text = fs::read_to_string("/sys/devices/system/cpu/isolated").unwrap_or_default();
    parse_list(&text)
}

fn automatic(isolated: &[usize], allowed: &[usize]) -> Vec<usize> {
    if !isolated.is_empty() {
        return isolated.to_vec();
    }
    let count = allowed.len().saturating_sub(CPUS_FOR_OTHERS).max(1);
    let first = allowed.len().saturating_sub(count);
    match allowed.get(first..) {
        Some(last) if !last.is_empty() => last.to_vec(),
        _ => vec![0],
    }
}

/// The kernel's list form: `2-5,8`.
fn parse_list(text: &str) -> Vec<usize> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
            cpus.extend(first..=last);
        }
    }
    cpus
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_boxes_get_one_core_on_their_last_cpu() {
        assert_eq!(automatic(&[], &[0]), [0]);
        assert_eq!(automatic(&[], &[0, 1]), [1]);
        assert_eq!(automatic(&[], &[0, 1, 2]), [2]);
        assert_eq!(automatic(&[], &[0, 1, 2, 3]), [2, 3]);
        assert_eq!(automatic(&[], &[]), [0]);
    }

    #[test]
    fn isolated_cpus_come_first() {
        assert_eq!(automatic(&parse_list("2-3,6\n"), &[0, 1]), [2, 3, 6]);
    }
}
