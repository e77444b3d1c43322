//! Regions, the rooms in them, and the one door through which their bytes change.

use super::MemoryError;
use super::observer::{Event, Observer};
use super::pages::{self, Pages, Strategy};
use super::region::{Growth, Place, Region};
use super::rooms::GRANULE;
use core::any::Any;
use core::fmt;
use core::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// What stands for a region as long as it is mapped: dropped just before it is unmapped.
pub type RegionGuard = Box<dyn Any + Send>;

/// Something that lives as long as the code that refers to it: until the last handle to the code is dropped.
pub type Keep = Arc<dyn Any + Send + Sync>;

/// Told of a region: its address and its length in bytes.
type RegionHook = Box<dyn FnMut(usize, usize) -> RegionGuard + Send>;

/// Of what a heap keeps one hook. A client's names are apart from ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Purpose {
    Client(&'static str),
    Unwinding,
}

/// How a heap takes memory from the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeapOptions {
    /// How W^X is kept.
    pub strategy: Strategy,
    /// Bytes of address space in a region, rounded up to pages. Code in one region reaches all of it by
    /// rel32, so it has at most 1 GiB. What is reserved costs nothing; 16 MiB unless said otherwise.
    pub region_size: usize,
    /// Bytes that are made accessible and poisoned at a time, rounded up to pages; 16 KiB unless said
    /// otherwise: the first block of a heap waits for a step, and larger ones save little.
    pub step: usize,
    /// The most bytes that may be accessible in all; no bound unless said otherwise. At the bound
    /// [`CodeHeap::place`] returns [`MemoryError::Full`], and all that was published stays as it is.
    pub limit: usize,
    /// Whether threads run code of this heap that did not publish it: then each publication and each patch
    /// ends with [`Pages::synchronise`], as the manuals want it. `true` unless said otherwise.
    pub other_threads: bool,
}

impl HeapOptions {
    /// The defaults under a strategy.
    #[must_use]
    pub const fn new(strategy: Strategy) -> HeapOptions {
        HeapOptions {
            strategy,
            region_size: 16 << 20,
            step: 16 << 10,
            limit: usize::MAX,
            other_threads: true,
        }
    }

    /// The defaults under the best strategy that the host allows: the dual mapping, else the flip. It is
    /// found out by trying, here and once.
    ///
    /// # Errors
    /// Why neither works.
    pub fn probe() -> Result<HeapOptions, MemoryError> {
        Ok(HeapOptions::new(pages::probe()?))
    }
}

/// Bytes of a heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HeapStats {
    /// Address space of its regions.
    pub reserved: usize,
    /// Of that, made accessible so far: what counts as memory.
    pub mapped: usize,
    /// Given out as spaces and blocks, rounded up to granules of 16.
    pub used: usize,
    /// Not given out: `reserved - used`.
    pub free: usize,
    /// How many regions there are.
    pub regions: usize,
}

/// The longest piece of code: a rel32 displacement crosses it either way.
const LONGEST: usize = 1 << 30;

/// A heap of code memory; a handle to it. Handles may be used from any thread.
#[derive(Clone)]
pub struct CodeHeap {
    shared: Arc<Mutex<Heap>>,
}

impl CodeHeap {
    /// An empty heap with the default sizes.
    ///
    /// # Errors
    /// [`MemoryError::Unsupported`] where the strategy, or all of this, does not exist.
    pub fn new(strategy: Strategy) -> Result<CodeHeap, MemoryError> {
        CodeHeap::with(HeapOptions::new(strategy))
    }

    /// An empty heap. Nothing is mapped before the first space is placed.
    ///
    /// # Errors
    /// As [`CodeHeap::new`].
    pub fn with(options: HeapOptions) -> Result<CodeHeap, MemoryError> {
        Ok(CodeHeap::on(pages::open(options.strategy)?, options))
    }

