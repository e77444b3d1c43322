//! What on this host forbids code memory, to be named in errors.
//!
//! A refused system call leaves a number, and five mechanisms give the same two. Which of them are in force
//! is in `/proc` and `/sys`; it is read when a call was refused, and the first that explains it is named.
#![cfg_attr(not(unix), allow(dead_code))] // nothing is refused where nothing is asked

#[cfg(unix)]
use super::host;
use core::fmt;

/// What forbids a request about code memory, or limits it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Policy {
    /// The sysctl `vm.memfd_noexec` is 2: no memory file may be executable.
    MemfdNoexec,
    /// `prctl(PR_SET_MDWE)` is on: nothing becomes executable that was not when it was mapped.
    DenyWriteExecute,
    /// A seccomp filter is on the process.
    Seccomp,
    /// SELinux is enforcing.
    Selinux,
    /// `RLIMIT_AS`: a bound on address space.
    AddressSpace {
        /// Bytes.
        limit: usize,
    },
    /// `RLIMIT_DATA`: a bound on private writable memory.
    DataSize {
        /// Bytes.
        limit: usize,
    },
    /// The sysctl `vm.max_map_count`: a bound on the number of mappings.
    MappingCount {
        /// How many there may be.
        limit: usize,
    },
    /// The sysctl `vm.overcommit_memory` is 2: no more memory is promised than there is.
    Overcommit,
}

impl Policy {
    /// What explains that `call` was refused with `errno`, if something does.
    #[cfg(unix)]
    pub(super) fn behind(call: &str, errno: i32) -> Option<Policy> {
        let look = |file: &str| std::fs::read_to_string(file).ok();
        Policy::explain(call, errno, look, host::denies_write_execute)
    }

    fn explain(
        call: &str,
        errno: i32,
        look: impl Fn(&str) -> Option<String>,
        denies_write_execute: impl Fn() -> bool,
    ) -> Option<Policy> {
        let number = |file: &str| look(file)?.trim().parse::<usize>().ok();
        let field = |file: &str, name: &str| {
            let text = look(file)?;
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next().map(str::to_owned)
        };
        let limit = |name: &str| field("/proc/self/limits", name)?.parse::<usize>().ok();
        match errno {
            libc::EACCES | libc::EPERM => match () {
                () if call == "memfd_create" && number("/proc/sys/vm/memfd_noexec") == Some(2) => {
                    Some(Policy::MemfdNoexec)
                }
                () if call != "memfd_create" && denies_write_execute() => Some(Policy::DenyWriteExecute),
                () if field("/proc/thread-self/status", "Seccomp:").is_some_and(|mode| mode != "0") => {
                    Some(Policy::Seccomp)
                }
                () if number("/sys/fs/selinux/enforce") == Some(1) => Some(Policy::Selinux),
                () => None,
            },
            libc::ENOMEM => {
                let maps = || look("/proc/self/maps").map_or(0, |text| text.lines().count());
                let most = number("/proc/sys/vm/max_map_count");
                // A call may need three mappings more than there are.
                if let Some(limit) = most.filter(|&most| maps() + 3 > most) {
                    return Some(Policy::MappingCount { limit });
                }
                if let Some(limit) = limit("Max address space").filter(|_| call != "mprotect") {
                    return Some(Policy::AddressSpace { limit });
                }
                if let Some(limit) = limit("Max data size") {
                    return Some(Policy::DataSize { limit });
                }
                (number("/proc/sys/vm/overcommit_memory") == Some(2)).then_some(Policy::Overcommit)
            }
            _ => None,
        }
    }

