//! Pages of four bytes that are only an account of what was asked of them.
//!
//! The account is the dumb checker of the heap: it knows the protection of every page, refuses to be
//! written where it is not writable, demands a flush between the last write and the permission to run, and
//! can refuse the n-th request.

use super::{Mapping, MemoryError, POISON, Pages};
use core::ops::Range;
use std::sync::{Arc, Mutex};

/// Bytes of a fake page.
pub(super) const PAGE: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Protection {
    None,
    Write,
    Run,
}

/// A byte as the fake host sees it.
#[derive(Clone, Copy)]
struct Byte {
    value: u8,
    protection: Protection,
    /// Written since the last flush.
    stale: bool,
}

#[derive(Default)]
struct Account {
    log: Vec<String>,
    /// Whether nothing is logged: for long runs.
    quiet: bool,
    /// Mapped regions: base and bytes.
    regions: Vec<(usize, Vec<Byte>)>,
    /// Requests answered so far, and which of them are refused.
    requests: usize,
    refused: Range<usize>,
    next_base: usize,
}

impl Account {
    fn note(&mut self, line: impl FnOnce() -> String) {
        if !self.quiet {
            self.log.push(line());
        }
    }

    fn request(&mut self, call: &'static str, len: usize) -> Result<(), MemoryError> {
        let refuse = self.refused.contains(&self.requests);
        self.requests += 1;
        if refuse {
            self.note(|| format!("{call} refused"));
            return Err(MemoryError::Host { call, to: "test", len, errno: libc::ENOMEM, policy: None });
        }
        Ok(())
    }

    fn bytes(&mut self, base: usize, range: Range<usize>) -> &mut [Byte] {
        let (_, bytes) = self.regions.iter_mut().find(|(b, _)| *b == base).expect("a mapped region");
        &mut bytes[range]
    }

    fn protect(&mut self, base: usize, range: &Range<usize>, protection: Protection) {
        let pages = range.start / PAGE * PAGE..range.end.next_multiple_of(PAGE);
        for byte in self.bytes(base, pages) {
            byte.protection = protection;
        }
    }
}

/// A handle to the account, and the pages themselves.
#[derive(Clone, Default)]
pub(super) struct FakePages(Arc<Mutex<Account>>);

impl FakePages {
    fn with<T>(&self, look: impl FnOnce(&mut Account) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// What was asked since the last time, a line a request.
    pub(super) fn log(&self) -> String {
        self.with(|account| std::mem::take(&mut account.log)).iter().map(|line| format!("{line}\n")).collect()
    }

    /// Keep no log from here on.
    pub(super) fn be_quiet(&self) {
        self.with(|account| account.quiet = true);
    }

    /// Refuse `count` requests after the next `after`.
    pub(super) fn refuse(&self, after: usize, count: usize) {
        self.with(|account| account.refused = account.requests + after..account.requests + after + count);
    }

    /// Requests answered or refused so far.
    pub(super) fn requests(&self) -> usize {
        self.with(|account| account.requests)
    }

    /// The bytes that a processor would run at `address`.
    pub(super) fn run(&self, address: usize, len: usize) -> Vec<u8> {
        self.look(address, len, |b| {
            assert_eq!(b.protection, Protection::Run, "{address:#x} is not executable")
        })
    }

    /// The bytes at `address`, whatever may be done with them.
    pub(super) fn bytes(&self, address: usize, len: usize) -> Vec<u8> {
        self.look(address, len, |_| ())
    }

    fn look(&self, address: usize, len: usize, each: impl Fn(&Byte)) -> Vec<u8> {
        self.with(|account| {
            let (base, bytes) = account
                .regions
                .iter()
                .find(|(base, bytes)| (*base..base + bytes.len()).contains(&address))
                .expect("a mapped address");
            let code = &bytes[address - base..address - base + len];
            code.iter().for_each(each);
            code.iter().map(|b| b.value).collect()
        })
    }

    /// Every accessible byte of every region, with its address.
    pub(super) fn accessible_at(&self) -> Vec<(usize, u8)> {
        self.with(|account| {
            let all = account.regions.iter().flat_map(|(base, bytes)| (*base..).zip(bytes));
            all.filter(|(_, b)| b.protection != Protection::None).map(|(at, b)| (at, b.value)).collect()
        })
    }

    /// Every accessible byte of every region.
    pub(super) fn accessible(&self) -> Vec<u8> {
        self.accessible_at().into_iter().map(|(_, value)| value).collect()
    }

    /// How many regions are mapped.
    pub(super) fn regions(&self) -> usize {
        self.with(|account| account.regions.len())
    }
}

impl Pages for FakePages {
    fn page_size(&self) -> usize {
        PAGE
    }