    /// An empty heap with the options of [`HeapOptions::probe`].
    ///
    /// No unwinder knows the code of a heap by itself: a panic that reaches it from Rust code that it calls ends the
    /// process ("failed to initiate panic, error 5"). A `transition::Gate` of the heap has unwinders know bodies that
    /// keep the frame convention, and a `transition::CHeap` the functions of `abi`; what else calls Rust must call
    /// functions from which no panic gets out.
    ///
    /// # Errors
    /// Why no strategy works.
    pub fn probe() -> Result<CodeHeap, MemoryError> {
        CodeHeap::with(HeapOptions::probe()?)
    }

    /// A heap over pages of the caller's own.
    ///
    /// # Safety
    /// The heap's promises are those of its pages. Each mapping is memory of this process at the addresses that it
    /// says, which nobody else has and nobody else has told an unwinder of, until it is dropped; its bytes change as
    /// [`Mapping`](super::Mapping) says, and not otherwise. Where they are not (in a test), no code of the heap is run,
    /// and no [`Gate`](crate::transition::Gate) is made for it.
    ///
    /// ```compile_fail,E0133
    /// use jit_runtime::memory::{CodeHeap, HeapOptions, Pages};
    ///
    /// fn heap(pages: Box<dyn Pages>, options: HeapOptions) -> CodeHeap {
    ///     CodeHeap::over(pages, options) // error: call to unsafe function
    /// }
    /// ```
    #[must_use]
    #[allow(unsafe_code)] // a promise is asked for here; nothing in this file is unsafe to do
    pub unsafe fn over(pages: Box<dyn Pages>, options: HeapOptions) -> CodeHeap {
        CodeHeap::on(pages, options)
    }

    /// The same without a promise: of pages of ours, or where no code is run.
    pub(super) fn on(pages: Box<dyn Pages>, options: HeapOptions) -> CodeHeap {
        let (regions, hooks, observers) = (vec![], vec![], vec![]);
        let heap = Heap { pages, options, regions, hooks, observers, next_id: 0 };
        CodeHeap { shared: Arc::new(Mutex::new(heap)) }
    }

    /// An empty heap whose code is told to the observers that this one has now.
    ///
    /// # Errors
    /// As [`CodeHeap::new`].
    pub fn apart(&self, options: HeapOptions) -> Result<CodeHeap, MemoryError> {
        let apart = CodeHeap::with(options)?;
        apart.lock().observers.clone_from(&self.lock().observers);
        Ok(apart)
    }

