//! What the system says about this process, under the names that Prometheus's own clients use.

use std::fs;

/// Processor time is counted in hundredths of a second for programs, whatever the kernel uses inside (`proc(5)`).
const TICKS: f64 = 100.0;

/// In Prometheus's text format. What the system does not tell is left out.
pub(super) fn metrics() -> String {
    let mut text = String::new();
    let mut tell = |name: &str, kind: &str, value: Option<f64>| {
        if let Some(value) = value {
            text.push_str(&format!("# TYPE {name} {kind}\n{name} {value}\n"));
        }
    };
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    tell("process_resident_memory_bytes", "gauge", kilobytes(&status, "VmRSS:"));
    tell("process_virtual_memory_bytes", "gauge", kilobytes(&status, "VmSize:"));
    tell("process_threads", "gauge", field(&status, "Threads:"));
    tell("process_cpu_seconds_total", "counter", processor_time(&stat));
    tell("ticketing_processors", "gauge", processors());
    tell("process_open_fds", "gauge", open_files());
    tell("process_max_fds", "gauge", field(&limits, "Max open files"));
    text
}

/// The first number after this name.
fn field(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

fn kilobytes(text: &str, name: &str) -> Option<f64> {
    field(text, name).map(|kilobytes| kilobytes * 1024.0)
}

/// In the kernel and outside, the fields 14 and 15; the second one, the program's name, may hold spaces.
fn processor_time(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / TICKS)
}

/// How many processors there are for this process: of the machine, or of its share.
#[allow(clippy::cast_precision_loss, reason = "a count of processors")]
fn processors() -> Option<f64> {
    Some(std::thread::available_parallelism().ok()?.get() as f64)
}

#[allow(clippy::cast_precision_loss, reason = "a count of files")]
fn open_files() -> Option<f64> {
    // One of them is the folder that is being read.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_process_are_found() {
        let stat = "4711 (a (strange) name) S 1 4711 4711 0 -1 4194304 900 0 0 0 1234 66 0 0 20 0 9 0 100 200 300";
        assert_eq!(processor_time(stat), Some(13.0));
        let status = "Name:\tticketing\nVmSize:\t  2048 kB\nVmRSS:\t  1024 kB\nThreads:\t9\n";
        assert_eq!(kilobytes(status, "VmRSS:"), Some(1_048_576.0));
        assert_eq!(field(status, "Threads:"), Some(9.0));
        assert_eq!(
            field("Max open files            1024                 524288               files", "Max open files"),
            Some(1024.0)
        );
        assert_eq!((field(status, "VmSwap:"), processor_time("")), (None, None));
        for name in ["process_resident_memory_bytes ", "process_cpu_seconds_total ", "process_open_fds "] {
            assert!(metrics().contains(name), "{}", metrics());
        }
    }
}
