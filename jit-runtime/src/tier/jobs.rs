//! Compiling on other threads.
//!
//! **Problem.** Compiling takes longer than the code that waits for it would have run, and it wants to look at what the
//! VM changes all the time.
//!
//! **Idea.** A job owns a *snapshot* of all that it looks at, so that it needs no lock and nobody waits for it. The VM
//! polls for results at its safepoints, where only it may install. What the snapshot took for granted goes along as
//! premises ([`super::Assumption`]), and a result that was overtaken by a change of one is dropped instead of
//! installed.
//!
//! **Invariants.** A job ends in exactly one way: its result is ready, or it was overtaken, it panicked, or it was
//! cancelled. The counters say which; those of a queue that has nothing pending add up. No more than `capacity`
//! jobs are pending, results that wait to be fetched included, so a VM that stops polling does not fill memory.
//! When the queue is dropped no thread is left, also if a snapshot panics when it is dropped. Only a worker that drops
//! the queue itself, in a job, ends behind that job.
//!
//! **Cost.** To submit is a lock that a worker holds for a few instructions; to poll in vain is one look at a channel.

use super::assumption::{Assumptions, Outdated, Premise};
use crate::transition::Safepoint;
use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// The name of a job.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(u64);

/// How many jobs ended how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JobStats {
    /// Jobs that were taken.
    pub submitted: u64,
    /// Jobs that were not, because too many were pending.
    pub refused: u64,
    /// Results that were handed out.
    pub ready: u64,
    /// Results that were dropped, because a premise had changed.
    pub overtaken: u64,
    /// Jobs that panicked.
    pub panicked: u64,
    /// Jobs that were cancelled, by name or with the queue.
    pub cancelled: u64,
}

/// A job that was not taken, because as many are pending as the queue may have.
pub struct Refused<S> {
    /// What was submitted.
    pub snapshot: S,
    /// How many jobs may be pending.
    pub capacity: usize,
}

impl<S> fmt::Debug for Refused<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

impl<S> fmt::Display for Refused<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} jobs are pending, the most of this queue; fetch results, or try later", self.capacity)
    }
}

impl<S> std::error::Error for Refused<S> {}

/// Why a job has no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum JobError {
    /// What it took for granted changed before its result was fetched.
    Overtaken(Outdated),
    /// It panicked, with this.
    Panicked(Box<dyn Any + Send>),
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::Overtaken(outdated) => write!(f, "the job was overtaken: {outdated}"),
            JobError::Panicked(payload) => {
                let text = payload.downcast_ref::<&str>().copied();
                let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
                write!(f, "the job panicked: {}", text.unwrap_or("with a value that is no text"))
            }
        }
    }
}

impl std::error::Error for JobError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            JobError::Overtaken(outdated) => Some(outdated),
            JobError::Panicked(_) => None,
        }
    }
}

/// A job that has ended.
#[derive(Debug)]
pub struct Finished<O> {
    /// Which one.
    pub ticket: Ticket,
    /// What it was submitted with. Of a result that is ready they hold now, for [`Assumptions::rely`].
    pub premises: Vec<Premise>,
    /// What came of it.
    pub result: Result<O, JobError>,
}

/// A queue of jobs with its worker threads. It belongs to the thread of the VM.
#[derive(Debug)]
pub struct Jobs<S, O> {
    queue: Arc<Queue<S>>,
    results: Receiver<Done<O>>,
    /// Of every job whose result was not fetched: its premises; `None` when it was cancelled.
    pending: BTreeMap<Ticket, Option<Vec<Premise>>>,
    capacity: usize,
    next: u64,
    stats: JobStats,
    workers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Done<O> {
    ticket: Ticket,
    result: thread::Result<O>,
}

impl<S: Send + 'static, O: Send + 'static> Jobs<S, O> {
    /// Start `workers` threads. Each makes itself a function with `make`, to keep what it reuses from job to job, and a
    /// new one when it panicked. At most `capacity` jobs may be pending.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start<F: FnMut(S) -> O>(
        workers: NonZeroUsize,
        capacity: usize,
        make: impl Fn() -> F + Send + Sync + 'static,
    ) -> io::Result<Jobs<S, O>> {
        let queue = Arc::new(Queue::default());
        let (sender, results) = channel();
        let mut jobs = Jobs {
            queue: Arc::clone(&queue),
            results,
            pending: BTreeMap::new(),
            capacity,
            next: 0,
            stats: JobStats::default(),
            workers: Vec::with_capacity(workers.get()),
        };
        let make = Arc::new(make);
        for n in 0..workers.get() {
            let (queue, sender, make) = (Arc::clone(&queue), sender.clone(), Arc::clone(&make));
            let thread = thread::Builder::new().name(format!("jit-compile-{n}"));
            // An error drops the queue, which ends the workers that there are.
            jobs.workers.push(thread.spawn(move || work(&queue, &sender, &*make))?);
        }
        Ok(jobs)
    }