    /// Which strategy keeps W^X.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.lock().options.strategy
    }

    /// Whether there are other handles to it: clones, and whatever code and room was had of it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.shared) > 1
    }

    /// Room for `len` bytes of code, 16-aligned, at an address that is known from now on. It holds
    /// [`POISON`](super::POISON); dropping it gives the room back.
    ///
    /// # Errors
    /// The host's refusal of more memory, [`MemoryError::Full`] at the heap's own limit, or a `len` that no
    /// region can hold.
    pub fn place(&self, len: usize) -> Result<Space, MemoryError> {
        let (place, region) = self.lock().place(len)?;
        Ok(Space { room: Room { heap: self.clone(), place, published: None }, region, len })
    }

    /// Put code into its space and make it executable. The rest of the space stays poison.
    ///
    /// When this returns, any thread that learns of the address may run the code: with
    /// [`HeapOptions::other_threads`], all of them have serialised since it was written. Under
    /// [`Strategy::ProtectFlip`] no other thread may be running code of this heap meanwhile: it could be in a
    /// page that is being written.
    ///
    /// # Errors
    /// [`MemoryError::DoesNotFit`], [`MemoryError::OtherHeap`], [`MemoryError::Forked`] or the host's refusal.
    /// The space is given back then.
    pub fn publish(&self, space: Space, code: &[u8]) -> Result<Block, MemoryError> {
        self.publish_about(space, code, vec![], || Box::new(()))
    }

    /// [`CodeHeap::publish`], with what is to live as long as the code, and what observers are to be told of it: asked for
    /// only where there is one.
    pub(crate) fn publish_about(
        &self,
        mut space: Space,
        code: &[u8],
        kept: Vec<AssertUnwindSafe<Keep>>,
        about: impl FnOnce() -> Box<dyn Any>,
    ) -> Result<Block, MemoryError> {
        if !Arc::ptr_eq(&self.shared, &space.room.heap.shared) {
            return Err(MemoryError::OtherHeap);
        }
        if code.len() > space.len {
            return Err(MemoryError::DoesNotFit { code: code.len(), space: space.len });
        }
        let Place { id, range, address } = space.room.place.clone();
        let mut heap = self.lock();
        heap.change(id, range.start, code)?;
        // From here on its room holds code, and whoever is told of it is told of its end, also if one panics.
        space.room.published = Some(code.len());
        if !heap.observers.is_empty() {
            heap.tell(&Event::Published { address, bytes: code, about: &*about() });
        }
        drop(heap);
        Ok(Block { code: Arc::new(Code { room: space.room, address, len: code.len(), _kept: kept.into() }) })
    }

    /// Have `hook` told of every region: of those that are mapped, now, and of each new one before
    /// anything is placed in it. What it returns is dropped just before that region is unmapped.
    /// Unwinders and debuggers learn of code this way.
    ///
    /// A heap keeps one hook of a `name`: of a second, nothing is kept, and the answer is `false`. No name is taken
    /// already: hooks of this crate have none.
    ///
    /// The hook, and the drop of what it returns, must not use this heap.
    pub fn on_region(
        &self,
        name: &'static str,
        hook: impl FnMut(usize, usize) -> RegionGuard + Send + 'static,
    ) -> bool {
        self.lock().keep_hook(Purpose::Client(name), Box::new(hook))
    }

    /// The same for the hook that tells the unwinder. `false`: it is told already.
    pub(crate) fn tell_unwinder(
        &self,
        hook: impl FnMut(usize, usize) -> RegionGuard + Send + 'static,
    ) -> bool {
        self.lock().keep_hook(Purpose::Unwinding, Box::new(hook))
    }

    /// Have `observer` told of everything that happens to code of this heap from now on. It is also returned, to
    /// be looked at. Whoever holds its lock uses no heap that tells it meanwhile, not for its statistics either, and
    /// neither drops code nor waits: another thread that publishes has the heap and waits for the observer.
    pub fn observe<O: Observer + 'static>(&self, observer: O) -> Arc<Mutex<O>> {
        let observer = Arc::new(Mutex::new(observer));
        self.lock().observers.push(observer.clone());
        observer
    }

    /// Whether there is an observer.
    pub(crate) fn is_observed(&self) -> bool {
        !self.lock().observers.is_empty()
    }

    /// Tell observers something that happened to the code at `address`, such as that it was replaced.
    pub fn note(&self, address: usize, note: &'static str) {
        self.lock().tell(&Event::Noted { address, note });
    }

    /// Tell observers the unwind record of the code at `address`, which does not keep the frame convention.
    pub fn describe(&self, address: usize, record: &[u8]) {
        self.lock().tell(&Event::Described { address, record });
    }

    /// How many bytes stand for what.
    #[must_use]
    pub fn stats(&self) -> HeapStats {
        self.lock().stats()
    }

    /// The heap itself. A panic under the lock can only come from a hook, which runs where the heap is
    /// consistent, so the mark that it leaves means nothing.
    fn lock(&self) -> MutexGuard<'_, Heap> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wherever it is printed, nobody waits: a heap that is locked says so. What holds a handle of one prints it too.
impl fmt::Debug for CodeHeap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heap = match self.shared.try_lock() {
            Ok(heap) => heap,
            Err(TryLockError::Poisoned(heap)) => heap.into_inner(),
            Err(TryLockError::WouldBlock) => return f.write_str("CodeHeap(locked)"),
        };
        write!(f, "CodeHeap({}, {:?})", heap.options.strategy, heap.stats())
    }
}