    /// What whoever runs the program can do.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Policy::MemfdNoexec => {
                "set it to 0 or 1, or use `Strategy::ProtectFlip`, which needs no memory file \
                 (`CodeHeap::probe` finds out)"
            }
            Policy::DenyWriteExecute => {
                "start the process without it (for a service of systemd: MemoryDenyWriteExecute=no)"
            }
            Policy::Seccomp => {
                "let the filter pass memfd_create, membarrier, and mmap and mprotect with PROT_EXEC (for a \
                 service of systemd: MemoryDenyWriteExecute=no)"
            }
            Policy::Selinux => {
                "let the domain of the process execute memory files, or have `execmem` for \
                 `Strategy::ProtectFlip` (`setsebool deny_execmem off`; `ausearch -m avc` shows the denial)"
            }
            Policy::AddressSpace { .. } => "raise it, make `HeapOptions::region_size` smaller, or drop code",
            Policy::DataSize { .. } => "raise it, use `Strategy::DualMapping`, or drop code",
            Policy::MappingCount { .. } => "raise it, make `HeapOptions::region_size` larger, or drop code",
            Policy::Overcommit => "make `HeapOptions::region_size` smaller, or drop code",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::MemfdNoexec => f.write_str("the sysctl vm.memfd_noexec is 2"),
            Policy::DenyWriteExecute => f.write_str("the process denies itself new code (prctl PR_SET_MDWE)"),
            Policy::Seccomp => f.write_str("a seccomp filter is on the process"),
            Policy::Selinux => f.write_str("SELinux is enforcing"),
            Policy::AddressSpace { limit } => write!(f, "RLIMIT_AS is {limit} bytes"),
            Policy::DataSize { limit } => write!(f, "RLIMIT_DATA is {limit} bytes"),
            Policy::MappingCount { limit } => write!(f, "the sysctl vm.max_map_count is {limit}"),
            Policy::Overcommit => f.write_str("the sysctl vm.overcommit_memory is 2"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libc::{EACCES, EINVAL, ENOMEM, EPERM};

    /// A host on which files say this.
    fn host(files: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        |file| files.iter().find(|(name, _)| *name == file).map(|(_, text)| (*text).to_owned())
    }

    #[test]
    fn the_policy_in_force_is_named() {
        const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
                              Max data size             unlimited            unlimited            bytes     \n\
                              Max address space         1048576              unlimited            bytes     \n";
        const STATUS: &str = "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        let noexec = host(&[("/proc/sys/vm/memfd_noexec", "2\n"), ("/proc/thread-self/status", STATUS)]);
        let explain = |call, errno| Policy::explain(call, errno, &noexec, || false);
        assert_eq!(explain("memfd_create", EACCES), Some(Policy::MemfdNoexec));
        assert_eq!(explain("mprotect", EACCES), Some(Policy::Seccomp));
        assert_eq!(explain("mprotect", EINVAL), None);
        assert_eq!(Policy::explain("mprotect", EACCES, &noexec, || true), Some(Policy::DenyWriteExecute));
        let selinux = host(&[("/sys/fs/selinux/enforce", "1")]);
        assert_eq!(Policy::explain("mmap", EPERM, selinux, || false), Some(Policy::Selinux));
        let permissive =
            host(&[("/sys/fs/selinux/enforce", "0"), ("/proc/thread-self/status", "Seccomp:\t0\n")]);
        assert_eq!(Policy::explain("mmap", EPERM, permissive, || false), None);

        let limits = host(&[("/proc/self/limits", LIMITS), ("/proc/sys/vm/max_map_count", "65530\n")]);
        let explain = |call| Policy::explain(call, ENOMEM, &limits, || false);
        assert_eq!(explain("mmap"), Some(Policy::AddressSpace { limit: 1 << 20 }));
        assert_eq!(explain("mprotect"), None, "it takes no address space");
        let crowded = host(&[("/proc/sys/vm/max_map_count", "4"), ("/proc/self/maps", "a\nb\nc\n")]);
        assert_eq!(
            Policy::explain("mprotect", ENOMEM, crowded, || false),
            Some(Policy::MappingCount { limit: 4 })
        );
        let careful = host(&[("/proc/sys/vm/overcommit_memory", "2\n")]);
        assert_eq!(Policy::explain("mprotect", ENOMEM, careful, || false), Some(Policy::Overcommit));
        let data = host(&[("/proc/self/limits", "Max data size             4096                 4096\n")]);
        assert_eq!(
            Policy::explain("mprotect", ENOMEM, data, || false),
            Some(Policy::DataSize { limit: 4096 })
        );
    }
}