    /// Have `snapshot` worked on, which takes `premises` for granted.
    ///
    /// # Errors
    /// Too many jobs are pending. The snapshot comes back.
    pub fn submit(&mut self, snapshot: S, premises: Vec<Premise>) -> Result<Ticket, Refused<S>> {
        if self.pending.len() >= self.capacity {
            self.stats.refused += 1;
            return Err(Refused { snapshot, capacity: self.capacity });
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        self.pending.insert(ticket, Some(premises));
        self.queue.push(ticket, snapshot);
        self.stats.submitted += 1;
        Ok(ticket)
    }

    /// A job that has ended, if there is one; nobody waits. Its premises are compared here: what is ready may be
    /// installed at this safepoint.
    pub fn finished<K>(&mut self, _: &Safepoint<'_>, assumptions: &Assumptions<K>) -> Option<Finished<O>> {
        loop {
            let Done { ticket, result } = self.results.try_recv().ok()?;
            // Without premises it was cancelled, and counted then.
            let Some(premises) = self.pending.remove(&ticket).flatten() else { continue };
            let result = match result {
                Err(payload) => Err(JobError::Panicked(payload)),
                Ok(output) => assumptions.check(&premises).map(|()| output).map_err(JobError::Overtaken),
            };
            let count = match result {
                Ok(_) => &mut self.stats.ready,
                Err(JobError::Overtaken(_)) => &mut self.stats.overtaken,
                Err(JobError::Panicked(_)) => &mut self.stats.panicked,
            };
            *count += 1;
            return Some(Finished { ticket, premises, result });
        }
    }

    /// Forget a job. If no worker has begun it, its snapshot comes back; otherwise its result is dropped when
    /// it comes, and until then the job is pending. One that ended, or was cancelled, stays as it is.
    pub fn cancel(&mut self, ticket: Ticket) -> Option<S> {
        self.pending.get_mut(&ticket)?.take()?;
        self.stats.cancelled += 1;
        let snapshot = self.queue.remove(ticket)?;
        self.pending.remove(&ticket);
        Some(snapshot)
    }

    /// How many jobs are pending: waiting, at work, or with a result to be fetched.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// What has become of all jobs so far.
    #[must_use]
    pub fn stats(&self) -> JobStats {
        self.stats
    }

    /// Cancel everything, wait for the workers to end what they are at, and give the last account. Dropping the queue
    /// does the same. In a job of this queue, the worker that does it is not waited for: it ends when the job does.
    ///
    /// If snapshots that nobody began panic when they are dropped, the first of these panics goes on when all of that
    /// is done.
    pub fn shut_down(self) -> JobStats {
        let left = self.pending.values().flatten().count() as u64;
        JobStats { cancelled: self.stats.cancelled + left, ..self.stats }
    }
}

impl<S, O> Drop for Jobs<S, O> {
    fn drop(&mut self) {
        let mut panic = None;
        for (_, snapshot) in self.queue.close() {
            // One at a time, since a second panic during the first would end the process.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(snapshot))) {
                // A payload is not dropped here, which could panic in its turn.
                let payload = ManuallyDrop::new(payload);
                panic = panic.or(Some(payload));
            }
        }
        let here = thread::current().id();
        for worker in self.workers.drain(..) {
            if worker.thread().id() != here {
                // A worker catches the panics of its jobs; one of its own would have nobody to hear it.
                let _ = worker.join();
            }
        }
        if let Some(payload) = panic
            && !thread::panicking()
        {
            resume_unwind(ManuallyDrop::into_inner(payload));
        }
    }
}

/// What a worker does.
fn work<S, O, F: FnMut(S) -> O>(queue: &Queue<S>, results: &Sender<Done<O>>, make: &impl Fn() -> F) {
    let mut kept = None;
    while let Some((ticket, snapshot)) = queue.next() {
        // The function is taken, so that one which panics is dropped: who knows in what state it is.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut function = kept.take().unwrap_or_else(make);
            let output = function(snapshot);
            kept = Some(function);
            output
        }));
        if results.send(Done { ticket, result }).is_err() {
            return;
        }
    }
}

/// What waits for a worker.
#[derive(Debug)]
struct Queue<S> {
    state: Mutex<Waiting<S>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Waiting<S> {
    jobs: VecDeque<(Ticket, S)>,
    closed: bool,
}

impl<S> Default for Queue<S> {
    fn default() -> Self {
        let state = Waiting { jobs: VecDeque::new(), closed: false };
        Queue { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl<S> Queue<S> {
    /// No code of others runs under the lock, so a panic cannot have left the state in between.
    fn lock(&self) -> MutexGuard<'_, Waiting<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, ticket: Ticket, snapshot: S) {
        self.lock().jobs.push_back((ticket, snapshot));
        self.changed.notify_one();
    }

    fn remove(&self, ticket: Ticket) -> Option<S> {
        let mut state = self.lock();
        let at = state.jobs.iter().position(|(waiting, _)| *waiting == ticket)?;
        state.jobs.remove(at).map(|(_, snapshot)| snapshot)
    }

    /// The next job; `None` when the queue is closed.
    fn next(&self) -> Option<(Ticket, S)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Let workers end. What waits is the caller's, to be dropped outside the lock.
    fn close(&self) -> VecDeque<(Ticket, S)> {
        let mut state = self.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.jobs);
        drop(state);
        self.changed.notify_all();
        waiting
    }
}