/// Room for code that is not written yet.
#[derive(Debug)]
pub struct Space {
    room: Room,
    region: Range<usize>,
    len: usize,
}

impl Space {
    /// Where the first byte will run, 16-aligned.
    #[must_use]
    pub fn address(&self) -> usize {
        self.room.place.address
    }

    /// How many bytes were asked for.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // a space is never empty in any sense that matters
    pub fn len(&self) -> usize {
        self.len
    }

    /// The addresses of the region it is in: all of them are in reach of rel32.
    #[must_use]
    pub fn region(&self) -> Range<usize> {
        self.region.clone()
    }
}

/// Published code; a handle to it. Dropping the last handle poisons the code and frees its room, so
/// whoever may still run it keeps a handle.
#[derive(Clone, Debug)]
pub struct Block {
    code: Arc<Code>,
}

impl Block {
    /// Where the first byte runs, 16-aligned.
    #[must_use]
    pub fn address(&self) -> usize {
        self.code.address
    }

    /// Bytes of code.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // nobody asks an address range whether it is empty
    pub fn len(&self) -> usize {
        self.code.len
    }

    /// The addresses of its bytes.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.address()..self.address() + self.len()
    }

    /// Whether `address` is that of one of its bytes.
    #[must_use]
    pub fn contains(&self, address: usize) -> bool {
        self.range().contains(&address)
    }

    /// Replace an aligned word of four or eight bytes by one store: a thread that runs or reads it meanwhile
    /// sees the old value or the new. Not for clients: only patch points and their targets are ever replaced
    /// in code that can be reached ([`crate::stitch::Code::retarget`]).
    ///
    /// # Errors
    /// The host's refusal, or [`MemoryError::Forked`].
    ///
    /// # Panics
    /// If that is not what it is: a defect of the assembler, which says where patch points are.
    pub(crate) fn replace<const N: usize>(&self, offset: usize, word: [u8; N]) -> Result<(), MemoryError> {
        const { assert!(N == 4 || N == 8) };
        assert!(offset.is_multiple_of(N) && offset + N <= self.len(), "a word at {offset} of {}", self.len());
        let Place { id, range, .. } = &self.code.room.place;
        let mut heap = self.code.room.heap.lock();
        heap.change(*id, range.start + offset, &word)?;
        heap.tell(&Event::Patched { address: self.address() + offset, bytes: &word });
        Ok(())
    }

    /// A copy of its bytes as they are now. In a child of fork that does not have them, [`POISON`](super::POISON).
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let Place { id, range, .. } = &self.code.room.place;
        self.code.room.heap.lock().region(*id).mapping.read(range.start..range.start + self.len())
    }
}

/// A room that was taken, given back when this is dropped.
#[derive(Debug)]
struct Room {
    heap: CodeHeap,
    place: Place,
    /// Bytes of code, if it was published.
    published: Option<usize>,
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut heap = self.heap.lock();
        // Whatever an observer does, the room is free.
        let told = self.published.map_or(Ok(()), |len| {
            let event = Event::Freed { address: self.place.address, len };
            catch_unwind(AssertUnwindSafe(|| heap.tell(&event)))
        });
        let unmapped = heap.free(self.place.id, &self.place.range);
        // The region is unmapped after the lock is released: its guards are code of others.
        drop(heap);
        drop(unmapped);
        // A second panic at a time would end the process.
        if let Err(panic) = told
            && !std::thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

/// The code of a block: a room, of which `len` bytes are code.
#[derive(Debug)]
struct Code {
    room: Room,
    address: usize,
    len: usize,
    /// Dropped behind the room, and until then looked at by nobody: a panic finds it as it was.
    _kept: Box<[AssertUnwindSafe<Keep>]>,
}

/// What the handles share.
struct Heap {
    pages: Box<dyn Pages>,
    options: HeapOptions,
    regions: Vec<Region>,
    hooks: Vec<(Purpose, RegionHook)>,
    observers: Vec<Arc<Mutex<dyn Observer>>>,
    next_id: u64,
}

impl Heap {
    fn tell(&self, event: &Event<'_>) {
        for observer in &self.observers {
            // What a panic left behind is the observer's affair.
            observer.lock().unwrap_or_else(PoisonError::into_inner).event(event);
        }
    }