    fn synchronise(&self) -> bool {
        self.with(|account| account.note(|| "synchronise".to_owned()));
        true
    }

    fn map(&self, len: usize) -> Result<Box<dyn Mapping>, MemoryError> {
        assert!(len.is_multiple_of(PAGE));
        self.with(|account| {
            account.request("map", len)?;
            account.next_base += 0x1000;
            let base = account.next_base;
            account.note(|| format!("map {base:#x} {len}"));
            let fresh = Byte { value: 0, protection: Protection::None, stale: false };
            account.regions.push((base, vec![fresh; len]));
            Ok(Box::new(FakeMapping { pages: self.clone(), base, len }) as Box<dyn Mapping>)
        })
    }
}

struct FakeMapping {
    pages: FakePages,
    base: usize,
    len: usize,
}

impl FakeMapping {
    fn put(&self, range: Range<usize>, what: &str, value: impl Fn(usize) -> u8) {
        self.pages.with(|account| {
            account.note(|| format!("  {what} {range:?}"));
            for (i, byte) in account.bytes(self.base, range.clone()).iter_mut().enumerate() {
                assert_eq!(byte.protection, Protection::Write, "{what} {range:?}, byte {i}");
                *byte = Byte { value: value(i), stale: true, ..*byte };
            }
        });
    }
}

impl Mapping for FakeMapping {
    fn address(&self) -> usize {
        self.base
    }

    fn len(&self) -> usize {
        self.len
    }

    fn begin(&mut self, range: Range<usize>) -> Result<(), MemoryError> {
        self.pages.with(|account| {
            account.request("begin", range.len())?;
            account.note(|| format!("begin {range:?}"));
            account.protect(self.base, &range, Protection::Write);
            Ok(())
        })
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.put(offset..offset + bytes.len(), "write", |i| bytes[i]);
    }

    fn poison(&mut self, range: Range<usize>) {
        self.put(range, "poison", |_| POISON);
    }

    fn flush(&mut self, range: Range<usize>) {
        self.pages.with(|account| {
            account.note(|| format!("  flush {range:?}"));
            for byte in account.bytes(self.base, range) {
                byte.stale = false;
            }
        });
    }

    fn finish(&mut self, range: Range<usize>) -> Result<(), MemoryError> {
        self.pages.with(|account| {
            account.request("finish", range.len())?;
            account.note(|| format!("finish {range:?}"));
            account.protect(self.base, &range, Protection::Run);
            let fresh = account.bytes(self.base, range.clone()).iter().all(|b| !b.stale);
            assert!(fresh, "{range:?} may run before it was flushed");
            Ok(())
        })
    }

    fn read(&self, range: Range<usize>) -> Vec<u8> {
        self.pages.with(|account| account.bytes(self.base, range).iter().map(|b| b.value).collect())
    }
}

impl Drop for FakeMapping {
    fn drop(&mut self) {
        self.pages.with(|account| {
            account.note(|| format!("unmap {:#x}", self.base));
            account.regions.retain(|(base, _)| *base != self.base);
        });
    }
}
