//! Long random sequences of everything that a heap does, against a list of what must be there.
//!
//! The model knows no regions and no rooms: a map of addresses, with the bytes that stand there. It is driven
//! over fake pages, which check every protection, and over real ones of both strategies.

use super::fake::FakePages;
use super::{Block, CodeHeap, HeapOptions, MemoryError, POISON, Space, Strategy};
use arbtest::arbitrary::{Result, Unstructured};
use std::collections::BTreeMap;

/// Whoever decides what comes next.
trait Random {
    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize;
}

/// xorshift64 (Marsaglia, "Xorshift RNGs", 2003).
struct Xorshift(u64);

impl Random for Xorshift {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }
}

/// A fuzzer decides; at the end of its bytes everything is 0.
impl Random for Unstructured<'_> {
    fn below(&mut self, bound: usize) -> usize {
        self.choose_index(bound).unwrap_or(0)
    }
}

/// What was given out: a space, or a block with its bytes.
enum Held {
    Space(Space),
    Block(Block, Vec<u8>),
}

/// The bytes that stand at an address, so many of them.
type Look<'a> = &'a dyn Fn(usize, usize) -> Vec<u8>;

struct Model<'a, R> {
    heap: CodeHeap,
    random: R,
    /// By address, with the bytes that each may use.
    held: BTreeMap<usize, (usize, Held)>,
    look: Look<'a>,
    /// Longest piece of code.
    longest: usize,
    refusals: usize,
}

impl<R: Random> Model<'_, R> {
    /// The address of something held.
    fn any(&mut self) -> Option<usize> {
        // Above a random address: not even, and good enough.
        let (low, high) = (*self.held.first_key_value()?.0, *self.held.last_key_value()?.0);
        let from = low + self.random.below(high - low + 1);
        self.held.range(from..).next().map(|(at, _)| *at)
    }

    fn step(&mut self) {
        match self.random.below(10) {
            0..=3 => self.place(),
            4..=5 => self.publish(),
            6 => self.replace(),
            _ => {
                if let Some(at) = self.any() {
                    self.held.remove(&at);
                }
            }
        }
    }

    fn place(&mut self) {
        let len = 1 + self.random.below(self.longest);
        let space = match self.heap.place(len) {
            Ok(space) => space,
            Err(error) => return self.refused(&error),
        };
        let at = space.address();
        assert!(at.is_multiple_of(16) && space.region().contains(&at) && space.region().end - at >= len);
        let below = self.held.range(..at).next_back();
        assert!(below.is_none_or(|(other, (len, _))| other + len <= at), "{at:#x} is in what is below");
        let above = self.held.range(at..).next();
        assert!(above.is_none_or(|(other, _)| at + len <= *other), "{at:#x} reaches into what is above");
        assert_eq!((self.look)(at, len), vec![POISON; len], "fresh");
        self.held.insert(at, (len, Held::Space(space)));
    }

    fn publish(&mut self) {
        let Some(at) = self.any() else { return };
        let Some((len, Held::Space(space))) = self.held.remove(&at) else { return };
        let code: Vec<u8> = (0..self.random.below(len + 1)).map(|_| self.random.below(256) as u8).collect();
        match self.heap.publish(space, &code) {
            Ok(block) => {
                assert_eq!((block.address(), block.len()), (at, code.len()));
                check(self.look, at, &code, len);
                self.held.insert(at, (len, Held::Block(block, code)));
            }
            Err(error) => self.refused(&error),
        }
    }

    fn replace(&mut self) {
        let Some(at) = self.any() else { return };
        let wide = self.random.below(2) == 0;
        let (place, value) = (self.random.below(1 << 16), self.random.below(256) as u8);
        let Some((len, Held::Block(block, code))) = self.held.get_mut(&at) else { return };
        let width = if wide { 8 } else { 4 };
        let words = code.len() / width;
        if words == 0 {
            return;
        }
        let offset = place % words * width;
        let done = if wide { block.replace(offset, [value; 8]) } else { block.replace(offset, [value; 4]) };
        let mut after = code.clone();
        after[offset..offset + width].fill(value);
        // Refused before the store or behind it: the word is the old one or the new.
        if done.is_ok() || block.bytes() == after {
            code.copy_from_slice(&after);
        }
        let (code, len) = (code.clone(), *len);
        match done {
            Ok(()) => check(self.look, at, &code, len),
            Err(error) => self.refused(&error),
        }
    }

    fn refused(&mut self, error: &MemoryError) {
        self.refusals += 1;
        assert!(matches!(error, MemoryError::Full { .. } | MemoryError::Host { .. }), "{error}");
    }

    /// Everything held is as it was left.
    fn check_all(&self, look: Look<'_>) {
        for (at, (len, held)) in &self.held {
            match held {
                Held::Space(_) => check(look, *at, &[], *len),
                Held::Block(block, code) => {
                    assert_eq!(block.bytes(), *code);
                    check(look, *at, code, *len);
                }
            }
        }
        let used: usize = self.held.values().map(|(len, _)| len.next_multiple_of(16)).sum();
        assert_eq!(self.heap.stats().used, used);
    }

    /// Whether an address is that of a byte of code.
    fn is_code(&self, address: usize) -> bool {
        let at_or_below = self.held.range(..=address).next_back();
        at_or_below.is_some_and(|(at, (_, held))| match held {
            Held::Space(_) => false,
            Held::Block(_, code) => address - at < code.len(),
        })
    }
}