    fn region(&mut self, id: u64) -> &mut Region {
        self.regions.iter_mut().find(|r| r.id == id).expect("a region is kept while a room of it is taken")
    }

    fn stats(&self) -> HeapStats {
        let mut stats = HeapStats { regions: self.regions.len(), ..HeapStats::default() };
        for region in &self.regions {
            stats.reserved += region.mapping.len();
            stats.mapped += region.grown;
            stats.free += region.rooms.bytes();
        }
        stats.used = stats.reserved - stats.free;
        stats
    }

    /// Tell a hook of every region, now and later, unless there is one for this purpose.
    fn keep_hook(&mut self, purpose: Purpose, mut hook: RegionHook) -> bool {
        if self.hooks.iter().any(|(known, _)| *known == purpose) {
            return false;
        }
        for region in &mut self.regions {
            region.guards.push(hook(region.mapping.address(), region.mapping.len()));
        }
        self.hooks.push((purpose, hook));
        true
    }

    fn place(&mut self, len: usize) -> Result<(Place, Range<usize>), MemoryError> {
        if len > LONGEST {
            return Err(MemoryError::TooLarge { len, most: LONGEST });
        }
        let room = len.max(1).next_multiple_of(GRANULE);
        self.regions.iter_mut().for_each(Region::settle);
        let growth = self.growth(len);
        // What one region is refused another may do without, where a room is free.
        let mut refusal = None;
        for region in &mut self.regions {
            match region.place(room, &growth) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        growth.check(room.next_multiple_of(self.pages.page_size()))?;
        let region = self.map(room)?;
        Ok(region.place(room, &growth)?.expect("a new region is as large as the room"))
    }

    /// The door: bytes of accessible pages change here, when rooms are given back, and nowhere else.
    fn change(&mut self, id: u64, offset: usize, bytes: &[u8]) -> Result<(), MemoryError> {
        self.region(id).change(offset, bytes)?;
        if self.options.other_threads {
            self.pages.synchronise();
        }
        Ok(())
    }

    /// How regions may grow for a space of `len` bytes.
    fn growth(&self, len: usize) -> Growth {
        let mapped = self.regions.iter().map(|region| region.grown).sum();
        let (page, limit) = (self.pages.page_size(), self.options.limit);
        Growth { page, step: self.step(), limit, mapped, len }
    }

    /// Bytes to grow by: whole pages.
    fn step(&self) -> usize {
        self.options.step.clamp(1, LONGEST).next_multiple_of(self.pages.page_size())
    }

    /// A new region of the usual size, or as large as `room` when that is more.
    fn map(&mut self, room: usize) -> Result<&mut Region, MemoryError> {
        let len = self.options.region_size.min(LONGEST).max(room).next_multiple_of(self.pages.page_size());
        let mapping = self.pages.map(len)?;
        let guards = self.hooks.iter_mut().map(|(_, hook)| hook(mapping.address(), mapping.len())).collect();
        let id = self.next_id;
        self.next_id += 1;
        self.regions.push(Region::new(id, mapping, guards));
        Ok(self.regions.last_mut().expect("just pushed"))
    }

    /// Free a room. The region is returned, to be unmapped, when it is empty and not the last.
    fn free(&mut self, id: u64, range: &Range<usize>) -> Option<Region> {
        let last = self.regions.len() == 1;
        let region = self.region(id);
        region.give_back(range.clone());
        if last || !region.rooms.is_whole(region.mapping.len()) {
            return None;
        }
        let at = self.regions.iter().position(|r| r.id == id)?;
        Some(self.regions.swap_remove(at))
    }
}