/// Code stands at `at`, and the rest of its space traps.
fn check(look: Look<'_>, at: usize, code: &[u8], len: usize) {
    let found = look(at, len);
    assert_eq!(found[..code.len()], *code, "at {at:#x}");
    assert!(found[code.len()..].iter().all(|byte| *byte == POISON), "behind the code at {at:#x}");
}

fn model<R: Random>(heap: CodeHeap, random: R, longest: usize, look: Look<'_>) -> Model<'_, R> {
    Model { heap, random, held: BTreeMap::new(), look, longest, refusals: 0 }
}

const SEED: u64 = 0x1234_5678_9abc_def1;

/// So many steps, if there is something to decide them by. Every so many the host refuses a request or two; what it
/// refused is done later. How many requests were refused.
fn over_fake_pages<R: Random>(
    random: R,
    steps: usize,
    refuse_every: usize,
    goes_on: impl Fn(&R) -> bool,
) -> usize {
    let pages = FakePages::default();
    pages.be_quiet();
    let options =
        HeapOptions { region_size: 256, step: 64, limit: 2048, ..HeapOptions::new(Strategy::ProtectFlip) };
    let heap = CodeHeap::on(Box::new(pages.clone()), options);
    let look = |at: usize, len: usize| pages.bytes(at, len);
    let run = |at: usize, len: usize| pages.run(at, len);
    let mut model = model(heap, random, 70, &look);
    for step in 0..steps {
        let last = !goes_on(&model.random);
        if step % refuse_every == 0 {
            pages.refuse(model.random.below(6), model.random.below(3));
        }
        model.step();
        if step % (5 * refuse_every) == 0 || last {
            pages.refuse(0, 0);
            // Any request has everything done that was refused: all code can run again.
            drop(model.heap.place(1));
            model.check_all(&run);
            let stray =
                pages.accessible_at().into_iter().find(|&(at, byte)| byte != POISON && !model.is_code(at));
            assert_eq!(stray, None, "a byte that is no code does not trap");
        }
        if last {
            break;
        }
    }
    model.held.clear();
    assert_eq!(model.heap.stats().used, 0);
    model.refusals
}

/// As many steps as there are bytes for; also a fuzz target.
pub(super) fn one_life(u: &mut Unstructured<'_>) -> Result<()> {
    let bytes = u.bytes(u.len())?;
    over_fake_pages(Unstructured::new(bytes), bytes.len(), 20, |u| !u.is_empty());
    Ok(())
}

#[test]
fn any_life_over_fake_pages() {
    arbtest::arbtest(one_life).budget_ms(1_000);
}

#[test]
fn millions_of_steps_over_fake_pages() {
    let refusals = over_fake_pages(Xorshift(SEED), 2_000_000, 500, |_| true);
    assert!(refusals > 1000, "{refusals} refusals");
}

/// Fifty thousand steps over the pages of this machine, a hundred functions a page.
#[cfg(target_os = "linux")]
#[test]
fn thousands_of_steps_over_real_pages() {
    for strategy in [Strategy::DualMapping, Strategy::ProtectFlip] {
        let options = HeapOptions {
            region_size: 32 << 10,
            step: 4 << 10,
            limit: 256 << 10,
            other_threads: false,
            ..HeapOptions::new(strategy)
        };
        let heap = CodeHeap::with(options).expect("Linux on x86-64");
        // As another process would see it, and as a processor does.
        let memory = std::fs::File::open("/proc/self/mem").expect("Linux");
        let look = |at: usize, len: usize| {
            use std::os::unix::fs::FileExt;
            let mut bytes = vec![0; len];
            memory.read_exact_at(&mut bytes, at as u64).expect("mapped memory");
            bytes
        };
        let mut model = model(heap, Xorshift(SEED), 300, &look);
        for step in 0..50_000 {
            model.step();
            if step % 2500 == 0 {
                model.check_all(&look);
            }
        }
        assert!(model.held.len() > 20, "{} held", model.held.len());
        model.held.clear();
        assert_eq!(model.heap.stats().used, 0);
    }
}
